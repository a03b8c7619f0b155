/* SPDX-License-Identifier: MIT */
/* What OpenSSL prepares when a program starts. */
#include "util/openssl.h"
#include "util/wiped.h"

#include <stdint.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#define WITHOUT                                                                  \
	(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS | \
		OPENSSL_INIT_NO_ADD_ALL_DIGESTS)

static const uint64_t options[] = {
	[OPENSSL_ANSWERS] = WITHOUT,
	[OPENSSL_ONE_ANSWER] = WITHOUT | OPENSSL_INIT_NO_ATEXIT,
	[OPENSSL_ALL] = 0,
};

static bool lacks_memory;

static void *note(void *p)
{
	lacks_memory = lacks_memory || p == NULL;
	return p;
}

static void *get(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return note(malloc(size));
}

static void release(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void *resize(void *p, size_t size, const char *file, int line)
{
	if (size > 0)
		return note(realloc(p, size));
	release(p, file, line);
	return NULL;
}

static void wipe_and_release(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	wiped_free(p);
}

static void *resize_and_wipe(void *p, size_t size, const char *file, int line)
{
	if (size > 0)
		return note(wiped_realloc(p, size));
	wipe_and_release(p, file, line);
	return NULL;
}

bool openssl_lacks_memory(void)
{
	return lacks_memory;
}

void openssl_forget(void)
{
	lacks_memory = false;
}

enum reason openssl_start(enum openssl_use use)
{
	/* It frees numbers of private keys, and lines of their files, as they are. */
	if (use == OPENSSL_ONE_ANSWER)
		(void)CRYPTO_set_mem_functions(get, resize, release);
	else
		(void)CRYPTO_set_mem_functions(get, resize_and_wipe, wipe_and_release);
	bool started = OPENSSL_init_crypto(options[use], NULL) == 1 &&
		       OSSL_LIB_CTX_get0_global_default() != NULL;

	/* If this fails, OpenSSL does as it always does, just more slowly. */
	if (started && use == OPENSSL_ONE_ANSWER)
		(void)RAND_set_DRBG_type(NULL, "HASH-DRBG", NULL, NULL, "SHA2-256");
	ERR_clear_error();
	return started ? REASON_NONE : REASON_MEMORY;
}
