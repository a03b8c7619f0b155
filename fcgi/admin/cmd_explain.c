/* SPDX-License-Identifier: MIT */
/* explain: what a token request would get, and which lines of the configuration decide it. */
#include "jose/json.h"
#include "options.h"
#include "output.h"
#include "request.h"

#include <stdio.h>

#define PATH_KEYS 3
#define VALUE_SIZE 16384 /* bytes; what is longer is cut off */
#define NAME_WIDTH 10
#define VALUE_WIDTH 28
#define PLACEHOLDER STR("(not signed)")

/* The keys that lead to a value, from the top mapping inwards. */
struct path {
	struct str keys[PATH_KEYS];
	size_t key_count;
};

struct explanation {
	const struct admin *admin;
	const struct snapshot *snapshot;
	struct token_request request;
	struct grant grant;
	struct token token;
	json_t *decisions; /* with --json: the list that they go to */
	char *value; /* VALUE_SIZE bytes in the arena: the value that is being explained */
};

/* The keys that decide one property of the grant, by the source that decided it. */
struct property {
	const char *request_key; /* the client's, that what was asked for must be in */
	const char *client_key;
	const char *general_key; /* under access_token */
};

static const struct property scope_property = { "scopes", "default_scopes", NULL };
static const struct property audience_property = { "resources", "audience", "audience" };
static const struct property lifetime_property = { NULL, "token_lifetime", "lifetime" };
static const struct property profile_property = { NULL, "token_profile", "profile" };

/* Where a refusal comes from; without a section, from the request itself. */
static const struct {
	enum reason reason;
	const char *section;
	const char *client_key; /* NULL: the section as a whole */
} refusals[] = {
	{ REASON_CLIENT_UNKNOWN, "clients", NULL },
	{ REASON_CLIENT_DISABLED, "clients", "enabled" },
	{ REASON_AUTH_METHOD, "clients", "auth_methods" },
	{ REASON_SECRET_WRONG, "clients", "secrets" },
	{ REASON_SECRET_EXPIRED, "clients", "secrets" },
	{ REASON_SECRET_EARLY, "clients", "secrets" },
	{ REASON_GRANT_DENIED, "clients", "grants" },
	{ REASON_SCOPE_SYNTAX, NULL, NULL },
	{ REASON_SCOPE_UNKNOWN, "scopes", NULL },
	{ REASON_SCOPE_DENIED, "clients", "scopes" },
	{ REASON_TARGET_SYNTAX, NULL, NULL },
	{ REASON_TARGET_DENIED, "clients", "resources" },
	{ REASON_CERTIFICATE_MISSING, "clients", "tls_client_certificate_bound_access_tokens" },
	{ REASON_DPOP_MISSING, "clients", "dpop_bound_access_tokens" },
};

static struct path path_of(const char *first, struct str second, const char *third)
{
	struct path path = { { str_of(first), second, str_of(third) }, 0 };

	while (path.key_count < PATH_KEYS && path.keys[path.key_count].n > 0)
		path.key_count++;
	return path;
}

static struct path client_path(const struct explanation *e, const char *key)
{
	return path_of("clients", str_of(e->request.client_id), key);
}

/* The scope that names the audience; all granted ones that name any name the same. */
static struct str audience_scope(const struct grant *grant)
{
	for (size_t i = 0; i < grant->scopes.count; i++) {
		if (grant->scopes.items[i]->audience.n > 0)
			return grant->scopes.items[i]->token;
	}
	return STR("");
}

static struct path source_path(
	const struct explanation *e, const struct property *property, enum grant_source source)
{
	switch (source) {
	case GRANT_FROM_REQUEST:
		return client_path(e, property->request_key);
	case GRANT_FROM_SCOPE:
		return path_of("scopes", audience_scope(&e->grant), "audience");
	case GRANT_FROM_CLIENT:
		return client_path(e, property->client_key);
	case GRANT_FROM_CLIENT_SCOPES:
		return client_path(e, "scopes");
	case GRANT_FROM_ACCESS_TOKEN:
		return path_of("access_token", str_of(property->general_key), NULL);
	case GRANT_FROM_CLIENT_ID:
		break;
	}
	return path_of(NULL, STR(""), NULL);
}

