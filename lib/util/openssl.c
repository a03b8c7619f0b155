/* SPDX-License-Identifier: MIT */
/* What OpenSSL prepares when a program starts. */
#include "util/openssl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#define WITHOUT                                                                  \
	(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS | \
		OPENSSL_INIT_NO_ADD_ALL_DIGESTS)

void openssl_start(bool for_one_answer)
{
	/* If something fails, OpenSSL does as it always does, just more slowly. */
	(void)OPENSSL_init_crypto(
		WITHOUT | (for_one_answer ? OPENSSL_INIT_NO_ATEXIT : 0), NULL);
	if (for_one_answer)
		(void)RAND_set_DRBG_type(NULL, "HASH-DRBG", NULL, NULL, "SHA2-256");
	ERR_clear_error();
}
