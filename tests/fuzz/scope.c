/* SPDX-License-Identifier: MIT */
/*
 * What a client gets: scopes and audiences, against a second decision.
 *
 * Input: a byte, the scope as it was sent up to a line feed, a resource on each line.
 */
#include "served.h"

#include "oauth/grant.h"

#define RESOURCES_MAX 8

static const struct scope *find(struct str token)
{
	for (size_t i = 0; i < SCOPE__MAX; i++) {
		if (str_eq(fixture_scopes[i].token, token))
			return &fixture_scopes[i];
	}
	return NULL;
}

static bool is_mine(const struct client *client, const struct scope *scope)
{
	for (size_t i = 0; i < client->scopes.count; i++) {
		if (client->scopes.items[i] == scope)
			return true;
	}
	return false;
}

/* A bit for each scope that is asked for; false: it must be refused. */
static bool read_scopes(const struct client *client, struct str text, unsigned *bits)
{
	size_t from = 0;

	*bits = 1U << SCOPE_IDENTITY_PROOFING;
	if (text.n == 0)
		return true;
	*bits = 0;
	for (size_t i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != ' ')
			continue;
		const struct scope *scope = find((struct str){ text.p + from, i - from });

		if (scope == NULL || !is_mine(client, scope))
			return false;
		*bits |= 1U << (scope - fixture_scopes);
		from = i + 1;
	}
	return true;
}

static bool are_resources_mine(const struct client *client, struct str_list asked)
{
	for (size_t i = 0; i < asked.count; i++) {
		bool found = false;

		for (size_t j = 0; j < client->resources.count; j++)
			found = found || str_eq(asked.items[i], client->resources.items[j]);
		if (!found)
			return false;
	}
	return true;
}

/* Those of two APIs do not go together. */
static bool has_two_audiences(unsigned bits)
{
	unsigned orders = 1U << SCOPE_ORDERS_READ | 1U << SCOPE_ORDERS_WRITE;

	return (bits & orders) != 0 && (bits & 1U << SCOPE_STOCK) != 0;
}

static void check_grant(const struct grant *grant, const struct client *client, unsigned bits,
	struct str_list asked)
{
	unsigned granted = 0;

	for (size_t i = 0; i < grant->scopes.count; i++) {
		unsigned bit = 1U << (grant->scopes.items[i] - fixture_scopes);

		REQUIRE((granted & bit) == 0);
		granted |= bit;
	}
	REQUIRE(granted == bits && grant->client == client);
	REQUIRE(grant->audience.count > 0 && grant->lifetime_s == 300);
	for (size_t i = 0; i < asked.count; i++)
		REQUIRE(str_list_has(grant->audience, asked.items[i]));
	REQUIRE(asked.count == 0 || grant->audience.count <= asked.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const ids[] = { "both", "few", "resources" };
	struct str rest = fuzz_input(data, size), items[RESOURCES_MAX];
	unsigned choice = fuzz_byte(&rest);
	struct str scope = fuzz_line(&rest);
	struct str_list asked = { items, 0 };
	struct grant grant;
	unsigned bits;

	served_forget();
	while (rest.n > 0 && asked.count < RESOURCES_MAX)
		items[asked.count++] = fuzz_line(&rest);
	const struct client *client = fixture_client(&served, ids[choice % COUNT(ids)]);
	const struct grant_request request = { .scope = scope, .resources = asked };
	bool good = read_scopes(client, scope, &bits) && are_resources_mine(client, asked) &&
		    (asked.count > 0 || !has_two_audiences(bits));
	enum reason reason = grant_decide(
		served.snapshot, client, &request, served.arena, &grant);

	REQUIRE((reason == REASON_NONE) == good);
	if (good)
		check_grant(&grant, client, bits, asked);
	else
		REQUIRE(grant.client == NULL && reason_info(reason)->status == 400);
	return 0;
}
