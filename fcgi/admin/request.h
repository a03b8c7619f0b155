/* SPDX-License-Identifier: MIT */
/* A token request that comes from the command line instead of the endpoint. */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include "admin.h"
#include "oauth/mint.h"

struct token_request {
	const char *client_id;
	const char *scope;         /* NULL: none */
	struct str_list resources; /* as given: also repeated and empty ones */
};

/*
 * request_decide - what the endpoint decides if the client authenticates as well as it can.
 *
 * now_s  seconds since the epoch, by which its secrets are judged
 *
 * Returns REASON_NONE; REASON_CLIENT_UNKNOWN; for a client that cannot authenticate
 * REASON_CLIENT_DISABLED, REASON_SECRET_WRONG (it has none), REASON_AUTH_METHOD,
 * REASON_SECRET_EXPIRED, REASON_SECRET_EARLY; and what grant_decide returns for a request
 * without a certificate or proof.
 */
NODISCARD enum reason request_decide(const struct snapshot *snapshot,
	const struct token_request *request, int64_t now_s, struct arena *arena,
	struct grant *grant);

/*
 * request_mint - the token that the endpoint would give for a grant.
 *
 * If access_token.reuse asks for it, the state store is asked whether this window's token was
 * revoked; a failure is printed, and the token is a new one.
 *
 * grant      reuse_s becomes 0 for a new token
 * is_signed  false: header, claims and times only
 * token      [out] cleared on failure
 *
 * Returns as mint_token does.
 */
NODISCARD enum reason request_mint(const struct admin *admin, const struct snapshot *snapshot,
	struct grant *grant, bool is_signed, struct token *token);

#endif
