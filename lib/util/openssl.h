/* SPDX-License-Identifier: MIT */
/* What OpenSSL prepares when a program starts. */
#ifndef UTIL_OPENSSL_H
#define UTIL_OPENSSL_H

#include <stdbool.h>

/*
 * openssl_start - leave out what is of no use here; before any other use of OpenSSL.
 *
 * for_one_answer  the process ends with it
 *
 * Texts of errors and tables of old names are never loaded.  For one answer random bytes come
 * from a generator by SHA-256 (NIST SP 800-90A, Hash_DRBG), which signing needs anyway:
 * OpenSSL's own choice would first look for AES among all ciphers; and nothing is tidied up at
 * the end, when memory goes back to the system.  Owners of secrets wipe them still.
 */
void openssl_start(bool for_one_answer);

#endif
