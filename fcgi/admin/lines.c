/* SPDX-License-Identifier: MIT */
/* Lines of a YAML text by the offset of a byte in them: ends, indentation, comments. */
#include "lines.h"

#define TAB_WIDTH 8

static size_t skip_blanks(struct str text, size_t at)
{
	while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t'))
		at++;
	return at;
}

/* Is this the end of the text or of a line? */
static bool is_end(struct str text, size_t at)
{
	return at == text.n || text.p[at] == '\n' || text.p[at] == '\r';
}

/* A comment needs white space before it. */
static bool is_comment(struct str text, size_t at)
{
	return at < text.n && text.p[at] == '#' &&
	       (at == 0 || str_has(STR(" \t\n"), text.p[at - 1]));
}

static size_t width(struct str text, size_t from, size_t to)
{
	size_t columns = 0;

	for (size_t i = from; i < to; i++)
		columns += text.p[i] == '\t' ? TAB_WIDTH - columns % TAB_WIDTH : 1;
	return columns;
}

size_t lines_start(struct str text, size_t at)
{
	while (at > 0 && text.p[at - 1] != '\n')
		at--;
	return at;
}

size_t lines_next(struct str text, size_t at)
{
	while (at < text.n && text.p[at] != '\n')
		at++;
	return at < text.n ? at + 1 : at;
}

struct str lines_newline(struct str text, size_t at)
{
	if (at == 0 || text.p[at - 1] != '\n')
		at = lines_start(text, at);
	if (at == 0)
		at = lines_next(text, 0);
	return at > 1 && text.p[at - 1] == '\n' && text.p[at - 2] == '\r' ? STR("\r\n")
									  : STR("\n");
}

bool lines_are_safe(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n'))
			return false;
	}
	return str_is_utf8(text);
}

bool lines_is_first(struct str text, size_t at)
{
	return skip_blanks(text, lines_start(text, at)) == at;
}

bool lines_rest(struct str text, size_t at, size_t *comma)
{
	*comma = at;
	at = skip_blanks(text, at);
	if (at < text.n && text.p[at] == ',') {
		*comma = at;
		at = skip_blanks(text, at + 1);
	}
	return is_end(text, at) || is_comment(text, at);
}

size_t lines_behind(struct str text, size_t at, size_t column)
{
	size_t behind = lines_next(text, at);

	for (size_t line = behind; line < text.n; line = lines_next(text, line)) {
		size_t first = skip_blanks(text, line);

		if (is_end(text, first))
			continue;
		if (!is_comment(text, first) || width(text, line, first) <= column)
			break;
		behind = lines_next(text, line);
	}
	return behind;
}

bool lines_has_gap(struct str text, size_t at)
{
	size_t line = lines_start(text, at);

	while (line > 0) {
		line = lines_start(text, line - 1);
		size_t first = skip_blanks(text, line);

		if (is_end(text, first))
			return true;
		if (!is_comment(text, first))
			break;
	}
	return false;
}
