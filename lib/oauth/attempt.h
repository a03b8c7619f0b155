/* SPDX-License-Identifier: MIT */
/* One try of somebody to authenticate as a client: what is known before the proof is looked at.
 */
#ifndef OAUTH_ATTEMPT_H
#define OAUTH_ATTEMPT_H

#include "oauth/audit.h"
#include "oauth/call.h"

/* How the web server hands on a certificate, and what it has found. */
#define ATTEMPT_CERTIFICATE "SSL_CLIENT_CERT"
#define ATTEMPT_VERIFY "SSL_CLIENT_VERIFY"

struct attempt {
	const struct client *client; /* borrowed from the snapshot; NULL: unknown */
	enum reason rights; /* _NONE, or why the client is refused whatever it proves */
	/* Whose secrets are looked at: the client's, or in place of an unknown one another's,
	 * whatever comes of it; NULL: there are no clients. */
	const struct client *stand_in;
};

/*
 * attempt_has_certificate - does the web server hand on a certificate of this connection?
 *
 * In SSL_CLIENT_CERT, with an SSL_CLIENT_VERIFY other than NONE; never in a header (HTTP_…).
 */
bool attempt_has_certificate(const struct http_request *request);

/*
 * attempt_begin - find the client, and ask whether it may try at all.
 *
 * client_id  as claimed
 * attempt    [out] cleared on failure
 * audit      gets client_id, method and, when it is throttled, retry_after_s
 *
 * Returns REASON_NONE, also for a client that is unknown or has no right to this method;
 * REASON_THROTTLED; REASON_AUTH_CERTIFICATE: the client authenticates by a certificate, and one
 * came beside this method; one of reason.def's STORE rows.
 */
NODISCARD enum reason attempt_begin(const struct call *call, struct str client_id,
	enum auth_method method, struct attempt *attempt, struct audit *audit);

/*
 * attempt_count_failure - count a failed authentication by audit's client_id.
 *
 * audit  gets retry_after_s when it is throttled
 *
 * Returns `failure`; REASON_THROTTLED: it is one too many; one of reason.def's STORE rows.
 */
NODISCARD enum reason attempt_count_failure(
	const struct call *call, struct audit *audit, enum reason failure);

#endif
