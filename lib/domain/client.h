/* SPDX-License-Identifier: MIT */
/* What a client is and may do; immutable after the configuration was loaded. */
#ifndef DOMAIN_CLIENT_H
#define DOMAIN_CLIENT_H

#include "domain/scope.h"
#include "jose/certificate.h"
#include "jose/jwk.h"
#include "util/netmask.h"
#include "util/secret.h"

#define CLIENT_ID_MAX 255 /* bytes */

/* How a client proves who it is (RFC 6749 §2.3, RFC 7523, RFC 8705). */
enum auth_method {
	AUTH_SECRET_BASIC,
	AUTH_SECRET_POST,
	AUTH_SECRET_JWT,
	AUTH_PRIVATE_KEY_JWT,
	AUTH_TLS,
	AUTH_SELF_SIGNED_TLS,
	AUTH__MAX,
	AUTH_NONE = AUTH__MAX, /* nothing was proven */
};

#define AUTH_BIT(method) (1U << (method))

/* Those that need one of the client's secrets. */
#define AUTH_BY_SECRET \
	(AUTH_BIT(AUTH_SECRET_BASIC) | AUTH_BIT(AUTH_SECRET_POST) | AUTH_BIT(AUTH_SECRET_JWT))
/* Those by a certificate of the TLS connection (RFC 8705 §2). */
#define AUTH_BY_CERTIFICATE (AUTH_BIT(AUTH_TLS) | AUTH_BIT(AUTH_SELF_SIGNED_TLS))
/* Those by a signed assertion (RFC 7523 §2.2). */
#define AUTH_BY_ASSERTION (AUTH_BIT(AUTH_SECRET_JWT) | AUTH_BIT(AUTH_PRIVATE_KEY_JWT))

enum grant_type {
	GRANT_CLIENT_CREDENTIALS,
	GRANT__MAX,
};

#define GRANT_BIT(grant) (1U << (grant))

enum token_profile {
	PROFILE_CIAM,
	PROFILE_RFC9068,
	PROFILE__MAX,
};

enum secret_kind {
	SECRET_SHA256, /* digest of a generated secret, or of one from a file */
	SECRET_CRYPT,  /* crypt(3) hash of a chosen one */
	SECRET_PLAIN,  /* the secret itself, from a file: its client may use AUTH_SECRET_JWT */
};

struct secret {
	enum secret_kind kind;
	/* SECRET_SHA256 and SECRET_PLAIN: SHA-256 of the secret. */
	unsigned char digest[SECRET_DIGEST_SIZE];
	struct str text;  /* SECRET_CRYPT: the hash, NUL-terminated; SECRET_PLAIN: the secret */
	struct str label; /* may be empty */
	int64_t not_before_s; /* 0: no limit */
	int64_t expires_s;    /* 0: no limit; not valid from this second on */
};

struct client {
	struct str id;
	struct str name; /* may be empty */
	struct scope_list scopes;
	struct scope_list default_scopes; /* not set: the same array as scopes */
	const struct secret *secrets;
	size_t secret_count;
	struct netmask_list allowed_ips; /* count 0: any address */
	struct str_list resources;
	struct str_list audience; /* count 0: not set */
	struct str claims;        /* JSON members without braces, each with a comma before it */
	struct jwk *keys;         /* the array is the arena's, what is in it is owned */
	size_t key_count;
	struct certificate_subject subject; /* for AUTH_TLS */
	int64_t token_lifetime_s;           /* 0: not set */
	unsigned auth_methods;              /* AUTH_BIT */
	unsigned grants;                    /* GRANT_BIT */
	enum token_profile profile;
	bool has_profile; /* false: the general one holds */
	bool enabled;
	bool certificate_bound; /* RFC 8705 §3 */
	bool dpop_bound;        /* RFC 9449 §5.2 */
	bool may_introspect;
};

/* All clients, sorted by id. */
struct client_table {
	const struct client *items;
	size_t count;
};

/* client_find - the client with this id, borrowed from the table, or NULL. */
const struct client *client_find(const struct client_table *table, struct str id);

/* auth_method_name - as in the token_endpoint_auth_methods registry; "" for AUTH_NONE. */
const char *auth_method_name(enum auth_method method);

/* profile_name - "ciam" or "rfc9068". */
const char *profile_name(enum token_profile profile);

/* client_allows_address - is the client open to this address? */
bool client_allows_address(const struct client *client, const struct netaddr *address);

/* secret_is_live - not before its not_before, and before its expiry. */
bool secret_is_live(const struct secret *secret, int64_t now_s);

#endif
