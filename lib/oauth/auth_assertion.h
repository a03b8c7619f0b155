/* SPDX-License-Identifier: MIT */
/* Client authentication by a signed assertion: private_key_jwt and client_secret_jwt. */
#ifndef OAUTH_AUTH_ASSERTION_H
#define OAUTH_AUTH_ASSERTION_H

#include "oauth/client_auth.h"

/*
 * auth_assertion - check the client_assertion of the body (RFC 7523 §3, interface §3.2).
 *
 * A good one is used up: its jti is remembered until it has expired.
 *
 * audit  also gets the cause of REASON_ASSERTION
 *
 * Returns REASON_NONE; REASON_ASSERTION; what attempt_begin returns and finds;
 * REASON_MEMORY; one of reason.def's STORE rows.
 */
NODISCARD enum reason auth_assertion(
	const struct call *call, struct caller *caller, struct audit *audit);

#endif
