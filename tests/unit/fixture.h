/* SPDX-License-Identifier: MIT */
/* A configuration made by hand: scopes, clients and a key, for the tests of domain and oauth.
 */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "store_mem.h"
#include "support.h"

#include "domain/credential.h"
#include "domain/snapshot.h"
#include "oauth/call.h"

#define FIXTURE_ISSUER "https://auth.example.com"
#define FIXTURE_ORDERS "https://orders.example.com"
#define FIXTURE_STOCK "https://stock.example.com"
#define FIXTURE_SECRET "TENANT_CLIENT_SECRET"

/* bcrypt at its lowest cost of "U*U" */
#define FIXTURE_SLOW_HASH "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define FIXTURE_SLOW_SECRET "U*U"

#define FIXTURE_CLIENT_MAX 32
#define FIXTURE_SECRET_MAX 4 /* a client */
#define FIXTURE_KEY_MAX 8    /* a client */

enum fixture_scope {
	SCOPE_IDENTITY_PROOFING,
	SCOPE_ORDERS_READ,
	SCOPE_ORDERS_WRITE,
	SCOPE_STOCK,
	SCOPE__MAX,
};

static const struct scope fixture_scopes[SCOPE__MAX] = {
	[SCOPE_IDENTITY_PROOFING] = { TEXT("identity_proofing"), TEXT("Identity proofing API"),
		TEXT("") },
	[SCOPE_ORDERS_READ] = { TEXT("orders:read"), TEXT(""), TEXT(FIXTURE_ORDERS) },
	[SCOPE_ORDERS_WRITE] = { TEXT("orders:write"), TEXT(""), TEXT(FIXTURE_ORDERS) },
	[SCOPE_STOCK] = { TEXT("stock"), TEXT(""), TEXT(FIXTURE_STOCK) },
};

static const struct scope *const fixture_all_scopes[SCOPE__MAX] = { &fixture_scopes[0],
	&fixture_scopes[1], &fixture_scopes[2], &fixture_scopes[3] };

static const struct scope *const fixture_default_scopes[1] = { &fixture_scopes[0] };

struct fixture {
	struct snapshot *snapshot;
	struct client clients[FIXTURE_CLIENT_MAX];
	struct secret secrets[FIXTURE_CLIENT_MAX][FIXTURE_SECRET_MAX];
	struct jwk keys[FIXTURE_CLIENT_MAX][FIXTURE_KEY_MAX];
	size_t client_count;
	struct arena *arena; /* of a request */
	struct services services;
	struct store_mem *store; /* NULL: no state */
};

/* A secret that is valid at any time, given by its digest. */
static inline struct secret fixture_secret(const char *text)
{
	struct secret secret = { .kind = SECRET_SHA256 };

	assert_int_equal(
		EVP_Digest(text, strlen(text), secret.digest, NULL, EVP_sha256(), NULL), 1);
	return secret;
}

static inline struct secret fixture_slow_secret(void)
{
	return (struct secret){ .kind = SECRET_CRYPT, .text = STR(FIXTURE_SLOW_HASH) };
}

/*
 * A client that may do the usual: authenticate by FIXTURE_SECRET in both ways, and have all
 * scopes, by default identity_proofing.  To be called before fixture_seal; ids in any order.
 */
static inline struct client *fixture_add(struct fixture *fixture, const char *id)
{
	size_t i = fixture->client_count++;
	struct client *client = &fixture->clients[i];

	assert_true(i < FIXTURE_CLIENT_MAX);
	fixture->secrets[i][0] = fixture_secret(FIXTURE_SECRET);
	*client = (struct client){
		.id = str_of(id),
		.scopes = { fixture_all_scopes, SCOPE__MAX },
		.default_scopes = { fixture_default_scopes, 1 },
		.secrets = fixture->secrets[i],
		.secret_count = 1,
		.auth_methods = AUTH_BIT(AUTH_SECRET_BASIC) | AUTH_BIT(AUTH_SECRET_POST),
		.grants = GRANT_BIT(GRANT_CLIENT_CREDENTIALS),
		.enabled = true,
	};
	return client;
}

/* The secrets of a client that was just added. */
static inline struct secret *fixture_secrets(
	struct fixture *fixture, struct client *client, size_t count)
{
	assert_true(count <= FIXTURE_SECRET_MAX);
	client->secret_count = count;
	return fixture->secrets[client - fixture->clients];
}

