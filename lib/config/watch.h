/* SPDX-License-Identifier: MIT */
/* The files that a configuration was read from, and whether they have changed since. */
#ifndef CONFIG_WATCH_H
#define CONFIG_WATCH_H

#include "util/attr.h"

#include <stdbool.h>

struct watch;

/* watch_new - an empty list.  Returns new (watch_free), or NULL: out of memory. */
NODISCARD struct watch *watch_new(void);
void watch_free(struct watch *watch);

/*
 * watch_add - remember a file or directory as it is now, also that it is not there.
 *
 * path  copied; to be called before the file is read, so that no change is missed
 *
 * Returns false: out of memory.
 */
NODISCARD bool watch_add(struct watch *watch, const char *path);

/* watch_changed - does any of them differ from what was remembered (device, inode, size,
 * times)? */
bool watch_changed(const struct watch *watch);

#endif
