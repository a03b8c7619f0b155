/* SPDX-License-Identifier: MIT */
/* What goes to the terminal: results, complaints, and text that came from elsewhere. */
#ifndef ADMIN_OUTPUT_H
#define ADMIN_OUTPUT_H

#include "admin.h"

#include <jansson.h>

/* output_fail - print "oauth2-admin: …" to standard error.  Returns STATUS_FAILED. */
int output_fail(const char *format, ...) PRINTF(1, 2);

/* output_misuse - print what is wrong with the arguments and where help is.  Returns
 * STATUS_USAGE. */
int output_misuse(const struct admin *admin, const char *format, ...) PRINTF(2, 3);

/* output_reason - output_fail with a reason, and with errno's text for those that stem from it.
 */
int output_reason(const char *what, enum reason reason);

/* output_diagnostics - print the kept problems as FILE:LINE:COLUMN, with or without warnings.
 */
void output_diagnostics(FILE *stream, const struct diag *diag, bool with_warnings);

/* output_text - print s to standard output; control characters, which a terminal obeys, as '?'.
 */
void output_text(struct str s);

/* output_cell - output_text, followed by spaces up to `width` characters. */
void output_cell(struct str s, size_t width);

/* output_width - how many characters (code points of UTF-8) s has. */
size_t output_width(struct str s);

/*
 * output_json - print a heading and a JSON value, indented and in ASCII.
 *
 * json  borrowed; NULL: "cannot be decoded" is printed
 */
void output_json(const char *heading, const json_t *json);

/* output_flush - hand everything over to the system.  Returns false, told on standard error, if
 * that fails. */
NODISCARD bool output_flush(void);

#endif
