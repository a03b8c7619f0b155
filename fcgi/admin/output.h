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
 *
 * Returns STATUS_FAILED, with a message, if there is no memory to print it whole.
 */
NODISCARD int output_json(const char *heading, const json_t *json);

/* output_string - s as a JSON string, with U+FFFD for what is not UTF-8.  Returns new, or NULL:
 * out of memory. */
NODISCARD json_t *output_string(struct str s);

/* output_time - seconds since the epoch as a JSON string of RFC 3339.  Returns as output_string
 * does. */
NODISCARD json_t *output_time(int64_t time_s);

/* output_place - print FILE:LINE. */
void output_place(const struct place *place);

/* output_path - DIRECTORY/NAME as a JSON string.  Returns as output_string does. */
NODISCARD json_t *output_path(const char *directory, const char *name);

/* output_append - put an item at the end of a list.  Out of memory, also for the item (moved
 * in), frees *list, which becomes NULL. */
void output_append(json_t **list, json_t *item);

/* output_member - the same for a member of an object. */
void output_member(json_t **object, const char *name, json_t *value);

/*
 * output_result - print the result of a command that was called with --json.
 *
 * result  an object or array; moved in; NULL: out of memory
 *
 * Returns status, or STATUS_FAILED if there was not enough memory, which was printed.
 */
NODISCARD int output_result(json_t *result, int status);

/* output_flush - hand everything over to the system.  Returns false, told on standard error, if
 * that fails. */
NODISCARD bool output_flush(void);

#endif
