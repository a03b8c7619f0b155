/* SPDX-License-Identifier: MIT */
/* The facts of one request as a log line (interface §5). */
#include "oauth/audit.h"

/* Texts that a stranger chose must not push the rest out of the line. */
#define TEXT_MAX 512
#define REASON_SIZE 512

static struct log_field text(const char *name, struct str value)
{
	return (struct log_field){
		.name = name,
		.kind = LOG_TEXT,
		.text = str_upto(value, TEXT_MAX),
	};
}

/* "reason: cause", or the one of them that there is. */
static struct str explain(const struct audit *audit, struct buf *buf)
{
	if (audit->reason != REASON_NONE)
		buf_text(buf, reason_info(audit->reason)->name);
	if (audit->reason != REASON_NONE && audit->cause != REASON_NONE)
		buf_text(buf, ": ");
	if (audit->cause != REASON_NONE)
		buf_text(buf, reason_info(audit->cause)->name);
	return buf_view(buf);
}

enum reason audit_refuse(struct audit *audit, enum reason cause, enum reason refusal)
{
	if (cause == REASON_NONE || reason_info(cause)->status != 0)
		return cause;
	audit->cause = cause;
	return refusal;
}

void audit_log(const struct log *log, const struct audit *audit, int64_t duration_us)
{
	const struct reason_info *info = reason_info(audit->reason);
	bool refused = audit->reason != REASON_NONE;
	char memory[REASON_SIZE];
	struct buf reason = buf_init(memory, sizeof(memory));
	const struct log_field fields[] = {
		text("client_id", audit->client_id),
		text("remote_addr", audit->remote_addr),
		text("auth_method", str_of(auth_method_name(audit->method))),
		text("scope", audit->scope),
		text("jti", audit->jti),
		text("request_id", audit->request_id),
		text("secret_label", audit->secret_label),
		text("error", str_of(refused ? info->error : NULL)),
		text("reason", explain(audit, &reason)),
		{ .name = "status", .kind = LOG_NUMBER, .number = audit->status },
		{ .name = "duration_us", .kind = LOG_NUMBER0, .number = duration_us },
	};
	enum log_level level = audit->status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;

	log_write(log, level, audit->event, fields, sizeof(fields) / sizeof(fields[0]));
}
