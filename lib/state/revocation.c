/* SPDX-License-Identifier: MIT */
/* A token is revoked while there is a record of its jti. */
#include "state/revocation.h"

enum reason revocation_add(
	struct store *store, struct str jti, int64_t expires_s, int64_t now_s)
{
	struct store_key key;
	bool added;
	enum reason reason = store_key_make(STORE_REVOCATION, &jti, 1, &key);

	if (reason != REASON_NONE)
		return reason;
	return store->ops->add(store, &key, expires_s, now_s, &added);
}

enum reason revocation_find(
	struct store *store, struct str jti, int64_t expires_s, int64_t now_s, bool *is_revoked)
{
	struct store_key key;
	bool found = true;

	*is_revoked = true;
	enum reason reason = store_key_make(STORE_REVOCATION, &jti, 1, &key);

	if (reason == REASON_NONE)
		reason = store->ops->has(store, &key, expires_s, now_s, &found);
	if (reason == REASON_NONE)
		*is_revoked = found;
	return reason;
}
