/* SPDX-License-Identifier: MIT */
/* From a request to a response: routes, and the checks that every request meets. */
#ifndef OAUTH_DISPATCH_H
#define OAUTH_DISPATCH_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/* What one request comes with; all borrowed until the response is sent. */
struct dispatch_input {
	const struct snapshot *snapshot; /* NULL: no configuration could be loaded */
	const struct http_request *request;
	const struct services *services;
	struct arena *arena; /* the response lives in it */
	int64_t now_s;
	const struct process_facts *process; /* of the one that answers */
};

/*
 * dispatch - answer one request.
 *
 * Never fails: whatever is wrong becomes the response.  If audit's reason is
 * REASON_HASH_AWAITED there is none yet: nothing was decided, counted or used up.
 */
void dispatch(const struct dispatch_input *input, struct http_response *response,
	struct audit *audit);

#endif
