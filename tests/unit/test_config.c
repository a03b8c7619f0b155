/* SPDX-License-Identifier: MIT */
/* Configurations, good and bad, from their text to the snapshot or to the messages. */
#include "config/load.h"
#include "config_fixtures.h"
#include "domain/credential.h"
#include "util/clock.h"

#include <sys/resource.h>

#define NOW_S 1795305600 /* 2026-11-22 */
#define CASES "tests/unit/config_cases/bad.txt"
#define CASES_SIZE (1 << 20)
#define MESSAGES_SIZE 65536
#define CASE_COUNT_MIN 60

/* Any directory with this name is as if it were on a network file system. */
#define NETWORK_NAME "/network"

bool __real_filesystem_is_network(const char *path);
bool __wrap_filesystem_is_network(const char *path);

bool __wrap_filesystem_is_network(const char *path)
{
	if (str_ends(str_of(path), STR(NETWORK_NAME)))
		return str_starts(str_of(path), str_of(in_directory("")));
	return __real_filesystem_is_network(path);
}

struct word {
	const char *name;
	const char *text;
};

static const struct word words[] = {
	{ "{server}", "issuer: https://a.example\nsigning_keys: [{file: ec.pem}]" },
	{ "{client}", "clients: {c: {secrets: [{hash: " SHA256_HASH "}]}}" },
	{ "{hash}", SHA256_HASH },
	{ "{bcrypt}", BCRYPT_HASH },
};

/* One section of the file of cases: its marker line, and the lines up to the next marker. */
struct section {
	struct str marker;
	struct str body;
};

/* All messages of a load without the name of the directory, each with a newline. */
static void write_messages(const struct config *config, struct buf *messages)
{
	const struct diag *diag = config_diag(config);
	const struct str prefix = str_of(in_directory(""));

	for (size_t i = 0; i < diag_count(diag); i++) {
		char memory[2048];
		struct buf line = buf_init(memory, sizeof(memory));
		struct str rest;

		diag_render(&line, diag_get(diag, i));
		rest = buf_view(&line);
		while (rest.n > 0) {
			if (str_starts(rest, prefix))
				rest = str_from(rest, prefix.n);
			buf_char(messages, rest.p[0]);
			rest = str_from(rest, 1);
		}
		buf_char(messages, '\n');
	}
	assert_false(messages->overflow);
}

static struct config *load_depth(const char *text, enum config_depth depth)
{
	write_text("oauth2.yaml", 0600, text);
	struct config *config = config_load(in_directory("oauth2.yaml"), depth, NOW_S);

	assert_non_null(config);
	return config;
}

static void expect_messages(const struct config *config, const char *expected)
{
	static char memory[MESSAGES_SIZE];
	struct buf messages = buf_init(memory, sizeof(memory) - 1);

	write_messages(config, &messages);
	memory[messages.n] = '\0';
	assert_string_equal(memory, expected);
}

/* Load a text and expect these messages. */
static struct config *load_expecting(
	const char *text, enum config_depth depth, const char *expected)
{
	struct config *config = load_depth(text, depth);

	expect_messages(config, expected);
	return config;
}

static const struct snapshot *load_good(const char *text, struct config **config)
{
	*config = load_expecting(text, CONFIG_CHECK, "");
	assert_non_null(config_snapshot(*config));
	return config_snapshot(*config);
}

static void assert_text(struct str s, const char *expected)
{
	if (!str_eq(s, str_of(expected)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)s.n, s.p, expected);
}

/* ---- the file of cases ---- */

static bool is_marker(struct str line)
{
	return str_starts(line, STR("=== ")) || str_starts(line, STR("--- "));
}

/* Take a section off the text; false at its end. */
static bool next_section(struct str *text, struct section *section)
{
	struct str line;

	if (text->n == 0)
		return false;
	str_cut(text, '\n', &section->marker);
	const char *start = text->p;

	section->body = (struct str){ start, 0 };
	while (text->n > 0) {
		struct str rest = *text;

		str_cut(&rest, '\n', &line);
		if (is_marker(line))
			break;
		*text = rest;
		section->body.n = (size_t)(line.p - start) + line.n + 1;
	}
	return true;
}

static void expand(struct str body, struct buf *text)
{
	while (body.n > 0) {
		const struct word *word = NULL;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (str_starts(body, str_of(words[i].name)))
				word = &words[i];
		}
		if (word != NULL)
			buf_text(text, word->text);
		else
			buf_char(text, body.p[0]);
		body = str_from(body, word == NULL ? 1 : strlen(word->name));
	}
	buf_char(text, '\0');
	assert_false(text->overflow);
}

/* Read the sections of one case; the text that is expected is the last of them. */
static struct str prepare_case(struct str *cases, struct str body, char *main_text)
{
	struct section section;
	struct buf text = buf_init(main_text, MESSAGES_SIZE);

	expand(body, &text);
	while (next_section(cases, &section)) {
		static char other[MESSAGES_SIZE];
		struct buf file = buf_init(other, sizeof(other));
		char name[64];

		if (str_eq(section.marker, STR("--- expect")))
			return section.body;
		assert_true(str_starts(section.marker, STR("--- file ")));
		struct str path = str_from(section.marker, 9);

		snprintf(name, sizeof(name), "%.*s", (int)path.n, path.p);
		expand(section.body, &file);
		write_text(name, 0600, other);
	}
	fail_msg("a case without messages at the end of " CASES);
	return STR("");
}

/* The blank line before the next case is none of the messages. */
static struct str without_blank_line(struct str expected)
{
	if (str_ends(expected, STR("\n\n")))
		expected.n--;
	return expected;
}

static bool run_case(struct str *cases, const struct section *section)
{
	static char main_text[MESSAGES_SIZE], memory[MESSAGES_SIZE];
	struct buf messages = buf_init(memory, sizeof(memory));
	struct str expected = without_blank_line(prepare_case(cases, section->body, main_text));
	struct config *config = load_depth(main_text, CONFIG_CHECK);

	write_messages(config, &messages);
	bool is_equal = str_eq(buf_view(&messages), expected);
	bool is_refused = config_snapshot(config) == NULL &&
			  diag_error_count(config_diag(config)) > 0;

	if (!is_equal)
		fprintf(stderr, "%.*s\n--- expected\n%.*s--- got\n%.*s\n",
			(int)section->marker.n, section->marker.p, (int)expected.n, expected.p,
			(int)messages.n, memory);
	if (!is_refused)
		fprintf(stderr, "%.*s was not refused\n", (int)section->marker.n,
			section->marker.p);
	config_free(config);
	return is_equal && is_refused;
}

static void test_bad(void **state)
{
	static char memory[CASES_SIZE];
	FILE *file = fopen(CASES, "r");
	size_t count = 0, failed = 0;
	struct section section;

	(void)state;
	if (file == NULL)
		fail_msg("cannot open " CASES "; run the tests from the top directory");
	struct str cases = { memory, fread(memory, 1, sizeof(memory), file) };

	fclose(file);
	assert_true(next_section(&cases, &section)); /* the heading */
	while (next_section(&cases, &section)) {
		assert_true(str_starts(section.marker, STR("=== ")));
		failed += !run_case(&cases, &section);
		count++;
	}
	print_message("%zu bad configurations\n", count);
	assert_true(count >= CASE_COUNT_MIN);
	assert_int_equal(failed, 0);
}

/* ---- good configurations ---- */

