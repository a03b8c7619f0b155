/* SPDX-License-Identifier: MIT */
/* A response, and its CGI form (RFC 3875 §6). */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "util/buf.h"

#define HTTP_RESPONSE_HEADER_MAX 16
#define HTTP_RESPONSE_HEAD_MAX 4096 /* bytes of the rendered head */

struct http_header {
	const char *name;
	struct str value;
};

struct http_response {
	int status;
	struct http_header headers[HTTP_RESPONSE_HEADER_MAX];
	size_t header_count;
	struct str body; /* borrowed from the request's arena or the snapshot */
	bool omit_body;  /* HEAD: the head tells the length, the body is not sent */
};

/*
 * http_response_add - add a header; the value is borrowed until the response is sent.
 *
 * Bytes of the value that are no visible characters or spaces end it there: nothing that
 * came from outside can start a header of its own.
 */
void http_response_add(struct http_response *response, const char *name, struct str value);

/* http_response_write_head - append "Status: …", the headers and the empty line. */
void http_response_write_head(const struct http_response *response, struct buf *buf);

/* http_response_body - what is to be sent as the body. */
struct str http_response_body(const struct http_response *response);

#endif
