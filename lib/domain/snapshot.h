/* SPDX-License-Identifier: MIT */
/* All that a configuration says, built whole, never changed, replaced whole between two
 * requests. */
#ifndef DOMAIN_SNAPSHOT_H
#define DOMAIN_SNAPSHOT_H

#include "domain/client.h"
#include "domain/credential.h"
#include "domain/keyring.h"
#include "domain/lookup.h"
#include "domain/scope.h"
#include "util/arena.h"
#include "util/log.h"
#include "util/netmask.h"

#define SNAPSHOT_ETAG_LEN 45 /* a quoted base64url SHA-256 */

struct token_policy {
	int64_t lifetime_s;
	int64_t reuse_s; /* 0: every request gets a new token */
	enum token_profile profile;
	struct str_list audience; /* count 0: not set */
};

#define ASSERTION_LEEWAY_MAX 600 /* seconds */

struct assertion_policy {
	bool token_endpoint_audience; /* also accept the token endpoint's URL */
	int64_t max_lifetime_s;
	int64_t leeway_s;
};

struct throttle_policy {
	int64_t failures;         /* 0: off */
	int64_t address_failures; /* 0: off */
	int64_t window_s;
};

struct log_settings {
	struct str
		file; /* absolute or relative to the working directory; empty: standard error */
	enum log_level level;
	enum log_format format;
};

/* A document that is the same for everybody. */
struct document {
	struct str body;
	struct str etag; /* strong, with its quotes (RFC 9110 §8.8.3) */
};

struct snapshot {
	struct arena *arena; /* owned; holds everything below but OpenSSL's objects */
	bool is_partial;     /* for one token request: of the keys and clients only its own */
	struct str issuer;
	struct str base_url;
	struct str base_path;   /* of base_url; "" or "/…" without a slash at the end */
	struct str issuer_path; /* of the issuer, likewise */
	struct str token_url;   /* of the token endpoint */
	bool require_tls;
	struct netmask_list trusted_proxies;
	struct token_policy access_token;
	struct keyring keyring;
	/* Derived from the active key, for the jti of tokens that are reused; zeros: they are
	 * not. */
	unsigned char reuse_key[SECRET_DIGEST_SIZE];
	struct scope_table scopes;
	struct client_table clients;
	struct lookup lookup; /* of the clients, for whoever claims to be one */
	struct failure_price failure_price;
	unsigned auth_methods;   /* AUTH_BIT of each that an enabled client may use */
	unsigned assertion_algs; /* JOSE_ALG_BIT of each that an assertion of theirs may have */
	bool takes_certificates; /* an enabled client may present a certificate */
	struct str state;        /* "lmdb:DIR" or "redis://…"; empty: none */
	struct assertion_policy assertions;
	struct throttle_policy throttle;
	bool introspection;
	bool revocation;
	bool metrics;
	struct str_list cors_origins;
	struct log_settings log;
	struct netmask_list metrics_allowed_ips;
	struct document jwks;
};

/* snapshot_new - an empty snapshot with an arena of its own.  Returns new, or NULL: out of
 * memory. */
NODISCARD struct snapshot *snapshot_new(void);

/* snapshot_free - wipe and free; NULL is accepted. */
void snapshot_free(struct snapshot *snapshot);

/*
 * snapshot_seal - derive what follows from the rest; the last step of building.
 *
 * Fills in base_path, issuer_path, token_url, lookup, failure_price, auth_methods,
 * assertion_algs, takes_certificates, reuse_key and jwks, which a partial snapshot is without.
 * What failure_price holds already counts too.
 *
 * Returns REASON_NONE, REASON_MEMORY, REASON_INTERNAL.
 */
NODISCARD enum reason snapshot_seal(struct snapshot *snapshot);

/*
 * snapshot_patience_us - how long a request may wait until slow hashes of others leave it a
 * turn: as long as two failures take, from one second to five.
 */
int64_t snapshot_patience_us(const struct snapshot *snapshot);

/*
 * document_make - keep a copy of the body and make its ETag.
 *
 * Returns REASON_NONE, REASON_MEMORY, REASON_INTERNAL.
 */
NODISCARD enum reason document_make(
	struct arena *arena, struct str body, struct document *document);

#endif
