/* SPDX-License-Identifier: MIT */
/* The YAML that configurations are mostly written in, read quickly. */
#include "config/plain.h"

#include <string.h>

#define KEY_LEN_MAX 1000 /* bytes to its colon; libyaml takes up to 1024 characters */

/* A list or mapping by indentation that is not closed yet. */
struct level {
	size_t indent;
	bool is_list;
	bool awaits; /* the value of the last key, or the last item */
	unsigned line;
	unsigned column; /* where that value is said to be if nothing comes */
};

struct reading {
	struct builder *builder;
	struct level levels[YAML_DEPTH_MAX]; /* as the builder's frames */
	char *begin;
	char *at;
	char *end;     /* there is room for a NUL */
	char *line_at; /* its first character */
	char *cut;     /* behind a text that was read: a NUL is to be put there */
	unsigned line;
	bool is_wide; /* there are characters of more than one byte */
	/* Up to here on its line, so many bytes were only the rest of a character. */
	const char *counted_at;
	unsigned surplus;
};

/* A text as it stands, and what comes behind it. */
struct scalar {
	struct str text;
	char *start;
	bool is_plain;
	bool is_key; /* a colon follows */
};

/*
 * The length of a character of more than one byte that libyaml takes as any letter; 0: another.
 * Left out are controls, line ends, surrogates, the disguise of colons, the byte order mark.
 */
static size_t wide_length(const unsigned char *p, size_t n)
{
	if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80)
		return p[0] > 0xc2 || p[1] >= 0xa0 ? 2 : 0;
	if (n < 3 || p[0] < 0xe0 || p[0] > 0xed || (p[1] & 0xc0) != 0x80 ||
		(p[2] & 0xc0) != 0x80)
		return 0;
	bool is_overlong = p[0] == 0xe0 && p[1] < 0xa0;
	bool is_surrogate = p[0] == 0xed && p[1] >= 0xa0;
	bool is_line_end = p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);

	return is_overlong || is_surrogate || is_line_end ? 0 : 3;
}

/* Only characters that are usual; *is_wide: some have more than one byte. */
static bool has_usual_characters(struct str text, bool *is_wide)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t i = 0;

	*is_wide = false;
	while (i < text.n) {
		if ((unsigned)p[i] - ' ' < 0x7f - ' ' || p[i] == '\n') {
			i++;
			continue;
		}
		size_t length = wide_length(p + i, text.n - i);

		if (length == 0)
			return false;
		*is_wide = true;
		i += length;
	}
	return true;
}

static char peek(const struct reading *r, size_t ahead)
{
	return (size_t)(r->end - r->at) > ahead ? r->at[ahead] : '\n';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n';
}

static bool is_flow_mark(char c)
{
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

static unsigned count_wide(struct reading *r, const char *p)
{
	if (r->counted_at < r->line_at || r->counted_at > p) {
		r->counted_at = r->line_at;
		r->surplus = 0;
	}
	for (; r->counted_at < p; r->counted_at++)
		r->surplus += ((unsigned char)*r->counted_at & 0xc0) == 0x80;
	return r->surplus;
}

static unsigned column_of(struct reading *r, const char *p)
{
	unsigned column = (unsigned)(p - r->line_at) + 1;

	return r->is_wide ? column - count_wide(r, p) : column;
}

static struct level *top(struct reading *r)
{
	return &r->levels[r->builder->depth - 1];
}

/* The texts stay where they are: each gets its NUL when what stood there has been looked at. */
static void cut_at(struct reading *r, char *p)
{
	if (r->cut != NULL)
		*r->cut = '\0';
	r->cut = p;
}

static bool add_text(struct reading *r, const struct scalar *scalar)
{
	struct yaml_node *node = builder_add(
		r->builder, YAML_TEXT, r->line, column_of(r, scalar->start));

	if (node == NULL)
		return false;
	node->text = scalar->text;
	node->is_plain = scalar->is_plain;
	return true;
}

static bool open_node(struct reading *r, enum yaml_kind kind, const char *p)
{
	struct builder *builder = r->builder;

	if (builder->depth == YAML_DEPTH_MAX)
		return false;
	struct yaml_node *node = builder_add(builder, kind, r->line, column_of(r, p));

	if (node != NULL)
		builder_open(builder, node);
	return node != NULL;
}

static bool close_node(struct reading *r)
{
	const struct yaml_node *node = builder_close(r->builder);

	return node->kind != YAML_MAPPING ||
	       (!builder_has_repeated(r->builder, node) && !r->builder->out_of_memory);
}

/* The value that is awaited is left out. */
static bool give_nothing(struct reading *r, struct level *level)
{
	struct yaml_node *node = builder_add(r->builder, YAML_TEXT, level->line, level->column);

	level->awaits = false;
	if (node == NULL)
		return false;
	node->text = STR("");
	node->is_plain = true;
	return true;
}

static void await(struct reading *r, const char *behind)
{
	struct level *level = top(r);

	level->awaits = true;
	level->line = r->line;
	level->column = column_of(r, behind);
}

/* Go over blanks and a comment; true at the end of the line. */
static bool skip_rest(struct reading *r)
{
	const char *before = r->at;

	while (peek(r, 0) == ' ' && r->at < r->end)
		r->at++;
	if (peek(r, 0) == '#' && (r->at > before || r->at == r->line_at)) {
		char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));

		r->at = newline == NULL ? r->end : newline;
	}
	return peek(r, 0) == '\n';
}

