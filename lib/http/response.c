/* SPDX-License-Identifier: MIT */
/* A response, and its CGI form (RFC 3875 §6). */
#include "http/response.h"

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].status == status)
			return table[i].text;
	}
	return "Unknown";
}

/* RFC 9110 §15.3.5, §15.4.5: these two have no body, and no length of one. */
static bool has_body(const struct http_response *response)
{
	return response->status != 204 && response->status != 304;
}

/* The visible characters and spaces at the start of a value. */
static struct str clean(struct str value)
{
	size_t n = 0;

	while (n < value.n && value.p[n] >= ' ' && value.p[n] != 0x7f)
		n++;
	return str_upto(value, n);
}

void http_response_add(struct http_response *response, const char *name, struct str value)
{
	if (response->header_count == HTTP_RESPONSE_HEADER_MAX)
		return;
	response->headers[response->header_count++] = (struct http_header){ .name = name,
		.value = clean(value) };
}

void http_response_write_head(const struct http_response *response, struct buf *buf)
{
	buf_text(buf, "Status: ");
	buf_number(buf, response->status);
	buf_char(buf, ' ');
	buf_text(buf, status_text(response->status));
	buf_text(buf, "\r\n");
	for (size_t i = 0; i < response->header_count; i++) {
		buf_text(buf, response->headers[i].name);
		buf_text(buf, ": ");
		buf_str(buf, response->headers[i].value);
		buf_text(buf, "\r\n");
	}
	if (has_body(response)) {
		buf_text(buf, "Content-Length: ");
		buf_number(buf, (int64_t)response->body.n);
		buf_text(buf, "\r\n");
	}
	buf_text(buf, "\r\n");
}

struct str http_response_body(const struct http_response *response)
{
	return response->omit_body || !has_body(response) ? STR("") : response->body;
}
