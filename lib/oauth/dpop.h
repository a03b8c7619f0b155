/* SPDX-License-Identifier: MIT */
/* DPoP proofs (RFC 9449): a key that the client shows it has, for its tokens to be bound to. */
#ifndef OAUTH_DPOP_H
#define OAUTH_DPOP_H

#include "oauth/audit.h"
#include "oauth/call.h"

/* The algorithms of proofs, as JOSE_ALG_BITs: those of FAPI 2.0 §5.4, so no RS256. */
#define DPOP_ALGS                                                      \
	(JOSE_ALG_BIT(JOSE_ALG_PS256) | JOSE_ALG_BIT(JOSE_ALG_ES256) | \
		JOSE_ALG_BIT(JOSE_ALG_EDDSA))

/* dpop_is_offered - proofs are looked at only where their jti can be remembered. */
bool dpop_is_offered(const struct snapshot *snapshot);

/*
 * dpop_verify - check the DPoP proof of a token request (RFC 9449 §4.3), if it has one.
 *
 * A good proof is used up: its jti is remembered until it is too old.
 *
 * jkt    [out] RFC 7638 thumbprint of the key, NUL-terminated; "" without a proof, where DPoP
 *        is not offered, and on failure
 * audit  gets the cause of REASON_DPOP
 *
 * Returns REASON_NONE; REASON_DPOP; REASON_MEMORY; one of reason.def's STORE rows.
 */
NODISCARD enum reason dpop_verify(
	const struct call *call, char jkt[static JWK_THUMBPRINT_LEN + 1], struct audit *audit);

#endif
