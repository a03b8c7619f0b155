/* SPDX-License-Identifier: MIT */
/* The metrics endpoint: what was counted, in the text format of Prometheus. */
#ifndef OAUTH_METRICS_H
#define OAUTH_METRICS_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/*
 * metrics_endpoint - answer with the counters of all processes that share the store, or of this
 * process alone if there is none, and with what is known of the processes.
 *
 * If the store fails, the counters are left out: numbers of this process in their place would
 * look as if all had begun anew.
 *
 * Returns REASON_NONE; REASON_MEMORY.
 */
NODISCARD enum reason metrics_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
