/* SPDX-License-Identifier: MIT */
/* A look at the state store that leaves no trace. */
#ifndef ADMIN_PROBE_H
#define ADMIN_PROBE_H

#include "util/str.h"

#include <stdint.h>

/*
 * probe_store - what keeps the state store from being used now, by this user?
 *
 * A directory is looked at from outside, and nothing is made; Redis is asked what it holds.
 *
 * url  as in the configuration, NUL-terminated
 *
 * Returns the problem, borrowed until the next call of strerror, or NULL: none was seen.
 */
const char *probe_store(struct str url, int64_t now_s);

#endif
