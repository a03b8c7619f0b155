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
	/* Of the certificate that it presented, where that matters (RFC 8705 §3.1); else "". */
	char thumbprint[CERTIFICATE_THUMBPRINT_LEN + 1];
};

/*
 * client_authenticate - find out who is calling.
 *
 * caller  [out] cleared on failure
 * audit   gets client_id, method, secret_label and cause, as far as they are known
 *
 * A failure counts for the throttle.  Returns REASON_NONE or one of reason.def's block
 * 'Client authentication'; REASON_HASH_AWAITED, REASON_HASHING, REASON_MEMORY; one of its STORE
 * rows.
 */
NODISCARD enum reason client_authenticate(
	const struct call *call, struct caller *caller, struct audit *audit);

#endif
