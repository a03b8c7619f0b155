/* SPDX-License-Identifier: MIT */
/* One try of somebody to authenticate as a client: what is known before the proof is looked at.
 */
#ifndef OAUTH_ATTEMPT_H
#define OAUTH_ATTEMPT_H

#include "oauth/audit.h"
#include "oauth/call.h"

struct attempt {
	const struct client *client; /* borrowed from the snapshot; NULL: unknown */
	enum reason rights; /* _NONE, or why the client is refused whatever it proves */
};

/*
 * attempt_begin - find the client, and ask whether it may try at all.
 *
 * client_id  as claimed
 * attempt    [out] cleared on failure
 * audit      gets client_id, method and, when it is throttled, retry_after_s
 *
 * Returns REASON_NONE, also for a client that is unknown or has no right to this method;
 * REASON_THROTTLED; REASON_AUTH_MULTIPLE: the client authenticates by a certificate, and one
 * came beside this method; one of reason.def's STORE rows.
 */
NODISCARD enum reason attempt_begin(const struct call *call, struct str client_id,
	enum auth_method method, struct attempt *attempt, struct audit *audit);

/*
 * attempt_count_failure - count a failed authentication by audit's client_id.
 *
 * Returns `failure`, or one of reason.def's STORE rows.
 */
NODISCARD enum reason attempt_count_failure(
	const struct call *call, const struct audit *audit, enum reason failure);

#endif
