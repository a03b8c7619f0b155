/* SPDX-License-Identifier: MIT */
/* The issuer's signing keys, their states, and the JWKS that publishes them. */
#ifndef DOMAIN_KEYRING_H
#define DOMAIN_KEYRING_H

#include "jose/jwk.h"
#include "jose/jws.h"
#include "util/arena.h"

enum key_state {
	KEY_ACTIVE,  /* signs */
	KEY_NEXT,    /* published, so that verifiers know it before it signs */
	KEY_RETIRED, /* published while tokens signed with it may live */
	KEY__MAX,
};

struct signing_key {
	EVP_PKEY *pkey; /* owned */
	enum jose_alg alg;
	enum key_state state;
	struct str kid;
	struct str path;           /* of its file, NUL-terminated */
	struct jws_signer *signer; /* owned; of the active key only */
};

struct keyring {
	struct signing_key *keys; /* the array is the arena's */
	size_t count;
	const struct signing_key *active; /* one of keys */
};

/* key_state_name - "active", "next" or "retired". */
const char *key_state_name(enum key_state state);

/* keyring_find - the key with this kid, borrowed, or NULL. */
const struct signing_key *keyring_find(const struct keyring *keyring, struct str kid);

/*
 * keyring_write_jwks - append the JWK Set (RFC 7517 §5) of all keys, public members only.
 *
 * Returns REASON_NONE, REASON_INTERNAL.
 */
NODISCARD enum reason keyring_write_jwks(const struct keyring *keyring, struct buf *buf);

/* keyring_clear - free the keys and signers; the array stays the arena's. */
void keyring_clear(struct keyring *keyring);

#endif
