/* SPDX-License-Identifier: MIT */
/* Which endpoint is meant by a path, and what it takes (interface §3). */
#ifndef OAUTH_ROUTE_H
#define OAUTH_ROUTE_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

typedef enum reason endpoint_handler(
	const struct call *call, struct http_response *response, struct audit *audit);

struct route {
	struct str name;      /* what follows base_url's path, or stands in PATH_INFO */
	const char *endpoint; /* for metrics */
	const char *allow;    /* the methods, as in an Allow header */
	unsigned methods;     /* HTTP_BIT */
	const char *event;    /* for the log; a handler may say better what came of it */
	bool is_well_known;   /* also reached at RFC 8414 §3.1's paths */
	bool allows_plain;    /* may be called over plain HTTP although require_tls is set */
	bool allows_cors;
	/* NULL: always, to all; else an endpoint that is not offered does not exist */
	bool (*is_offered)(const struct snapshot *snapshot, const struct netaddr *client);
	endpoint_handler *handler;
};

/* route_find - the endpoint that is offered at the request's path to this address, or NULL. */
const struct route *route_find(const struct snapshot *snapshot,
	const struct http_request *request, const struct netaddr *client);

#endif
