/* SPDX-License-Identifier: MIT */
/* The tokens of this window, kept so that they need not be signed again (interface §4.3). */
#ifndef OAUTH_REUSE_H
#define OAUTH_REUSE_H

#include "oauth/audit.h"
#include "oauth/call.h"
#include "oauth/mint.h"

/*
 * What one process keeps: for each grant that it has signed a token for in this window, the
 * token; at most 4096 of up to 2 KB and 256 of up to 8 KB, each with the texts of its grant:
 * 10 MiB.  Where there is no room a client with more tokens gives way to one with fewer, so
 * that no client takes the room from the others.  What is not kept is signed anew each time; a
 * deterministic algorithm then gives the same token all the same.
 */
struct reuse_cache;

/* reuse_cache_new - empty; it takes its memory with the first token.  Returns new
 * (reuse_cache_free), or NULL: out of memory. */
NODISCARD struct reuse_cache *reuse_cache_new(void);
void reuse_cache_free(struct reuse_cache *cache);

/* reuse_forget - wipe all that is kept; for a new configuration. */
void reuse_forget(struct reuse_cache *cache);

/* reuse_tidy - the same if the window is over; to be called now and then.
 * now_s  seconds since the epoch */
void reuse_tidy(struct reuse_cache *cache, int64_t now_s);

/*
 * reuse_claims - mint_claims, of a token that may be handed out.
 *
 * With reuse the token has its scopes, and the resources that were asked for, in the order of
 * their bytes: in any order they are the same grant.
 *
 * A token of the window that was revoked is not: then it becomes a new one, and so it does
 * while nobody can say whether it was revoked.
 *
 * grant  reuse_s becomes 0 for a new token
 * audit  gets the cause if the state store fails
 *
 * Returns as mint_claims does.
 */
NODISCARD enum reason reuse_claims(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit);

/*
 * reuse_token - the token and the response for a grant: those of this window, or new ones.
 *
 * The token has its scopes and resources as for reuse_claims; the response has the scopes in
 * the order of the grant.
 *
 * grant  reuse_s becomes 0 for a new token
 * token  [out] jti, times and response; cleared on failure.  The jwt is borrowed until the next
 *        call
 * audit  as for reuse_claims
 *
 * Returns as mint_token does.
 */
NODISCARD enum reason reuse_token(
	const struct call *call, struct grant *grant, struct token *token, struct audit *audit);

#endif
