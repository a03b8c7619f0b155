/* SPDX-License-Identifier: MIT */
/* verifier: a configuration for those who get the tokens. */
#include "config/quote.h"
#include "oauth/mint.h"
#include "options.h"
#include "output.h"
#include "template.h"
#include "util/netmask.h"
#include "util/uri.h"

#include <arpa/inet.h>
#include <stdio.h>

#define TEXT_SIZE ((size_t)256 << 10)
#define LIST_SIZE 256  /* bytes; all algorithms take 60 */
#define VALUE_FACTOR 4 /* bytes that one byte becomes at most: \x2f */
#define NAME_WIDTH 21
#define HTTPS_PORT "443"
#define HTTP_PORT "80"

#define RSA_ALGS                                                       \
	(JOSE_ALG_BIT(JOSE_ALG_RS256) | JOSE_ALG_BIT(JOSE_ALG_RS384) | \
		JOSE_ALG_BIT(JOSE_ALG_RS512) | JOSE_ALG_BIT(JOSE_ALG_PS256))
#define COMMON_ALGS (RSA_ALGS | JOSE_ALG_BIT(JOSE_ALG_ES256))
#define ALL_ALGS (COMMON_ALGS | JOSE_ALG_BIT(JOSE_ALG_EDDSA))

/* What a configuration can be made for. */
struct target {
	const char *name; /* of its text too */
	const char *file; /* where the result goes */
	const char *help;
	enum template_quotes quotes;
	unsigned algs;   /* JOSE_ALG_BIT of those that it verifies */
	bool only_https; /* it fetches nothing by http */
	bool asks;       /* it needs the introspection endpoint */
	bool for_all;    /* it is the same for all APIs */
};

enum value_name {
	VALUE_ISSUER,
	VALUE_JWKS_URI,
	VALUE_INTROSPECTION_URI,
	VALUE_ISSUER_HOST,
	VALUE_ISSUER_PORT,
	VALUE_AUDIENCE,
	VALUE_SCOPE,
	VALUE_SCOPE_PATTERN,
	VALUE_SCOPE_CLASSES,
	VALUE_ALGORITHMS,
	VALUE_ALGORITHMS_TEXT,
	VALUE_TYPES,
	VALUE_TYPES_TEXT,
	VALUE_CIAM,
	VALUE_RFC9068,
	VALUE_TLS,
	VALUE_SNI,
	VALUE_SAN_TYPE,
	VALUE__MAX,
};

static const char *const value_names[VALUE__MAX] = {
	[VALUE_ISSUER] = "issuer",
	[VALUE_JWKS_URI] = "jwks_uri",
	[VALUE_INTROSPECTION_URI] = "introspection_uri",
	[VALUE_ISSUER_HOST] = "issuer_host",
	[VALUE_ISSUER_PORT] = "issuer_port",
	[VALUE_AUDIENCE] = "audience",
	[VALUE_SCOPE] = "scope",
	[VALUE_SCOPE_PATTERN] = "scope_pattern",
	[VALUE_SCOPE_CLASSES] = "scope_classes",
	[VALUE_ALGORITHMS] = "algorithms",
	[VALUE_ALGORITHMS_TEXT] = "algorithms_text",
	[VALUE_TYPES] = "types",
	[VALUE_TYPES_TEXT] = "types_text",
	[VALUE_CIAM] = "ciam",
	[VALUE_RFC9068] = "rfc9068",
	[VALUE_TLS] = "tls",
	[VALUE_SNI] = "sni",
	[VALUE_SAN_TYPE] = "san_type",
};

