/* SPDX-License-Identifier: MIT */
/* One line per event, as JSON or text, each in one write(2). */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/attr.h"
#include "util/buf.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL__MAX,
};

enum log_format {
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT,
	LOG_FORMAT__MAX,
};

struct log {
	int fd; /* borrowed */
	enum log_level level;
	enum log_format format;
	bool is_file; /* a regular one, which never makes a writer wait */
};

enum log_kind {
	LOG_TEXT,    /* left out when empty */
	LOG_NUMBER,  /* left out when 0 */
	LOG_NUMBER0, /* never left out */
};

struct log_field {
	const char *name; /* letters and underscores */
	enum log_kind kind;
	struct str text;
	int64_t number;
};

/* log_level_name - "error", "warning", "info" or "debug". */
const char *log_level_name(enum log_level level);

/* log_use - write to fd from now on; borrowed. */
void log_use(struct log *log, int fd);

/*
 * log_write - write one line: time, level, event and the fields, in this order.
 *
 * Texts are escaped, so that no input can start a line or a field of its own.
 * A line has at most PIPE_BUF bytes: if need be, its texts are cut to 1024, 256
 * or 64 bytes each.  A line that nobody takes within 100 ms is lost, and so is
 * one for which write(2) fails: there is nowhere to tell that.
 */
void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t field_count);

/* log_message - an event with one field, `message`. */
void log_message(
	const struct log *log, enum log_level level, const char *event, struct str message);

#endif