/* A decision with its place, or with what decided it in the place of one. */
static json_t *pack_decision(
	const char *name, struct str value, const struct place *place, const char *otherwise)
{
	json_t *decision = json_object();

	if (name != NULL) {
		output_member(&decision, "what", json_string(name));
		output_member(&decision, "value", output_string(value));
	}
	if (place == NULL) {
		output_member(&decision, "by", json_string(otherwise));
		return decision;
	}
	output_member(&decision, "by", json_string("file"));
	output_member(&decision, "file", output_string(str_of(place->file)));
	output_member(&decision, "line", json_integer(place->line));
	return decision;
}

static void print_decision(const char *name, struct str value, const struct place *place)
{
	printf("  %-*s", NAME_WIDTH, name);
	output_cell(value, VALUE_WIDTH);
	printf("  ");
	if (place != NULL)
		output_place(place);
	else
		printf("default");
	putchar('\n');
}

static void tell_decision(
	struct explanation *e, const char *name, struct str value, struct path path)
{
	struct place found;
	const struct place *place = NULL;

	if (path.key_count > 0 &&
		config_locate(e->admin->config, path.keys, path.key_count, &found))
		place = &found;
	if (e->admin->json)
		output_append(&e->decisions, pack_decision(name, value, place, "default"));
	else
		print_decision(name, value, place);
}

static void explain_scope(struct explanation *e)
{
	struct buf buf = buf_init(e->value, VALUE_SIZE);

	scope_list_write(&buf, e->grant.scopes);
	tell_decision(e, "scope", buf.n > 0 ? buf_view(&buf) : STR("(none)"),
		source_path(e, &scope_property, e->grant.scopes_from));
}

static void explain_audience(struct explanation *e)
{
	struct buf buf = buf_init(e->value, VALUE_SIZE);

	for (size_t i = 0; i < e->grant.audience.count; i++) {
		buf_text(&buf, i > 0 ? " " : "");
		buf_str(&buf, e->grant.audience.items[i]);
	}
	tell_decision(e, "audience", buf_view(&buf),
		source_path(e, &audience_property, e->grant.audience_from));
}

static void explain_lifetime(struct explanation *e)
{
	struct buf buf = buf_init(e->value, VALUE_SIZE);

	buf_number(&buf, e->grant.lifetime_s);
	buf_text(&buf, " s");
	tell_decision(e, "lifetime", buf_view(&buf),
		source_path(e, &lifetime_property, e->grant.lifetime_from));
}

/* Only where it is turned on: the window's length, or why there is a new token. */
static void explain_reuse(struct explanation *e)
{
	struct buf buf = buf_init(e->value, VALUE_SIZE);

	if (e->snapshot->access_token.reuse_s == 0)
		return;
	buf_number(&buf, e->grant.reuse_s);
	buf_text(&buf, e->grant.reuse_s > 0 ? " s" : " s (revoked, or state unavailable)");
	tell_decision(e, "reuse", buf_view(&buf), path_of("access_token", STR("reuse"), NULL));
}

static void explain_key(struct explanation *e)
{
	char index[8];
	struct buf buf = buf_init(e->value, VALUE_SIZE);
	struct buf at = buf_init(index, sizeof(index));
	const struct keyring *keyring = &e->snapshot->keyring;

	buf_str(&buf, keyring->active->kid);
	buf_text(&buf, " ");
	buf_text(&buf, alg_info(keyring->active->alg)->name);
	buf_number(&at, keyring->active - keyring->keys);
	tell_decision(e, "key", buf_view(&buf), path_of("signing_keys", buf_view(&at), NULL));
}

/* The client's own claims, as kept: members with a comma before each. */
static void explain_claims(struct explanation *e)
{
	if (e->grant.client->claims.n > 0)
		tell_decision(e, "claims", str_from(e->grant.client->claims, 1),
			client_path(e, "claims"));
}