static const struct target targets[] = {
	{ "apache-oauth2", "/etc/apache2/conf-available/oauth2-api.conf",
		"Apache, by mod_oauth2 and the published keys", QUOTES_APACHE, COMMON_ALGS,
		false, false, false },
	{ "apache-openidc", "/etc/apache2/conf-available/oauth2-api.conf",
		"Apache, by mod_auth_openidc and the published keys", QUOTES_OPENIDC,
		COMMON_ALGS, true, false, false },
	{ "nginx-njs", "/etc/nginx/conf.d/oauth2-api.conf",
		"nginx, by njs and the published keys; needs nginx-script", QUOTES_NGINX,
		COMMON_ALGS, false, false, false },
	{ "nginx-introspection", "/etc/nginx/conf.d/oauth2-api.conf",
		"nginx, by asking the issuer about each token; needs nginx-script",
		QUOTES_NGINX, ALL_ALGS, false, true, false },
	{ "nginx-script", "/etc/nginx/oauth2-api.js", "the njs script of these two",
		QUOTES_JSON, ALL_ALGS, false, false, true },
	{ "envoy", "/etc/envoy/envoy.yaml", "Envoy, by its filters jwt_authn and rbac",
		QUOTES_JSON, ALL_ALGS, false, false, false },
	{ "spring-boot", "src/main/resources/application.yaml",
		"Spring Boot; needs spring-boot-java", QUOTES_JSON, COMMON_ALGS, false, false,
		false },
	{ "spring-boot-java", "src/main/java/com/example/ApiSecurity.java",
		"the SecurityFilterChain of spring-boot", QUOTES_JSON, COMMON_ALGS, false,
		false, false },
};

#define TARGET_COUNT (sizeof(targets) / sizeof(targets[0]))

/* One run. */
struct verifier {
	const struct admin *admin;
	const struct snapshot *snapshot;
	const struct target *target;
	struct str audience;
	struct str scope;
	unsigned profiles; /* 1U << enum token_profile of the tokens that come */
	struct template_value values[VALUE__MAX];
};

static int list_targets(const struct admin *admin)
{
	json_t *list = admin->json ? json_array() : NULL;

	for (size_t i = 0; i < TARGET_COUNT; i++) {
		const struct target *target = &targets[i];

		if (admin->json)
			output_append(
				&list, json_pack("{s:s, s:s, s:s}", "name", target->name,
					       "file", target->file, "text", target->help));
		else
			printf("%-*s%s\n", NAME_WIDTH, target->name, target->help);
	}
	return admin->json ? output_result(list, STATUS_DONE) : STATUS_DONE;
}

static const struct target *find_target(const char *name)
{
	for (size_t i = 0; i < TARGET_COUNT; i++) {
		if (str_eq(str_of(targets[i].name), str_of(name)))
			return &targets[i];
	}
	return NULL;
}

static int refuse_target(const struct admin *admin, const char *name)
{
	struct str names[TARGET_COUNT];

	for (size_t i = 0; i < TARGET_COUNT; i++)
		names[i] = str_of(targets[i].name);
	struct quote nearest = quote_suggestion(str_of(name), names, TARGET_COUNT);

	return output_misuse(admin, "unknown name %s%s", quote_of(str_of(name)).text,
		nearest.text[0] != '\0' ? nearest.text
					: "; \"oauth2-admin verifier\" lists them");
}

static int refuse_scope(const struct verifier *v)
{
	const struct scope_table *scopes = &v->snapshot->scopes;
	struct str *names = arena_alloc_array(
		v->admin->arena, scopes->count + 1, sizeof(*names));

	if (names == NULL)
		return output_reason("scopes", REASON_MEMORY);
	for (size_t i = 0; i < scopes->count; i++)
		names[i] = scopes->items[i].token;
	return output_fail("%s: there is no scope %s%s", v->admin->config_path,
		quote_of(v->scope).text, quote_suggestion(v->scope, names, scopes->count).text);
}

/* The scope that the API asks for: the one that is named, or the only one that there is. */
static const struct scope *choose_scope(struct verifier *v, const char *wanted, int *status)
{
	const struct scope_table *scopes = &v->snapshot->scopes;

	*status = STATUS_DONE;
	if (wanted == NULL && scopes->count == 0)
		*status = output_fail(
			"%s: there is no scope that the API could ask for; define one below "
			"\"scopes\"",
			v->admin->config_path);
	if (wanted == NULL && scopes->count > 1)
		*status = output_misuse(v->admin,
			"--scope is missing: the configuration has %zu scopes, and the API "
			"has to ask for one of them",
			scopes->count);
	if (*status != STATUS_DONE)
		return NULL;
	v->scope = wanted == NULL ? scopes->items[0].token : str_of(wanted);
	const struct scope *scope = scope_find(scopes, v->scope);

	if (scope == NULL)
		*status = refuse_scope(v);
	return scope;
}

