/* SPDX-License-Identifier: MIT */
/* Memory for libraries that may keep a secret in it: it is wiped before it is given back. */
#ifndef UTIL_WIPED_H
#define UTIL_WIPED_H

#include <stddef.h>

/* wiped_free - free, of memory of malloc, calloc, realloc or strdup; NULL is accepted. */
void wiped_free(void *p);

/* wiped_realloc - realloc that leaves nothing behind where it moves the content from. */
void *wiped_realloc(void *p, size_t size);

#endif
