/* SPDX-License-Identifier: MIT */
/* Finds the client that somebody claims to be: no branch depends on an id. */
#include "domain/lookup.h"
#include "util/random.h"

#include <stdlib.h>
#include <string.h>

struct lookup_place {
	struct siphash digest; /* of the id; all ids of 128 equal bits are equal */
	const struct client *client;
};

static int compare_places(const void *a, const void *b)
{
	const struct lookup_place *left = a, *right = b;

	return (left->digest.first > right->digest.first) -
	       (left->digest.first < right->digest.first);
}

/* All bits set, or none. */
static uintptr_t mask(bool condition)
{
	return (uintptr_t)0 - condition;
}

/* How many digests are lower: a bit of the number in each step, whatever it finds. */
static size_t count_below(const struct lookup *lookup, uint64_t digest)
{
	const size_t last = lookup->count - 1;
	size_t step = 1, below = 0;

	while (step <= lookup->count / 2)
		step *= 2;
	for (; step > 0; step /= 2) {
		size_t at = below + step - 1;
		const struct lookup_place *place = &lookup->places[at & mask(at <= last)];

		below += step & mask((at <= last) & (place->digest.first < digest));
	}
	return below;
}

enum reason lookup_make(
	struct arena *arena, const struct client_table *table, struct lookup *lookup)
{
	struct lookup_place *places = arena_alloc_array(arena, table->count, sizeof(*places));

	*lookup = (struct lookup){ 0 };
	if (places == NULL)
		return REASON_MEMORY;
	/* A key of zeros finds clients, too: that is no reason to serve nobody. */
	if (random_bytes(lookup->key, sizeof(lookup->key)) != REASON_NONE)
		memset(lookup->key, 0, sizeof(lookup->key));
	for (size_t i = 0; i < table->count; i++)
		places[i] = (struct lookup_place){ siphash(lookup->key, table->items[i].id),
			&table->items[i] };
	if (table->count > 0)
		qsort(places, table->count, sizeof(*places), compare_places);
	lookup->places = places;
	lookup->count = table->count;
	return REASON_NONE;
}

const struct client *lookup_find(
	const struct lookup *lookup, struct str id, const struct client **stand_in)
{
	*stand_in = NULL;
	if (lookup->count == 0)
		return NULL;
	struct siphash digest = siphash(lookup->key, id);
	size_t below = count_below(lookup, digest.first);
	const struct lookup_place *place = &lookup->places[below & mask(below < lookup->count)];
	const struct lookup_place *other = &lookup->places[digest.second % lookup->count];
	bool is_known = ((place->digest.first ^ digest.first) |
				(place->digest.second ^ digest.second)) == 0;
	uintptr_t known = (uintptr_t)place->client & mask(is_known);

	/* Numbers become pointers here, since a choice of pointers could become a branch. */
	/* NOLINTBEGIN(performance-no-int-to-ptr) */
	*stand_in = (const struct client *)(known |
					    ((uintptr_t)other->client & mask(!is_known)));
	return (const struct client *)known;
	/* NOLINTEND(performance-no-int-to-ptr) */
}