#define SERVER "issuer: https://a.example\nsigning_keys: [{file: ec.pem}]\n"
#define CLIENT "clients: {c: {secrets: [{hash: " SHA256_HASH "}]}}\n"

static void assert_texts(struct str_list list, const char *const *expected, size_t count)
{
	assert_int_equal(list.count, count);
	for (size_t i = 0; i < count; i++)
		assert_text(list.items[i], expected[i]);
}

static void assert_scopes(struct scope_list list, const char *expected)
{
	char memory[256];
	struct buf buf = buf_init(memory, sizeof(memory));

	scope_list_write(&buf, list);
	assert_text(buf_view(&buf), expected);
}

static bool has_address(struct netmask_list list, const char *text)
{
	struct netaddr address;

	assert_true(netaddr_parse(str_of(text), &address));
	return netmask_list_has(list, &address);
}

static const struct client *find_client(const struct snapshot *snapshot, const char *id)
{
	const struct client *client = client_find(&snapshot->clients, str_of(id));

	assert_non_null(client);
	return client;
}

/* What holds when nothing is said. */
static void test_defaults(void **state)
{
	struct config *config;
	const struct snapshot *s = load_good(SERVER CLIENT, &config);
	const struct client *c = find_client(s, "c");
	char thumbprint[JWK_THUMBPRINT_LEN + 1];

	(void)state;
	assert_text(s->issuer, "https://a.example");
	assert_text(s->base_url, "https://a.example/oauth2");
	assert_text(s->base_path, "/oauth2");
	assert_text(s->issuer_path, "");
	assert_true(s->require_tls);
	assert_int_equal(s->trusted_proxies.count, 0);
	assert_int_equal(s->access_token.lifetime_s, 300);
	assert_int_equal(s->access_token.reuse_s, 0);
	assert_int_equal(s->access_token.profile, PROFILE_CIAM);
	assert_int_equal(s->access_token.audience.count, 0);
	assert_int_equal(s->keyring.count, 1);
	assert_ptr_equal(s->keyring.active, &s->keyring.keys[0]);
	assert_int_equal(s->keyring.active->state, KEY_ACTIVE);
	assert_int_equal(s->keyring.active->alg, JOSE_ALG_ES256);
	assert_non_null(s->keyring.active->signer);
	assert_int_equal(jwk_thumbprint(s->keyring.active->pkey, thumbprint), REASON_NONE);
	assert_text(s->keyring.active->kid, thumbprint);
	assert_int_equal(s->scopes.count, 0);
	assert_int_equal(s->clients.count, 1);
	assert_int_equal(s->state.n, 0);
	assert_false(s->assertions.token_endpoint_audience);
	assert_int_equal(s->assertions.max_lifetime_s, 3600);
	assert_int_equal(s->assertions.leeway_s, 10);
	assert_int_equal(s->throttle.failures, 0);
	assert_int_equal(s->throttle.address_failures, 0);
	assert_false(s->introspection);
	assert_false(s->revocation);
	assert_false(s->metrics);
	assert_int_equal(s->cors_origins.count, 0);
	assert_int_equal(s->log.file.n, 0);
	assert_int_equal(s->log.level, LOG_LEVEL_INFO);
	assert_int_equal(s->log.format, LOG_FORMAT_JSON);
	assert_int_equal(s->metrics_allowed_ips.count, 2);
	assert_true(has_address(s->metrics_allowed_ips, "127.0.0.1"));
	assert_true(has_address(s->metrics_allowed_ips, "::1"));
	assert_text(c->id, "c");
	assert_int_equal(c->name.n, 0);
	assert_true(c->enabled);
	assert_int_equal(c->grants, GRANT_BIT(GRANT_CLIENT_CREDENTIALS));
	assert_int_equal(
		c->auth_methods, AUTH_BIT(AUTH_SECRET_BASIC) | AUTH_BIT(AUTH_SECRET_POST));
	assert_int_equal(c->scopes.count + c->default_scopes.count, 0);
	assert_int_equal(c->allowed_ips.count + c->resources.count + c->audience.count, 0);
	assert_int_equal(c->claims.n + c->key_count, 0);
	assert_int_equal(c->token_lifetime_s, 0);
	assert_false(c->has_profile);
	assert_false(c->certificate_bound || c->dpop_bound || c->may_introspect);
	config_free(config);
}

static const char full_text[] =
	"issuer: http://localhost:8080/tenant/\n"
	"base_url: https://auth.example.com/oauth2/\n"
	"require_tls: true\n"
	"trusted_proxies: [127.0.0.1, ::1, 10.0.0.0/8, 2001:db8::/32]\n"
	"access_token:\n"
	"  lifetime: 600\n"
	"  profile: rfc9068\n"
	"  audience: [https://api.example.com, api, api]\n"
	"signing_keys:\n"
	"  - {file: rsa.pem, alg: PS256, kid: 2026-11, state: active}\n"
	"  - {file: ed.pem, state: next}\n"
	"  - {file: ec.pem, alg: ES256, kid: old, state: retired}\n"
	"scopes:\n"
	"  orders:read: {audience: https://orders.example.com}\n"
	"  identity_proofing: {description: Identity proofing API}\n"
	"  zero:\n"
	"clients:\n"
	"  TENANT_CLIENT_ID:\n"
	"    name: Tenant application\n"
	"    enabled: false\n"
	"    grants: []\n"
	"    scopes: [zero, identity_proofing, zero, orders:read]\n"
	"    default_scopes: [orders:read, identity_proofing]\n"
	"    secrets:\n"
	"      - hash: SHA256\n"
	"      - hash: \"" BCRYPT_HASH "\"\n"
	"        label: old\n"
	"        not_before: 2026-11-01T00:00:00Z\n"
	"        expires: 2026-12-31\n"
	"      - file: secret-crlf\n"
	"    auth_methods: [client_secret_post]\n"
	"    jwks: {keys: [{kty: OKP, crv: Ed25519, kid: 7, alg: EdDSA,\n"
	"      x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}\n"
	"    tls_client_auth_subject_dn: \"CN=client\\\\, one+UID=1,O=Example,2.5.4.5=x\"\n"
	"    tls_client_certificate_bound_access_tokens: false\n"
	"    dpop_bound_access_tokens: false\n"
	"    allowed_ips: [203.0.113.0/24, 2001:db8::1]\n"
	"    resources: [https://orders.example.com, urn:x:y]\n"
	"    token_lifetime: 86400\n"
	"    token_profile: ciam\n"
	"    audience: [a, b]\n"
	"    claims: {tenant: acme}\n"
	"    introspect: false\n"
	"  012: {secrets: [{file: secret}], default_scopes: []}\n"
	"assertions: {audience: issuer_or_token_endpoint, max_lifetime: 60, leeway: 0}\n"
	"throttle: {failures: 0}\n"
	"endpoints: {introspection: false, revocation: false, metrics: false}\n"
	"cors_origins: [https://app.example.com, 'http://localhost:3000', 'http://[::1]:80']\n"
	"log: {file: directory/oauth2.log, level: debug, format: text}\n"
	"metrics: {allowed_ips: [192.0.2.0/24]}\n";

static const struct snapshot *load_full(struct config **config)
{
	static char text[sizeof(full_text) + sizeof(SHA256_HASH)];
	const char *at = strstr(full_text, "SHA256");

	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - full_text), full_text, SHA256_HASH,
		at + strlen("SHA256"));
	return load_good(text, config);
}

