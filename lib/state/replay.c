/* SPDX-License-Identifier: MIT */
/* A token is used up by making the record of its jti; who makes it, may use it. */
#include "state/replay.h"

static const struct str use_names[] = {
	[REPLAY_ASSERTION] = STR_CONST("assertion"),
	[REPLAY_DPOP] = STR_CONST("dpop"),
};

enum reason replay_remember(
	struct store *store, const struct replay_token *token, int64_t now_s, bool *is_fresh)
{
	const struct str parts[] = { use_names[token->use], token->owner, token->jti };
	struct store_key key;

	*is_fresh = false;
	enum reason reason = store_key_make(
		STORE_REPLAY, parts, sizeof(parts) / sizeof(parts[0]), &key);

	if (reason != REASON_NONE)
		return reason;
	return store->ops->add(store, &key, token->expires_s, now_s, is_fresh);
}
