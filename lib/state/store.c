/* SPDX-License-Identifier: MIT */
/* What must be remembered between requests: the choice of a store, and the keys of records. */
#include "state/stores.h"
#include "util/uri.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define LENGTH_SIZE 8

/* "//HOST:PORT/DATABASE", and nothing else that a URL may have. */
static struct store *new_redis(struct str url)
{
	struct uri uri;

	if (!uri_parse(url, &uri) || str_has(uri.authority, '@') || uri.has_query ||
		uri.has_fragment || !str_starts(uri.path, STR("/")))
		return NULL;
	return store_redis_new(uri.host, uri.port, str_from(uri.path, 1));
}

/* With its length before it, so that no two lists of parts give the same bytes. */
static bool hash_part(EVP_MD_CTX *hash, struct str part)
{
	unsigned char length[LENGTH_SIZE];

	for (size_t i = 0; i < LENGTH_SIZE; i++)
		length[i] = (unsigned char)((uint64_t)part.n >> (8 * (LENGTH_SIZE - 1 - i)));
	return EVP_DigestUpdate(hash, length, LENGTH_SIZE) == 1 &&
	       EVP_DigestUpdate(hash, part.p, part.n) == 1;
}

static bool hash_parts(EVP_MD_CTX *hash, const struct store_key *key, const struct str *parts,
	size_t part_count)
{
	if (EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1 ||
		EVP_DigestUpdate(hash, key->bytes, 1) != 1)
		return false;
	for (size_t i = 0; i < part_count; i++) {
		if (!hash_part(hash, parts[i]))
			return false;
	}
	return true;
}

struct store *store_new(struct str url)
{
	if (str_starts(url, STR("lmdb:")))
		return store_lmdb_new(str_from(url, STR("lmdb:").n));
	if (str_starts(url, STR("redis://")))
		return new_redis(url);
	return NULL;
}

void store_free(struct store *store)
{
	if (store != NULL)
		store->ops->close(store);
}

enum reason store_key_make(
	enum store_kind kind, const struct str *parts, size_t part_count, struct store_key *key)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	struct store_key made = { .bytes = { (unsigned char)kind } };
	bool ok = hash != NULL && hash_parts(hash, &made, parts, part_count) &&
		  EVP_DigestFinal_ex(hash, made.bytes + 1, NULL) == 1;

	*key = (struct store_key){ 0 };
	EVP_MD_CTX_free(hash);
	if (!ok) {
		ERR_clear_error();
		return REASON_STORE;
	}
	*key = made;
	return REASON_NONE;
}

enum reason store_tally(struct store *store, int64_t now_s, struct store_tally *tally)
{
	*tally = (struct store_tally){ 0 };
	return store->ops->tally(store, now_s, tally);
}

enum reason store_prune(struct store *store, int64_t now_s, int64_t *removed)
{
	*removed = 0;
	return store->ops->prune(store, now_s, removed);
}
