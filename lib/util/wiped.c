/* SPDX-License-Identifier: MIT */
/* Memory for libraries that may keep a secret in it: it is wiped before it is given back. */
#include "util/wiped.h"
#include "util/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void wiped_free(void *p)
{
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

void *wiped_realloc(void *p, size_t size)
{
	size_t old_size = p == NULL ? 0 : malloc_usable_size(p);
	void *moved = malloc(size);

	if (moved == NULL)
		return NULL;
	if (p != NULL)
		memcpy(moved, p, old_size < size ? old_size : size);
	wiped_free(p);
	return moved;
}