static void test_full_server(void **state)
{
	static const char *const audience[] = { "https://api.example.com", "api" };
	static const char *const origins[] = { "https://app.example.com",
		"http://localhost:3000", "http://[::1]:80" };
	struct config *config;
	const struct snapshot *s = load_full(&config);

	(void)state;
	assert_text(s->issuer, "http://localhost:8080/tenant/");
	assert_text(s->base_url, "https://auth.example.com/oauth2");
	assert_text(s->issuer_path, "/tenant");
	assert_true(s->require_tls);
	assert_int_equal(s->trusted_proxies.count, 4);
	assert_true(has_address(s->trusted_proxies, "::1"));
	assert_true(has_address(s->trusted_proxies, "10.1.2.3"));
	assert_true(has_address(s->trusted_proxies, "2001:db8:1::"));
	assert_false(has_address(s->trusted_proxies, "192.0.2.1"));
	assert_int_equal(s->access_token.lifetime_s, 600);
	assert_int_equal(s->access_token.profile, PROFILE_RFC9068);
	assert_texts(s->access_token.audience, audience, 2);
	assert_true(s->assertions.token_endpoint_audience);
	assert_int_equal(s->assertions.max_lifetime_s, 60);
	assert_int_equal(s->assertions.leeway_s, 0);
	assert_int_equal(s->throttle.failures, 0);
	assert_int_equal(s->throttle.address_failures, 0);
	assert_texts(s->cors_origins, origins, 3);
	assert_text(s->log.file, in_directory("directory/oauth2.log"));
	assert_int_equal(s->log.level, LOG_LEVEL_DEBUG);
	assert_int_equal(s->log.format, LOG_FORMAT_TEXT);
	assert_int_equal(s->metrics_allowed_ips.count, 1);
	assert_true(has_address(s->metrics_allowed_ips, "192.0.2.9"));
	config_free(config);
}

static void test_full_keys_and_scopes(void **state)
{
	static const struct {
		enum jose_alg alg;
		enum key_state state;
	} keys[] = {
		{ JOSE_ALG_PS256, KEY_ACTIVE },
		{ JOSE_ALG_EDDSA, KEY_NEXT },
		{ JOSE_ALG_ES256, KEY_RETIRED },
	};
	struct config *config;
	const struct snapshot *s = load_full(&config);

	(void)state;
	assert_int_equal(s->keyring.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(s->keyring.keys[i].alg, keys[i].alg);
		assert_int_equal(s->keyring.keys[i].state, keys[i].state);
		assert_int_equal(s->keyring.keys[i].signer != NULL, i == 0);
	}
	assert_ptr_equal(s->keyring.active, &s->keyring.keys[0]);
	assert_text(s->keyring.keys[0].kid, "2026-11");
	assert_int_equal(s->keyring.keys[1].kid.n, JWK_THUMBPRINT_LEN);
	assert_int_equal(s->scopes.count, 3);
	assert_text(s->scopes.items[0].token, "identity_proofing");
	assert_text(s->scopes.items[0].description, "Identity proofing API");
	assert_text(s->scopes.items[1].token, "orders:read");
	assert_text(s->scopes.items[1].audience, "https://orders.example.com");
	assert_text(s->scopes.items[2].token, "zero");
	config_free(config);
}

static void test_full_client(void **state)
{
	static const char *const resources[] = { "https://orders.example.com", "urn:x:y" };
	static const char *const audience[] = { "a", "b" };
	struct config *config;
	const struct client *c = find_client(load_full(&config), "TENANT_CLIENT_ID");

	(void)state;
	assert_text(c->name, "Tenant application");
	assert_false(c->enabled);
	assert_int_equal(c->grants, 0);
	assert_scopes(c->scopes, "zero identity_proofing orders:read");
	assert_scopes(c->default_scopes, "orders:read identity_proofing");
	assert_int_equal(c->auth_methods, AUTH_BIT(AUTH_SECRET_POST));
	assert_int_equal(c->key_count, 1);
	assert_string_equal(c->keys[0].kid, "7");
	assert_int_equal(c->keys[0].alg, JOSE_ALG_EDDSA);
	assert_int_equal(c->allowed_ips.count, 2);
	assert_true(has_address(c->allowed_ips, "203.0.113.7"));
	assert_texts(c->resources, resources, 2);
	assert_int_equal(c->token_lifetime_s, 86400);
	assert_true(c->has_profile);
	assert_int_equal(c->profile, PROFILE_CIAM);
	assert_texts(c->audience, audience, 2);
	assert_text(c->claims, ",\"tenant\":\"acme\"");
	assert_int_equal(c->subject.kind, SUBJECT_DN);
	assert_text(c->subject.value, "CN=client\\, one+UID=1,O=Example,2.5.4.5=x");
	config_free(config);
}

/* A secret from a file that is needed for comparisons alone. */
static void assert_only_digest(const struct secret *secret, const char *text)
{
	unsigned char digest[SECRET_DIGEST_SIZE];

	assert_int_equal(secret->kind, SECRET_SHA256);
	assert_int_equal(secret->text.n, 0);
	assert_true(secret_digest(str_of(text), digest));
	assert_memory_equal(secret->digest, digest, sizeof(digest));
}

static void test_full_secrets(void **state)
{
	unsigned char digest[SECRET_DIGEST_SIZE];
	struct config *config;
	const struct snapshot *s = load_full(&config);
	const struct client *c = find_client(s, "TENANT_CLIENT_ID");

	(void)state;
	assert_int_equal(c->secret_count, 3);
	assert_int_equal(c->secrets[0].kind, SECRET_SHA256);
	assert_true(secret_digest(STR("test"), digest));
	assert_memory_equal(c->secrets[0].digest, digest, sizeof(digest));
	assert_int_equal(c->secrets[1].kind, SECRET_CRYPT);
	assert_text(c->secrets[1].text, BCRYPT_HASH);
	assert_text(c->secrets[1].label, "old");
	assert_int_equal(c->secrets[1].not_before_s, 1793491200);
	assert_int_equal(c->secrets[1].expires_s, 1798675200);
	assert_only_digest(&c->secrets[2], "a secret of one line");
	c = find_client(s, "012");
	assert_only_digest(&c->secrets[0], "a secret of one line");
	assert_int_equal(c->default_scopes.count, 0);
	assert_text(s->failure_price.hash, BCRYPT_HASH);
	config_free(config);
}

/* Nothing is wrong with the file, but somebody cannot get in. */
static void test_warnings(void **state)
{
	struct config *config = load_expecting(SERVER "clients: {}\n", CONFIG_CHECK,
		"oauth2.yaml:3:1: warning: no client is configured, so nobody can get a "
		"token\n");

	(void)state;
	assert_non_null(config_snapshot(config));
	config_free(config);
	config = load_expecting(SERVER, CONFIG_CHECK,
		"oauth2.yaml:1:1: warning: no client is configured, so nobody can get a "
		"token\n");
	assert_non_null(config_snapshot(config));
	config_free(config);
	config = load_expecting(SERVER "clients:\n"
				       "  a:\n"
				       "    secrets:\n"
				       "      - {file: secret, expires: 2026-11-21}\n"
				       "      - {file: secret, expires: 2026-11-22}\n"
				       "  b: {secrets: [{file: secret, expires: 2026-11-22}]}\n"
				       "  c: {secrets: [{file: secret, expires: 2026-11-23}]}\n"
				       "  d:\n"
				       "  e: {secrets: [{file: secret}], auth_methods: []}\n",
		CONFIG_CHECK,
		"oauth2.yaml:6:7: warning: all secrets of \"a\" have expired\n"
		"oauth2.yaml:8:16: warning: this secret of \"b\" has expired\n"
		"oauth2.yaml:10:3: warning: the client \"d\" has no way to authenticate\n"
		"oauth2.yaml:11:3: warning: the client \"e\" has no way to authenticate\n");
	assert_non_null(config_snapshot(config));
	config_free(config);
}

