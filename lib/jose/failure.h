/* SPDX-License-Identifier: MIT */
/* Why did OpenSSL fail: was it what it was given, or was it out of memory? */
#ifndef JOSE_FAILURE_H
#define JOSE_FAILURE_H

#include "util/attr.h"
#include "util/reason.h"

/*
 * failure_reason - empty OpenSSL's queue of errors.
 *
 * Returns REASON_MEMORY if one of them is a lack of memory, or what such a lack looks like;
 * or if openssl_lacks_memory; else `otherwise`.
 */
NODISCARD enum reason failure_reason(enum reason otherwise);

/*
 * failure_memory - the same for what OpenSSL may not know: keys and names of any kind.  Only
 * what is called a lack of memory is one.
 */
NODISCARD enum reason failure_memory(enum reason otherwise);

#endif
