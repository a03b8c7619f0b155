/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes; the only caller of OpenSSL's generator. */
#ifndef UTIL_RANDOM_H
#define UTIL_RANDOM_H

#include "util/attr.h"
#include "util/reason.h"

#include <stddef.h>

/* A source of random bytes: one of those below, or a fixed one in tests. */
struct random_source {
	enum reason (*fill)(void *context, void *p, size_t size); /* as random_bytes */
	void *context;
};

/* random_bytes - fill `size` bytes.  Returns REASON_NONE or REASON_RANDOM (p is zeroed). */
NODISCARD enum reason random_bytes(void *p, size_t size);

/* random_system - random_bytes as a source. */
extern const struct random_source random_system;

#define RANDOM_POOL_SIZE 512 /* bytes */

/*
 * Bytes that were drawn for later, so that the generator is asked only now and then; each is
 * wiped when it is given.  All zero before the first use.  A process that forks must not use it
 * on both sides: they would get the same bytes.
 */
struct random_pool {
	unsigned char bytes[RANDOM_POOL_SIZE];
	size_t left; /* of them, from the first one on */
};

/* random_pool_source - the pool as a source; borrowed for the life of the source. */
struct random_source random_pool_source(struct random_pool *pool);

#endif