static void test_reuse(void **state)
{
	struct config *config = load_expecting(
		SERVER CLIENT "access_token: {reuse: 149}\n", CONFIG_CHECK, "");
	const struct snapshot *s = config_snapshot(config);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->access_token.reuse_s, 149);
	config_free(config);
}

static void test_metrics(void **state)
{
	struct config *config = load_expecting(SERVER CLIENT "endpoints: {metrics: true}\n",
		CONFIG_CHECK,
		"oauth2.yaml:4:13: warning: \"metrics\" without a state store are the numbers "
		"of one process only; set \"state\"\n");

	(void)state;
	assert_true(config_snapshot(config)->metrics);
	config_free(config);
	config = load_expecting(SERVER CLIENT "state: redis://127.0.0.1:6379/0\n"
					      "endpoints: {metrics: true}\n"
					      "metrics: {allowed_ips: []}\n",
		CONFIG_CHECK, "");
	assert_true(config_snapshot(config)->metrics);
	assert_int_equal(config_snapshot(config)->metrics_allowed_ips.count, 0);
	config_free(config);
}

/* ---- strong clients ---- */

#define STATE "state: lmdb:state\n"
#define JWK "{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}"

/* Everything that needs a state store, without a warning. */
static void test_strong_client(void **state)
{
	struct config *config;
	const struct snapshot *s = load_good(SERVER STATE
		"throttle: {failures: 5}\n"
		"endpoints: {introspection: true, revocation: true}\n"
		"clients:\n"
		"  a:\n"
		"    auth_methods: [client_secret_jwt, private_key_jwt, tls_client_auth,\n"
		"      self_signed_tls_client_auth]\n"
		"    secrets: [{hash: " SHA256_HASH "}, {file: secret-32}]\n"
		"    jwks: {keys: [" JWK "]}\n"
		"    tls_client_auth_san_ip: \"::1\"\n"
		"    tls_client_certificate_bound_access_tokens: true\n"
		"    dpop_bound_access_tokens: true\n"
		"    introspect: true\n",
		&config);
	const struct client *a = find_client(s, "a");

	(void)state;
	assert_true(str_starts(s->state, STR("lmdb:")));
	assert_text(str_from(s->state, STR("lmdb:").n), in_directory("state"));
	assert_int_equal(s->throttle.failures, 5);
	assert_int_equal(s->throttle.address_failures, 50);
	assert_int_equal(s->throttle.window_s, 60);
	assert_true(s->introspection && s->revocation);
	assert_int_equal(a->auth_methods, AUTH_BY_ASSERTION | AUTH_BY_CERTIFICATE);
	assert_int_equal(a->secrets[1].kind, SECRET_PLAIN);
	assert_int_equal(a->secrets[1].text.n, 32);
	assert_int_equal(s->auth_methods, a->auth_methods);
	assert_int_equal(
		s->assertion_algs, JOSE_ALG_BIT(JOSE_ALG_EDDSA) | JOSE_ALG_BIT(JOSE_ALG_HS256));
	assert_true(s->takes_certificates);
	assert_int_equal(a->subject.kind, SUBJECT_SAN_IP);
	assert_text(a->subject.value, "::1");
	assert_true(a->certificate_bound && a->dpop_bound && a->may_introspect);
	config_free(config);
}

static void test_subjects(void **state)
{
	static const struct {
		const char *key;
		const char *value;
		enum subject_kind kind;
	} cases[] = {
		{ "subject_dn", "CN=client,O=Example", SUBJECT_DN },
		{ "subject_dn", "CN=a\\\\, one+UID=1,O=Example,2.5.4.5=x", SUBJECT_DN },
		{ "subject_dn", "CN = client, O = Example", SUBJECT_DN },
		{ "san_dns", "client.example.com", SUBJECT_SAN_DNS },
		{ "san_uri", "spiffe://example.com/client", SUBJECT_SAN_URI },
		{ "san_ip", "192.0.2.1", SUBJECT_SAN_IP },
		{ "san_ip", "2001:db8::1", SUBJECT_SAN_IP },
		{ "san_email", "client@example.com", SUBJECT_SAN_EMAIL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512], value[64];
		struct config *config;

		snprintf(text, sizeof(text),
			SERVER "clients: {a: {auth_methods: [tls_client_auth], "
			       "tls_client_auth_%s: \"%s\"}, b: {secrets: [{file: secret}]}}\n",
			cases[i].key, cases[i].value);
		const struct snapshot *s = load_good(text, &config);
		const struct client *a = find_client(s, "a");

		/* Inside YAML's quotes a backslash is written twice. */
		snprintf(value, sizeof(value), "%s", cases[i].value);
		char *twice = strstr(value, "\\\\");

		if (twice != NULL)
			memmove(twice, twice + 1, strlen(twice));
		assert_int_equal(a->subject.kind, cases[i].kind);
		assert_text(a->subject.value, value);
		assert_true(s->takes_certificates);
		assert_int_equal(find_client(s, "b")->subject.kind, SUBJECT_NONE);
		config_free(config);
	}
}

/* What is on by itself as soon as there is a store, and what is then off if it is named so. */
static void test_defaults_with_a_store(void **state)
{
	struct config *config;
	const struct snapshot *s = load_good(SERVER CLIENT STATE, &config);

	(void)state;
	assert_int_equal(s->throttle.failures + s->throttle.address_failures, 0);
	assert_true(s->introspection && s->revocation);
	assert_false(s->takes_certificates);
	assert_int_equal(s->assertion_algs, 0);
	config_free(config);
	s = load_good(SERVER CLIENT "state: redis://127.0.0.1:6379/0\n"
				    "endpoints: {introspection: false, revocation: false}\n",
		&config);
	assert_text(s->state, "redis://127.0.0.1:6379/0");
	assert_false(s->introspection || s->revocation);
	config_free(config);
}

