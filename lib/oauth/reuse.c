/* SPDX-License-Identifier: MIT */
/* The tokens of this window, kept so that they need not be signed again. */
#include "oauth/reuse.h"
#include "state/revocation.h"
#include "util/secret.h"

#include <stdlib.h>
#include <string.h>

#define WAY_COUNT 8
#define MEMORY_BLOCK ((size_t)64 << 10)
#define MEMORY_LIMIT ((size_t)11 << 20) /* more than all sets and entries take */
#define NUMBER_LEN 20                   /* characters of a number and a sign around it */

/* Large ones have room of their own: who gets many of them leaves that of others alone. */
enum tier {
	TIER_USUAL,
	TIER_LARGE,
	TIER__MAX,
};

/* A token and all that decides what is in it, beside the configuration and the window. */
struct entry {
	const struct client *client; /* to be compared, never followed */
	struct str key;
	struct str jwt;
	struct str jti;
	char bytes[]; /* of the texts */
};

/* The grants whose keys have the same hash but for its upper bits; filled from the left. */
struct set {
	struct entry *ways[WAY_COUNT];
};

struct reuse_cache {
	struct arena *memory;        /* of all below; NULL: nothing was kept yet */
	struct set *sets[TIER__MAX]; /* the last is NULL: nothing is kept */
	int64_t window_s;            /* when the window begins that all of it is of */
	int64_t reuse_s;             /* and its length */
};

static const struct {
	size_t set_count;
	size_t entry_size;
} tiers[TIER__MAX] = {
	[TIER_USUAL] = { 512, 2048 },
	[TIER_LARGE] = { 32, 8192 },
};

static int compare_scopes(const void *a, const void *b)
{
	return str_compare((*(const struct scope *const *)a)->token,
		(*(const struct scope *const *)b)->token);
}

static int compare_texts(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* A sorted copy; NULL: out of memory. */
static const void *sort(struct arena *arena, const void *items, size_t count, size_t size,
	int (*compare)(const void *, const void *))
{
	void *copy = arena_alloc_array(arena, count, size);

	if (copy == NULL)
		return NULL;
	memcpy(copy, items, count * size);
	qsort(copy, count, size, compare);
	return copy;
}

/* What was asked for in another order is the same.  A configured audience keeps its order: it
 * has no other.  False: out of memory. */
static bool put_in_order(struct arena *arena, struct grant *grant)
{
	struct scope_list *scopes = &grant->scopes;
	struct str_list *audience = &grant->audience;

	if (scopes->count > 1)
		scopes->items = sort(arena, scopes->items, scopes->count,
			sizeof(*scopes->items), compare_scopes);
	if (audience->count > 1 && grant->audience_from == GRANT_FROM_REQUEST)
		audience->items = sort(arena, audience->items, audience->count,
			sizeof(*audience->items), compare_texts);
	return (scopes->count == 0 || scopes->items != NULL) && audience->items != NULL;
}

static size_t key_size(const struct grant *grant)
{
	size_t size = 5 * NUMBER_LEN + grant->client->id.n + grant->x5t.n + grant->jkt.n;

	for (size_t i = 0; i < grant->scopes.count; i++)
		size += NUMBER_LEN + grant->scopes.items[i]->token.n;
	for (size_t i = 0; i < grant->audience.count; i++)
		size += NUMBER_LEN + grant->audience.items[i].n;
	return size;
}

/* With its length, so that no two lists of texts look alike. */
static void add_text(struct buf *key, struct str text)
{
	buf_number(key, (int64_t)text.n);
	buf_char(key, ':');
	buf_str(key, text);
}

static void add_number(struct buf *key, int64_t number)
{
	buf_number(key, number);
	buf_char(key, ';');
}

/* All of a grant that is in order. */
static bool make_key(const struct grant *grant, struct arena *arena, struct str *key)
{
	const size_t size = key_size(grant);
	char *p = arena_alloc(arena, size);
	struct buf buf = buf_init(p, p == NULL ? 0 : size);

	add_text(&buf, grant->client->id);
	add_text(&buf, grant->x5t);
	add_text(&buf, grant->jkt);
	add_number(&buf, grant->lifetime_s);
	add_number(&buf, grant->profile);
	for (size_t i = 0; i < grant->scopes.count; i++)
		add_text(&buf, grant->scopes.items[i]->token);
	buf_char(&buf, ';');
	for (size_t i = 0; i < grant->audience.count; i++)
		add_text(&buf, grant->audience.items[i]);
	*key = buf_view(&buf);
	return !buf.overflow;
}

/* FNV-1a: it only has to spread; the keys themselves are compared. */
static struct set *find_set(const struct reuse_cache *cache, enum tier tier, struct str key)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * UINT32_C(16777619);
	return &cache->sets[tier][(hash ^ hash >> 16) % tiers[tier].set_count];
}

