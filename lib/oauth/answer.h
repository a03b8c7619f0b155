/* SPDX-License-Identifier: MIT */
/* The two kinds of answers: public documents, and what no cache may keep. */
#ifndef OAUTH_ANSWER_H
#define OAUTH_ANSWER_H

#include "http/response.h"
#include "oauth/call.h"

/* The Cache-Control of public documents. */
#define ANSWER_PUBLIC_CACHE "public, max-age=300"

/* answer_public - 200 with the document, or 304 if If-None-Match has its ETag (RFC 9110 §13).
 */
void answer_public(const struct call *call, const struct document *document,
	const char *content_type, struct http_response *response);

/* answer_uncached - the headers that keep caches away, old ones too (RFC 6749 §5.1). */
void answer_uncached(struct http_response *response);

/* answer_private - JSON that no cache may keep (RFC 6749 §5.1); the body is borrowed. */
void answer_private(struct http_response *response, int status, struct str body);

#endif
