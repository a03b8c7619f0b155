/* SPDX-License-Identifier: MIT */
/* What the configuration says of the server itself: the keys at the top of the main file. */
#include "config/server.h"
#include "config/loader.h"
#include "config/quote.h"
#include "util/filesystem.h"
#include "util/uri.h"

#include <errno.h>
#include <string.h>

#define URL_MAX 1024 /* bytes; it must fit into headers and the audience of assertions */
#define REDIS_DATABASE_MAX 65535
#define WINDOW_MAX 86400
#define FAILURES_MAX 1000000
#define BASE_URL_TAIL STR("/oauth2")

static const char *log_format_name(unsigned value)
{
	static const char *const names[LOG_FORMAT__MAX] = {
		[LOG_FORMAT_JSON] = "json",
		[LOG_FORMAT_TEXT] = "text",
	};

	return names[value];
}

static const char *log_level(unsigned value)
{
	return log_level_name((enum log_level)value);
}

static const char *profile(unsigned value)
{
	return profile_name((enum token_profile)value);
}

static const char *assertion_audience(unsigned value)
{
	return value == 0 ? "issuer" : "issuer_or_token_endpoint";
}

static const struct schema_names log_formats = { log_format_name, 0, LOG_FORMAT__MAX };
static const struct schema_names log_levels = { log_level, 0, LOG_LEVEL__MAX };
static const struct schema_names assertion_audiences = { assertion_audience, 0, 2 };

const struct schema_names server_profiles = { profile, 0, PROFILE__MAX };

static void read_url(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	const char *problem = uri_server_problem(node->text);

	if (problem != NULL)
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "\"%s\" %s", key->name,
			problem);
	else
		schema_text(reader, key, node, target);
}

/* Browsers send it in this form only (RFC 6454 §6.2). */
static bool is_origin(struct str text)
{
	struct uri uri;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] >= 'A' && text.p[i] <= 'Z')
			return false;
	}
	return uri_parse(text, &uri) && uri_has_server(&uri) && uri.path.n == 0 &&
	       !uri.has_query && !uri.has_fragment;
}

static void read_assertion_audience(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	unsigned value = 0;

	schema_choice(reader, key, node, &value);
	*(bool *)target = value != 0;
}

static bool is_redis_url(struct str text)
{
	struct uri uri;
	int64_t database;

	return uri_parse(text, &uri) && str_eq(uri.scheme, STR("redis")) &&
	       uri_has_server(&uri) && uri.port.n > 0 && str_starts(uri.path, STR("/")) &&
	       str_to_number(str_from(uri.path, 1), REDIS_DATABASE_MAX, &database) &&
	       !uri.has_query && !uri.has_fragment;
}

/* LMDB's locks and its mapped memory are those of one machine. */
static void refuse_network(struct reader *reader, const struct yaml_node *node)
{
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
		"%s is on a network file system, where LMDB loses data; name a directory on a "
		"local disk, such as lmdb:/var/lib/oauth2-fcgi or one below /var/tmp, or use "
		"redis://HOST:PORT/DATABASE",
		quote_of(node->text).text);
}

/* "lmdb:" and the directory, made relative to the working directory. */
static void keep_lmdb(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, struct str *state)
{
	struct yaml_node directory = *node;
	struct str path = STR("");

	directory.text = str_from(node->text, STR("lmdb:").n);
	schema_path(reader, key, &directory, &path);
	if (path.n > 0 && filesystem_is_network(path.p))
		refuse_network(reader, node);
	char *p = schema_alloc(reader, STR("lmdb:").n + path.n + 1, 1);

	if (p == NULL)
		return;
	struct buf buf = buf_init(p, STR("lmdb:").n + path.n);

	buf_str(&buf, STR("lmdb:"));
	buf_str(&buf, path);
	*state = buf_view(&buf);
}

static bool is_null(const struct yaml_node *node)
{
	return yaml_is_empty(node) || (node->is_plain && str_eq(node->text, STR("null")));
}

static void read_state(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	if (is_null(node))
		return;
	if (str_starts(node->text, STR("lmdb:")) && node->text.n > STR("lmdb:").n)
		keep_lmdb(reader, key, node, target);
	else if (is_redis_url(node->text))
		schema_text(reader, key, node, target);
	else
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"\"%s\" must be lmdb:DIRECTORY or redis://HOST:PORT/DATABASE",
			key->name);
}

static void read_log_file(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct str path = STR("");

	if (is_null(node))
		return;
	schema_path(reader, key, node, &path);
	if (!arena_copy(reader->arena, path, target))
		reader->out_of_memory = true;
}

