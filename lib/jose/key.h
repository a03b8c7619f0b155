/* SPDX-License-Identifier: MIT */
/* Private keys: PEM files, strength, generation. */
#ifndef JOSE_KEY_H
#define JOSE_KEY_H

#include "jose/alg.h"
#include "util/buf.h"
#include "util/reason.h"

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
 * key_write_pem - append the private key as PKCS#8 PEM.
 *
 * Returns REASON_NONE, REASON_INTERNAL.  The buffer holds a secret then.
 */
NODISCARD enum reason key_write_pem(EVP_PKEY *pkey, struct buf *buf);

#endif