/* The audience that the API is: the one that is named, or the only one that tokens can have. */
static int choose_audience(struct verifier *v, const char *wanted, const struct scope *scope)
{
	struct str_list configured = v->snapshot->access_token.audience;

	if (wanted != NULL && wanted[0] == '\0')
		return output_misuse(v->admin, "--audience must not be empty");
	if (wanted == NULL && scope->audience.n == 0 && configured.count == 0)
		return output_misuse(v->admin,
			"--audience is missing: neither the scope nor access_token names an "
			"audience, so that the aud of a token is its client's id, and the API "
			"could not tell its tokens from others'; set \"audience\" of the "
			"scope, or give --audience CLIENT_ID for the API of one client");
	if (wanted == NULL && scope->audience.n == 0 && configured.count > 1)
		return output_misuse(v->admin,
			"--audience is missing: access_token.audience has %zu, and the API "
			"is one of them",
			configured.count);
	if (wanted != NULL)
		v->audience = str_of(wanted);
	else
		v->audience = scope->audience.n > 0 ? scope->audience : configured.items[0];
	return STATUS_DONE;
}

/* The profiles of those who may get the scope, or any if it is NULL; without any such, the
 * general one. */
static void find_profiles(struct verifier *v, const struct scope *scope)
{
	const struct client_table *clients = &v->snapshot->clients;
	enum token_profile general = v->snapshot->access_token.profile;

	for (size_t i = 0; i < clients->count; i++) {
		const struct client *client = &clients->items[i];

		if (scope == NULL ? client->scopes.count > 0
				  : scope_list_has(client->scopes, scope))
			v->profiles |= 1U << (client->has_profile ? client->profile : general);
	}
	if (v->profiles == 0)
		v->profiles = 1U << general;
}

static unsigned published_algs(const struct snapshot *snapshot)
{
	unsigned algs = 0;

	for (size_t i = 0; i < snapshot->keyring.count; i++)
		algs |= JOSE_ALG_BIT(snapshot->keyring.keys[i].alg);
	return algs;
}

/* Can it work with this issuer at all? */
static int check_target(const struct verifier *v)
{
	const struct target *target = v->target;
	const struct snapshot *snapshot = v->snapshot;

	for (size_t i = 0; i < snapshot->keyring.count; i++) {
		const struct signing_key *key = &snapshot->keyring.keys[i];

		if ((target->algs & JOSE_ALG_BIT(key->alg)) == 0)
			return output_fail(
				"%s cannot verify %s, which the key %s is for; sign with a key "
				"for RS256 or ES256, or use \"nginx-introspection\" or "
				"\"envoy\"",
				target->name, alg_info(key->alg)->name,
				quote_of(key->kid).text);
	}
	if (target->only_https && !str_starts(snapshot->base_url, STR("https:")))
		return output_fail(
			"%s fetches the keys by https only, and base_url is \"%.*s\"",
			target->name, (int)snapshot->base_url.n, snapshot->base_url.p);
	if (target->asks && !snapshot->introspection)
		return output_fail(
			"%s: introspection is not offered; set \"state\", and do not "
			"turn \"endpoints.introspection\" off",
			v->admin->config_path);
	return STATUS_DONE;
}

static bool value_buffer(const struct verifier *v, size_t size, struct buf *buf)
{
	char *p = arena_alloc(v->admin->arena, size);

	*buf = buf_init(p, p == NULL ? 0 : size);
	return p != NULL;
}

static int refuse_value(const struct verifier *v, enum value_name name)
{
	return output_fail("the %s has characters that cannot stand in a file for %s",
		value_names[name], v->target->name);
}

