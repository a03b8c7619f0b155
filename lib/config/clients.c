/* SPDX-License-Identifier: MIT */
/* The clients of all files. */
#include "config/clients.h"
#include "config/part.h"
#include "config/quote.h"
#include "config/server.h"
#include "jose/dn.h"
#include "util/uri.h"

#define SUBJECT_PREFIX STR("tls_client_auth_")
#define MANY_PROBLEMS 100 /* from here on nobody reads suggestions */

static const char *method_name(unsigned value)
{
	return auth_method_name((enum auth_method)value);
}

static const char *grant_name(unsigned value)
{
	(void)value;
	return "client_credentials";
}

static const struct schema_names method_names = { method_name, 0, AUTH__MAX };
static const struct schema_names grant_names = { grant_name, 0, GRANT__MAX };

/*
 * Cut an attribute off a distinguished name, at a separator that no backslash stands before,
 * without the blanks around it.
 */
static struct str cut_attribute(struct str *rest)
{
	size_t n = 0, end = 0;

	while (str_starts(*rest, STR(" ")))
		*rest = str_from(*rest, 1);
	while (n < rest->n && rest->p[n] != ',' && rest->p[n] != '+') {
		bool is_blank = rest->p[n] == ' ';

		n += rest->p[n] == '\\' && n + 1 < rest->n ? 2 : 1;
		end = is_blank ? end : n;
	}
	struct str attribute = str_upto(*rest, end);

	*rest = str_from(*rest, n + 1);
	return attribute;
}

/* The first attribute that is none, or the whole text if each is good by itself. */
static struct str find_bad_attribute(struct str text)
{
	struct str rest = text;

	while (rest.n > 0) {
		struct str attribute = cut_attribute(&rest);

		if (!dn_is_valid(attribute))
			return attribute;
	}
	return text;
}

static bool is_host_name(struct str text)
{
	return !str_has(text, ' ') && !str_has(text, ':') && !str_has(text, '/') &&
	       str_is_visible(text);
}

static bool is_address(struct str text)
{
	struct netaddr address;

	return netaddr_parse(text, &address);
}

static bool is_email(struct str text)
{
	struct str local;

	return str_is_visible(text) && !str_has(text, ' ') && str_cut(&text, '@', &local) &&
	       local.n > 0 && text.n > 0;
}

static void read_subject_dn(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	if (node->kind == YAML_TEXT && node->text.n > 0 && !dn_is_valid(node->text))
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"%s is not an attribute TYPE=VALUE with a known TYPE; write the name "
			"as in CN=client,O=Example (RFC 4514; openssl x509 -noout -subject "
			"-nameopt RFC2253 prints it so)",
			quote_of(find_bad_attribute(node->text)).text);
	else
		schema_text(reader, key, node, target);
}

static void read_methods(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct client_draft *draft = target;

	draft->auth_methods = node;
	schema_choices(reader, key, node, &draft->client.auth_methods);
}

static void read_profile(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct client *client = target;

	client->has_profile = true;
	schema_choice(reader, key, node, &client->profile);
}

static void read_jwks_file(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct client_draft *draft = target;

	draft->jwks_file = node;
	schema_path(reader, key, node, &draft->jwks_path);
}

#define FIELD(member) .offset = offsetof(struct client_draft, client.member)
#define NODE(member) .offset = offsetof(struct client_draft, member)
#define SUBJECT(index) .offset = offsetof(struct client_draft, subjects[index]), .min = 1

