/* SPDX-License-Identifier: MIT */
/* Which client is calling?  One method, chosen and checked (RFC 6749 §2.3, interface §3.2). */
#ifndef OAUTH_CLIENT_AUTH_H
#define OAUTH_CLIENT_AUTH_H

#include "oauth/audit.h"
#include "oauth/call.h"

/* A client that has proven who it is. */
struct caller {
	const struct client *client; /* borrowed from the snapshot */
	enum auth_method method;
};

/*
 * client_authenticate - find out who is calling.
 *
 * caller  [out] cleared on failure
 * audit   gets client_id, method and secret_label, as far as they are known
 *
 * Returns REASON_NONE or one of reason.def's block 'Client authentication';
 * REASON_HASHING, REASON_MEMORY.
 */
NODISCARD enum reason client_authenticate(
	const struct call *call, struct caller *caller, struct audit *audit);

#endif
