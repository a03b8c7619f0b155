/* SPDX-License-Identifier: MIT */
/* The table of endpoints. */
#include "oauth/route.h"
#include "oauth/health.h"
#include "oauth/introspect.h"
#include "oauth/jwks.h"
#include "oauth/metadata.h"
#include "oauth/metrics.h"
#include "oauth/revoke.h"
#include "oauth/token.h"

#define TAKES_POST .allow = "POST", .methods = HTTP_BIT(HTTP_POST)
#define TAKES_GET .allow = "GET, HEAD", .methods = HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_HEAD)

static bool offers_introspection(const struct snapshot *snapshot, const struct netaddr *client)
{
	(void)client;
	return snapshot->introspection;
}

static bool offers_revocation(const struct snapshot *snapshot, const struct netaddr *client)
{
	(void)client;
	return snapshot->revocation;
}

static bool offers_metrics(const struct snapshot *snapshot, const struct netaddr *client)
{
	return snapshot->metrics && netmask_list_has(snapshot->metrics_allowed_ips, client);
}

static const struct route table[] = {
	{
		.name = STR_CONST("/token"),
		.endpoint = "token",
		TAKES_POST,
		.event = "token.denied",
		.allows_cors = true,
		.handler = token_endpoint,
	},
	{
		.name = STR_CONST("/introspect"),
		.endpoint = "introspection",
		TAKES_POST,
		.event = "introspection",
		.is_offered = offers_introspection,
		.handler = introspect_endpoint,
	},
	{
		.name = STR_CONST("/revoke"),
		.endpoint = "revocation",
		TAKES_POST,
		.event = "revocation",
		.is_offered = offers_revocation,
		.handler = revoke_endpoint,
	},
	{
		.name = STR_CONST("/jwks"),
		.endpoint = "jwks",
		TAKES_GET,
		.event = "jwks",
		.allows_cors = true,
		.handler = jwks_endpoint,
	},
	{
		.name = STR_CONST("/.well-known/oauth-authorization-server"),
		.endpoint = "metadata",
		TAKES_GET,
		.event = "metadata",
		.is_well_known = true,
		.allows_cors = true,
		.handler = metadata_endpoint,
	},
	{
		.name = STR_CONST("/.well-known/openid-configuration"),
		.endpoint = "metadata",
		TAKES_GET,
		.event = "metadata",
		.is_well_known = true,
		.allows_cors = true,
		.handler = metadata_endpoint,
	},
	{
		.name = STR_CONST("/health"),
		.endpoint = "health",
		TAKES_GET,
		.event = "health",
		.allows_plain = true,
		.handler = health_endpoint,
	},
	{
		.name = STR_CONST("/metrics"),
		.endpoint = "metrics",
		.allow = "GET",
		.methods = HTTP_BIT(HTTP_GET),
		.event = "metrics",
		.allows_plain = true,
		.is_offered = offers_metrics,
		.handler = metrics_endpoint,
	},
};

/* Is the path these two parts together? */
static bool is_joined(struct str path, struct str first, struct str second)
{
	return path.n == first.n + second.n && str_starts(path, first) &&
	       str_ends(path, second);
}

static bool matches(const struct route *route, const struct snapshot *snapshot,
	const struct http_request *request)
{
	if (str_eq(request->path_info, route->name) ||
		is_joined(request->path, snapshot->base_path, route->name))
		return true;
	return route->is_well_known &&
	       (is_joined(request->path, route->name, snapshot->issuer_path) ||
		       is_joined(request->path, snapshot->issuer_path, route->name));
}

const struct route *route_find(const struct snapshot *snapshot,
	const struct http_request *request, const struct netaddr *client)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct route *route = &table[i];

		if (matches(route, snapshot, request) &&
			(route->is_offered == NULL || route->is_offered(snapshot, client)))
			return route;
	}
	return NULL;
}