/* Register one more public key of a client that was just added; kid may be NULL. */
static inline struct jwk *fixture_register(struct fixture *fixture, struct client *client,
	EVP_PKEY *pkey, enum jose_alg alg, const char *kid)
{
	struct jwk *jwk = &fixture->keys[client - fixture->clients][client->key_count++];

	assert_true(client->key_count <= FIXTURE_KEY_MAX);
	assert_int_equal(EVP_PKEY_up_ref(pkey), 1);
	*jwk = (struct jwk){ .pkey = pkey, .alg = alg, .kid = kid ? strdup(kid) : NULL };
	client->keys = fixture->keys[client - fixture->clients];
	return jwk;
}

/* A state store in memory, and the endpoints that come with it. */
static inline void fixture_use_state(struct fixture *fixture)
{
	fixture->store = store_mem_new();
	fixture->services.store = &fixture->store->store;
	fixture->snapshot->state = STR("lmdb:/var/lib/oauth2-fcgi");
	fixture->snapshot->introspection = true;
	fixture->snapshot->revocation = true;
}

static inline int fixture_order(const void *a, const void *b)
{
	return str_compare(((const struct client *)a)->id, ((const struct client *)b)->id);
}

/* One active key, made for this algorithm from the keys of the RFCs. */
static inline void fixture_use_key(struct fixture *fixture, enum jose_alg alg)
{
	static const char *const names[] = { NULL, KEY_RSA, KEY_EC, KEY_OKP };
	struct keyring *keyring = &fixture->snapshot->keyring;

	keyring->keys = arena_alloc_array(fixture->snapshot->arena, 1, sizeof(*keyring->keys));
	assert_non_null(keyring->keys);
	keyring->count = 1;
	keyring->keys[0] = (struct signing_key){
		.pkey = support_key(names[alg_info(alg)->kty]),
		.alg = alg,
		.state = KEY_ACTIVE,
		.kid = STR("2026-11"),
	};
	keyring->keys[0].signer = jws_signer_new(keyring->keys[0].pkey, alg);
	assert_non_null(keyring->keys[0].signer);
	keyring->active = &keyring->keys[0];
}

/* An empty configuration with the defaults of interface §2. */
static inline void fixture_open(struct fixture *fixture)
{
	struct snapshot *snapshot = snapshot_new();

	assert_non_null(snapshot);
	*fixture = (struct fixture){ .snapshot = snapshot };
	snapshot->issuer = STR(FIXTURE_ISSUER);
	snapshot->base_url = STR(FIXTURE_ISSUER "/oauth2");
	snapshot->require_tls = true;
	snapshot->access_token = (struct token_policy){ .lifetime_s = 300,
		.profile = PROFILE_CIAM };
	snapshot->assertions = (struct assertion_policy){ .max_lifetime_s = 3600,
		.leeway_s = 10 };
	snapshot->scopes = (struct scope_table){ fixture_scopes, SCOPE__MAX };
	fixture->services = (struct services){ .credentials = credential_checker_new(),
		.random = &support_random };
	fixture->arena = arena_new(65536, 1048576);
	assert_non_null(fixture->services.credentials);
	assert_non_null(fixture->arena);
}

/* After the last client and key. */
static inline void fixture_seal(struct fixture *fixture)
{
	qsort(fixture->clients, fixture->client_count, sizeof(fixture->clients[0]),
		fixture_order);
	fixture->snapshot->clients = (struct client_table){ fixture->clients,
		fixture->client_count };
	assert_int_equal(snapshot_seal(fixture->snapshot), REASON_NONE);
}

static inline void fixture_close(struct fixture *fixture)
{
	snapshot_free(fixture->snapshot);
	credential_checker_free(fixture->services.credentials);
	store_free(fixture->services.store);
	arena_free(fixture->arena);
	*fixture = (struct fixture){ 0 };
}

/* The client with this id, to be changed by a test. */
static inline struct client *fixture_client(struct fixture *fixture, const char *id)
{
	for (size_t i = 0; i < fixture->client_count; i++) {
		if (str_eq(fixture->clients[i].id, str_of(id)))
			return &fixture->clients[i];
	}
	fail_msg("no client '%s'", id);
	abort();
}

#endif