/* The throttle is on where it is named; its limits where they are left out. */
static void test_throttle(void **state)
{
	static const struct {
		const char *text;
		int64_t failures, address_failures, window_s;
	} cases[] = {
		{ "", 0, 0, 60 },
		{ STATE, 0, 0, 60 },
		{ STATE "throttle: {}\n", 10, 100, 60 },
		{ STATE "throttle:\n", 10, 100, 60 },
		{ STATE "throttle: {window: 5}\n", 10, 100, 5 },
		{ STATE "throttle: {failures: 3}\n", 3, 30, 60 },
		{ STATE "throttle: {failures: 1000000}\n", 1000000, 10000000, 60 },
		{ STATE "throttle: {address_failures: 7}\n", 10, 7, 60 },
		{ STATE "throttle: {address_failures: 0}\n", 10, 0, 60 },
		{ STATE "throttle: {failures: 0}\n", 0, 0, 60 },
		{ STATE "throttle: {failures: 0, address_failures: 9}\n", 0, 9, 60 },
		{ "throttle: {failures: 0}\n", 0, 0, 60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		struct config *config;

		snprintf(text, sizeof(text), SERVER CLIENT "%s", cases[i].text);
		const struct throttle_policy *throttle = &load_good(text, &config)->throttle;

		print_message("%s", cases[i].text);
		assert_int_equal(throttle->failures, cases[i].failures);
		assert_int_equal(throttle->address_failures, cases[i].address_failures);
		assert_int_equal(throttle->window_s, cases[i].window_s);
		config_free(config);
	}
}

/* A state that is said to be none is as good as one that is not named. */
static void test_no_state(void **state)
{
	static const char *const texts[] = { "state: null\n", "state:\n", "state: # later\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[512];
		struct config *config;

		snprintf(text, sizeof(text), SERVER CLIENT "%s", texts[i]);
		const struct snapshot *s = load_good(text, &config);

		assert_int_equal(s->state.n, 0);
		assert_false(s->introspection || s->revocation);
		config_free(config);
	}
}

/* A warning from elsewhere takes its place among the others. */
static void test_warn(void **state)
{
	struct config *config = load_expecting(SERVER STATE "clients:\n  a: {}\n", CONFIG_CHECK,
		"oauth2.yaml:5:3: warning: the client \"a\" has no way to authenticate\n");

	(void)state;
	config_warn(config, STR("state"), "it is odd: %s");
	config_warn(config, STR("throttle"), "it stands nowhere");
	expect_messages(config,
		"oauth2.yaml:3:8: warning: it is odd: %s\n"
		"oauth2.yaml:5:3: warning: the client \"a\" has no way to authenticate\n");
	assert_non_null(config_snapshot(config));
	config_release_text(config);
	config_warn(config, STR("state"), "nothing is left of its place");
	assert_int_equal(diag_count(config_diag(config)), 2);
	config_free(config);
}

/* What can never work, and next to it what is fine. */
static void test_strong_warnings(void **state)
{
	struct config *config = load_expecting(SERVER STATE
		"clients:\n"
		"  a: {jwks: {keys: [" JWK "]}}\n"
		"  b: {tls_client_auth_san_dns: b.example}\n"
		"  c:\n"
		"    auth_methods: [client_secret_jwt, client_secret_basic]\n"
		"    secrets: [{file: secret-32, expires: 2026-11-22}, {hash: " SHA256_HASH
		"}]\n"
		"  d:\n"
		"    auth_methods: [client_secret_jwt]\n"
		"    secrets: [{file: secret-32, expires: 2026-11-22}, {file: secret-32}]\n"
		"  e:\n"
		"    auth_methods: [private_key_jwt]\n"
		"    jwks: {keys: [" JWK "]}\n"
		"    secrets: [{file: secret, expires: 2026-11-22}]\n"
		"  f: {secrets: [{file: secret}], "
		"tls_client_certificate_bound_access_tokens: true}\n",
		CONFIG_CHECK,
		"oauth2.yaml:5:3: warning: the client \"a\" has no way to authenticate; name "
		"one in \"auth_methods\"\n"
		"oauth2.yaml:6:3: warning: the client \"b\" has no way to authenticate; name "
		"one in \"auth_methods\"\n"
		"oauth2.yaml:9:14: warning: all secrets of \"c\" with \"file\" have expired, "
		"so client_secret_jwt cannot be used\n");

	(void)state;
	assert_true(config_snapshot(config)->takes_certificates);
	config_free(config);
}

static void test_introspect_without_an_endpoint(void **state)
{
	struct config *config = load_expecting(SERVER
		"clients: {a: {secrets: [{file: secret}], introspect: true}}\n",
		CONFIG_CHECK,
		"oauth2.yaml:3:42: warning: \"introspect\" has no effect: the introspection "
		"endpoint is not offered without a state store; set \"state\"\n");

	(void)state;
	assert_true(find_client(config_snapshot(config), "a")->may_introspect);
	config_free(config);
	config = load_expecting(SERVER STATE
		"endpoints: {introspection: false}\n"
		"clients: {a: {secrets: [{file: secret}], introspect: true}}\n",
		CONFIG_CHECK,
		"oauth2.yaml:5:42: warning: \"introspect\" has no effect: the introspection "
		"endpoint is turned off under \"endpoints\"\n");
	assert_non_null(config_snapshot(config));
	config_free(config);
}

/* Also for a server, not only for `check`: the message stands among the cases. */
static void test_network_file_system(void **state)
{
	static const char *const states[] = { "lmdb:network", "lmdb:directory/../network" };

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		for (enum config_depth depth = CONFIG_SERVE; depth <= CONFIG_CHECK; depth++) {
			char text[256];

			snprintf(text, sizeof(text), SERVER CLIENT "state: %s\n", states[i]);
			struct config *config = load_depth(text, depth);

			assert_null(config_snapshot(config));
			assert_int_equal(diag_error_count(config_diag(config)), 1);
			assert_int_equal(diag_get(config_diag(config), 0)->line, 4);
			assert_int_equal(diag_get(config_diag(config), 0)->column, 8);
			config_free(config);
		}
	}
}