static void tell_decisions(struct explanation *e)
{
	tell_decision(e, "client", e->grant.client->id, client_path(e, NULL));
	explain_scope(e);
	explain_audience(e);
	explain_lifetime(e);
	explain_reuse(e);
	tell_decision(e, "profile", str_of(profile_name(e->grant.profile)),
		source_path(e, &profile_property, e->grant.profile_from));
	explain_key(e);
	tell_decision(e, "issuer", e->snapshot->issuer, path_of("issuer", STR(""), NULL));
	explain_claims(e);
}

/* NULL: out of memory, since the text is ours. */
static json_t *read_own(struct str text)
{
	bool has_memory;

	return json_load(text, 0, NULL, &has_memory);
}

static int print_json_text(const char *heading, struct str text)
{
	json_t *json = read_own(text);
	int status = json == NULL ? output_reason(heading, REASON_MEMORY)
				  : output_json(heading, json);

	json_decref(json);
	return status;
}

static int tell_grant(struct explanation *e, struct str body)
{
	if (e->admin->json) {
		e->decisions = json_array();
		tell_decisions(e);
		return output_result(
			json_pack("{s:i, s:o, s:o, s:o, s:o}", "status", 200, "response",
				read_own(body), "header", read_own(e->token.header), "claims",
				read_own(e->token.claims), "decided_by", e->decisions),
			STATUS_DONE);
	}
	puts("status: 200");
	int status = print_json_text("response", body);

	if (status == STATUS_DONE)
		status = print_json_text("header", e->token.header);
	if (status == STATUS_DONE)
		status = print_json_text("claims", e->token.claims);
	if (status != STATUS_DONE)
		return status;
	puts("decided by:");
	tell_decisions(e);
	return STATUS_DONE;
}

static int explain_grant(struct explanation *e)
{
	const struct admin *admin = e->admin;
	struct str body;
	enum reason reason = request_mint(admin, e->snapshot, &e->grant, false, &e->token);

	e->token.jwt = PLACEHOLDER;
	if (reason == REASON_NONE)
		reason = mint_response(&e->grant, &e->token, admin->now_s, admin->arena, &body);
	if (reason != REASON_NONE)
		return output_reason(e->request.client_id, reason);
	return tell_grant(e, body);
}

/* Is this scope-token what makes the request fail for that reason? */
static bool is_culprit(const struct explanation *e, enum reason reason, struct str token)
{
	const struct client *client = client_find(
		&e->snapshot->clients, str_of(e->request.client_id));
	const struct scope *scope = scope_find(&e->snapshot->scopes, token);

	if (reason == REASON_SCOPE_UNKNOWN)
		return scope == NULL;
	return scope != NULL && !scope_list_has(client->scopes, scope);
}

static struct str scope_culprit(const struct explanation *e, enum reason reason)
{
	struct str rest = str_of(e->request.scope), token;

	while (rest.n > 0) {
		str_cut(&rest, ' ', &token);
		if (is_culprit(e, reason, token))
			return token;
	}
	return STR("");
}

static struct str target_culprit(const struct explanation *e)
{
	const struct client *client = client_find(
		&e->snapshot->clients, str_of(e->request.client_id));

	for (size_t i = 0; i < e->request.resources.count; i++) {
		struct str resource = e->request.resources.items[i];

		if (resource.n > 0 && !str_list_has(client->resources, resource))
			return resource;
	}
	return STR("");
}

/* The value of the request that is refused; empty: none by itself. */
static struct str culprit(const struct explanation *e, enum reason reason)
{
	if (reason == REASON_SCOPE_UNKNOWN || reason == REASON_SCOPE_DENIED)
		return scope_culprit(e, reason);
	return reason == REASON_TARGET_DENIED ? target_culprit(e) : STR("");
}

static void print_decider(const struct place *place, const char *otherwise, struct str missing)
{
	printf("decided by: ");
	if (place != NULL)
		output_place(place);
	else
		printf("%s", otherwise);
	if (missing.n > 0)
		printf(" (no '%.*s' there)", (int)missing.n, missing.p);
	putchar('\n');
}

