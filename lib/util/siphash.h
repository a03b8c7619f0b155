/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 of 128 bits (J.-P. Aumasson, D. J. Bernstein): a short keyed digest, for tables.
 */
#ifndef UTIL_SIPHASH_H
#define UTIL_SIPHASH_H

#include "util/str.h"

#define SIPHASH_KEY_SIZE 16

struct siphash {
	uint64_t first, second; /* of its bytes, as little-endian numbers */
};

/* siphash - in a time that depends on the length of s alone.  Who does not know the key can
 * neither predict it nor find two texts that have the same. */
struct siphash siphash(const unsigned char key[static SIPHASH_KEY_SIZE], struct str s);

#endif