static void test_claims(void **state)
{
	static const struct {
		const char *yaml;
		const char *json;
	} table[] = {
		{ "{}", "" },
		{ "{a: b}", ",\"a\":\"b\"" },
		{ "{t: true, f: false, n: null}", ",\"t\":true,\"f\":false,\"n\":null" },
		{ "{t: 'true', f: \"false\", n: 'null'}",
			",\"t\":\"true\",\"f\":\"false\",\"n\":\"null\"" },
		{ "{a: no, b: ~, c: True, d: , e: NULL}",
			",\"a\":\"no\",\"b\":\"~\",\"c\":\"True\",\"d\":\"\",\"e\":\"NULL\"" },
		{ "{a: 0, b: -5, c: 123456789012345678}",
			",\"a\":0,\"b\":-5,\"c\":123456789012345678" },
		{ "{a: 012, b: 1e3, c: 0x1f, d: +1, e: 00, f: -}",
			",\"a\":\"012\",\"b\":\"1e3\",\"c\":\"0x1f\",\"d\":\"+1\",\"e\":\"00\","
			"\"f\":\"-\"" },
		{ "{a: 1.50, b: -0.5, c: .5, d: 1., e: 1.2.3, f: 1_000}",
			",\"a\":1.50,\"b\":-0.5,\"c\":\".5\",\"d\":\"1.\",\"e\":\"1.2.3\","
			"\"f\":\"1_000\"" },
		{ "{a: '5', b: \"1.5\"}", ",\"a\":\"5\",\"b\":\"1.5\"" },
		{ "{a: [], b: {}, c: [1, [x, {d: e}], true]}",
			",\"a\":[],\"b\":{},\"c\":[1,[\"x\",{\"d\":\"e\"}],true]" },
		{ "{\"a\\\"b\": \"x\\ny\\u0001\", ü: ß}",
			",\"a\\\"b\":\"x\\ny\\u0001\",\"ü\":\"ß\"" },
		{ "{a: ::1, b: 2026-11-22}", ",\"a\":\"::1\",\"b\":\"2026-11-22\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[1024];
		struct config *config;

		snprintf(text, sizeof(text),
			SERVER "clients: {c: {secrets: [{hash: %s}], claims: %s}}\n",
			SHA256_HASH, table[i].yaml);
		const struct snapshot *s = load_good(text, &config);

		assert_text(find_client(s, "c")->claims, table[i].json);
		config_free(config);
	}
}

static void test_long_claims(void **state)
{
	static char text[20000];
	struct config *config;

	(void)state;
	int n = snprintf(text, sizeof(text),
		SERVER "clients: {c: {secrets: [{hash: %s}], claims: {a: \"", SHA256_HASH);

	memset(text + n, '"', 10000);
	for (size_t i = 0; i < 10000; i += 2)
		text[(size_t)n + i] = '\\';
	snprintf(text + n + 10000, sizeof(text) - (size_t)n - 10000, "\"}}}\n");
	const struct snapshot *s = load_good(text, &config);

	assert_int_equal(find_client(s, "c")->claims.n, strlen(",\"a\":\"\"") + 10000);
	config_free(config);
}

static void test_require_tls(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} table[] = {
		{ "issuer: https://a.example\n", true },
		{ "issuer: https://a.example\nrequire_tls: false\n", false },
		{ "issuer: http://127.0.0.1\n", false },
		{ "issuer: http://[::1]:8080\n", false },
		{ "issuer: http://localhost\nrequire_tls: true\n", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[512];
		struct config *config;

		snprintf(text, sizeof(text), "%ssigning_keys: [{file: ec.pem}]\n" CLIENT,
			table[i].text);
		assert_int_equal(load_good(text, &config)->require_tls, table[i].expected);
		config_free(config);
	}
}

/* The problems with a URL of `length` bytes between two texts. */
static struct config *load_url(const char *before, size_t length, const char *after)
{
	char text[4096], url[1026];

	memset(url, 'a', length);
	memcpy(url, "https://", 8);
	url[length] = '\0';
	snprintf(text, sizeof(text), "%s%s%s", before, url, after);
	return load_depth(text, CONFIG_CHECK);
}

static void test_long_urls(void **state)
{
	static const struct {
		const char *before;
		const char *after;
	} table[] = {
		{ "issuer: ", "\nsigning_keys: [{file: ec.pem}]\n" CLIENT },
		{ SERVER CLIENT "base_url: ", "\n" },
		{ SERVER CLIENT "cors_origins: [https://a.example, ", "]\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config *config = load_url(table[i].before, 1024, table[i].after);

		assert_non_null(config_snapshot(config));
		config_free(config);
		config = load_url(table[i].before, 1025, table[i].after);
		assert_int_equal(diag_count(config_diag(config)), 1);
		assert_non_null(strstr(diag_get(config_diag(config), 0)->text,
			"has 1025 bytes; at most 1024 are allowed"));
		config_free(config);
	}
}

static void test_log_file(void **state)
{
	struct config *config;

	(void)state;
	load_good(SERVER CLIENT "log: {file: directory/new.log}\n", &config);
	assert_int_equal(access(in_directory("directory/new.log"), F_OK), -1);
	config_free(config);
	load_good(SERVER CLIENT "log: {file: secret}\n", &config);
	config_free(config);
	/* Whoever answers once finds out when it opens the file. */
	config = load_expecting(SERVER CLIENT "log: {file: no-such/log}\n", CONFIG_SERVE, "");
	config_free(config);
}

static void set_descriptor_limit(rlim_t soft)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A lack of descriptors is no fault of the files. */
static void test_transient(void **state)
{
	static const struct {
		const char *text;
		unsigned descriptors; /* that are left */
		bool expected;
	} table[] = {
		{ SERVER CLIENT, 0, true },
		{ SERVER "include: ['clients.d/*.yaml']\n", 2, false },
		{ SERVER "include: [missing.yaml]\n", 2, false },
		{ SERVER "include: [fifo]\n", 2, false },
	};
	struct rlimit before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		write_text("oauth2.yaml", 0600, table[i].text);
		int lowest = dup(STDIN_FILENO);

		assert_true(lowest >= 0);
		close(lowest);
		set_descriptor_limit((rlim_t)lowest + table[i].descriptors);
		struct config *config = config_load(
			in_directory("oauth2.yaml"), CONFIG_SERVE, NOW_S);

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_non_null(config);
		assert_int_equal(config_is_transient(config), table[i].expected);
		config_free(config);
	}
}

/* The slow check of the halves of a key is not made for one answer. */
static void test_depth(void **state)
{
	struct config *config = load_expecting(
		"issuer: https://a.example\nsigning_keys: [{file: mixed.pem}]\n" CLIENT,
		CONFIG_SERVE, "");

	(void)state;
	assert_non_null(config_snapshot(config));
	config_free(config);
}

/* ---- several files ---- */

static const char including_text[] = SERVER
	"include: [clients.d/*.yaml, one.yaml, 'none*.yaml', 'no/such/*.yaml']\n"
	"scopes: {main: {}}\n";

static void write_included(void)
{
	write_text("clients.d/b.yaml", 0600,
		"clients: {b: {scopes: [a, main], secrets: [{file: ../secret}]}}\n");
	write_text("clients.d/a.yaml", 0600,
		"scopes: {a: }\nclients: {a: {scopes: [a], secrets: [{file: s}]}}\n");
	write_text("clients.d/s", 0600, "inner\n");
	write_text("clients.d/ignored.txt", 0600, "[");
	write_text("one.yaml", 0600, "clients:\n  one: {secrets: [{file: secret}]}\n");
}

static void remove_included(void)
{
	static const char *const names[] = { "clients.d/a.yaml", "clients.d/b.yaml",
		"clients.d/s", "clients.d/ignored.txt", "one.yaml" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(unlink(in_directory(names[i])), 0);
}

static void test_include(void **state)
{
	struct config *config;

	(void)state;
	write_included();
	const struct snapshot *s = load_good(including_text, &config);

	assert_int_equal(s->clients.count, 3);
	assert_scopes(find_client(s, "b")->scopes, "a main");
	assert_only_digest(&find_client(s, "a")->secrets[0], "inner");
	assert_only_digest(&find_client(s, "b")->secrets[0], "a secret of one line");
	find_client(s, "one");
	config_free(config);
	remove_included();
}

static void test_include_pattern_of_directories(void **state)
{
	struct config *config;

	(void)state;
	assert_int_equal(mkdir(in_directory("t[1]"), 0700), 0);
	assert_int_equal(mkdir(in_directory("t2"), 0700), 0);
	make_old("t2");
	write_text(
		"t[1]/clients.yaml", 0600, "clients: {one: {secrets: [{file: ../secret}]}}\n");
	const struct snapshot *s = load_good(SERVER "include: ['t*/clients.yaml']\n", &config);

	find_client(s, "one");
	assert_false(watch_changed(config_watch(config)));
	write_text("t2/clients.yaml", 0600, "clients: {two: {secrets: [{file: ../secret}]}}\n");
	assert_true(watch_changed(config_watch(config)));
	config_free(config);
	s = load_good(SERVER "include: ['t?/clients.yaml']\n", &config);
	assert_null(client_find(&s->clients, STR("one")));
	find_client(s, "two");
	config_free(config);
	write_text("t[1]/main.yaml", 0600,
		"issuer: https://a.example\nsigning_keys: [{file: ../ec.pem}]\n"
		"include: ['c*.yaml']\n");
	config = config_load(in_directory("t[1]/main.yaml"), CONFIG_CHECK, NOW_S);
	assert_non_null(config_snapshot(config));
	find_client(config_snapshot(config), "one");
	config_free(config);
}

static bool locate(const struct config *config, const char *keys, struct place *place)
{
	struct str list[8], rest = str_of(keys);
	size_t count = 0;

	while (rest.n > 0)
		str_cut(&rest, ' ', &list[count++]);
	return config_locate(config, list, count, place);
}

static void test_locate(void **state)
{
	static const struct {
		const char *keys;
		const char *file; /* NULL: nowhere */
		unsigned line, column;
	} table[] = {
		{ "issuer", "oauth2.yaml", 1, 1 },
		{ "signing_keys 0 file", "oauth2.yaml", 2, 17 },
		{ "signing_keys 0", "oauth2.yaml", 2, 16 },
		{ "signing_keys 1", NULL, 0, 0 },
		{ "signing_keys x", NULL, 0, 0 },
		{ "scopes main", "oauth2.yaml", 4, 10 },
		{ "scopes a", "clients.d/a.yaml", 1, 10 },
		{ "clients a scopes", "clients.d/a.yaml", 2, 15 },
		{ "clients a scopes 0", "clients.d/a.yaml", 2, 24 },
		{ "clients one secrets", "one.yaml", 2, 9 },
		{ "clients one token_lifetime", NULL, 0, 0 },
		{ "clients two", NULL, 0, 0 },
		{ "issuer x", NULL, 0, 0 },
		{ "access_token lifetime", NULL, 0, 0 },
	};
	struct config *config;
	struct place place;

	(void)state;
	write_included();
	load_good(including_text, &config);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(locate(config, table[i].keys, &place), table[i].file != NULL);
		assert_int_equal(place.line, table[i].line);
		assert_int_equal(place.column, table[i].column);
		if (table[i].file == NULL)
			assert_null(place.file);
		else
			assert_string_equal(place.file, in_directory(table[i].file));
	}
	config_release_text(config);
	assert_false(locate(config, "issuer", &place));
	assert_text(config_snapshot(config)->issuer, "https://a.example");
	find_client(config_snapshot(config), "one");
	config_free(config);
	remove_included();
}

/* ---- what is watched ---- */

static void test_watched(void **state)
{
	static const char *const files[] = { "oauth2.yaml", "one.yaml", "clients.d/a.yaml",
		"clients.d/s", "watched.pem", "watched.json", "none-yet.yaml" };

	(void)state;
	write_included();
	make_key("watched.pem", EVP_EC_gen("P-256"));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_text("watched.json", 0600,
			"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", "
			"\"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");
		make_old("");
		struct config *config = load_depth(
			"issuer: https://a.example\n"
			"signing_keys: [{file: watched.pem}]\n"
			"scopes: {main: }\n"
			"include: [clients.d/*.yaml, one.yaml, none*.yaml]\n"
			"clients: {w: {secrets: [{file: secret}], jwks_file: watched.json}}\n",
			CONFIG_SERVE);

		assert_non_null(config_snapshot(config));
		assert_false(watch_changed(config_watch(config)));
		write_text(files[i], 0600, "changed: [");
		if (!watch_changed(config_watch(config)))
			fail_msg("a change of %s is not seen", files[i]);
		config_free(config);
		write_included();
		make_key("watched.pem", EVP_EC_gen("P-256"));
	}
	assert_int_equal(unlink(in_directory("none-yet.yaml")), 0);
	remove_included();
}

