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
 * else `otherwise`.
 */
NODISCARD enum reason failure_reason(enum reason otherwise);

#endif
