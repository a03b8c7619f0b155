/* SPDX-License-Identifier: MIT */
/* What goes to the terminal: results, complaints, and text that came from elsewhere. */
#include "output.h"
#include "jose/json.h"
#include "util/clock.h"
#include "util/secret.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIAGNOSTIC_SIZE 8192
#define TIME_SIZE 64
#define ESCAPE_LEN 6 /* the most that a byte becomes in JSON */

/* Reasons that errno explains. */
static const enum reason system_reasons[] = {
	REASON_FILE_OPEN,
	REASON_FILE_READ,
	REASON_FILE_WRITE,
};

/* The bytes of the control character at the start of s (C0, DEL, or C1 as UTF-8), or 0. */
static size_t control_length(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];

	if (c < 0x20 || c == 0x7f)
		return 1;
	return c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] < 0xa0 ? 2 : 0;
}

static bool is_system_reason(enum reason reason)
{
	for (size_t i = 0; i < sizeof(system_reasons) / sizeof(system_reasons[0]); i++) {
		if (system_reasons[i] == reason)
			return true;
	}
	return false;
}

static PRINTF(1, 0) void complain(const char *format, va_list arguments)
{
	fflush(stdout);
	fputs("oauth2-admin: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

int output_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	return STATUS_FAILED;
}

int output_misuse(const struct admin *admin, const char *format, ...)
{
	va_list arguments;
	const char *command = admin->command == NULL ? "" : admin->command->name;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	fprintf(stderr, "Try 'oauth2-admin %s%s--help'.\n", command,
		command[0] == '\0' ? "" : " ");
	return STATUS_USAGE;
}

int output_reason(const char *what, enum reason reason)
{
	int error = errno;

	if (is_system_reason(reason))
		return output_fail(
			"%s: %s: %s", what, reason_info(reason)->name, strerror(error));
	return output_fail("%s: %s", what, reason_info(reason)->name);
}

void output_diagnostics(FILE *stream, const struct diag *diag, bool with_warnings)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_entry *entry = diag_get(diag, i);
		char line[DIAGNOSTIC_SIZE];
		struct buf buf = buf_init(line, sizeof(line));

		if (entry->severity == DIAG_WARNING && !with_warnings)
			continue;
		diag_render(&buf, entry);
		fprintf(stream, "%.*s\n", (int)buf.n, line);
	}
}

void output_text(struct str s)
{
	while (s.n > 0) {
		size_t length = control_length(s);

		putchar(length > 0 ? '?' : s.p[0]);
		s = str_from(s, length > 0 ? length : 1);
	}
}

void output_cell(struct str s, size_t width)
{
	output_text(s);
	for (size_t i = output_width(s); i < width; i++)
		putchar(' ');
}

size_t output_width(struct str s)
{
	size_t width = 0;

	for (size_t i = 0; i < s.n; i++)
		width += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return width;
}

/* Not json_dumps: out of memory, jansson 2.14 may leave a part out and say nothing. */
static char *dump(const json_t *json)
{
	const size_t flags = JSON_INDENT(2) | JSON_ENSURE_ASCII;
	size_t size = json == NULL ? 0 : json_dumpb(json, NULL, 0, flags);
	char *text = size == 0 ? NULL : malloc(size + 1);

	if (text == NULL)
		return NULL;
	if (json_dumpb(json, text, size, flags) == size) {
		text[size] = '\0';
		return text;
	}
	secret_wipe(text, size);
	free(text);
	return NULL;
}

int output_json(const char *heading, const json_t *json)
{
	char *text = dump(json);

	if (text == NULL && json != NULL)
		return output_reason(heading, REASON_MEMORY);
	printf("%s:\n%s\n", heading, text != NULL ? text : "cannot be decoded");
	free(text);
	return STATUS_DONE;
}

json_t *output_string(struct str s)
{
	json_t *string = json_stringn(s.p, s.n);
	size_t size = s.n * ESCAPE_LEN + 2;
	char *p = string == NULL ? malloc(size) : NULL;
	bool has_memory;

	if (p == NULL)
		return string;
	struct buf buf = buf_init(p, size);

	buf_json(&buf, s);
	string = json_load(buf_view(&buf), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL, &has_memory);
	secret_wipe(p, size);
	free(p);
	return string;
}

json_t *output_time(int64_t time_s)
{
	char text[TIME_SIZE];
	struct buf buf = buf_init(text, sizeof(text));

	clock_format(&buf, time_s * 1000, false);
	return output_string(buf_view(&buf));
}

void output_place(const struct place *place)
{
	output_text(str_of(place->file));
	printf(":%u", place->line);
}

json_t *output_path(const char *directory, const char *name)
{
	size_t size = strlen(directory) + 1 + strlen(name);
	char *p = malloc(size);

	if (p == NULL)
		return NULL;
	struct buf buf = buf_init(p, size);

	buf_text(&buf, directory);
	buf_char(&buf, '/');
	buf_text(&buf, name);
	json_t *path = output_string(buf_view(&buf));

	free(p);
	return path;
}

void output_append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

void output_member(json_t **object, const char *name, json_t *value)
{
	if (json_object_set_new(*object, name, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

int output_result(json_t *result, int status)
{
	char *text = dump(result);

	json_decref(result);
	if (text == NULL)
		return output_reason("the result", REASON_MEMORY);
	puts(text);
	secret_wipe(text, strlen(text));
	free(text);
	return status;
}

bool output_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	output_fail("standard output cannot be written: %s", strerror(errno));
	return false;
}
