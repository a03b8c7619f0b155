/* SPDX-License-Identifier: MIT */
/* Why did OpenSSL fail: was it what it was given, or was it out of memory? */
#include "jose/failure.h"

#include <openssl/err.h>

enum reason failure_reason(enum reason otherwise)
{
	enum reason reason = otherwise;
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			reason = REASON_MEMORY;
	}
	return reason;
}
