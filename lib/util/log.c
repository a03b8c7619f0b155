/* SPDX-License-Identifier: MIT */
/* One line per event, as JSON or text, each in one write(2). */
#include "util/log.h"
#include "util/clock.h"

#include <unistd.h>

#define LINE_SIZE 8192

/* A text without spaces, quotes, `=` and control characters needs no quotes in a text line. */
static bool is_bare(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\' ||
			s.p[i] == '=')
			return false;
	}
	return s.n > 0;
}

static void add_json(struct buf *line, const struct log_field *field)
{
	if (line->n > 1)
		buf_char(line, ',');
	buf_json(line, str_of(field->name));
	buf_char(line, ':');
	if (field->kind == LOG_TEXT)
		buf_json(line, field->text);
	else
		buf_number(line, field->number);
}

static void add_text(struct buf *line, const struct log_field *field)
{
	buf_char(line, ' ');
	buf_text(line, field->name);
	buf_char(line, '=');
	if (field->kind != LOG_TEXT)
		buf_number(line, field->number);
	else if (is_bare(field->text))
		buf_str(line, field->text);
	else
		buf_json(line, field->text);
}

static bool is_left_out(const struct log_field *field)
{
	return (field->kind == LOG_TEXT && field->text.n == 0) ||
	       (field->kind == LOG_NUMBER && field->number == 0);
}

static void begin(
	struct buf *line, enum log_format format, enum log_level level, const char *event)
{
	int64_t now_ms = clock_wall_ms();

	if (format == LOG_FORMAT_JSON) {
		buf_text(line, "{\"time\":\"");
		clock_format(line, now_ms, true);
		buf_text(line, "\",\"level\":\"");
		buf_text(line, log_level_name(level));
		buf_text(line, "\",\"event\":\"");
		buf_text(line, event);
		buf_char(line, '"');
	} else {
		clock_format(line, now_ms, true);
		buf_char(line, ' ');
		buf_text(line, log_level_name(level));
		buf_char(line, ' ');
		buf_text(line, event);
	}
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[LOG_LEVEL__MAX] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	return names[level];
}

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t field_count)
{
	char memory[LINE_SIZE];
	struct buf line = buf_init(memory, sizeof(memory) - 2);

	if (level > log->level)
		return;
	begin(&line, log->format, level, event);
	for (size_t i = 0; i < field_count; i++) {
		if (is_left_out(&fields[i]))
			continue;
		if (log->format == LOG_FORMAT_JSON)
			add_json(&line, &fields[i]);
		else
			add_text(&line, &fields[i]);
	}
	if (line.overflow) {
		line = buf_init(memory, sizeof(memory) - 2);
		begin(&line, log->format, LOG_LEVEL_ERROR, "log.line_too_long");
	}
	line.size = sizeof(memory);
	buf_text(&line, log->format == LOG_FORMAT_JSON ? "}\n" : "\n");
	if (write(log->fd, line.p, line.n) < 0)
		return;
}

void log_message(
	const struct log *log, enum log_level level, const char *event, struct str message)
{
	struct log_field field = { .name = "message", .kind = LOG_TEXT, .text = message };

	log_write(log, level, event, &field, 1);
}
