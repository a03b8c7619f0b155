/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes from OpenSSL's generator, which reseeds itself after a fork. */
#include "util/random.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

enum reason random_bytes(void *p, size_t size)
{
	/* OpenSSL 3.0 that could not start for want of memory crashes when it is used. */
	if (size <= INT_MAX && OSSL_LIB_CTX_get0_global_default() != NULL &&
		RAND_bytes(p, (int)size) == 1)
		return REASON_NONE;
	ERR_clear_error();
	memset(p, 0, size);
	return REASON_RANDOM;
}
