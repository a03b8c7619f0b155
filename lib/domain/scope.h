/* SPDX-License-Identifier: MIT */
/* Scope tokens (RFC 6749 §3.3) and lists of them. */
#ifndef DOMAIN_SCOPE_H
#define DOMAIN_SCOPE_H

#include "util/buf.h"
#include "util/str.h"

struct scope {
	struct str token;
	struct str description; /* may be empty */
	struct str audience;    /* empty: names none */
};

/* All defined scopes, sorted by token. */
struct scope_table {
	const struct scope *items;
	size_t count;
};

/* Some defined scopes in the order that matters to their owner, each once. */
struct scope_list {
	const struct scope *const *items;
	size_t count;
};

/* scope_token_is_valid - one or more of %x21 / %x23-5B / %x5D-7E (RFC 6749 §3.3). */
bool scope_token_is_valid(struct str token);

/* scope_find - the scope with this token, borrowed from the table, or NULL. */
const struct scope *scope_find(const struct scope_table *table, struct str token);

/* scope_list_has - by identity: both come from one table. */
bool scope_list_has(struct scope_list list, const struct scope *scope);

/* scope_list_write - append the tokens, separated by single spaces. */
void scope_list_write(struct buf *buf, struct scope_list list);

#endif