/* The place of the value, or of the nearest mapping around the value that is not there. */
static void tell_decider(struct explanation *e, struct path path)
{
	struct place found;
	struct str missing = STR("");
	const char *otherwise = path.key_count == 0 ? "the request" : "default";
	size_t key_count = path.key_count;

	while (key_count > 0 && !config_locate(e->admin->config, path.keys, key_count, &found))
		key_count--;
	const struct place *place = key_count > 0 ? &found : NULL;

	if (key_count > 0 && key_count < path.key_count)
		missing = path.keys[path.key_count - 1];
	if (!e->admin->json) {
		print_decider(place, otherwise, missing);
		return;
	}
	json_t *decider = pack_decision(NULL, STR(""), place, otherwise);

	if (missing.n > 0)
		output_member(&decider, "missing", output_string(missing));
	output_append(&e->decisions, decider);
}

static void tell_audiences(struct explanation *e, struct str_list tokens)
{
	for (size_t i = 0; i < tokens.count; i++) {
		struct path path = path_of("scopes", tokens.items[i], "audience");
		struct place place;

		if (config_locate(e->admin->config, path.keys, path.key_count, &place))
			tell_decider(e, path);
	}
}

static void tell_scope_deciders(struct explanation *e)
{
	const struct client *client = client_find(
		&e->snapshot->clients, str_of(e->request.client_id));
	struct scope_list scopes = client->default_scopes;
	struct str rest = str_of(e->request.scope), token;
	bool asked = rest.n > 0;

	while (rest.n > 0) {
		str_cut(&rest, ' ', &token);
		tell_audiences(e, (struct str_list){ &token, 1 });
	}
	for (size_t i = 0; !asked && i < scopes.count; i++)
		tell_audiences(e, (struct str_list){ &scopes.items[i]->token, 1 });
}

static void tell_deciders(struct explanation *e, enum reason reason)
{
	if (reason == REASON_SCOPE_AUDIENCES) {
		tell_scope_deciders(e);
		return;
	}
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].reason != reason)
			continue;
		bool whole = refusals[i].client_key == NULL;

		tell_decider(e, whole ? path_of(refusals[i].section, STR(""), NULL)
				      : client_path(e, refusals[i].client_key));
	}
}

static json_t *pack_refusal(struct explanation *e, enum reason reason, json_t *body)
{
	const struct reason_info *info = reason_info(reason);
	json_t *result = json_pack("{s:i, s:o, s:s}", "status", info->status, "response", body,
		"refused", info->name);

	if (culprit(e, reason).n > 0)
		output_member(&result, "value", output_string(culprit(e, reason)));
	e->decisions = json_array();
	tell_deciders(e, reason);
	output_member(&result, "decided_by", e->decisions);
	return result;
}

static int explain_refusal(struct explanation *e, enum reason reason)
{
	const struct reason_info *info = reason_info(reason);

	if (info->error == NULL)
		return output_reason(e->request.client_id, reason);
	json_t *body = json_pack(
		"{s:s, s:s}", "error", info->error, "error_description", info->description);

	if (e->admin->json)
		return output_result(pack_refusal(e, reason, body), STATUS_FAILED);
	printf("status: %d\n", info->status);
	int status = output_json("response", body);

	json_decref(body);
	if (status != STATUS_DONE)
		return status;
	printf("refused: %s", info->name);
	if (culprit(e, reason).n > 0) {
		printf(": ");
		output_text(culprit(e, reason));
	}
	putchar('\n');
	tell_deciders(e, reason);
	return STATUS_FAILED;
}

int cmd_explain(struct admin *admin, int argc, char **argv)
{
	int status;
	struct explanation e = { .admin = admin };
	const struct option options[] = {
		{ "CLIENT_ID", NULL, "the client that asks", .required = true,
			.text = &e.request.client_id },
		{ "--scope", "S", "scope tokens, separated by spaces",
			.text = &e.request.scope },
		{ "--resource", "R", "a resource; may be repeated",
			.list = &e.request.resources },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 4, &status))
		return status;
	e.snapshot = admin_load(admin);
	if (e.snapshot == NULL)
		return STATUS_FAILED;
	e.value = arena_alloc(admin->arena, VALUE_SIZE);
	if (e.value == NULL)
		return output_reason(e.request.client_id, REASON_MEMORY);
	enum reason reason = request_decide(
		e.snapshot, &e.request, admin->now_s, admin->arena, &e.grant);

	return reason == REASON_NONE ? explain_grant(&e) : explain_refusal(&e, reason);
}