static const struct schema_key client_keys[] = {
	{ "name", schema_text, FIELD(name) },
	{ "enabled", schema_bool, FIELD(enabled), .initial = "true" },
	{ "grants", schema_choices, FIELD(grants), .names = &grant_names },
	{ "scopes", schema_node, NODE(scopes) },
	{ "default_scopes", schema_node, NODE(default_scopes) },
	{ "secrets", schema_node, NODE(secrets) },
	{ "auth_methods", read_methods, .names = &method_names },
	{ "jwks", schema_node, NODE(jwks) },
	{ .name = "jwks_file", .type = read_jwks_file },
	{ "tls_client_auth_subject_dn", read_subject_dn, SUBJECT(SUBJECT_DN) },
	{ "tls_client_auth_san_dns", schema_text, SUBJECT(SUBJECT_SAN_DNS),
		.check = is_host_name, .expected = "a host name" },
	{ "tls_client_auth_san_uri", schema_text, SUBJECT(SUBJECT_SAN_URI),
		.check = uri_is_absolute, .expected = "an absolute URI without a fragment" },
	{ "tls_client_auth_san_ip", schema_text, SUBJECT(SUBJECT_SAN_IP), .check = is_address,
		.expected = "an IP address" },
	{ "tls_client_auth_san_email", schema_text, SUBJECT(SUBJECT_SAN_EMAIL),
		.check = is_email, .expected = "an email address" },
	{ "tls_client_certificate_bound_access_tokens", schema_bool, FIELD(certificate_bound) },
	{ "dpop_bound_access_tokens", schema_bool, FIELD(dpop_bound) },
	{ "allowed_ips", schema_netmasks, FIELD(allowed_ips), .min = 1 },
	{ "resources", schema_texts, FIELD(resources), .check = uri_is_absolute,
		.expected = "an absolute URI without a fragment" },
	{ "token_lifetime", schema_integer, FIELD(token_lifetime_s), .min = 1,
		.max = LOADER_LIFETIME_MAX },
	{ "token_profile", read_profile, .names = &server_profiles },
	{ "audience", schema_audiences, FIELD(audience) },
	{ "claims", schema_node, NODE(claims) },
	{ "introspect", schema_bool, FIELD(may_introspect) },
};

static const struct schema client_schema = SCHEMA(client_keys);

static void check_id(struct loader *loader, const struct yaml_node *name)
{
	if (name->text.n == 0 || name->text.n > CLIENT_ID_MAX || !str_is_visible(name->text))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(name),
			"a client_id has 1 to %d printable ASCII characters", CLIENT_ID_MAX);
}

static void report_undefined(struct loader *loader, const struct yaml_node *item)
{
	size_t count = loader->scope_names.count;

	if (loader->incomplete)
		return;
	if (diag_error_count(loader->reader.diag) >= MANY_PROBLEMS)
		count = 0;
	diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(item), "undefined scope %s%s",
		quote_of(item->text).text,
		quote_suggestion(item->text, loader->scope_names.items, count).text);
}

/* Those of a list that are defined, each once. */
static void resolve_scopes(
	struct loader *loader, const struct yaml_node *node, struct scope_list *list)
{
	const struct scope **scopes = schema_alloc(
		&loader->reader, node->count, sizeof(*scopes));

	if (scopes == NULL)
		return;
	list->items = scopes;
	for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
		const struct scope *scope = scope_find(&loader->snapshot->scopes, item->text);

		if (scope != NULL && !scope_list_has(*list, scope))
			scopes[list->count++] = scope;
	}
}

static void check_scopes(struct loader *loader, const struct client_draft *draft)
{
	for (const struct yaml_node *item = draft->scopes->child; item != NULL;
		item = item->next) {
		if (schema_item_is_text(&loader->reader, "scopes", item) &&
			scope_find(&loader->snapshot->scopes, item->text) == NULL)
			report_undefined(loader, item);
	}
}

static bool list_has_text(const struct yaml_node *list, struct str text)
{
	for (const struct yaml_node *item = list == NULL ? NULL : list->child; item != NULL;
		item = item->next) {
		if (str_eq(item->text, text))
			return true;
	}
	return false;
}

static void check_default_scopes(struct loader *loader, const struct client_draft *draft)
{
	for (const struct yaml_node *item = draft->default_scopes->child; item != NULL;
		item = item->next) {
		if (schema_item_is_text(&loader->reader, "default_scopes", item) &&
			!list_has_text(draft->scopes, item->text))
			diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(item),
				"%s is not one of this client's \"scopes\"",
				quote_of(item->text).text);
	}
}

static void load_scopes(struct loader *loader, struct client_draft *draft)
{
	struct client *client = &draft->client;

	if (draft->scopes != NULL && schema_is_list(&loader->reader, "scopes", draft->scopes)) {
		check_scopes(loader, draft);
		resolve_scopes(loader, draft->scopes, &client->scopes);
	}
	client->default_scopes = client->scopes;
	if (draft->default_scopes == NULL ||
		!schema_is_list(&loader->reader, "default_scopes", draft->default_scopes))
		return;
	client->default_scopes = (struct scope_list){ 0 };
	check_default_scopes(loader, draft);
	resolve_scopes(loader, draft->default_scopes, &client->default_scopes);
}

