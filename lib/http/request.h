/* SPDX-License-Identifier: MIT */
/* A request as the web server delivered it: CGI variables (RFC 3875) and a body. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "util/arena.h"
#include "util/netmask.h"
#include "util/reason.h"
#include "util/str.h"

#define HTTP_BODY_MAX 65536 /* bytes */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_OPTIONS,
	HTTP__MAX,
	HTTP_OTHER = HTTP__MAX,
};

#define HTTP_BIT(method) (1U << (method))

struct http_request {
	/* "NAME=VALUE" each, ended by NULL; borrowed from the transport; names may repeat. */
	const char *const *variables;
	enum http_method method;
	struct str path;      /* SCRIPT_NAME and PATH_INFO together */
	struct str path_info; /* a view of the path's end */
	struct str body; /* borrowed from the transport; above HTTP_BODY_MAX it is not whole */
	bool body_is_whole; /* false: there was an error, or there is more than the body */
};

/*
 * http_request_init - fill in method and path from the variables.
 *
 * The transport sets `variables` before, `body` and `body_is_whole` before or after.
 *
 * Returns REASON_NONE, REASON_MEMORY.
 */
NODISCARD enum reason http_request_init(struct http_request *request, struct arena *arena);

/* http_variable - the value of the first variable of this name; empty if there is none. */
struct str http_variable(const struct http_request *request, const char *name);

/* http_variable_at - the value of the index-th variable of this name, counted from 0; or empty.
 */
struct str http_variable_at(const struct http_request *request, const char *name, size_t index);

/* http_variable_count - how many variables have this name. */
size_t http_variable_count(const struct http_request *request, const char *name);

/*
 * http_content_length - the announced length.
 *
 * Returns REASON_NONE; REASON_LENGTH_MISSING (absent or empty), _INVALID;
 * REASON_BODY_TOO_LARGE.  *length is 0 on failure.
 */
NODISCARD enum reason http_content_length(const struct http_request *request, size_t *length);

/* http_is_tls - did the client use HTTPS, as the web server or a trusted proxy says? */
bool http_is_tls(const struct http_request *request, struct netmask_list trusted_proxies);

/*
 * http_client_address - the connection's address, or behind trusted proxies the last of
 * X-Forwarded-For that is not a trusted proxy's; unknown if that one is not an address.
 */
struct netaddr http_client_address(const struct http_request *request,
	struct netmask_list trusted_proxies, struct str *text);

/* http_from_trusted_proxy - is the connection's own address a trusted proxy's? */
bool http_from_trusted_proxy(
	const struct http_request *request, struct netmask_list trusted_proxies);

#endif
