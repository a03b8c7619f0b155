/* SPDX-License-Identifier: MIT */
/* What a client gets: scope, audience, lifetime, profile and binding of its token.  Pure. */
#ifndef OAUTH_GRANT_H
#define OAUTH_GRANT_H

#include "domain/snapshot.h"
#include "util/arena.h"
#include "util/reason.h"

struct grant_request {
	struct str scope;          /* as sent; empty: not sent */
	struct str_list resources; /* `resource` and its alias `audience` (RFC 8707) */
	struct str x5t; /* thumbprint of the client's certificate (RFC 8705 §3.1); or empty */
	struct str jkt; /* thumbprint of its DPoP key (RFC 9449 §6); or empty */
};

/* Where a value came from, for those who ask why. */
enum grant_source {
	GRANT_FROM_REQUEST,
	GRANT_FROM_SCOPE,
	GRANT_FROM_CLIENT,        /* the client's own key */
	GRANT_FROM_CLIENT_SCOPES, /* the client's scopes, for want of default_scopes */
	GRANT_FROM_ACCESS_TOKEN,  /* the key under access_token, or its default */
	GRANT_FROM_CLIENT_ID,
};

struct grant {
	const struct client *client;
	struct scope_list scopes;
	struct str_list audience; /* at least one */
	struct str x5t;           /* the token is bound to this certificate; empty: to none */
	struct str jkt;           /* the token is bound to this key; empty: to none */
	int64_t lifetime_s;
	int64_t reuse_s; /* length of the windows in which it gets the same token; 0: none */
	enum token_profile profile;
	enum grant_source scopes_from;
	enum grant_source audience_from;
	enum grant_source lifetime_from;
	enum grant_source profile_from;
};

/*
 * grant_decide - decide what this client gets for this request.
 *
 * arena  holds the grant's lists
 * grant  [out] cleared on failure
 *
 * Returns REASON_NONE; REASON_GRANT_DENIED; REASON_SCOPE_SYNTAX, _UNKNOWN,
 * _DENIED, _AUDIENCES; REASON_TARGET_SYNTAX, _DENIED; REASON_MEMORY; and for
 * bindings that this request cannot have REASON_CERTIFICATE_MISSING,
 * REASON_DPOP_MISSING.
 */
NODISCARD enum reason grant_decide(const struct snapshot *snapshot, const struct client *client,
	const struct grant_request *request, struct arena *arena, struct grant *grant);

#endif