static bool is_empty(const struct reuse_cache *cache)
{
	return cache == NULL || cache->sets[TIER__MAX - 1] == NULL;
}

static const struct entry *find_in(const struct set *set, struct str key)
{
	for (size_t i = 0; i < WAY_COUNT && set->ways[i] != NULL; i++) {
		if (str_eq(set->ways[i]->key, key))
			return set->ways[i];
	}
	return NULL;
}

/* The entry with this key, or NULL. */
static const struct entry *find(const struct reuse_cache *cache, struct str key)
{
	const struct entry *entry = NULL;

	if (is_empty(cache))
		return NULL;
	for (enum tier tier = 0; tier < TIER__MAX && entry == NULL; tier++)
		entry = find_in(find_set(cache, tier, key), key);
	return entry;
}

static int64_t window_of(int64_t now_s, int64_t reuse_s)
{
	return now_s - now_s % reuse_s;
}

/* Forget what is of another window, a later one also: clocks are set back. */
static void turn_over(struct reuse_cache *cache, const struct grant *grant, int64_t now_s)
{
	const int64_t window_s = window_of(now_s, grant->reuse_s);

	if (cache == NULL || (cache->window_s == window_s && cache->reuse_s == grant->reuse_s))
		return;
	reuse_forget(cache);
	cache->window_s = window_s;
	cache->reuse_s = grant->reuse_s;
}

/* False: there is no memory for it. */
static bool make_room(struct reuse_cache *cache)
{
	if (cache->memory == NULL)
		cache->memory = arena_new(MEMORY_BLOCK, MEMORY_LIMIT);
	if (cache->memory == NULL)
		return false;
	for (enum tier tier = 0; tier < TIER__MAX; tier++) {
		if (cache->sets[tier] == NULL)
			cache->sets[tier] = arena_alloc_array(cache->memory,
				tiers[tier].set_count, sizeof(*cache->sets[tier]));
	}
	return !is_empty(cache);
}

static size_t count_of(const struct set *set, const struct client *client)
{
	size_t count = 0;

	for (size_t i = 0; i < WAY_COUNT && set->ways[i] != NULL; i++)
		count += set->ways[i]->client == client;
	return count;
}

/*
 * Where one more token of this client goes: where nothing is, or in the place of a client that
 * has more of them here, until both have as many.  So nobody gets others out by asking for
 * much, and what is kept does not change all the time.  WAY_COUNT: nowhere.
 */
static size_t choose_way(const struct set *set, const struct client *client)
{
	size_t chosen = WAY_COUNT, most = count_of(set, client) + 1;

	for (size_t i = 0; i < WAY_COUNT; i++) {
		if (set->ways[i] == NULL)
			return i;
		size_t count = count_of(set, set->ways[i]->client);

		if (count > most) {
			most = count;
			chosen = i;
		}
	}
	return chosen;
}

static struct str add_copy(struct buf *bytes, struct str text)
{
	const char *p = bytes->p + bytes->n;

	buf_str(bytes, text);
	return (struct str){ p, text.n };
}

static void write_entry(struct entry *entry, size_t size, const struct entry *from)
{
	secret_wipe(entry, size); /* the token that was there */
	struct buf bytes = buf_init(entry->bytes, size - sizeof(*entry));

	*entry = (struct entry){
		.client = from->client,
		.key = add_copy(&bytes, from->key),
		.jwt = add_copy(&bytes, from->jwt),
		.jti = add_copy(&bytes, from->jti),
	};
}

/* Keep a token, if there is room for it; the texts are copied. */
static void keep(struct reuse_cache *cache, const struct entry *from)
{
	const size_t size = sizeof(*from) + from->key.n + from->jwt.n + from->jti.n;
	enum tier tier = 0;

	while (tier < TIER__MAX && size > tiers[tier].entry_size)
		tier++;
	if (cache == NULL || tier == TIER__MAX || !make_room(cache))
		return;
	struct set *set = find_set(cache, tier, from->key);
	size_t way = choose_way(set, from->client);

	if (way == WAY_COUNT)
		return;
	if (set->ways[way] == NULL)
		set->ways[way] = arena_alloc(cache->memory, tiers[tier].entry_size);
	if (set->ways[way] != NULL)
		write_entry(set->ways[way], tiers[tier].entry_size, from);
}

