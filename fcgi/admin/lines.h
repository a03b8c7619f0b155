/* SPDX-License-Identifier: MIT */
/* Lines of a YAML text by the offset of a byte in them: ends, indentation, comments. */
#ifndef ADMIN_LINES_H
#define ADMIN_LINES_H

#include "util/str.h"

/* lines_start - where the line of this byte starts. */
size_t lines_start(struct str text, size_t at);

/* lines_next - where the next line starts; the end of the text behind the last one. */
size_t lines_next(struct str text, size_t at);

/* lines_newline - how the line before this byte ends, or else others do: LF or CR LF. */
struct str lines_newline(struct str text, size_t at);

/* lines_are_safe - does every line end in LF or CR LF, and is it UTF-8? */
bool lines_are_safe(struct str text);

/* lines_is_first - is there nothing but white space before this byte on its line? */
bool lines_is_first(struct str text, size_t at);

/*
 * lines_rest - what follows a value on its line.
 *
 * comma  [out] the offset of a comma, or of where one could stand: directly behind the value
 *
 * Returns true if it is nothing but white space, one comma, and a comment.
 */
bool lines_rest(struct str text, size_t at, size_t *comma);

/*
 * lines_behind - where a line can be put behind the value that ends at this byte.
 *
 * column  of the value; comments in the lines below it that are indented deeper belong to it
 */
size_t lines_behind(struct str text, size_t at, size_t column);

/* lines_has_gap - is there an empty line above the line of this byte and its comments? */
bool lines_has_gap(struct str text, size_t at);

#endif
