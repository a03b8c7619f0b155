/* SPDX-License-Identifier: MIT */
/* What a client gets: scope, audience, lifetime, profile and binding of its token. */
#include "oauth/grant.h"
#include "util/uri.h"

/* A decision under way. */
struct decision {
	const struct snapshot *snapshot;
	const struct client *client;
	const struct grant_request *request;
	struct arena *arena;
	struct grant *grant;
};

static bool scope_is_well_formed(struct str scope)
{
	struct str token;
	bool more = true;

	while (more) {
		more = str_cut(&scope, ' ', &token);
		if (!scope_token_is_valid(token))
			return false;
	}
	return true;
}

static enum reason choose_default_scopes(const struct decision *decision)
{
	const struct client *client = decision->client;

	decision->grant->scopes = client->default_scopes;
	decision->grant->scopes_from = client->default_scopes.items == client->scopes.items
					       ? GRANT_FROM_CLIENT_SCOPES
					       : GRANT_FROM_CLIENT;
	return REASON_NONE;
}

/* RFC 6749 §3.3: in the order asked for, each once. */
static enum reason choose_scopes(const struct decision *decision)
{
	const struct client *client = decision->client;
	struct str rest = decision->request->scope, token;
	struct scope_list granted = { 0 };

	if (rest.n == 0)
		return choose_default_scopes(decision);
	if (!scope_is_well_formed(rest))
		return REASON_SCOPE_SYNTAX;
	const struct scope **items = arena_alloc_array(
		decision->arena, client->scopes.count + 1, sizeof(*items));

	if (items == NULL)
		return REASON_MEMORY;
	granted.items = items;
	while (rest.n > 0) {
		str_cut(&rest, ' ', &token);
		const struct scope *scope = scope_find(&decision->snapshot->scopes, token);

		if (scope == NULL)
			return REASON_SCOPE_UNKNOWN;
		if (!scope_list_has(client->scopes, scope))
			return REASON_SCOPE_DENIED;
		if (!scope_list_has(granted, scope))
			items[granted.count++] = scope;
	}
	decision->grant->scopes = granted;
	decision->grant->scopes_from = GRANT_FROM_REQUEST;
	return REASON_NONE;
}

/* RFC 8707 §2: each resource once, in the order asked for. */
static enum reason choose_targets(const struct decision *decision)
{
	struct str_list asked = decision->request->resources;
	struct str_list allowed = decision->client->resources;
	struct str_list granted = { 0 };
	struct str *items = arena_alloc_array(
		decision->arena, allowed.count + 1, sizeof(*items));

	if (items == NULL)
		return REASON_MEMORY;
	granted.items = items;
	for (size_t i = 0; i < asked.count; i++) {
		if (!uri_is_absolute(asked.items[i]))
			return REASON_TARGET_SYNTAX;
		if (!str_list_has(allowed, asked.items[i]))
			return REASON_TARGET_DENIED;
		if (!str_list_has(granted, asked.items[i]))
			items[granted.count++] = asked.items[i];
	}
	decision->grant->audience = granted;
	decision->grant->audience_from = GRANT_FROM_REQUEST;
	return REASON_NONE;
}

/* RFC 9068 §3: the granted scopes must not name different audiences. */
static enum reason choose_scope_audience(const struct decision *decision)
{
	struct scope_list scopes = decision->grant->scopes;
	const struct str *audience = NULL;

	for (size_t i = 0; i < scopes.count; i++) {
		if (scopes.items[i]->audience.n == 0)
			continue;
		if (audience != NULL && !str_eq(*audience, scopes.items[i]->audience))
			return REASON_SCOPE_AUDIENCES;
		audience = &scopes.items[i]->audience;
	}
	if (audience != NULL) {
		decision->grant->audience = (struct str_list){ audience, 1 };
		decision->grant->audience_from = GRANT_FROM_SCOPE;
	}
	return REASON_NONE;
}

static void choose_configured_audience(const struct decision *decision)
{
	const struct client *client = decision->client;
	const struct str_list choices[] = {
		client->audience,
		decision->snapshot->access_token.audience,
		{ &client->id, 1 },
	};
	static const enum grant_source sources[] = {
		GRANT_FROM_CLIENT,
		GRANT_FROM_ACCESS_TOKEN,
		GRANT_FROM_CLIENT_ID,
	};
	size_t i = 0;

	while (choices[i].count == 0)
		i++;
	decision->grant->audience = choices[i];
	decision->grant->audience_from = sources[i];
}

static enum reason choose_audience(const struct decision *decision)
{
	enum reason reason = REASON_NONE;

	if (decision->request->resources.count > 0)
		return choose_targets(decision);
	reason = choose_scope_audience(decision);
	if (reason == REASON_NONE && decision->grant->audience.count == 0)
		choose_configured_audience(decision);
	return reason;
}

static void choose_token_form(const struct decision *decision)
{
	const struct client *client = decision->client;
	const struct token_policy *policy = &decision->snapshot->access_token;
	struct grant *grant = decision->grant;
	bool has_lifetime = client->token_lifetime_s > 0;

	grant->lifetime_s = has_lifetime ? client->token_lifetime_s : policy->lifetime_s;
	grant->lifetime_from = has_lifetime ? GRANT_FROM_CLIENT : GRANT_FROM_ACCESS_TOKEN;
	grant->reuse_s = policy->reuse_s;
	grant->profile = client->has_profile ? client->profile : policy->profile;
	grant->profile_from = client->has_profile ? GRANT_FROM_CLIENT : GRANT_FROM_ACCESS_TOKEN;
}

/* A certificate binds where that is registered; whoever sends a proof wants to be bound. */
static enum reason bind(const struct decision *decision)
{
	const struct client *client = decision->client;

	if (client->dpop_bound && decision->request->jkt.n == 0)
		return REASON_DPOP_MISSING;
	if (client->certificate_bound)
		decision->grant->x5t = decision->request->x5t;
	decision->grant->jkt = decision->request->jkt;
	return REASON_NONE;
}

static enum reason decide(const struct decision *decision)
{
	const struct client *client = decision->client;
	enum reason reason;

	if (client->certificate_bound && decision->request->x5t.n == 0)
		return REASON_CERTIFICATE_MISSING;
	if ((client->grants & GRANT_BIT(GRANT_CLIENT_CREDENTIALS)) == 0)
		return REASON_GRANT_DENIED;
	if ((reason = choose_scopes(decision)) != REASON_NONE)
		return reason;
	if ((reason = choose_audience(decision)) != REASON_NONE)
		return reason;
	choose_token_form(decision);
	return bind(decision);
}

enum reason grant_decide(const struct snapshot *snapshot, const struct client *client,
	const struct grant_request *request, struct arena *arena, struct grant *grant)
{
	const struct decision decision = {
		.snapshot = snapshot,
		.client = client,
		.request = request,
		.arena = arena,
		.grant = grant,
	};

	*grant = (struct grant){ .client = client };
	enum reason reason = decide(&decision);

	if (reason != REASON_NONE)
		*grant = (struct grant){ 0 };
	return reason;
}
