/* SPDX-License-Identifier: MIT */
/* Client certificates: tls_client_auth, self_signed_tls_client_auth, and bound tokens (RFC
 * 8705).
 */
#ifndef OAUTH_AUTH_MTLS_H
#define OAUTH_AUTH_MTLS_H

#include "oauth/client_auth.h"

/*
 * auth_mtls - authenticate the client that client_id names by its certificate (RFC 8705 §2).
 *
 * Returns REASON_NONE; what attempt_begin returns and finds; REASON_CERTIFICATE_VERIFY,
 * _SYNTAX, _TIME, _SUBJECT, _KEY; REASON_MEMORY.
 */
NODISCARD enum reason auth_mtls(
	const struct call *call, struct caller *caller, struct audit *audit);

/*
 * auth_mtls_bind - the certificate's thumbprint, for a caller that authenticated otherwise
 * (RFC 8705 §3).
 *
 * caller  its thumbprint stays empty when no good certificate is presented
 *
 * Returns REASON_NONE, REASON_MEMORY.
 */
NODISCARD enum reason auth_mtls_bind(const struct call *call, struct caller *caller);

#endif
