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

static int revoke(const struct admin *admin, const struct snapshot *snapshot,
	struct store *store, struct str token)
{
	struct issued issued;
	enum reason reason = issued_verify(
		snapshot, token, admin->now_s, admin->arena, &issued);

	if (reason == REASON_JWT_EXPIRED) {
		puts("nothing to do: the token has expired");
		return STATUS_DONE;
	}
	if (reason != REASON_NONE)
		return output_fail("nothing is revoked: %s", reason_info(reason)->name);
	reason = revocation_add(store, issued.jti, issued.expires_s, admin->now_s);
	if (reason == REASON_NONE)
		print_revoked(&issued);
	issued_clear(&issued);
	return reason == REASON_NONE ? STATUS_DONE : output_reason(snapshot->state.p, reason);
}

int cmd_revoke(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *token = NULL;
	const struct option options[] = {
		{ "TOKEN", NULL, "an access token of this server", .required = true,
			.text = &token },
	};

	if (!options_read(admin, argc, argv, options, 1, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);
	struct store *store = snapshot == NULL ? NULL : admin_store(admin, snapshot);

	if (store == NULL)
		return STATUS_FAILED;
	status = revoke(admin, snapshot, store, str_of(token));
	store_free(store);
	return status;
}
