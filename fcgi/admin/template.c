/* SPDX-License-Identifier: MIT */
/* Texts with places to fill in, and what a value becomes between another language's quotes. */
#include "template.h"
#include "template_texts.h"

#define SEQUENCE_COUNT 2

static const struct {
	struct str escaped; /* characters that get a backslash */
	struct str refused; /* characters that cannot stand there */
	struct str sequences[SEQUENCE_COUNT];
} quotations[QUOTES__MAX] = {
	[QUOTES_APACHE] = { STR_CONST("\\\""), STR_CONST(""), { STR_CONST("${") } },
	[QUOTES_OPENIDC] = { STR_CONST(""), STR_CONST("\\\""),
		{ STR_CONST("${"), STR_CONST("%{") } },
	[QUOTES_NGINX] = { STR_CONST("\\\""), STR_CONST("$"), { STR_CONST("") } },
	[QUOTES_JSON] = { STR_CONST("\\\""), STR_CONST(""),
		{ STR_CONST("${"), STR_CONST("#{") } },
};

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

static bool is_refused(enum template_quotes quotes, struct str s)
{
	for (size_t i = 0; i < SEQUENCE_COUNT; i++) {
		struct str sequence = quotations[quotes].sequences[i];

		if (sequence.n > 0 && str_contains(s, sequence))
			return true;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (str_has(quotations[quotes].refused, s.p[i]))
			return true;
	}
	return has_control(s) || !str_is_utf8(s);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static const struct template_value *find_value(
	const struct template_values *values, struct str name)
{
	for (size_t i = 0; i < values->count; i++) {
		if (str_eq(str_of(values->items[i].name), name))
			return &values->items[i];
	}
	return NULL;
}

/* The text before "{{", and with a place behind it, the name in it; *rest moves behind "}}". */
static bool cut_place(struct str *rest, struct str *before, struct str *name)
{
	for (size_t i = 0; i + 1 < rest->n; i++) {
		if (rest->p[i] != '{' || rest->p[i + 1] != '{')
			continue;
		*before = str_upto(*rest, i);
		*rest = str_from(*rest, i + 2);
		bool closed = str_cut(rest, '}', name);

		*rest = str_from(*rest, 1);
		return closed;
	}
	*before = *rest;
	*rest = STR("");
	return false;
}

static enum reason fill_line(
	struct buf *buf, struct str line, const struct template_values *values)
{
	struct str before, name;

	while (cut_place(&line, &before, &name)) {
		const struct template_value *value = find_value(values, name);

		if (value == NULL)
			return REASON_INTERNAL;
		buf_str(buf, before);
		buf_str(buf, value->text);
	}
	buf_str(buf, before);
	buf_char(buf, '\n');
	return REASON_NONE;
}

/* The name in a line "{{if name}}". */
static bool read_condition(struct str line, struct str *name)
{
	const struct str start = STR("{{if ");
	struct str rest = str_from(line, start.n);

	return str_starts(line, start) && str_cut(&rest, '}', name);
}

const struct template_text *template_find(struct str name)
{
	for (size_t i = 0; template_texts[i].name != NULL; i++) {
		if (str_eq(str_of(template_texts[i].name), name))
			return &template_texts[i];
	}
	return NULL;
}

bool template_escape(struct buf *buf, enum template_quotes quotes, struct str s)
{
	if (is_refused(quotes, s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (str_has(quotations[quotes].escaped, s.p[i]))
			buf_char(buf, '\\');
		buf_char(buf, s.p[i]);
	}
	return true;
}

void template_pattern(struct buf *buf, struct str s)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_word(s.p[i])) {
			buf_char(buf, s.p[i]);
			continue;
		}
		buf_text(buf, "\\x");
		buf_char(buf, hex[c >> 4]);
		buf_char(buf, hex[c & 15]);
	}
}

bool template_classes(struct buf *buf, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool word = is_word(s.p[i]);

		if (!word)
			buf_char(buf, '[');
		buf_char(buf, s.p[i]);
		if (!word)
			buf_char(buf, ']');
	}
	return !str_has(s, '^');
}

enum reason template_fill(
	struct buf *buf, const char *const *lines, const struct template_values *values)
{
	enum reason reason = REASON_NONE;
	bool inside = false, shown = true;

	for (; *lines != NULL && reason == REASON_NONE; lines++) {
		struct str line = str_of(*lines), name;

		if (!inside && read_condition(line, &name)) {
			const struct template_value *value = find_value(values, name);

			reason = value == NULL ? REASON_INTERNAL : REASON_NONE;
			inside = true;
			shown = value != NULL && value->holds;
		} else if (inside && str_eq(line, STR("{{end}}"))) {
			inside = false;
			shown = true;
		} else if (shown) {
			reason = fill_line(buf, line, values);
		}
	}
	return inside ? REASON_INTERNAL : reason;
}
