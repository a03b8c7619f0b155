/* SPDX-License-Identifier: MIT */
/* revoke: put one of our tokens on the revocation list. */
#include "oauth/issued.h"
#include "options.h"
#include "output.h"
#include "state/revocation.h"
#include "util/clock.h"

#include <stdio.h>

#define TIME_SIZE 64

static void print_revoked(const struct issued *issued)
{
	char text[TIME_SIZE];
	struct buf buf = buf_init(text, sizeof(text));

	clock_format(&buf, issued->expires_s * 1000, false);
	printf("revoked: ");
	output_text(issued->jti);
	printf(" of ");
	output_text(issued->client_id);
	printf(", valid until %.*s\n", (int)buf.n, text);
}

static int print_result(const struct admin *admin, const struct issued *issued)
{
	if (admin->json)
		return output_result(json_pack("{s:b, s:o, s:o, s:o}", "revoked", true, "jti",
					     output_string(issued->jti), "client_id",
					     output_string(issued->client_id), "expires",
					     output_time(issued->expires_s)),
			STATUS_DONE);
	print_revoked(issued);
	return STATUS_DONE;
}

static int print_expired(const struct admin *admin)
{
	static const char text[] = "nothing to do: the token has expired";

	if (admin->json)
		return output_result(
			json_pack("{s:b, s:s}", "revoked", false, "text", text), STATUS_DONE);
	puts(text);
	return STATUS_DONE;
}

static int revoke(const struct admin *admin, const struct snapshot *snapshot,
	struct store *store, struct str token)
{
	struct issued issued;
	enum reason reason = issued_verify(
		snapshot, token, admin->now_s, admin->arena, &issued);

	if (reason == REASON_JWT_EXPIRED)
		return print_expired(admin);
	if (reason != REASON_NONE)
		return output_fail("nothing is revoked: %s", reason_info(reason)->name);
	reason = revocation_add(store, issued.jti, issued.expires_s, admin->now_s);
	int status = reason == REASON_NONE ? print_result(admin, &issued)
					   : output_reason(snapshot->state.p, reason);

	issued_clear(&issued);
	return status;
}

int cmd_revoke(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *token = NULL;
	const struct option options[] = {
		{ "TOKEN", NULL, "an access token of this server", .required = true,
			.text = &token },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);
	struct store *store = snapshot == NULL ? NULL : admin_store(admin, snapshot);

	if (store == NULL)
		return STATUS_FAILED;
	status = revoke(admin, snapshot, store, str_of(token));
	store_free(store);
	return status;
}
