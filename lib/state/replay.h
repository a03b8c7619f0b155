/* SPDX-License-Identifier: MIT */
/* Tokens that may be used once: client assertions (RFC 7523 §3) and DPoP proofs (RFC 9449
 * §11.1). */
#ifndef STATE_REPLAY_H
#define STATE_REPLAY_H

#include "state/store.h"

enum replay_use {
	REPLAY_ASSERTION,
	REPLAY_DPOP,
};

/* A token that may be used once; uses and owners do not get into each other's way. */
struct replay_token {
	enum replay_use use;
	/* Who made the jti: a client_id, or the thumbprint of a key; borrowed. */
	struct str owner;
	struct str jti; /* of any length; borrowed */
	/* From then on it cannot be used any more in any case. */
	int64_t expires_s;
};

/*
 * replay_remember - use a token up.
 *
 * is_fresh   [out] true: it was not used before, and now it is; false on failure
 *
 * Returns REASON_NONE, or one of reason.def's STORE rows.
 */
NODISCARD enum reason replay_remember(
	struct store *store, const struct replay_token *token, int64_t now_s, bool *is_fresh);

#endif