static void next_line(struct reading *r)
{
	if (r->at < r->end)
		r->at++;
	r->line_at = r->at;
	r->line++;
}

/* A marker of documents, or a directive. */
static bool is_marker(const struct reading *r)
{
	char c = peek(r, 0);

	return r->at == r->line_at &&
	       (c == '%' || ((c == '-' || c == '.') && peek(r, 1) == c && peek(r, 2) == c));
}

static bool scan_quoted(struct reading *r, struct scalar *scalar)
{
	const char quote = *r->at;
	char *start = r->at + 1, *p = start;

	while (p < r->end && *p != quote && *p != '\\' && *p != '\n')
		p++;
	/* Two quotes stand for one. */
	if (p == r->end || *p != quote || (p + 1 < r->end && p[1] == quote))
		return false;
	*scalar = (struct scalar){ .text = { start, (size_t)(p - start) }, .start = r->at };
	r->at = p + 1;
	scalar->is_key = peek(r, 0) == ':';
	cut_at(r, p);
	return true;
}

/* Colons that shield_colons disguises: two at least, where a value can start, with more behind.
 */
static bool starts_with_colons(const struct reading *r)
{
	size_t n = 0;

	while (peek(r, n) == ':')
		n++;
	return n >= 2 && !is_blank(peek(r, n)) && !is_flow_mark(peek(r, n)) &&
	       r->at > r->begin && str_has(STR("[{, \n"), r->at[-1]);
}

static bool starts_plain(const struct reading *r)
{
	char first = *r->at, second = peek(r, 1);

	if (first == '-')
		return !is_blank(second) && !is_flow_mark(second) && second != '-';
	if (first == ':')
		return starts_with_colons(r);
	return !str_has(STR("?,[]{}#&*!|>'\"%@`"), first);
}

/* May it end a plain text? */
static bool is_special(char c)
{
	static const bool special[256] = {
		['\n'] = true,
		[':'] = true,
		['#'] = true,
		['?'] = true,
		[','] = true,
		['['] = true,
		[']'] = true,
		['{'] = true,
		['}'] = true,
	};

	return special[(unsigned char)c];
}

/* Does a plain text end here?  *bad: it does, or goes on, in a way that is unusual. */
static bool ends_plain(const struct reading *r, const char *p, bool in_flow, bool *bad)
{
	char next = r->end - p > 1 ? p[1] : '\n';

	switch (*p) {
	case '\n':
		return true;
	case ':':
		*bad = *bad || (in_flow && (is_flow_mark(next) || next == '?')) ||
		       (is_blank(next) && p[-1] == ':');
		return is_blank(next);
	case '#':
		return p[-1] == ' ';
	case '?':
		*bad = *bad || in_flow;
		return false;
	default:
		*bad = *bad || (in_flow && (*p == '[' || *p == '{'));
		return in_flow && is_flow_mark(*p);
	}
}

