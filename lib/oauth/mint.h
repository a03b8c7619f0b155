/* SPDX-License-Identifier: MIT */
/* From a grant to a signed access token, and to the token response. */
#ifndef OAUTH_MINT_H
#define OAUTH_MINT_H

#include "oauth/grant.h"
#include "util/buf.h"
#include "util/random.h"

/* All texts are in the arena that was given. */
struct token {
	struct str header; /* JSON */
	struct str claims; /* JSON */
	struct str jti;
	struct str jwt;      /* compact JWS; empty before mint_sign */
	struct str response; /* empty before mint_token */
	int64_t issued_s;
	int64_t expires_s;
};

/* mint_type - the header's typ in this profile. */
const char *mint_type(enum token_profile profile);

/*
 * mint_claims - build header and claims (interface §4.1, §4.2; RFC 9068 §2).
 *
 * With grant's reuse_s the token is issued at the start of the window that now_s is in, and its
 * jti follows from all else that it says and from the key that signs it (interface §4.3).
 *
 * now_s   seconds since the epoch
 * random  source of other jtis
 * token   [out] not signed yet; cleared on failure
 *
 * Returns REASON_NONE, REASON_RANDOM, REASON_SIGNING, REASON_MEMORY.
 */
NODISCARD enum reason mint_claims(const struct snapshot *snapshot, const struct grant *grant,
	int64_t now_s, const struct random_source *random, struct arena *arena,
	struct token *token);

/* mint_sign - sign what mint_claims built.  Returns REASON_NONE, REASON_SIGNING, REASON_MEMORY.
 */
NODISCARD enum reason mint_sign(
	const struct snapshot *snapshot, struct arena *arena, struct token *token);

/*
 * mint_response - the token response (RFC 6749 §5.1).
 *
 * body  [out] JSON in the arena; holds the token; empty on failure
 *
 * Returns REASON_NONE, REASON_MEMORY.
 */
NODISCARD enum reason mint_response(const struct grant *grant, const struct token *token,
	int64_t now_s, struct arena *arena, struct str *body);

/*
 * mint_token - the three of them: a signed token and its response.
 *
 * token  [out] cleared on failure
 *
 * Returns REASON_NONE, REASON_RANDOM, REASON_SIGNING, REASON_MEMORY.
 */
NODISCARD enum reason mint_token(const struct snapshot *snapshot, const struct grant *grant,
	int64_t now_s, const struct random_source *random, struct arena *arena,
	struct token *token);

#endif