/* RFC 8705 §2.1.2: exactly one. */
static void set_subject(struct loader *loader, struct client_draft *draft)
{
	for (enum subject_kind i = 0; i < SUBJECT__MAX; i++) {
		if (draft->subjects[i].n > 0)
			draft->client.subject = (struct certificate_subject){ i,
				draft->subjects[i] };
	}
	for (const struct yaml_node *key = draft->value->child; key != NULL;
		key = yaml_next_key(key)) {
		if (!str_starts(key->text, SUBJECT_PREFIX))
			continue;
		if (draft->has_subject)
			diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
				"a client has only one of the tls_client_auth_ keys");
		draft->has_subject = true;
	}
}

static void check_lifetime(
	struct loader *loader, const struct client_draft *draft, const struct yaml_node *value)
{
	const int64_t reuse_s = loader->snapshot->access_token.reuse_s;
	const int64_t lifetime_s = draft->client.token_lifetime_s;

	if (reuse_s > 0 && lifetime_s > 0 && reuse_s * 2 >= lifetime_s)
		diag_add(loader->reader.diag, DIAG_ERROR,
			yaml_place(yaml_find(value, STR("token_lifetime"))->next),
			"\"token_lifetime\" must be more than twice access_token.reuse, which "
			"is "
			"%lld",
			(long long)reuse_s);
}

static void check_dpop(
	struct loader *loader, const struct client_draft *draft, const struct yaml_node *value)
{
	if (draft->client.dpop_bound && !loader->has_state)
		diag_add(loader->reader.diag, DIAG_ERROR,
			yaml_place(yaml_find(value, STR("dpop_bound_access_tokens"))),
			"\"dpop_bound_access_tokens\" needs a state store; set \"state\"");
}

static void check_introspect(
	struct loader *loader, const struct client_draft *draft, const struct yaml_node *value)
{
	if (draft->client.may_introspect && !loader->snapshot->introspection)
		diag_add(loader->reader.diag, DIAG_WARNING,
			yaml_place(yaml_find(value, STR("introspect"))),
			"\"introspect\" has no effect: the introspection endpoint %s",
			loader->has_state ? "is turned off under \"endpoints\""
					  : "is not offered without a state store; set "
					    "\"state\"");
}

static void load_all(struct loader *loader, const struct entries *entries)
{
	struct client *clients = schema_alloc(
		&loader->reader, entries->count, sizeof(*clients));

	if (clients == NULL)
		return;
	loader->snapshot->clients = (struct client_table){ clients, entries->count };
	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];

		client_load(loader, entry->key, &clients[entry->rank]);
	}
}

static void warn_none(struct loader *loader)
{
	const struct yaml_node *top = yaml_first(loader->yaml);
	const struct yaml_node *key = yaml_find(top, STR("clients"));

	diag_add(loader->reader.diag, DIAG_WARNING, yaml_place(key == NULL ? top : key),
		"no client is configured, so nobody can get a token");
}

void client_load(struct loader *loader, const struct yaml_node *name, struct client *client)
{
	const struct yaml_node *value = name->next;
	struct client_draft draft = {
		.client = { .enabled = true,
			.grants = GRANT_BIT(GRANT_CLIENT_CREDENTIALS),
			.subject.kind = SUBJECT_NONE },
		.name = name,
		.value = value,
	};

	check_id(loader, name);
	if (!arena_copy(loader->reader.arena, name->text, &draft.client.id))
		loader->reader.out_of_memory = true;
	if (schema_is_mapping(&loader->reader, name->text.p, value)) {
		schema_read(&loader->reader, &client_schema, value, &draft);
		load_scopes(loader, &draft);
		secrets_load(loader, &draft);
		jwks_load(loader, &draft);
		set_subject(loader, &draft);
		methods_check(loader, &draft);
		check_lifetime(loader, &draft, value);
		check_dpop(loader, &draft, value);
		check_introspect(loader, &draft, value);
		claims_load(loader, &draft);
	}
	*client = draft.client;
}

void clients_load(struct loader *loader)
{
	struct entries entries = entries_collect(loader, "clients");

	if (loader->asked == NULL)
		load_all(loader, &entries);
	else
		part_load(loader, &entries);
	if (entries.count == 0 && !loader->incomplete)
		warn_none(loader);
}