/* A value between the target's quotes. */
static int set_text(struct verifier *v, enum value_name name, struct str head, const char *tail)
{
	struct buf plain, escaped;
	size_t size = head.n + str_of(tail).n + 1;

	if (!value_buffer(v, size, &plain) || !value_buffer(v, VALUE_FACTOR * size, &escaped))
		return output_reason(value_names[name], REASON_MEMORY);
	buf_str(&plain, head);
	buf_text(&plain, tail);
	if (!template_escape(&escaped, v->target->quotes, buf_view(&plain)))
		return refuse_value(v, name);
	v->values[name].text = buf_view(&escaped);
	return STATUS_DONE;
}

/* Scope tokens are ASCII without quotes and backslashes. */
static int set_patterns(struct verifier *v)
{
	struct buf pattern, classes;
	size_t size = VALUE_FACTOR * v->scope.n + 1;

	if (!value_buffer(v, size, &pattern) || !value_buffer(v, size, &classes))
		return output_reason("scope", REASON_MEMORY);
	template_pattern(&pattern, v->scope);
	if (!template_classes(&classes, v->scope) && v->target->quotes == QUOTES_OPENIDC)
		return refuse_value(v, VALUE_SCOPE);
	v->values[VALUE_SCOPE_PATTERN].text = buf_view(&pattern);
	v->values[VALUE_SCOPE_CLASSES].text = buf_view(&classes);
	return STATUS_DONE;
}

static void add_quoted(struct buf *list, const char *word)
{
	if (list->n > 0)
		buf_text(list, ", ");
	buf_json(list, str_of(word));
}

/* Quoted words: as they stand in the parentheses of a call, and as an array. */
static int set_list(
	struct verifier *v, enum value_name words, enum value_name array, struct str list)
{
	struct buf buf;

	if (!value_buffer(v, list.n + 2, &buf))
		return output_reason(value_names[array], REASON_MEMORY);
	buf_char(&buf, '[');
	buf_str(&buf, list);
	buf_char(&buf, ']');
	v->values[array].text = buf_view(&buf);
	v->values[words].text = list;
	return STATUS_DONE;
}

static int set_algorithms(struct verifier *v)
{
	struct buf buf;
	unsigned algs = published_algs(v->snapshot);

	if (!value_buffer(v, LIST_SIZE, &buf))
		return output_reason("algorithms", REASON_MEMORY);
	for (enum jose_alg alg = JOSE_ALG_RS256; alg < JOSE_ALG_PAIRS__MAX; alg++) {
		if ((algs & JOSE_ALG_BIT(alg)) != 0)
			add_quoted(&buf, alg_info(alg)->name);
	}
	return set_list(v, VALUE_ALGORITHMS_TEXT, VALUE_ALGORITHMS, buf_view(&buf));
}

static int set_types(struct verifier *v)
{
	struct buf buf;

	if (!value_buffer(v, LIST_SIZE, &buf))
		return output_reason("types", REASON_MEMORY);
	for (enum token_profile profile = 0; profile < PROFILE__MAX; profile++) {
		if ((v->profiles & 1U << profile) != 0)
			add_quoted(&buf, mint_type(profile));
	}
	v->values[VALUE_CIAM].holds = (v->profiles & 1U << PROFILE_CIAM) != 0;
	v->values[VALUE_RFC9068].holds = (v->profiles & 1U << PROFILE_RFC9068) != 0;
	return set_list(v, VALUE_TYPES_TEXT, VALUE_TYPES, buf_view(&buf));
}

/* Whom to connect to for the keys: a name, or an address in the form that has no other. */
static int set_host(struct verifier *v)
{
	struct uri uri;
	struct netaddr address;
	char text[INET6_ADDRSTRLEN];

	if (!uri_parse(v->snapshot->base_url, &uri))
		return output_reason("base_url", REASON_URI_SYNTAX);
	bool tls = str_eq_nocase(uri.scheme, STR("https"));
	bool named = !netaddr_parse(uri.host, &address);

	if (str_has(uri.host, ':') &&
		inet_ntop(AF_INET6, address.bytes, text, sizeof(text)) != NULL)
		uri.host = str_of(text);
	v->values[VALUE_TLS].holds = tls;
	v->values[VALUE_SNI].holds = tls && named;
	v->values[VALUE_SAN_TYPE].text = named ? STR("DNS") : STR("IP_ADDRESS");
	v->values[VALUE_ISSUER_PORT].text = uri.port.n > 0
						    ? uri.port
						    : str_of(tls ? HTTPS_PORT : HTTP_PORT);
	return set_text(v, VALUE_ISSUER_HOST, uri.host, "");
}

