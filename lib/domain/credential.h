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
 * credential_check - does the secret match one of the client's?
 *
 * client      NULL for an unknown client: fails, in the time that a wrong secret takes
 * dummy_hash  a crypt(3) hash that every failure pays for, unless the check ran one
 *             already; empty: there are no slow hashes in this configuration
 * secret      any content; borrowed
 * matched     [out] the secret that matched, also an expired one; NULL if none did
 *
 * Returns REASON_NONE; REASON_CLIENT_UNKNOWN, REASON_SECRET_WRONG,
 * REASON_SECRET_EXPIRED, REASON_SECRET_EARLY; REASON_HASHING: crypt(3) or
 * the digest of the secret failed.
 */
NODISCARD enum reason credential_check(struct credential_checker *checker,
	const struct client *client, struct str dummy_hash, struct str secret, int64_t now_s,
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
