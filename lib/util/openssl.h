/* SPDX-License-Identifier: MIT */
/* What OpenSSL prepares when a program starts. */
#ifndef UTIL_OPENSSL_H
#define UTIL_OPENSSL_H

#include "util/attr.h"
#include "util/reason.h"

#include <stdbool.h>

/* What a process does with it. */
enum openssl_use {
	OPENSSL_ANSWERS,    /* it gives answers */
	OPENSSL_ONE_ANSWER, /* it gives one, and ends */
	OPENSSL_ALL,        /* whatever, TLS too */
};

/*
 * openssl_start - leave out what is of no use here; before any other use of OpenSSL.
 *
 * For answers, texts of errors and tables of old names are never loaded; TLS needs these.  For
 * one answer random bytes come from a generator by SHA-256 (NIST SP 800-90A, Hash_DRBG), which
 * signing needs anyway: OpenSSL's own choice would first look for AES among all ciphers; and
 * nothing is tidied up at the end, when memory goes back to the system.  Owners of secrets wipe
 * them still.  In a process that does more, whatever OpenSSL frees is wiped.
 *
 * Returns REASON_MEMORY if OpenSSL could not prepare itself: then it must not be used, for
 * OpenSSL 3.0 crashes.
 */
NODISCARD enum reason openssl_start(enum openssl_use use);

/*
 * openssl_lacks_memory - did it ask for memory in vain since openssl_start or openssl_forget?
 *
 * Some of its functions say then that a signature, a key or a name is wrong.
 */
bool openssl_lacks_memory(void);

/* openssl_forget - that it did: before what is judged by itself, as a request. */
void openssl_forget(void);

#endif
