/* SPDX-License-Identifier: MIT */
/* A token request that comes from the command line instead of the endpoint. */
#include "request.h"

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

enum reason request_decide(const struct snapshot *snapshot, const struct token_request *request,
	struct arena *arena, struct grant *grant)
{
	const struct client *client = client_find(
		&snapshot->clients, str_of(request->client_id));
	struct grant_request asked = { .scope = str_of(request->scope) };

	*grant = (struct grant){ 0 };
	if (client == NULL)
		return REASON_CLIENT_UNKNOWN;
	if (!client->enabled)
		return REASON_CLIENT_DISABLED;
	enum reason reason = drop_empty(request->resources, arena, &asked.resources);

	if (reason != REASON_NONE)
		return reason;
	return grant_decide(snapshot, client, &asked, arena, grant);
}
