/* SPDX-License-Identifier: MIT */
/* Private keys of the usual kinds, without OpenSSL's search for a decoder. */
#ifndef JOSE_PKCS8_H
#define JOSE_PKCS8_H

#include "util/attr.h"
#include "util/str.h"

#include <openssl/evp.h>

/*
 * pkcs8_read_pem - read an RSA key of two primes, a P-256 or an Ed25519 key.
 *
 * pem  of PKCS#8 (RFC 5958, version 0), unencrypted, the first in the text; borrowed
 *
 * OpenSSL's own reader asks all its decoders in turn, which takes longer than a signature;
 * this one knows where the numbers are.  Returns new (EVP_PKEY_free); or NULL: it is another
 * key, or a bad one, and only OpenSSL's reader can tell.
 */
NODISCARD EVP_PKEY *pkcs8_read_pem(struct str pem);

#endif
