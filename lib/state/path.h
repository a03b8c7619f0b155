/* SPDX-License-Identifier: MIT */
/* The paths of a store's files. */
#ifndef STATE_PATH_H
#define STATE_PATH_H

#include "util/attr.h"
#include "util/str.h"

#include <limits.h>

/*
 * path_join - a path of two parts, as they are, without a slash between them.
 *
 * path  [out] NUL-terminated; not to be used on failure
 *
 * Returns false if it would be too long.
 */
NODISCARD bool path_join(char path[static PATH_MAX], struct str begin, const char *end);

#endif
