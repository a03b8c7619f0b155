/* SPDX-License-Identifier: MIT */
/* Scope tokens (RFC 6749 §3.3) and lists of them. */
#include "domain/scope.h"

#include <stdlib.h>

static int compare_token(const void *token, const void *scope)
{
	return str_compare(*(const struct str *)token, ((const struct scope *)scope)->token);
}

bool scope_token_is_valid(struct str token)
{
	return token.n > 0 && str_is_visible(token) && !str_has(token, ' ') &&
	       !str_has(token, '"') && !str_has(token, '\\');
}

const struct scope *scope_find(const struct scope_table *table, struct str token)
{
	if (table->count == 0)
		return NULL;
	return bsearch(
		&token, table->items, table->count, sizeof(*table->items), compare_token);
}

bool scope_list_has(struct scope_list list, const struct scope *scope)
{
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i] == scope)
			return true;
	}
	return false;
}

void scope_list_write(struct buf *buf, struct scope_list list)
{
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0)
			buf_char(buf, ' ');
		buf_str(buf, list.items[i]->token);
	}
}