/* A directory that is not there may be there tomorrow. */
static void test_watched_directory_to_come(void **state)
{
	static const char *const patterns[] = { "later/*.yaml", "later/*/a.yaml", "l*/a.yaml" };

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		char text[512];
		struct config *config;

		snprintf(text, sizeof(text), SERVER CLIENT "include: ['%s']\n", patterns[i]);
		write_text("oauth2.yaml", 0600, "");
		make_old("");
		load_good(text, &config);
		assert_false(watch_changed(config_watch(config)));
		assert_int_equal(mkdir(in_directory("later"), 0700), 0);
		assert_true(watch_changed(config_watch(config)));
		config_free(config);
		assert_int_equal(rmdir(in_directory("later")), 0);
	}
}

/* A configuration that was refused is watched as well, so that its repair is seen. */
static void test_watched_when_refused(void **state)
{
	struct config *config = load_depth(
		"issuer: https://a.example\nsigning_keys: [{file: later.pem}]\n", CONFIG_SERVE);

	(void)state;
	assert_null(config_snapshot(config));
	assert_false(watch_changed(config_watch(config)));
	make_key("later.pem", EVP_EC_gen("P-256"));
	assert_true(watch_changed(config_watch(config)));
	config_free(config);
	assert_int_equal(unlink(in_directory("later.pem")), 0);
}

/* ---- limits ---- */

