/* SPDX-License-Identifier: MIT */
/* A token request that comes from the command line instead of the endpoint. */
#include "request.h"
#include "oauth/reuse.h"
#include "output.h"

/* As the endpoint reads a form: a parameter without a value is not there. */
static enum reason drop_empty(struct str_list given, struct arena *arena, struct str_list *list)
{
	struct str *items = arena_alloc_array(arena, given.count + 1, sizeof(*items));

	if (items == NULL)
		return REASON_MEMORY;
	*list = (struct str_list){ items, 0 };
	for (size_t i = 0; i < given.count; i++) {
		if (given.items[i].n > 0)
			items[list->count++] = given.items[i];
	}
	return REASON_NONE;
}

/* If none is live, one that is still to come says more than those that have expired. */
static enum reason check_secrets(const struct client *client, int64_t now_s)
{
	const bool for_assertions = (client->auth_methods & AUTH_BY_SECRET) ==
				    AUTH_BIT(AUTH_SECRET_JWT);
	enum reason reason = REASON_SECRET_EXPIRED;

	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if (for_assertions && secret->kind != SECRET_PLAIN)
			continue;
		if (secret_is_live(secret, now_s))
			return REASON_NONE;
		if (now_s < secret->not_before_s)
			reason = REASON_SECRET_EARLY;
	}
	return reason;
}

/* Is there a way to authenticate?  Keys and subjects are there where a method needs them. */
static enum reason check_client(const struct client *client, int64_t now_s)
{
	if (!client->enabled)
		return REASON_CLIENT_DISABLED;
	if ((client->auth_methods & ~AUTH_BY_SECRET) != 0)
		return REASON_NONE;
	if (client->secret_count == 0)
		return REASON_SECRET_WRONG;
	if (client->auth_methods == 0)
		return REASON_AUTH_METHOD;
	return check_secrets(client, now_s);
}

enum reason request_decide(const struct snapshot *snapshot, const struct token_request *request,
	int64_t now_s, struct arena *arena, struct grant *grant)
{
	const struct client *client = client_find(
		&snapshot->clients, str_of(request->client_id));
	struct grant_request asked = { .scope = str_of(request->scope) };

	*grant = (struct grant){ 0 };
	if (client == NULL)
		return REASON_CLIENT_UNKNOWN;
	enum reason reason = check_client(client, now_s);

	if (reason == REASON_NONE)
		reason = drop_empty(request->resources, arena, &asked.resources);
	if (reason != REASON_NONE)
		return reason;
	return grant_decide(snapshot, client, &asked, arena, grant);
}

enum reason request_mint(const struct admin *admin, const struct snapshot *snapshot,
	struct grant *grant, bool is_signed, struct token *token)
{
	const bool asks_store = grant->reuse_s > 0 && snapshot->state.n > 0;
	struct audit audit = { 0 };
	struct services services = {
		.random = &random_system,
		.store = asks_store ? store_new(snapshot->state) : NULL,
	};
	const struct call call = {
		.snapshot = snapshot,
		.services = &services,
		.arena = admin->arena,
		.now_s = admin->now_s,
	};

	*token = (struct token){ 0 };
	if (asks_store && services.store == NULL)
		return REASON_MEMORY;
	enum reason reason = is_signed ? reuse_token(&call, grant, token, &audit)
				       : reuse_claims(&call, grant, token, &audit);

	if (audit.cause != REASON_NONE)
		output_reason(snapshot->state.p, audit.cause);
	store_free(services.store);
	return reason;
}
