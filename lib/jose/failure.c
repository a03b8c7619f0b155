/* SPDX-License-Identifier: MIT */
/* Why did OpenSSL fail: was it what it was given, or was it out of memory? */
#include "jose/failure.h"
#include "util/openssl.h"

#include <openssl/err.h>

static bool is_memory(unsigned long code)
{
	return ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
}

/* Numbers, contexts and memory have nothing to do with what was given. */
static bool is_ours(unsigned long code)
{
	int library = ERR_GET_LIB(code);

	return is_memory(code) || library == ERR_LIB_BN || library == ERR_LIB_EVP ||
	       library == ERR_LIB_CRYPTO;
}

static enum reason look(bool (*is_fault)(unsigned long), enum reason otherwise)
{
	enum reason reason = openssl_lacks_memory() ? REASON_MEMORY : otherwise;
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		if (is_fault(code))
			reason = REASON_MEMORY;
	}
	return reason;
}

enum reason failure_reason(enum reason otherwise)
{
	return look(is_ours, otherwise);
}

enum reason failure_memory(enum reason otherwise)
{
	return look(is_memory, otherwise);
}
