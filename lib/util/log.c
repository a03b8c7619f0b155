/* SPDX-License-Identifier: MIT */
/* One line per event, as JSON or text, each in one write(2). */
#include "util/log.h"
#include "util/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a pipe takes whole or not at all, so that lines of several processes never mix. */
#define LINE_SIZE PIPE_BUF
#define PATIENCE_US INT64_C(100000)

/* One event with all that is told of it. */
struct record {
	enum log_level level;
	const char *event;
	const struct log_field *fields;
	size_t field_count;
};

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
	buf_char(line, '"');
	buf_text(line, field->name);
	buf_text(line, "\":");
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

static void compose(struct buf *line, enum log_format format, const struct record *record,
	size_t text_limit)
{
	begin(line, format, record->level, record->event);
	for (size_t i = 0; i < record->field_count; i++) {
		struct log_field field = record->fields[i];

		if (is_left_out(&field))
			continue;
		field.text = str_upto(field.text, text_limit);
		if (format == LOG_FORMAT_JSON)
			add_json(line, &field);
		else
			add_text(line, &field);
	}
	buf_text(line, format == LOG_FORMAT_JSON ? "}\n" : "\n");
}

static bool is_writable(const struct log *log, int64_t patience_us)
{
	struct pollfd output = { .fd = log->fd, .events = POLLOUT };

	return log->is_file || poll(&output, 1, (int)((patience_us + 999) / 1000)) == 1;
}

/*
 * A reader that has stopped reading loses lines; it must not stop the service.  Another process
 * may take the room that there was.
 */
static void put(const struct log *log, const struct buf *line)
{
	int64_t until_us = clock_steady_us() + PATIENCE_US;
	int64_t left_us = PATIENCE_US;

	while (left_us > 0 && is_writable(log, left_us)) {
		if (write(log->fd, line->p, line->n) >= 0 || errno != EAGAIN)
			return;
		left_us = until_us - clock_steady_us();
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

void log_use(struct log *log, int fd)
{
	struct stat st;

	log->fd = fd;
	log->is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t field_count)
{
	/* Texts that strangers chose may be long, but must not cost the line. */
	static const size_t text_limits[] = { SIZE_MAX, 1024, 256, 64 };
	const struct record record = { level, event, fields, field_count };
	char memory[LINE_SIZE];
	struct buf line = { .overflow = true };

	if (level > log->level)
		return;
	for (size_t i = 0; line.overflow && i < sizeof(text_limits) / sizeof(text_limits[0]);
		i++) {
		line = buf_init(memory, sizeof(memory));
		compose(&line, log->format, &record, text_limits[i]);
	}
	if (!line.overflow)
		put(log, &line);
}

void log_message(
	const struct log *log, enum log_level level, const char *event, struct str message)
{
	struct log_field field = { .name = "message", .kind = LOG_TEXT, .text = message };

	log_write(log, level, event, &field, 1);
}
