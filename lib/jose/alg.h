/* SPDX-License-Identifier: MIT */
/* JWS algorithms (RFC 7518 §3, RFC 8037): names become enums here and only here. */
#ifndef JOSE_ALG_H
#define JOSE_ALG_H

#include "util/attr.h"
#include "util/str.h"

#include <openssl/evp.h>

enum jose_alg {
	JOSE_ALG_NONE, /* no algorithm chosen; never accepted from a token */
	JOSE_ALG_RS256,
	JOSE_ALG_RS384,
	JOSE_ALG_RS512,
	JOSE_ALG_PS256,
	JOSE_ALG_ES256,
	JOSE_ALG_EDDSA,
	JOSE_ALG_HS256, /* with a shared secret; never of a key pair */
	JOSE_ALG__MAX,
};

/* Those of key pairs come before it. */
#define JOSE_ALG_PAIRS__MAX JOSE_ALG_HS256

#define JOSE_ALG_BIT(alg) (1U << (alg))

enum jose_kty {
	JOSE_KTY_NONE,
	JOSE_KTY_RSA,
	JOSE_KTY_EC,  /* P-256 */
	JOSE_KTY_OKP, /* Ed25519 */
	JOSE_KTY_OCT, /* a shared secret; not an EVP_PKEY here */
};

struct jose_alg_info {
	const char *name; /* as in the alg header; case-sensitive */
	enum jose_kty kty;
	const char *digest; /* OpenSSL's name; NULL: the algorithm hashes by itself */
	bool is_pss;        /* RSA only: RSASSA-PSS, salt as long as the digest */
};

/* alg_info - the row of an algorithm; never of JOSE_ALG_NONE. */
const struct jose_alg_info *alg_info(enum jose_alg alg);

/* alg_find - the algorithm of this name, or JOSE_ALG_NONE. */
enum jose_alg alg_find(struct str name);

/* alg_key_type - what kind of key this is; JOSE_KTY_NONE: none that we support. */
enum jose_kty alg_key_type(const EVP_PKEY *pkey);

/* alg_fits - can this key be used with this algorithm?  Never with HS256. */
bool alg_fits(enum jose_alg alg, const EVP_PKEY *pkey);

/* alg_default - what a key is for when nothing else is said: RS256, ES256 or EdDSA. */
enum jose_alg alg_default(const EVP_PKEY *pkey);

#endif
