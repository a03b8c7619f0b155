/* SPDX-License-Identifier: MIT */
/* The health endpoint. */
#include "oauth/health.h"
#include "oauth/answer.h"

enum reason health_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	(void)audit;
	answer_private(response, 200,
		call->process->degraded ? STR("{\"status\":\"degraded\"}")
					: STR("{\"status\":\"ok\"}"));
	return REASON_NONE;
}