/* A token that nobody can say this of is one too many. */
static bool is_revoked(
	const struct call *call, struct str jti, int64_t expires_s, struct audit *audit)
{
	bool revoked = false;

	if (call->services->store == NULL)
		return false;
	enum reason reason = revocation_find(
		call->services->store, jti, expires_s, call->now_s, &revoked);

	if (reason != REASON_NONE)
		audit->cause = reason;
	return revoked;
}

/* The token of the grant, if it is kept and was not revoked since. */
static bool recall(const struct call *call, const struct grant *grant, struct str key,
	struct token *token, struct audit *audit)
{
	const int64_t window_s = window_of(call->now_s, grant->reuse_s);
	const struct entry *entry = find(call->services->reuse, key);

	if (entry == NULL || is_revoked(call, entry->jti, window_s + grant->lifetime_s, audit))
		return false;
	*token = (struct token){
		.jwt = entry->jwt,
		.issued_s = window_s,
		.expires_s = window_s + grant->lifetime_s,
	};
	return arena_copy(call->arena, entry->jti, &token->jti);
}

/* reuse_claims of a grant that is in order. */
static enum reason claims(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit)
{
	const struct random_source *random = call->services->random;
	enum reason reason = mint_claims(
		call->snapshot, grant, call->now_s, random, call->arena, token);

	if (reason != REASON_NONE || grant->reuse_s == 0 ||
		!is_revoked(call, token->jti, token->expires_s, audit))
		return reason;
	grant->reuse_s = 0;
	return mint_claims(call->snapshot, grant, call->now_s, random, call->arena, token);
}

static enum reason mint(const struct call *call, struct grant *grant, struct str key,
	struct token *token, struct audit *audit)
{
	enum reason reason = claims(call, grant, token, audit);

	if (reason == REASON_NONE)
		reason = mint_sign(call->snapshot, call->arena, token);
	if (reason == REASON_NONE && grant->reuse_s > 0)
		keep(call->services->reuse, &(struct entry){ .client = grant->client,
						    .key = key,
						    .jwt = token->jwt,
						    .jti = token->jti });
	return reason;
}

/* The token of a grant that is in order. */
static enum reason recall_or_mint(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit)
{
	struct str key;

	if (!make_key(grant, call->arena, &key))
		return REASON_MEMORY;
	turn_over(call->services->reuse, grant, call->now_s);
	return recall(call, grant, key, token, audit) ? REASON_NONE
						      : mint(call, grant, key, token, audit);
}

struct reuse_cache *reuse_cache_new(void)
{
	return calloc(1, sizeof(struct reuse_cache));
}

void reuse_cache_free(struct reuse_cache *cache)
{
	if (cache == NULL)
		return;
	arena_free(cache->memory);
	free(cache);
}

void reuse_forget(struct reuse_cache *cache)
{
	if (cache->memory != NULL)
		arena_reset(cache->memory);
	memset(cache->sets, 0, sizeof(cache->sets));
}

void reuse_tidy(struct reuse_cache *cache, int64_t now_s)
{
	if (!is_empty(cache) && cache->window_s != window_of(now_s, cache->reuse_s))
		reuse_forget(cache);
}

enum reason reuse_claims(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit)
{
	struct grant ordered = *grant;

	*token = (struct token){ 0 };
	if (grant->reuse_s > 0 && !put_in_order(call->arena, &ordered))
		return REASON_MEMORY;
	enum reason reason = claims(call, &ordered, token, audit);

	grant->reuse_s = ordered.reuse_s;
	return reason;
}

enum reason reuse_token(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit)
{
	struct grant ordered = *grant;

	if (grant->reuse_s == 0)
		return mint_token(call->snapshot, grant, call->now_s, call->services->random,
			call->arena, token);
	*token = (struct token){ 0 };
	if (!put_in_order(call->arena, &ordered))
		return REASON_MEMORY;
	enum reason reason = recall_or_mint(call, &ordered, token, audit);

	grant->reuse_s = ordered.reuse_s;
	if (reason == REASON_NONE)
		reason = mint_response(
			grant, token, call->now_s, call->arena, &token->response);
	if (reason != REASON_NONE)
		*token = (struct token){ 0 };
	return reason;
}
