/* SPDX-License-Identifier: MIT */
/* The introspection endpoint (RFC 7662 §2). */
#include "oauth/introspect.h"
#include "jose/json.h"
#include "oauth/answer.h"
#include "oauth/client_auth.h"
#include "oauth/issued.h"
#include "oauth/params.h"
#include "state/revocation.h"

#include <string.h>

/* RFC 7662 §2.2: as they stand in the token. */
static const char *const copied[] = { "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "cnf" };

/* The arena's copy of an object as JSON, which jansson's own memory does not outlive. */
static enum reason render(const json_t *json, struct arena *arena, struct str *text)
{
	const size_t size = json_dumpb(json, NULL, 0, JSON_COMPACT);
	char *p = arena_alloc(arena, size);

	*text = STR("");
	if (size == 0 || p == NULL || json_dumpb(json, p, size, JSON_COMPACT) != size)
		return REASON_MEMORY;
	*text = (struct str){ p, size };
	return REASON_NONE;
}

/* A text with spaces, whatever the profile of the token (RFC 7662 §2.2). */
static enum reason scope_text(const json_t *scope, struct arena *arena, struct str *text)
{
	size_t size = json_string_length(scope) + 1;

	for (size_t i = 0; i < json_array_size(scope); i++)
		size += json_string_length(json_array_get(scope, i)) + 1;
	char *p = arena_alloc(arena, size);
	struct buf buf = buf_init(p, p == NULL ? 0 : size);

	if (json_is_string(scope))
		buf_text(&buf, json_string_value(scope));
	for (size_t i = 0; i < json_array_size(scope); i++) {
		if (i > 0)
			buf_char(&buf, ' ');
		buf_text(&buf, json_string_value(json_array_get(scope, i)));
	}
	*text = buf_view(&buf);
	return p == NULL ? REASON_MEMORY : REASON_NONE;
}

static bool set_text(json_t *answer, const char *name, struct str text)
{
	return text.n == 0 ||
	       json_object_set_new(answer, name, json_stringn(text.p, text.n)) == 0;
}

static bool is_bound_to_key(const json_t *claims)
{
	return json_object_get(json_object_get(claims, "cnf"), "jkt") != NULL;
}

static bool fill(json_t *answer, const struct issued *issued, struct str scope)
{
	const json_t *claims = issued->parts.payload;

	if (json_object_set_new(answer, "active", json_true()) != 0 ||
		!set_text(answer, "scope", scope) ||
		!set_text(answer, "client_id", issued->client_id) ||
		!set_text(answer, "token_type",
			is_bound_to_key(claims) ? STR("DPoP") : STR("Bearer")))
		return false;
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		json_t *value = json_object_get(claims, copied[i]);

		if (value != NULL && json_object_set(answer, copied[i], value) != 0)
			return false;
	}
	return true;
}

static enum reason describe(
	const struct call *call, const struct issued *issued, struct str *body)
{
	struct str scope;
	json_t *answer = json_object();
	enum reason reason = scope_text(
		json_object_get(issued->parts.payload, "scope"), call->arena, &scope);

	if (reason == REASON_NONE && (answer == NULL || !fill(answer, issued, scope)))
		reason = REASON_MEMORY;
	if (reason == REASON_NONE)
		reason = render(answer, call->arena, body);
	json_decref(answer);
	return reason;
}

/* Who takes a client away, or disables it, wants its tokens to be good for nothing. */
static enum reason check_client(const struct snapshot *snapshot, struct str id)
{
	const struct client *client = client_find(&snapshot->clients, id);

	if (client == NULL)
		return REASON_CLIENT_UNKNOWN;
	return client->enabled ? REASON_NONE : REASON_CLIENT_DISABLED;
}

/* Why a token of ours is not active all the same; *flaw is REASON_NONE if it is. */
static enum reason find_flaw(
	const struct call *call, const struct issued *issued, enum reason *flaw)
{
	const int64_t latest_s = call->now_s + call->snapshot->assertions.leeway_s;
	bool is_revoked;
	enum reason reason = revocation_find(call->services->store, issued->jti,
		issued->expires_s, call->now_s, &is_revoked);

	*flaw = REASON_NONE;
	if (reason != REASON_NONE)
		return reason;
	if (is_revoked)
		*flaw = REASON_TOKEN_REVOKED;
	else if (issued_is_early(issued, latest_s))
		*flaw = REASON_JWT_EARLY;
	else
		*flaw = check_client(call->snapshot, issued->client_id);
	return REASON_NONE;
}

/* Whatever is wrong with a token, it is not active (RFC 7662 §2.2); our own faults are faults.
 */
static enum reason look_at(
	const struct call *call, struct str token, struct str *body, struct audit *audit)
{
	struct issued issued;
	enum reason reason = issued_verify(
		call->snapshot, token, call->now_s, call->arena, &issued);

	*body = STR("{\"active\":false}");
	if (reason != REASON_NONE) {
		audit->cause = reason;
		return reason == REASON_MEMORY ? reason : REASON_NONE;
	}
	reason = find_flaw(call, &issued, &audit->cause);
	if (reason == REASON_NONE && !arena_copy(call->arena, issued.jti, &audit->jti))
		reason = REASON_MEMORY;
	if (reason == REASON_NONE && audit->cause == REASON_NONE)
		reason = describe(call, &issued, body);
	issued_clear(&issued);
	return reason;
}

enum reason introspect_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	struct str token = form_value(call->form, PARAM_TOKEN);
	struct caller caller;
	struct str body;
	enum reason reason = client_authenticate(call, &caller, audit);

	if (reason != REASON_NONE)
		return reason;
	if (!caller.client->may_introspect)
		return REASON_INTROSPECT_DENIED;
	if (token.n == 0)
		return REASON_TOKEN_MISSING;
	reason = look_at(call, token, &body, audit);
	if (reason == REASON_NONE)
		answer_private(response, 200, body);
	return reason;
}
