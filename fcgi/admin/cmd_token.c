/* SPDX-License-Identifier: MIT */
/* token: mint a token as the endpoint would, without asking for the client's secret. */
#include "options.h"
#include "output.h"
#include "request.h"

#include <stdio.h>

#define LIFETIME_MAX 86400 /* seconds */

static int refuse(const char *client_id, enum reason reason)
{
	const struct reason_info *info = reason_info(reason);

	if (info->error == NULL)
		return output_reason(client_id, reason);
	return output_fail("%s: %s: %s", client_id, info->error, info->name);
}

int cmd_token(struct admin *admin, int argc, char **argv)
{
	int status;
	int64_t lifetime_s = 0;
	struct token_request request = { 0 };
	const struct option options[] = {
		{ "CLIENT_ID", NULL, "the client that gets the token", .required = true,
			.text = &request.client_id },
		{ "--scope", "S", "scope tokens, separated by spaces", .text = &request.scope },
		{ "--resource", "R", "a resource; may be repeated",
			.list = &request.resources },
		{ "--lifetime", "N", "seconds, 1 to 86400, instead of the configured ones",
			.number = &lifetime_s, .least = 1, .most = LIFETIME_MAX },
		OPTION_JSON(admin), /* the response is JSON anyway */
	};
	struct grant grant;
	struct token token;

	if (!options_read(admin, argc, argv, options, 5, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);

	if (snapshot == NULL)
		return STATUS_FAILED;
	enum reason reason = request_decide(
		snapshot, &request, admin->now_s, admin->arena, &grant);

	if (reason == REASON_NONE && lifetime_s > 0) {
		/* The endpoint has no token of this lifetime that could be had again. */
		grant.lifetime_s = lifetime_s;
		grant.reuse_s = 0;
	}
	if (reason == REASON_NONE)
		reason = request_mint(admin, snapshot, &grant, true, &token);
	if (reason != REASON_NONE)
		return refuse(request.client_id, reason);
	printf("%.*s\n", (int)token.response.n, token.response.p);
	return STATUS_DONE;
}
