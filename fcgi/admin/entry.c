/* SPDX-License-Identifier: MIT */
/* New values for a YAML file, and how they are written: in lines of their own, or in brackets.
 */
#include "entry.h"

#define ESCAPE_LEN 6 /* the most that a byte becomes in quotes */
#define OVERHEAD 32  /* dashes, colons, quotes, brackets of one value */
#define DASH_WIDTH 2 /* "- " */
#define PLAIN_LEN_MAX 64

/* These mean something else than their text to some readers of YAML. */
static const struct str words[] = {
	STR_CONST("true"),
	STR_CONST("false"),
	STR_CONST("null"),
	STR_CONST("yes"),
	STR_CONST("no"),
	STR_CONST("on"),
	STR_CONST("off"),
	STR_CONST("y"),
	STR_CONST("n"),
};

static bool is_word(struct str text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq_nocase(words[i], text))
			return true;
	}
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Can it stand without quotes anywhere, with no doubt about what it means? */
static bool is_plain(struct str text)
{
	if (text.n == 0 || text.n > PLAIN_LEN_MAX || !is_letter(text.p[0]) || is_word(text))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!is_letter(c) && !(c >= '0' && c <= '9') && !str_has(STR("_-./"), c))
			return false;
	}
	return true;
}

static void write_key(struct buf *buf, const struct entry *entry)
{
	if (entry->key.n == 0)
		return;
	entry_write_text(buf, entry->key);
	buf_text(buf, ": ");
}

static void write_texts(struct buf *buf, struct str_list texts)
{
	buf_char(buf, '[');
	for (size_t i = 0; i < texts.count; i++) {
		buf_text(buf, i > 0 ? ", " : "");
		entry_write_text(buf, texts.items[i]);
	}
	buf_char(buf, ']');
}

static void write_spaces(struct buf *buf, size_t count)
{
	while (count-- > 0)
		buf_char(buf, ' ');
}

/* indent: where its text starts; the dash of a list stands before that. */
static void write_first(struct buf *buf, size_t indent, bool has_dash)
{
	write_spaces(buf, has_dash ? indent - DASH_WIDTH : indent);
	buf_text(buf, has_dash ? "- " : "");
}

static void write_on_one_line(struct buf *buf, const struct entry *entry,
	const struct entry_style *style, size_t indent, bool has_dash)
{
	write_first(buf, indent, has_dash);
	entry_write_inline(buf, entry);
	buf_str(buf, style->newline);
}

/* The depth is that of our own values: client, secrets, secret, text. */
static void write_lines(struct buf *buf,
	const struct entry *entry, /* NOLINT(misc-no-recursion) */
	const struct entry_style *style, size_t indent, bool has_dash)
{
	bool is_item = entry->key.n == 0;

	if (entry->kind < ENTRY_LIST || style->is_flow) {
		write_on_one_line(buf, entry, style, indent + (is_item ? DASH_WIDTH : 0),
			has_dash || is_item);
		return;
	}
	if (!is_item) {
		write_first(buf, indent, has_dash);
		entry_write_text(buf, entry->key);
		buf_char(buf, ':');
		buf_str(buf, style->newline);
	}
	for (size_t i = 0; i < entry->count; i++)
		write_lines(buf, &entry->children[i], style,
			indent + (is_item ? DASH_WIDTH : style->step), is_item && i == 0);
}

size_t entry_size(const struct entry *entry, /* NOLINT(misc-no-recursion) */
	const struct entry_style *style)
{
	size_t size = OVERHEAD + style->indent + 4 * style->step +
		      ESCAPE_LEN * (entry->key.n + entry->text.n);

	for (size_t i = 0; i < entry->texts.count; i++)
		size += OVERHEAD + ESCAPE_LEN * entry->texts.items[i].n;
	for (size_t i = 0; i < entry->count; i++)
		size += entry_size(&entry->children[i], style);
	return size;
}

void entry_write_lines(
	struct buf *buf, const struct entry *entry, const struct entry_style *style)
{
	write_lines(buf, entry, style, style->indent, false);
}

void entry_write_inline(
	struct buf *buf, const struct entry *entry) /* NOLINT(misc-no-recursion) */
{
	write_key(buf, entry);
	if (entry->kind == ENTRY_TEXTS) {
		write_texts(buf, entry->texts);
	} else if (entry->kind == ENTRY_TEXT && entry->is_word) {
		buf_str(buf, entry->text);
	} else if (entry->kind == ENTRY_TEXT) {
		entry_write_text(buf, entry->text);
	} else {
		buf_char(buf, entry->kind == ENTRY_LIST ? '[' : '{');
		for (size_t i = 0; i < entry->count; i++) {
			buf_text(buf, i > 0 ? ", " : "");
			entry_write_inline(buf, &entry->children[i]);
		}
		buf_char(buf, entry->kind == ENTRY_LIST ? ']' : '}');
	}
}

void entry_write_text(struct buf *buf, struct str text)
{
	if (is_plain(text))
		buf_str(buf, text);
	else
		buf_json(buf, text);
}
