/* SPDX-License-Identifier: MIT */
/* The two kinds of answers: public documents, and what no cache may keep. */
#include "oauth/answer.h"
#include "http/header.h"

void answer_public(const struct call *call, const struct document *document,
	const char *content_type, struct http_response *response)
{
	struct str if_none_match = http_variable(call->request, "HTTP_IF_NONE_MATCH");
	bool is_known = header_etag_matches(if_none_match, document->etag);

	response->status = is_known ? 304 : 200;
	if (!is_known)
		http_response_add(response, "Content-Type", str_of(content_type));
	http_response_add(response, "Cache-Control", STR(ANSWER_PUBLIC_CACHE));
	http_response_add(response, "ETag", document->etag);
	response->body = document->body;
}

void answer_uncached(struct http_response *response)
{
	http_response_add(response, "Cache-Control", STR("no-store"));
	http_response_add(response, "Pragma", STR("no-cache"));
}

void answer_private(struct http_response *response, int status, struct str body)
{
	response->status = status;
	response->body = body;
	http_response_add(response, "Content-Type", STR("application/json;charset=UTF-8"));
	answer_uncached(response);
}
