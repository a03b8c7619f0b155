/* SPDX-License-Identifier: MIT */
/*
 * Limits on failed authentications: of one client from one address, and of one address over
 * all clients.  Never of a client alone: a stranger must not lock it out.
 *
 * A window begins with its first failure.  An IPv6 address counts as its /64 network, which is
 * what one host has.  Checking and counting are two steps, so that processes that check at
 * the same moment may let some more through: one each at most.  After a failure that could not
 * be counted, a process lets nobody try until it can count again.
 */
#ifndef STATE_THROTTLE_H
#define STATE_THROTTLE_H

#include "state/store.h"
#include "util/netmask.h"

struct throttle_limits {
	int64_t failures;         /* of one client from one address; 0: no limit */
	int64_t address_failures; /* of one address; 0: no limit */
	int64_t window_s;
};

/* Who tries. */
struct throttle_subject {
	struct str client_id;   /* as claimed; empty: only the address counts */
	struct netaddr address; /* all that are unknown count as one */
};

/*
 * throttle_check - may this client try from this address?
 *
 * retry_after_s  [out] seconds until it may; 0 if it may, and on failure
 *
 * Returns REASON_NONE; REASON_THROTTLED; or one of reason.def's STORE rows.
 */
NODISCARD enum reason throttle_check(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, int64_t *retry_after_s);

/*
 * throttle_count - it has tried, and failed.
 *
 * retry_after_s  [out] as of throttle_check
 *
 * Returns REASON_NONE; REASON_THROTTLED: this failure is one too many, so that of several at
 * the same moment no more than the limit are told that they failed; or one of reason.def's
 * STORE rows.
 */
NODISCARD enum reason throttle_count(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, int64_t *retry_after_s);

#endif