static int set_values(struct verifier *v)
{
	int status = STATUS_DONE;
	const struct {
		enum value_name name;
		struct str head;
		const char *tail;
	} texts[] = {
		{ VALUE_ISSUER, v->snapshot->issuer, "" },
		{ VALUE_JWKS_URI, v->snapshot->base_url, "/jwks" },
		{ VALUE_INTROSPECTION_URI, v->snapshot->base_url, "/introspect" },
		{ VALUE_AUDIENCE, v->audience, "" },
		{ VALUE_SCOPE, v->scope, "" },
	};

	for (size_t i = 0; i < VALUE__MAX; i++)
		v->values[i].name = value_names[i];
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && status == STATUS_DONE; i++)
		status = set_text(v, texts[i].name, texts[i].head, texts[i].tail);
	if (status == STATUS_DONE)
		status = set_patterns(v);
	if (status == STATUS_DONE)
		status = set_algorithms(v);
	if (status == STATUS_DONE)
		status = set_types(v);
	return status == STATUS_DONE ? set_host(v) : status;
}

static int print_text(const struct verifier *v, struct str text)
{
	if (v->admin->json)
		return output_result(
			json_pack("{s:s, s:s, s:o}", "name", v->target->name, "file",
				v->target->file, "text", output_string(text)),
			STATUS_DONE);
	fwrite(text.p, 1, text.n, stdout);
	return STATUS_DONE;
}

static int print_filled(struct verifier *v)
{
	struct buf buf;
	const struct template_text *found = template_find(str_of(v->target->name));
	const struct template_values values = { v->values, VALUE__MAX };

	if (!value_buffer(v, TEXT_SIZE, &buf))
		return output_reason(v->target->name, REASON_MEMORY);
	enum reason reason = found == NULL ? REASON_INTERNAL
					   : template_fill(&buf, found->lines, &values);

	if (reason != REASON_NONE || buf.overflow)
		return output_reason(v->target->name, REASON_INTERNAL);
	return print_text(v, buf_view(&buf));
}

/* The scope and the audience, but for what has neither. */
static int choose_api(struct verifier *v, const char *audience, const char *wanted_scope,
	const struct scope **scope)
{
	int status;

	*scope = NULL;
	if (v->target->for_all && (audience != NULL || wanted_scope != NULL))
		return output_misuse(v->admin,
			"%s is the same for all APIs, and takes no --scope and no --audience",
			v->target->name);
	if (v->target->for_all)
		return STATUS_DONE;
	*scope = choose_scope(v, wanted_scope, &status);
	return *scope == NULL ? status : choose_audience(v, audience, *scope);
}

static int make(struct verifier *v, const char *audience, const char *wanted_scope)
{
	const struct scope *scope;
	int status = choose_api(v, audience, wanted_scope, &scope);

	if (status == STATUS_DONE)
		status = check_target(v);
	if (status != STATUS_DONE)
		return status;
	find_profiles(v, scope);
	status = set_values(v);
	return status == STATUS_DONE ? print_filled(v) : status;
}

int cmd_verifier(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *name = NULL, *audience = NULL, *scope = NULL;
	const struct option options[] = {
		{ "NAME", NULL, "what checks the tokens; without it, the names are listed",
			.text = &name },
		{ "--audience", "AUD", "what the API is called in aud", .text = &audience },
		{ "--scope", "S", "the scope token that the API asks for", .text = &scope },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 4, &status))
		return status;
	if (name == NULL)
		return list_targets(admin);
	struct verifier v = { .admin = admin, .target = find_target(name) };

	if (v.target == NULL)
		return refuse_target(admin, name);
	v.snapshot = admin_load(admin);
	return v.snapshot == NULL ? STATUS_FAILED : make(&v, audience, scope);
}