static bool scan_plain(struct reading *r, bool in_flow, struct scalar *scalar)
{
	char *start = r->at, *p = start;
	bool bad = false;

	if (!starts_plain(r))
		return false;
	while (*p == ':')
		p++;
	if (p == start)
		p++;
	while (p < r->end && (!is_special(*p) || !ends_plain(r, p, in_flow, &bad)))
		p++;
	char *last = p;

	while (last[-1] == ' ')
		last--;
	*scalar = (struct scalar){
		.text = { start, (size_t)(last - start) },
		.start = start,
		.is_plain = true,
		.is_key = p < r->end && *p == ':',
	};
	r->at = scalar->is_key ? p : last;
	cut_at(r, last);
	return !bad;
}

static bool scan_text(struct reading *r, bool in_flow, struct scalar *scalar)
{
	char c = peek(r, 0);

	if (r->at == r->end)
		return false;
	return c == '"' || c == '\'' ? scan_quoted(r, scalar) : scan_plain(r, in_flow, scalar);
}

/* A key, whose colon is then behind it. */
static bool add_key(struct reading *r, const struct scalar *key)
{
	if (r->at - key->start > KEY_LEN_MAX || (key->is_plain && str_eq(key->text, STR("<<"))))
		return false;
	r->at++;
	return add_text(r, key);
}

/* In brackets lines do not matter. */
static bool skip_flow_space(struct reading *r)
{
	while (skip_rest(r)) {
		if (r->at == r->end)
			return false;
		next_line(r);
		if (is_marker(r))
			return false;
	}
	return true;
}

static bool is_bracket(const struct reading *r)
{
	return peek(r, 0) == '[' || peek(r, 0) == '{';
}

static bool is_in_mapping(const struct reading *r)
{
	return r->builder->frames[r->builder->depth - 1].node->kind == YAML_MAPPING;
}

/* Go into a list or mapping in brackets, up to its first entry or its end. */
static bool open_flow(struct reading *r)
{
	enum yaml_kind kind = *r->at == '[' ? YAML_LIST : YAML_MAPPING;

	return open_node(r, kind, r->at++) && skip_flow_space(r);
}

/* The key of a mapping in brackets; what follows must be its value. */
static bool read_flow_key(struct reading *r)
{
	struct scalar key;

	return scan_text(r, true, &key) && key.is_key && add_key(r, &key) &&
	       skip_flow_space(r) && *r->at != ',' && *r->at != '}';
}

/* An item, or a key with its value; of a list or mapping as the value only the bracket. */
static bool read_flow_entry(struct reading *r, bool *is_open)
{
	struct scalar value;

	*is_open = false;
	if (is_in_mapping(r) && !read_flow_key(r))
		return false;
	*is_open = is_bracket(r);
	if (*is_open)
		return open_flow(r);
	return scan_text(r, true, &value) && !value.is_key && add_text(r, &value);
}

static bool is_closing(const struct reading *r)
{
	return *r->at == (is_in_mapping(r) ? '}' : ']');
}

/* Close what ends behind an entry, up to this depth or to a comma that another one follows. */
static bool end_flow_entry(struct reading *r, unsigned depth)
{
	while (skip_flow_space(r) && is_closing(r)) {
		r->at++;
		if (!close_node(r))
			return false;
		if (r->builder->depth == depth)
			return true;
	}
	return r->at < r->end && *r->at++ == ',' && skip_flow_space(r) && !is_closing(r);
}

static bool read_flow(struct reading *r)
{
	const unsigned depth = r->builder->depth;
	bool is_open = true;

	if (!open_flow(r))
		return false;
	while (r->builder->depth > depth) {
		/* What was just opened may be empty. */
		bool is_empty = is_open && is_closing(r);

		if (!is_empty && !read_flow_entry(r, &is_open))
			return false;
		if ((is_empty || !is_open) && !end_flow_entry(r, depth))
			return false;
		is_open = is_open && !is_empty;
	}
	return true;
}

/* Is a value awaited?  Then it comes now. */
static bool take_turn(struct reading *r)
{
	bool awaited = r->builder->depth > 0 && top(r)->awaits;

	if (awaited)
		top(r)->awaits = false;
	return awaited;
}

