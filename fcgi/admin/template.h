/* SPDX-License-Identifier: MIT */
/* Texts with places to fill in, and what a value becomes between another language's quotes. */
#ifndef ADMIN_TEMPLATE_H
#define ADMIN_TEMPLATE_H

#include "util/attr.h"
#include "util/buf.h"
#include "util/reason.h"

/* A text of fcgi/admin/verifier, compiled in; `lines` ends with NULL. */
struct template_text {
	const char *name; /* of the file, without its ending */
	const char *const *lines;
};

/* What {{name}} becomes; `text` is empty for what {{if name}} only asks about. */
struct template_value {
	const char *name;
	struct str text;
	bool holds; /* for {{if name}} */
};

struct template_values {
	const struct template_value *items;
	size_t count;
};

/* Between which quotes a value will stand. */
enum template_quotes {
	QUOTES_APACHE,  /* "…" of httpd's directives */
	QUOTES_OPENIDC, /* the same of mod_auth_openidc, which takes them for a string
			   expression */
	QUOTES_NGINX,   /* "…" of nginx's directives */
	QUOTES_JSON,    /* "…" of JSON, of YAML, and of JavaScript and Java */
	QUOTES__MAX,
};

/* template_find - the text of this name, or NULL. */
const struct template_text *template_find(struct str name);

/*
 * template_escape - append s as it stands between these quotes.
 *
 * Returns false if it cannot stand there: it is not UTF-8, has a control character, or
 * something that would be taken for a variable or an expression, as "$" in nginx and "${"
 * elsewhere.
 */
NODISCARD bool template_escape(struct buf *buf, enum template_quotes quotes, struct str s);

/* template_pattern - append a PCRE that matches s and nothing else, with \x2f for what is no
 * letter or digit. */
void template_pattern(struct buf *buf, struct str s);

/* template_classes - the same with [/].  Returns false if s has "^", which has no such form. */
NODISCARD bool template_classes(struct buf *buf, struct str s);

/*
 * template_fill - append the lines, with a line feed after each.
 *
 * {{name}} becomes the value of that name.  A line {{if name}} leaves out what follows, up
 * to a line {{end}}, unless the value holds; these cannot be nested.
 *
 * Returns REASON_NONE, or REASON_INTERNAL: a name that no value has, or an end is missing.
 */
NODISCARD enum reason template_fill(
	struct buf *buf, const char *const *lines, const struct template_values *values);

#endif
