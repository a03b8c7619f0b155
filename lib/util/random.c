/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes from OpenSSL's generator, which reseeds itself after a fork. */
#include "util/random.h"
#include "util/secret.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

static enum reason fill_directly(void *context, void *p, size_t size)
{
	(void)context;
	return random_bytes(p, size);
}

static enum reason fill_from_pool(void *context, void *p, size_t size)
{
	struct random_pool *pool = context;

	if (size > sizeof(pool->bytes))
		return random_bytes(p, size);
	if (size > pool->left) {
		enum reason reason = random_bytes(pool->bytes, sizeof(pool->bytes));

		pool->left = reason == REASON_NONE ? sizeof(pool->bytes) : 0;
		if (reason != REASON_NONE) {
			memset(p, 0, size);
			return reason;
		}
	}
	pool->left -= size;
	memcpy(p, pool->bytes + pool->left, size);
	secret_wipe(pool->bytes + pool->left, size);
	return REASON_NONE;
}

const struct random_source random_system = { .fill = fill_directly };

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

struct random_source random_pool_source(struct random_pool *pool)
{
	return (struct random_source){ .fill = fill_from_pool, .context = pool };
}
