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
	struct str client_id; /* as claimed; proven only if the event is a success */
	struct str remote_addr;
	enum auth_method method; /* as tried */
	struct str scope;
	struct str jti;
	struct str request_id;
	struct str secret_label;
	enum reason reason;
	int status;
};

/* audit_log - write the line. */
void audit_log(const struct log *log, const struct audit *audit, int64_t duration_us);

#endif
