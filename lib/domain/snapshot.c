/* SPDX-License-Identifier: MIT */
/* All that a configuration says: life and what follows from the rest. */
#include "domain/snapshot.h"
#include "util/b64url.h"
#include "util/uri.h"

#define ARENA_BLOCK ((size_t)64 << 10)
#define ARENA_LIMIT ((size_t)1 << 30)
#define REUSE_LABEL "oauth2-fcgi: jti of reused tokens"
#define TOKEN_PATH STR("/token")
#define PATIENCE_MIN_US INT64_C(1000000)
#define PATIENCE_MAX_US INT64_C(5000000)
#define JWK_SIZE_MAX 4096 /* bytes of one rendered key: RSA with 8192 bits, and a kid */

/* The path of a URL without the slash at its end. */
static struct str url_path(struct str url)
{
	struct uri uri;

	if (!uri_parse(url, &uri))
		return STR("");
	return str_ends(uri.path, STR("/")) ? str_upto(uri.path, uri.path.n - 1) : uri.path;
}

static enum reason make_token_url(struct snapshot *snapshot)
{
	const size_t size = snapshot->base_url.n + TOKEN_PATH.n;
	char *p = arena_alloc(snapshot->arena, size);
	struct buf url = buf_init(p, p == NULL ? 0 : size);

	buf_str(&url, snapshot->base_url);
	buf_str(&url, TOKEN_PATH);
	snapshot->token_url = buf_view(&url);
	return url.overflow ? REASON_MEMORY : REASON_NONE;
}

static enum reason make_jwks(struct snapshot *snapshot)
{
	size_t size = 16 + snapshot->keyring.count * JWK_SIZE_MAX;

	for (size_t i = 0; i < snapshot->keyring.count; i++)
		size += 6 * snapshot->keyring.keys[i].kid.n;
	char *p = arena_alloc(snapshot->arena, size);

	if (p == NULL)
		return REASON_MEMORY;
	struct buf body = buf_init(p, size);
	enum reason reason = keyring_write_jwks(&snapshot->keyring, &body);

	if (reason != REASON_NONE)
		return reason;
	return document_make(snapshot->arena, buf_view(&body), &snapshot->jwks);
}

/* JOSE_ALG_BIT of each that an assertion of the client may have. */
static unsigned assertion_algs(const struct client *client)
{
	const bool by_key = (client->auth_methods & AUTH_BIT(AUTH_PRIVATE_KEY_JWT)) != 0;
	const bool by_secret = (client->auth_methods & AUTH_BIT(AUTH_SECRET_JWT)) != 0;
	unsigned algs = by_secret ? JOSE_ALG_BIT(JOSE_ALG_HS256) : 0;

	for (size_t i = 0; by_key && i < client->key_count; i++) {
		for (enum jose_alg alg = JOSE_ALG_NONE + 1; alg < JOSE_ALG_PAIRS__MAX; alg++)
			algs |= jwk_accepts(&client->keys[i], alg) ? JOSE_ALG_BIT(alg) : 0;
	}
	return algs;
}

static enum reason derive_reuse_key(struct snapshot *snapshot)
{
	if (snapshot->access_token.reuse_s == 0)
		return REASON_NONE;
	return key_derive(
		snapshot->keyring.active->pkey, STR(REUSE_LABEL), snapshot->reuse_key);
}

static void count_client(struct snapshot *snapshot, const struct client *client)
{
	failure_price_add(&snapshot->failure_price, client);
	if (!client->enabled)
		return;
	snapshot->auth_methods |= client->auth_methods;
	snapshot->assertion_algs |= assertion_algs(client);
	if (client->certificate_bound || (client->auth_methods & AUTH_BY_CERTIFICATE) != 0)
		snapshot->takes_certificates = true;
}

struct snapshot *snapshot_new(void)
{
	struct arena *arena = arena_new(ARENA_BLOCK, ARENA_LIMIT);
	struct snapshot *snapshot = arena == NULL ? NULL
						  : arena_alloc(arena, sizeof(struct snapshot));

	if (snapshot != NULL)
		snapshot->arena = arena;
	else
		arena_free(arena);
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	for (size_t i = 0; i < snapshot->clients.count; i++) {
		const struct client *client = &snapshot->clients.items[i];

		for (size_t k = 0; k < client->key_count; k++)
			jwk_clear(&client->keys[k]);
	}
	keyring_clear(&snapshot->keyring);
	arena_free(snapshot->arena);
}

enum reason snapshot_seal(struct snapshot *snapshot)
{
	snapshot->base_path = url_path(snapshot->base_url);
	snapshot->issuer_path = url_path(snapshot->issuer);
	snapshot->auth_methods = 0;
	snapshot->assertion_algs = 0;
	snapshot->takes_certificates = false;
	for (size_t i = 0; i < snapshot->clients.count; i++)
		count_client(snapshot, &snapshot->clients.items[i]);
	enum reason reason = make_token_url(snapshot);

	if (reason == REASON_NONE)
		reason = lookup_make(snapshot->arena, &snapshot->clients, &snapshot->lookup);
	if (reason == REASON_NONE)
		reason = derive_reuse_key(snapshot);
	return reason == REASON_NONE && !snapshot->is_partial ? make_jwks(snapshot) : reason;
}

int64_t snapshot_patience_us(const struct snapshot *snapshot)
{
	int64_t patience_us = 2 * snapshot->failure_price.total_us;

	if (patience_us < PATIENCE_MIN_US)
		return PATIENCE_MIN_US;
	return patience_us < PATIENCE_MAX_US ? patience_us : PATIENCE_MAX_US;
}

enum reason document_make(struct arena *arena, struct str body, struct document *document)
{
	unsigned char digest[SECRET_DIGEST_SIZE];
	char memory[SNAPSHOT_ETAG_LEN];
	struct buf etag = buf_init(memory, sizeof(memory));

	*document = (struct document){ 0 };
	if (!secret_digest(body, digest))
		return REASON_INTERNAL;
	buf_char(&etag, '"');
	b64url_encode(&etag, digest, sizeof(digest));
	buf_char(&etag, '"');
	if (!arena_copy(arena, body, &document->body) ||
		!arena_copy(arena, buf_view(&etag), &document->etag)) {
		*document = (struct document){ 0 };
		return REASON_MEMORY;
	}
	return REASON_NONE;
}
