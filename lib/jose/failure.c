/* SPDX-License-Identifier: MIT */
/* Why did OpenSSL fail: was it what it was given, or was it out of memory? */
#include "jose/failure.h"

#include <stdbool.h>

#include <openssl/err.h>

/* Numbers, contexts and memory have nothing to do with what was given. */
static bool is_ours(unsigned long code)
{
	int library = ERR_GET_LIB(code);

	return ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE || library == ERR_LIB_BN ||
	       library == ERR_LIB_EVP || library == ERR_LIB_CRYPTO;
}

enum reason failure_reason(enum reason otherwise)
{
	enum reason reason = otherwise;
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		if (is_ours(code))
			reason = REASON_MEMORY;
	}
	return reason;
}
