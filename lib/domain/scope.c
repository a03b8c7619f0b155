/* SPDX-License-Identifier: MIT */
/* Scope tokens (RFC 6749 §3.3) and lists of them. */
#include "domain/scope.h"

bool scope_token_is_valid(struct str token)
{
	return token.n > 0 && str_is_visible(token) && !str_has(token, ' ') &&
	       !str_has(token, '"') && !str_has(token, '\\');
}

const struct scope *scope_find(const struct scope_table *table, struct str token)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare(token, table->items[middle].token);

		if (order == 0)
			return &table->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
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
