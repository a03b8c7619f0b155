/* SPDX-License-Identifier: MIT */
/* Access tokens that were revoked before they expired (RFC 7009). */
#ifndef STATE_REVOCATION_H
#define STATE_REVOCATION_H

#include "state/store.h"

/*
 * revocation_add - revoke a token.
 *
 * jti        borrowed
 * expires_s  the token's exp; until then it is remembered
 *
 * Returns REASON_NONE, also if it was revoked before; or one of reason.def's STORE rows.
 */
NODISCARD enum reason revocation_add(
	struct store *store, struct str jti, int64_t expires_s, int64_t now_s);

/*
 * revocation_find - is a token revoked?
 *
 * is_revoked  [out] true on failure
 *
 * Returns REASON_NONE, or one of reason.def's STORE rows.
 */
NODISCARD enum reason revocation_find(struct store *store, struct str jti, int64_t expires_s,
	int64_t now_s, bool *is_revoked);

#endif
