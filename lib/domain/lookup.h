/* SPDX-License-Identifier: MIT */
/* Finds the client that somebody claims to be, in a time that does not tell who is one. */
#ifndef DOMAIN_LOOKUP_H
#define DOMAIN_LOOKUP_H

#include "domain/client.h"
#include "util/arena.h"
#include "util/reason.h"
#include "util/siphash.h"

struct lookup_place;

/*
 * The clients in the order of keyed digests of their ids.  It is chance who is looked at in
 * place of a stranger, with one as likely as another, but each time it is the same one.
 */
struct lookup {
	unsigned char key[SIPHASH_KEY_SIZE]; /* of this process, and this configuration */
	const struct lookup_place *places;
	size_t count;
};

/*
 * lookup_make - for all clients of the table, which is borrowed for the life of the lookup.
 *
 * lookup  [out] in the arena's memory; finds nobody on failure
 *
 * Without random bytes others can know who stands in for whom.
 *
 * Returns REASON_NONE, REASON_MEMORY.
 */
NODISCARD enum reason lookup_make(
	struct arena *arena, const struct client_table *table, struct lookup *lookup);

/*
 * lookup_find - the client with this id, or NULL.
 *
 * The time depends on the length of the id, and on how many clients there are.
 *
 * stand_in  [out] who is to be looked at in place of a client that is not there, so that this
 *           takes the same time; the client itself if it is there; NULL if there are none
 */
const struct client *lookup_find(
	const struct lookup *lookup, struct str id, const struct client **stand_in);

#endif