#define FIELD(member) .offset = offsetof(struct snapshot, member)
#define INNER(type, member) .offset = offsetof(struct type, member)

static const struct schema_key access_token_keys[] = {
	{ "lifetime", schema_integer, INNER(token_policy, lifetime_s), .min = 1,
		.max = LOADER_LIFETIME_MAX, .initial = "300" },
	{ "profile", schema_choice, INNER(token_policy, profile), .names = &server_profiles },
	{ "audience", schema_audiences, INNER(token_policy, audience) },
	{ "reuse", schema_integer, INNER(token_policy, reuse_s), .max = LOADER_LIFETIME_MAX,
		.initial = "0" },
};

static const struct schema_key assertion_keys[] = {
	{ "audience", read_assertion_audience, INNER(assertion_policy, token_endpoint_audience),
		.names = &assertion_audiences },
	{ "max_lifetime", schema_integer, INNER(assertion_policy, max_lifetime_s), .min = 1,
		.max = LOADER_LIFETIME_MAX, .initial = "3600" },
	{ "leeway", schema_integer, INNER(assertion_policy, leeway_s),
		.max = ASSERTION_LEEWAY_MAX, .initial = "10" },
};

static const struct schema_key throttle_keys[] = {
	{ "failures", schema_integer, INNER(throttle_policy, failures), .max = FAILURES_MAX,
		.initial = "10" },
	{ "window", schema_integer, INNER(throttle_policy, window_s), .min = 1,
		.max = WINDOW_MAX, .initial = "60" },
	{ "address_failures", schema_integer, INNER(throttle_policy, address_failures),
		.max = 10 * FAILURES_MAX },
};

static const struct schema_key endpoint_keys[] = {
	{ "introspection", schema_bool, FIELD(introspection) },
	{ "revocation", schema_bool, FIELD(revocation) },
	{ "metrics", schema_bool, FIELD(metrics), .initial = "false" },
};

static const struct schema_key log_keys[] = {
	{ "file", read_log_file, INNER(log_settings, file) },
	{ "level", schema_choice, INNER(log_settings, level), .names = &log_levels,
		.initial = "info" },
	{ "format", schema_choice, INNER(log_settings, format), .names = &log_formats,
		.initial = "json" },
};

static const struct schema_key metrics_keys[] = {
	{ "allowed_ips", schema_netmasks, FIELD(metrics_allowed_ips) },
};

static const struct schema access_token_schema = SCHEMA(access_token_keys);
static const struct schema assertion_schema = SCHEMA(assertion_keys);
static const struct schema throttle_schema = SCHEMA(throttle_keys);
static const struct schema endpoint_schema = SCHEMA(endpoint_keys);
static const struct schema log_schema = SCHEMA(log_keys);
static const struct schema metrics_schema = SCHEMA(metrics_keys);

static const struct schema_key server_keys[] = {
	{ "issuer", read_url, FIELD(issuer), .max = URL_MAX, .required = true },
	{ "base_url", read_url, FIELD(base_url), .max = URL_MAX },
	{ "require_tls", schema_bool, FIELD(require_tls) },
	{ "trusted_proxies", schema_netmasks, FIELD(trusted_proxies) },
	{ "access_token", schema_mapping, FIELD(access_token), .schema = &access_token_schema },
	{ .name = "signing_keys", .required = true },
	{ .name = "scopes" },
	{ .name = "clients" },
	{ .name = "include" },
	{ "state", read_state, FIELD(state) },
	{ "assertions", schema_mapping, FIELD(assertions), .schema = &assertion_schema },
	{ "throttle", schema_mapping, FIELD(throttle), .schema = &throttle_schema },
	{ "endpoints", schema_mapping, .schema = &endpoint_schema },
	{ "cors_origins", schema_texts, FIELD(cors_origins), .max = URL_MAX, .check = is_origin,
		.expected =
			"an origin such as https://app.example.com, in lower case, without a "
			"path" },
	{ "log", schema_mapping, FIELD(log), .schema = &log_schema },
	{ "metrics", schema_mapping, .schema = &metrics_schema },
};

const struct schema server_schema = SCHEMA(server_keys);

static const struct yaml_node *top_of(const struct loader *loader)
{
	return yaml_first(loader->yaml);
}

/* The key `name` of the mapping at the top's key `section`, or NULL. */
static const struct yaml_node *find_in(
	const struct loader *loader, struct str section, struct str name)
{
	const struct yaml_node *key = yaml_find(top_of(loader), section);

	return key == NULL ? NULL : yaml_find(key->next, name);
}

static struct str without_slash(struct str url)
{
	while (str_ends(url, STR("/")))
		url.n--;
	return url;
}

