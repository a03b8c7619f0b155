/* SPDX-License-Identifier: MIT */
/* state: what the state store holds; it may be in use meanwhile. */
#include "options.h"
#include "output.h"

#include <stdio.h>

static const struct {
	enum store_kind kind;
	const char *name;
	const char *meaning;
	const char *member; /* of the JSON */
} rows[] = {
	{ STORE_REVOCATION, "revoked tokens", "that have not expired", "revoked_tokens" },
	{ STORE_REPLAY, "replay entries", "assertions and DPoP proofs that were used",
		"replay_entries" },
	{ STORE_THROTTLE, "throttled clients", "and addresses: counters of failed attempts",
		"throttled_clients" },
};

#define NAME_WIDTH 18
#define COUNT_WIDTH 8

static void print_tally(const struct store_tally *tally, struct str url)
{
	printf("store: ");
	output_text(url);
	putchar('\n');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("  %-*s%*lld  %s\n", NAME_WIDTH, rows[i].name, COUNT_WIDTH,
			(long long)tally->counts[rows[i].kind], rows[i].meaning);
}

static void print_removed(int64_t removed)
{
	printf("removed: %lld expired record%s\n", (long long)removed, removed == 1 ? "" : "s");
}

static json_t *pack_result(
	const struct store_tally *tally, struct str url, bool with_prune, int64_t removed)
{
	json_t *result = json_pack("{s:o}", "store", output_string(url));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		output_member(
			&result, rows[i].member, json_integer(tally->counts[rows[i].kind]));
	if (with_prune)
		output_member(&result, "removed", json_integer(removed));
	return result;
}

int cmd_state(struct admin *admin, int argc, char **argv)
{
	int status;
	bool with_prune = false;
	const struct option options[] = {
		{ "--prune", NULL, "remove what has expired first", .flag = &with_prune },
		OPTION_JSON(admin),
	};
	struct store_tally tally;
	int64_t removed = 0;
	enum reason reason = REASON_NONE;

	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);
	struct store *store = snapshot == NULL ? NULL : admin_store(admin, snapshot);

	if (store == NULL)
		return STATUS_FAILED;
	if (with_prune)
		reason = store_prune(store, admin->now_s, &removed);
	if (reason == REASON_NONE)
		reason = store_tally(store, admin->now_s, &tally);
	store_free(store);
	if (reason != REASON_NONE)
		return output_reason(snapshot->state.p, reason);
	if (admin->json)
		return output_result(
			pack_result(&tally, snapshot->state, with_prune, removed), STATUS_DONE);
	if (with_prune)
		print_removed(removed);
	print_tally(&tally, snapshot->state);
	return STATUS_DONE;
}
