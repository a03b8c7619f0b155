/* SPDX-License-Identifier: MIT */
/* Private keys: PEM files, strength, generation. */
#ifndef JOSE_KEY_H
#define JOSE_KEY_H

#include "jose/alg.h"
#include "util/buf.h"
#include "util/reason.h"
#include "util/secret.h"

/*
 * key_read_pem - read a private key in PEM (PKCS#8, or the traditional forms).
 *
 * pem   the file's content; borrowed
 * pkey  [out] new (EVP_PKEY_free); NULL on failure
 *
 * Returns REASON_NONE; REASON_KEY_SYNTAX, _ENCRYPTED, _PUBLIC; or what
 * key_check_strength returns.
 */
NODISCARD enum reason key_read_pem(struct str pem, EVP_PKEY **pkey);

/*
 * key_check_strength - is the key, or its public half, as strong as it looks (RFC 7518 §3.3)?
 *
 * Returns REASON_NONE, REASON_KEY_TYPE, _WEAK, _LARGE or _ROCA.  Some microseconds.
 */
NODISCARD enum reason key_check_strength(const EVP_PKEY *pkey);

/* key_check_pair - do the two halves belong together?  Costs some signatures; not for requests.
 */
NODISCARD enum reason key_check_pair(EVP_PKEY *pkey);

/*
 * key_generate - make a new private key.
 *
 * alg   decides the kind of key
 * bits  RSA's modulus, 2048..8192; ignored for other keys
 * pkey  [out] new; NULL on failure
 *
 * Returns REASON_NONE, REASON_KEY_WEAK, _LARGE, _TYPE (no algorithm of key pairs), or
 * REASON_RANDOM.
 */
NODISCARD enum reason key_generate(enum jose_alg alg, unsigned bits, EVP_PKEY **pkey);

/*
 * key_generate_rsa - make a new RSA key of several primes (RFC 8017 §3.2).
 *
 * The more primes, the faster it signs; to verify with, it is as any other.
 *
 * primes  2 to key_primes_most(bits)
 * pkey    [out] new; NULL on failure
 *
 * Returns REASON_NONE, REASON_KEY_WEAK, _LARGE, _PRIMES, or REASON_RANDOM.
 */
NODISCARD enum reason key_generate_rsa(unsigned bits, unsigned primes, EVP_PKEY **pkey);

/* key_primes_most - of how many primes OpenSSL makes an RSA key of this size. */
unsigned key_primes_most(unsigned bits);

/* key_primes - how many primes a private RSA key has; 0: another key, or not known. */
unsigned key_primes(const EVP_PKEY *pkey);

/*
 * key_derive - a secret that follows from a private key, for another purpose.
 *
 * The same wherever the same key is; the key cannot be told from it.
 *
 * label    the purpose
 * derived  [out] a secret; zeros on failure
 *
 * Returns REASON_NONE, REASON_MEMORY, REASON_INTERNAL.
 */
NODISCARD enum reason key_derive(const EVP_PKEY *pkey, struct str label,
	unsigned char derived[static SECRET_DIGEST_SIZE]);

/*
 * key_write_pem - append the private key as PKCS#8 PEM.
 *
 * Returns REASON_NONE, REASON_INTERNAL.  The buffer holds a secret then.
 */
NODISCARD enum reason key_write_pem(EVP_PKEY *pkey, struct buf *buf);

#endif