/* The value behind a key. */
static bool read_value(struct reading *r)
{
	struct scalar value;

	if (!take_turn(r))
		return false;
	if (is_bracket(r))
		return read_flow(r) && skip_rest(r);
	return scan_text(r, false, &value) && !value.is_key && add_text(r, &value) &&
	       skip_rest(r);
}

static bool open_level(struct reading *r, bool is_list, const char *p)
{
	struct level *around = r->builder->depth == 0 ? NULL : top(r);

	if (around != NULL && !around->awaits)
		return false;
	if (around != NULL)
		around->awaits = false;
	if (!open_node(r, is_list ? YAML_LIST : YAML_MAPPING, p))
		return false;
	*top(r) = (struct level){ .indent = (size_t)(p - r->line_at), .is_list = is_list };
	return true;
}

/* Is the innermost one such a list or mapping, at this place, and is its last entry whole? */
static bool is_level(struct reading *r, bool is_list, const char *p)
{
	if (r->builder->depth == 0)
		return false;
	const struct level *level = top(r);

	return level->is_list == is_list && level->indent == (size_t)(p - r->line_at) &&
	       !level->awaits;
}

static bool begin_item(struct reading *r)
{
	if (!is_level(r, true, r->at) && !open_level(r, true, r->at))
		return false;
	r->at++;
	await(r, r->at);
	return true;
}

static bool begin_value(struct reading *r, const struct scalar *key)
{
	if (!is_blank(peek(r, 1)) ||
		(!is_level(r, false, key->start) && !open_level(r, false, key->start)) ||
		!add_key(r, key))
		return false;
	await(r, r->at);
	return true;
}

/* A key with or without a value, or a value. */
static bool read_entry(struct reading *r)
{
	struct scalar scalar;

	if (is_bracket(r))
		return read_value(r);
	if (!scan_text(r, false, &scalar))
		return false;
	if (scalar.is_key)
		return begin_value(r, &scalar) && (skip_rest(r) || read_value(r));
	return take_turn(r) && add_text(r, &scalar) && skip_rest(r);
}

static bool is_item(const struct reading *r)
{
	return *r->at == '-' && is_blank(peek(r, 1));
}

/* Close what ends before an entry at this column, and give what is awaited and does not come.
 */
static bool settle(struct reading *r, size_t column, bool is_item_here)
{
	while (r->builder->depth > 0) {
		struct level *level = top(r);
		bool is_here = column == level->indent;

		/* A list may begin where the key stands that it is the value of. */
		if (column > level->indent || (is_here && is_item_here && !level->is_list))
			return level->awaits;
		if (level->awaits && !give_nothing(r, level))
			return false;
		if (is_here && is_item_here == level->is_list)
			return true;
		if (!close_node(r))
			return false;
	}
	return column == 0 && !is_item_here && r->builder->root == NULL;
}

static bool read_line(struct reading *r)
{
	if (is_marker(r) || !settle(r, (size_t)(r->at - r->line_at), is_item(r)))
		return false;
	while (is_item(r)) {
		if (!begin_item(r))
			return false;
		if (skip_rest(r))
			return true;
	}
	return read_entry(r);
}

static bool read_lines(struct reading *r)
{
	for (; r->at < r->end; next_line(r)) {
		if (!skip_rest(r) && !read_line(r))
			return false;
	}
	while (r->builder->depth > 0) {
		if (top(r)->awaits && !give_nothing(r, top(r)))
			return false;
		if (!close_node(r))
			return false;
	}
	return r->builder->root != NULL;
}

enum reason plain_read(struct builder *builder, struct str text)
{
	struct reading r = { .builder = builder, .line = 1 };

	if (!has_usual_characters(text, &r.is_wide))
		return REASON_CONFIG;
	r.at = arena_alloc(builder->arena, text.n + 1);
	if (r.at == NULL)
		return REASON_MEMORY;
	if (text.n > 0)
		memcpy(r.at, text.p, text.n);
	r.end = r.at + text.n;
	r.begin = r.at;
	r.line_at = r.at;
	r.counted_at = r.at;
	if (!read_lines(&r))
		return builder->out_of_memory ? REASON_MEMORY : REASON_CONFIG;
	cut_at(&r, NULL);
	return REASON_NONE;
}
