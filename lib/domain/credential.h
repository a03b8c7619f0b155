/* SPDX-License-Identifier: MIT */
/* Is this the client's secret?  At the same price for a client that does not exist. */
#ifndef DOMAIN_CREDENTIAL_H
#define DOMAIN_CREDENTIAL_H

#include "domain/client.h"
#include "util/reason.h"

#define CREDENTIAL_BCRYPT_MAX 72 /* bytes of a secret that bcrypt looks at */

/*
 * What one process needs to check secrets: crypt(3)'s work space, and a memory
 * of slow hashes that matched, by keyed digest, so that each is paid once.
 */
struct credential_checker;

/* credential_checker_new - Returns new (credential_checker_free), or NULL: no memory or
 * randomness. */
NODISCARD struct credential_checker *credential_checker_new(void);
void credential_checker_free(struct credential_checker *checker);

/* credential_forget - wipe the remembered secrets; for a new configuration. */
void credential_forget(struct credential_checker *checker);

/*
 * What a failed authentication costs, whoever the client is said to be.  The costs are
 * estimates, in microseconds of one processor, by the parameters of the hashes.
 */
struct failure_price {
	struct str hash; /* the costliest hash in use, NUL-terminated; empty: there is none */
	int64_t hash_us;
	int64_t total_us; /* the most that the hashes of one client cost together */
};

/* failure_price_add - take one more client's hashes into account; they are borrowed. */
void failure_price_add(struct failure_price *price, const struct client *client);

/* Who somebody claims to be. */
struct credential_claim {
	const struct client *client; /* borrowed; NULL: unknown */
	struct str secret;           /* any content; borrowed */
	int64_t now_s;
	bool is_refused; /* will be, whatever the secret: a right one costs what a wrong one
			    does */
};

/*
 * credential_check - does the secret match one of the client's?
 *
 * A failure, and a claim that is refused, costs the price within half of its costliest hash.
 *
 * matched  [out] the secret that matched, also an expired one; NULL if none did
 *
 * Returns REASON_NONE; REASON_CLIENT_UNKNOWN, REASON_SECRET_WRONG,
 * REASON_SECRET_EXPIRED, REASON_SECRET_EARLY; REASON_HASHING: crypt(3) or
 * the digest of the secret failed, told alike of every claim that is not let in.
 */
NODISCARD enum reason credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched);

/* credential_hash_is_supported - a crypt(3) hash of bcrypt, yescrypt, SHA-512 or SHA-256 crypt,
 * whole. */
bool credential_hash_is_supported(struct str hash);

/*
 * credential_hash - hash a secret with yescrypt at crypt(3)'s default cost.
 *
 * hash  [out] appended to
 *
 * Returns REASON_NONE, REASON_HASHING.
 */
NODISCARD enum reason credential_hash(
	struct credential_checker *checker, struct str secret, struct buf *hash);

#endif
