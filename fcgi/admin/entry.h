/* SPDX-License-Identifier: MIT */
/* New values for a YAML file, and how they are written: in lines of their own, or in brackets.
 */
#ifndef ADMIN_ENTRY_H
#define ADMIN_ENTRY_H

#include "util/buf.h"

enum entry_kind {
	ENTRY_TEXT,
	ENTRY_TEXTS, /* a list of texts, on one line */
	ENTRY_LIST,
	ENTRY_MAPPING,
};

/* A value, with its key unless it is the item of a list.  All is borrowed. */
struct entry {
	enum entry_kind kind;
	struct str key; /* empty: an item */
	struct str text;
	struct str_list texts;
	const struct entry *children; /* of a list or mapping */
	size_t count;                 /* of children */
	bool is_word;                 /* ENTRY_TEXT: true or false, and no text in quotes */
};

/* How its lines are to look. */
struct entry_style {
	size_t indent;      /* spaces before the first line */
	size_t step;        /* how much deeper what is inside of it stands */
	struct str newline; /* between lines, and at the end */
	bool is_flow;       /* what is inside of it stands in brackets on the same line */
};

/* entry_size - a size that is enough for either form. */
size_t entry_size(const struct entry *entry, const struct entry_style *style);

/* entry_write_lines - append it as lines, the last one with its newline. */
void entry_write_lines(
	struct buf *buf, const struct entry *entry, const struct entry_style *style);

/* entry_write_inline - append it as it stands between brackets: "key: value", or an item. */
void entry_write_inline(struct buf *buf, const struct entry *entry);

/* entry_write_text - append a text, in quotes where it needs them. */
void entry_write_text(struct buf *buf, struct str text);

#endif