static void set_base_url(struct loader *loader)
{
	struct snapshot *snapshot = loader->snapshot;

	if (yaml_find(top_of(loader), STR("base_url")) != NULL) {
		snapshot->base_url = without_slash(snapshot->base_url);
		return;
	}
	struct str issuer = without_slash(snapshot->issuer);
	char *p = schema_alloc(&loader->reader, issuer.n + BASE_URL_TAIL.n + 1, 1);

	if (p == NULL)
		return;
	struct buf buf = buf_init(p, issuer.n + BASE_URL_TAIL.n);

	buf_str(&buf, issuer);
	buf_str(&buf, BASE_URL_TAIL);
	snapshot->base_url = buf_view(&buf);
}

static void need_state(struct loader *loader, const struct yaml_node *key)
{
	if (!loader->has_state)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
			"%s needs a state store; set \"state\"", quote_of(key->text).text);
}

/* Not named: no limits.  Named: those that are left out have their defaults. */
static void set_throttle(struct loader *loader)
{
	struct throttle_policy *throttle = &loader->snapshot->throttle;
	const struct yaml_node *key = yaml_find(top_of(loader), STR("throttle"));

	if (key == NULL) {
		*throttle = (struct throttle_policy){ .window_s = throttle->window_s };
		return;
	}
	if (find_in(loader, STR("throttle"), STR("address_failures")) == NULL)
		throttle->address_failures = 10 * throttle->failures;
	if (throttle->failures > 0 || throttle->address_failures > 0)
		need_state(loader, key);
}

/* Not named: offered if there is a state store.  Named: then there must be one. */
static void set_endpoint(struct loader *loader, struct str name, bool *offered)
{
	const struct yaml_node *key = find_in(loader, STR("endpoints"), name);

	if (key == NULL)
		*offered = loader->has_state;
	else if (*offered)
		need_state(loader, key);
}

/* Each process counts for itself then, and who asks does not choose the process. */
static void check_metrics(struct loader *loader)
{
	const struct yaml_node *key = find_in(loader, STR("endpoints"), STR("metrics"));

	if (key != NULL && loader->snapshot->metrics && !loader->has_state)
		diag_add(loader->reader.diag, DIAG_WARNING, yaml_place(key),
			"%s without a state store are the numbers of one process only; set "
			"\"state\"",
			quote_of(key->text).text);
}

static void check_reuse(struct loader *loader)
{
	const struct token_policy *policy = &loader->snapshot->access_token;
	const struct yaml_node *key = find_in(loader, STR("access_token"), STR("reuse"));

	if (key != NULL && policy->lifetime_s > 0 && policy->reuse_s * 2 >= policy->lifetime_s)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key->next),
			"\"reuse\" must be less than half of the lifetime, which is %lld",
			(long long)policy->lifetime_s);
}

static void set_metrics_allowed_ips(struct loader *loader)
{
	static const char *const defaults[] = { "127.0.0.1", "::1" };
	const size_t count = sizeof(defaults) / sizeof(defaults[0]);

	if (find_in(loader, STR("metrics"), STR("allowed_ips")) != NULL)
		return;
	struct netmask *masks = schema_alloc(&loader->reader, count, sizeof(*masks));

	if (masks == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		(void)!netmask_parse(str_of(defaults[i]), &masks[i]);
	loader->snapshot->metrics_allowed_ips = (struct netmask_list){ masks, count };
}

static void check_log_file(struct loader *loader)
{
	const struct yaml_node *key = find_in(loader, STR("log"), STR("file"));
	struct str path = loader->snapshot->log.file;

	if (key == NULL || loader->depth != CONFIG_CHECK || path.n == 0 ||
		file_can_append(path.p))
		return;
	int error = errno;

	loader_note_error(loader, error);
	diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key->next),
		"%s cannot be written: %s", quote_of(path).text, strerror(error));
}

void server_load(struct loader *loader)
{
	struct snapshot *snapshot = loader->snapshot;
	const struct yaml_node *state = yaml_find(top_of(loader), STR("state"));

	loader->has_state = state != NULL && !is_null(state->next);
	schema_read(&loader->reader, &server_schema, top_of(loader), snapshot);
	if (yaml_find(top_of(loader), STR("require_tls")) == NULL)
		snapshot->require_tls = str_starts(snapshot->issuer, STR("https:"));
	set_base_url(loader);
	set_throttle(loader);
	set_endpoint(loader, STR("introspection"), &snapshot->introspection);
	set_endpoint(loader, STR("revocation"), &snapshot->revocation);
	check_metrics(loader);
	check_reuse(loader);
	set_metrics_allowed_ips(loader);
	check_log_file(loader);
}
