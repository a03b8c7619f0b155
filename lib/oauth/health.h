/* SPDX-License-Identifier: MIT */
/* The health endpoint, for monitoring. */
#ifndef OAUTH_HEALTH_H
#define OAUTH_HEALTH_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/* health_endpoint - say that requests are served, and whether by the newest configuration.
 * Returns REASON_NONE. */
NODISCARD enum reason health_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
