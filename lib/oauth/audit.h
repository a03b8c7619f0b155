/* SPDX-License-Identifier: MIT */
/* The facts of one request for the log; there is no field that could hold a secret. */
#ifndef OAUTH_AUDIT_H
#define OAUTH_AUDIT_H

#include "domain/client.h"
#include "util/log.h"
#include "util/reason.h"

/* The texts are borrowed from the request's arena or the snapshot. */
struct audit {
	const char *event;
	const char *endpoint; /* for metrics only; NULL: none was found */
	struct str client_id; /* as claimed; proven only if the event is a success */
	struct str remote_addr;
	enum auth_method method; /* as tried */
	struct str scope;
	struct str jti;
	struct str request_id;
	struct str secret_label;
	enum reason reason;
	enum reason cause; /* what exactly is wrong with an assertion or proof; else _NONE */
	int64_t retry_after_s; /* what the client was told to wait; 0: nothing of its own */
	int status;
};

/*
 * audit_refuse - from what exactly is wrong with an assertion or proof to what the client is
 * told.
 *
 * Returns `refusal`, with the cause noted, for a cause that no answer is made of; else the
 * cause itself.
 */
NODISCARD enum reason audit_refuse(struct audit *audit, enum reason cause, enum reason refusal);

/* audit_log - write the line; its `reason` is the reason and, behind a colon, the cause. */
void audit_log(const struct log *log, const struct audit *audit, int64_t duration_us);

#endif
