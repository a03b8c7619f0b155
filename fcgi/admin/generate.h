/* SPDX-License-Identifier: MIT */
/* Secrets that nobody chose, and their hashes for the configuration. */
#ifndef ADMIN_GENERATE_H
#define ADMIN_GENERATE_H

#include "util/b64url.h"
#include "util/reason.h"
#include "util/secret.h"

#define GENERATE_SECRET_BYTES 32 /* 256 random bits */

struct generated {
	char secret[B64URL_LEN(GENERATE_SECRET_BYTES) + 1];
	char hash[sizeof("sha256:") + 2 * SECRET_DIGEST_SIZE];
};

/* generate_secret - make one; the caller wipes it.  Returns REASON_NONE, REASON_RANDOM,
 * REASON_HASHING. */
NODISCARD enum reason generate_secret(struct generated *generated);

#endif
