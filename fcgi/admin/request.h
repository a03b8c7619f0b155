/* SPDX-License-Identifier: MIT */
/* A token request that comes from the command line instead of the endpoint. */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include "oauth/grant.h"

struct token_request {
	const char *client_id;
	const char *scope;         /* NULL: none */
	struct str_list resources; /* as given: also repeated and empty ones */
};

/*
 * request_decide - what the endpoint decides once the client has authenticated.
 *
 * Returns REASON_NONE; REASON_CLIENT_UNKNOWN, REASON_CLIENT_DISABLED; and what
 * grant_decide returns.
 */
NODISCARD enum reason request_decide(const struct snapshot *snapshot,
	const struct token_request *request, struct arena *arena, struct grant *grant);

#endif
