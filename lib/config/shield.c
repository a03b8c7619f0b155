/* SPDX-License-Identifier: MIT */
/* Values that start with two colons, disguised from libyaml. */
#include "config/shield.h"
#include "util/secret.h"

#include <stdlib.h>

#define DISGUISE STR("\xee\x80\xba") /* U+E03A */

/* Does a run of at least two colons start here, where a value can start? */
static bool is_value_start(struct str text, size_t at)
{
	return at > 0 && text.n - at >= 2 && text.p[at] == ':' && text.p[at + 1] == ':' &&
	       str_has(STR("[{, \t\n"), text.p[at - 1]);
}

static size_t count_colons(struct str text, size_t at)
{
	size_t n = 0;

	while (at + n < text.n && text.p[at + n] == ':')
		n++;
	return n;
}

static size_t count_all(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (is_value_start(text, i))
			count += count_colons(text, i);
	}
	return count;
}

static void write_shielded(struct str text, struct buf *buf)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!is_value_start(text, i)) {
			buf_char(buf, text.p[i]);
			continue;
		}
		size_t n = count_colons(text, i);

		for (size_t k = 0; k < n; k++)
			buf_str(buf, DISGUISE);
		i += n - 1;
	}
}

bool shield_colons(struct str text, struct buf *shielded)
{
	*shielded = (struct buf){ 0 };
	if (!str_contains(text, STR("::")) || str_contains(text, DISGUISE))
		return true;
	size_t size = text.n + 1 + count_all(text) * (DISGUISE.n - 1);
	char *p = malloc(size);

	if (p == NULL)
		return false;
	*shielded = buf_init(p, size);
	write_shielded(text, shielded);
	return true;
}

void shield_clear(struct buf *shielded)
{
	if (shielded->p != NULL)
		secret_wipe(shielded->p, shielded->n);
	free(shielded->p);
	*shielded = (struct buf){ 0 };
}

bool shield_copy(struct arena *arena, struct str value, struct str *copy)
{
	*copy = STR("");
	char *p = arena_alloc(arena, value.n + 1);

	if (p == NULL)
		return false;
	struct buf buf = buf_init(p, value.n);

	while (value.n > 0) {
		bool is_disguised = str_starts(value, DISGUISE);

		buf_char(&buf, is_disguised ? ':' : value.p[0]);
		value = str_from(value, is_disguised ? DISGUISE.n : 1);
	}
	*copy = buf_view(&buf);
	return true;
}