static void test_main_file(void **state)
{
	static const struct {
		const char *name;
		const char *message;
	} table[] = {
		{ "no-such.yaml", "no-such.yaml:1:1: error: cannot be opened: No such file or "
				  "directory\n" },
		{ "loop", "loop:1:1: error: cannot be opened: Too many levels of symbolic "
			  "links\n" },
		{ "directory", "directory:1:1: error: is not a regular file\n" },
		{ "fifo", "fifo:1:1: error: is not a regular file\n" },
		{ "huge.yaml",
			"huge.yaml:1:1: error: is too large, or grew while it was read\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char memory[512];
		struct buf messages = buf_init(memory, sizeof(memory));
		struct config *config = config_load(
			in_directory(table[i].name), CONFIG_CHECK, NOW_S);

		assert_non_null(config);
		assert_null(config_snapshot(config));
		write_messages(config, &messages);
		assert_text(buf_view(&messages), table[i].message);
		config_free(config);
	}
}

/* expected  NULL: anything goes */
static int64_t load_us(const char *text, const char *expected)
{
	int64_t start_us = clock_steady_us();
	struct config *config = expected == NULL ? load_depth(text, CONFIG_CHECK)
						 : load_expecting(text, CONFIG_CHECK, expected);
	int64_t spent_us = clock_steady_us() - start_us;

	config_free(config);
	return spent_us;
}

/* 100 KB of opening brackets: quadratic in libyaml if it were read to its end. */
static void test_brackets(void **state)
{
	static char text[100001];
	static const char openers[] = "[{";
	int64_t flat_us;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = "[],"[i % 3];
	memcpy(text, "a: [", 4);
	flat_us = load_us(text, NULL);
	for (size_t i = 0; openers[i] != '\0'; i++) {
		memset(text, openers[i], sizeof(text) - 1);
		int64_t spent_us = load_us(text,
			"oauth2.yaml:1:17: error: nested too deeply: at most 16 "
			"levels are read\n");

		print_message("100,000 times %c: %lld us\n", openers[i], (long long)spent_us);
		assert_true(spent_us < 100000 || spent_us < flat_us);
	}
}

#define MANY 100000

static void write_many(const char *name, unsigned count, bool twice)
{
	FILE *file = fopen(in_directory(name), "w");

	assert_non_null(file);
	fputs(SERVER "scopes: {identity_proofing: {}}\nclients:\n", file);
	for (unsigned i = 0; i < count; i++)
		fprintf(file,
			"  tenant-%06u:\n    scopes: [identity_proofing]\n    secrets:\n"
			"      - hash: sha256:%064x\n",
			i * 7919 % count, i);
	if (twice)
		fputs("  tenant-000000: {}\n", file);
	assert_int_equal(fclose(file), 0);
}

static struct config *load_many(unsigned count, bool twice, int64_t *spent_us)
{
	write_many("many.yaml", count, twice);
	int64_t start_us = clock_steady_us();
	struct config *config = config_load(in_directory("many.yaml"), CONFIG_SERVE, NOW_S);

	*spent_us = clock_steady_us() - start_us;
	assert_non_null(config);
	return config;
}

static void test_many_clients(void **state)
{
	int64_t few_us, spent_us;

	(void)state;
	config_free(load_many(MANY / 10, false, &few_us));
	struct config *config = load_many(MANY, false, &spent_us);
	const struct snapshot *s = config_snapshot(config);

	assert_non_null(s);
	assert_int_equal(s->clients.count, MANY);
	print_message("%d clients: %lld ms, %zu bytes per client\n", MANY,
		(long long)spent_us / 1000, arena_used(s->arena) / MANY);
	assert_true(spent_us < 10000000 || spent_us < 20 * few_us);
	assert_true(arena_used(s->arena) / MANY < 512);
	for (unsigned i = 0; i < MANY; i++) {
		char id[16];

		snprintf(id, sizeof(id), "tenant-%06u", i);
		assert_non_null(client_find(&s->clients, str_of(id)));
	}
	assert_null(client_find(&s->clients, STR("tenant-")));
	config_release_text(config);
	assert_non_null(client_find(&s->clients, STR("tenant-099999")));
	config_free(config);
}

static void test_many_clients_with_a_repeated_one(void **state)
{
	char memory[512];
	struct buf messages = buf_init(memory, sizeof(memory));
	int64_t few_us, spent_us;

	(void)state;
	config_free(load_many(MANY / 10, true, &few_us));
	struct config *config = load_many(MANY, true, &spent_us);

	assert_true(spent_us < 10000000 || spent_us < 20 * few_us);
	write_messages(config, &messages);
	assert_text(buf_view(&messages),
		"many.yaml:400005:3: error: this key stands in line 5 already; remove one of "
		"them\n");
	config_free(config);
}

/* After 100 problems the rest is only counted. */
static void test_many_problems(void **state)
{
	FILE *file = fopen(in_directory("many.yaml"), "w");

	(void)state;
	assert_non_null(file);
	fputs(SERVER "clients:\n", file);
	for (unsigned i = 0; i < 5000; i++)
		fprintf(file, "  c%u: {scopes: [s%u], secrets: [{file: secret}]}\n", i, i);
	assert_int_equal(fclose(file), 0);
	struct config *config = config_load(in_directory("many.yaml"), CONFIG_SERVE, NOW_S);

	assert_non_null(config);
	assert_null(config_snapshot(config));
	assert_int_equal(diag_error_count(config_diag(config)), 5000);
	assert_int_equal(diag_count(config_diag(config)), 5000);
	assert_int_equal(diag_get(config_diag(config), 0)->line, 4);
	assert_int_equal(diag_get(config_diag(config), 99)->line, 103);
	config_free(config);
}

/* ---- the example that is shipped ---- */

#define EXAMPLE "etc/oauth2.yaml"

static size_t read_example(char *text, size_t size)
{
	FILE *file = fopen(EXAMPLE, "r");

	if (file == NULL)
		fail_msg("cannot open " EXAMPLE "; run the tests from the top directory");
	size_t n = fread(text, 1, size - 1, file);

	text[n] = '\0';
	fclose(file);
	assert_true(n > 0 && n < size - 1);
	return n;
}

static void make_example_files(void)
{
	if (mkdir(in_directory("keys"), 0700) != 0)
		return;
	assert_int_equal(mkdir(in_directory("secrets"), 0700), 0);
	make_key("keys/2026-11.pem", EVP_RSA_gen(2048));
	make_key("keys/2026-12.pem", EVP_RSA_gen(2048));
	write_text("secrets/tenant", 0600, "0123456789abcdef0123456789abcdef\n");
	write_text("keys/tenant.jwks.json", 0644,
		"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", "
		"\"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");
}

static void test_example(void **state)
{
	static char text[MESSAGES_SIZE];
	struct config *config;

	(void)state;
	make_example_files();
	read_example(text, sizeof(text));
	const struct snapshot *s = load_good(text, &config);
	const struct client *client = find_client(s, "TENANT_CLIENT_ID");

	assert_text(s->issuer, "https://auth.example.com");
	assert_scopes(client->default_scopes, "identity_proofing");
	assert_true(client->secret_count > 0);
	config_free(config);
}

/* A line of the form "#key: ..." or "  #key: ..." is a key that is off; one space after # is
 * prose. */
static void uncomment(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		bool is_off = *from == '#' && from[1] != ' ' && from[1] != '\n' &&
			      from[1] != '#';

		if (!is_off)
			*to++ = *from;
	}
	*to = '\0';
}

/* Every key that there is, also those of which a client can have only one. */
static void test_example_has_every_key(void **state)
{
	static const char *const names[] = { "issuer:", "base_url:", "require_tls:",
		"trusted_proxies:", "access_token:", "lifetime:", "profile:", "audience:",
		"reuse:", "signing_keys:", "file:", "alg:", "kid:", "state:", "scopes:",
		"description:", "clients:", "name:", "enabled:", "grants:", "default_scopes:",
		"secrets:", "hash:", "label:", "not_before:", "expires:", "auth_methods:",
		"jwks:", "jwks_file:", "tls_client_auth_subject_dn:", "tls_client_auth_san_dns",
		"tls_client_auth_san_uri", "tls_client_auth_san_ip",
		"tls_client_auth_san_email", "tls_client_certificate_bound_access_tokens:",
		"dpop_bound_access_tokens:", "allowed_ips:", "resources:", "token_lifetime:",
		"token_profile:", "claims:", "introspect:", "include:", "assertions:",
		"max_lifetime:", "leeway:", "throttle:", "failures:", "window:",
		"address_failures:", "endpoints:", "introspection:", "revocation:", "metrics:",
		"cors_origins:", "log:", "level:", "format:" };
	static char text[MESSAGES_SIZE];

	(void)state;
	read_example(text, sizeof(text));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strstr(text, names[i]) == NULL)
			fail_msg(EXAMPLE " lacks %s", names[i]);
	}
}

static void test_example_with_all_on(void **state)
{
	static char text[MESSAGES_SIZE];

	(void)state;
	make_example_files();
	read_example(text, sizeof(text));
	uncomment(text);
	struct config *config = load_depth(text, CONFIG_CHECK);
	const struct diag *diag = config_diag(config);

	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_entry *entry = diag_get(diag, i);

		fail_msg("line %u: %s", entry->line, entry->text);
	}
	assert_non_null(config_snapshot(config));
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_full_server),
		cmocka_unit_test(test_full_keys_and_scopes),
		cmocka_unit_test(test_full_client),
		cmocka_unit_test(test_full_secrets),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_strong_client),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_defaults_with_a_store),
		cmocka_unit_test(test_throttle),
		cmocka_unit_test(test_no_state),
		cmocka_unit_test(test_warn),
		cmocka_unit_test(test_strong_warnings),
		cmocka_unit_test(test_introspect_without_an_endpoint),
		cmocka_unit_test(test_network_file_system),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_long_claims),
		cmocka_unit_test(test_require_tls),
		cmocka_unit_test(test_long_urls),
		cmocka_unit_test(test_log_file),
		cmocka_unit_test(test_transient),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_include_pattern_of_directories),
		cmocka_unit_test(test_locate),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_watched_directory_to_come),
		cmocka_unit_test(test_watched_when_refused),
		cmocka_unit_test(test_main_file),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_many_clients_with_a_repeated_one),
		cmocka_unit_test(test_many_problems),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_example_has_every_key),
		cmocka_unit_test(test_example_with_all_on),
	};

	return cmocka_run_group_tests(tests, make_fixtures, remove_fixtures);
}
