/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes; the only caller of OpenSSL's generator. */
#ifndef UTIL_RANDOM_H
#define UTIL_RANDOM_H

#include "util/attr.h"
#include "util/reason.h"

#include <stddef.h>

/* A source of random bytes; random_bytes, or a fixed one in tests. */
typedef enum reason random_source(void *p, size_t size);

/* random_bytes - fill `size` bytes.  Returns REASON_NONE or REASON_RANDOM (p is zeroed). */
NODISCARD enum reason random_bytes(void *p, size_t size);

#endif
