/* SPDX-License-Identifier: MIT */
/* The paths of a store's files. */
#include "state/path.h"
#include "util/buf.h"

bool path_join(char path[static PATH_MAX], struct str begin, const char *end)
{
	struct buf buf = buf_init(path, PATH_MAX);

	buf_str(&buf, begin);
	buf_text(&buf, end);
	buf_char(&buf, '\0');
	return !buf.overflow;
}
