/* SPDX-License-Identifier: MIT */
/* Loading a configuration while the n-th allocation fails, for every n. */
#include "config/load.h"
#include "config_fixtures.h"

#define NOW_S 1795305600 /* 2026-11-22 */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
void *__real_arena_alloc(struct arena *arena, size_t size);
void *__wrap_arena_alloc(struct arena *arena, size_t size);
void *__real_arena_alloc_array(struct arena *arena, size_t count, size_t size);
void *__wrap_arena_alloc_array(struct arena *arena, size_t count, size_t size);
bool __real_arena_copy(struct arena *arena, struct str s, struct str *copy);
bool __wrap_arena_copy(struct arena *arena, struct str s, struct str *copy);

static unsigned countdown; /* 0: nothing fails */
static bool has_failed;

static bool fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, count, size);
}

void *__wrap_arena_alloc(struct arena *arena, size_t size)
{
	return fails() ? NULL : __real_arena_alloc(arena, size);
}

void *__wrap_arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
	return fails() ? NULL : __real_arena_alloc_array(arena, count, size);
}

bool __wrap_arena_copy(struct arena *arena, struct str s, struct str *copy)
{
	*copy = STR("");
	return !fails() && __real_arena_copy(arena, s, copy);
}

/* A tab: the quick reader leaves the text to libyaml. */
static const char text[] =
	"#\t\n"
	"issuer: https://a.example\n"
	"signing_keys: [{file: ec.pem}, {file: ed.pem, kid: a, state: next}]\n"
	"trusted_proxies: [127.0.0.1, ::1]\n"
	"access_token: {audience: [a]}\n"
	"state: lmdb:state\n"
	"log: {file: oauth2.log}\n"
	"include: [clients.d/*.yaml, other.yaml]\n"
	"scopes: {a: {description: x, audience: 'https://b.example'}}\n"
	"clients:\n"
	"  c:\n"
	"    scopes: [a]\n"
	"    secrets: [{file: secret-32, label: x}, {hash: \"" BCRYPT_HASH "\"}]\n"
	"    auth_methods: [client_secret_jwt, private_key_jwt, tls_client_auth]\n"
	"    tls_client_auth_subject_dn: CN=c,O=d\n"
	"    jwks: {keys: [{kty: OKP, crv: Ed25519, kid: 1,\n"
	"      x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}\n"
	"    resources: [https://a.example]\n"
	"    allowed_ips: [10.0.0.0/8]\n"
	"    claims: {a: {b: [c]}}\n";

/* A failure gives no configuration; one with a part of the clients would be worse. */
static unsigned check_each_failure(const char *content)
{
	unsigned n = 0;
	bool reached_end = false;

	write_text("oauth2.yaml", 0600, content);
	write_text("clients.d/a.yaml", 0600, "clients: {a: {secrets: [{file: ../secret}]}}\n");
	write_text("other.yaml", 0600, "clients: {o: {secrets: [{file: secret}]}}\n");
	while (!reached_end) {
		has_failed = false;
		countdown = ++n;
		struct config *config = config_load(
			in_directory("oauth2.yaml"), CONFIG_CHECK, NOW_S);

		countdown = 0;
		reached_end = !has_failed;
		if ((config == NULL) != has_failed)
			fail_msg("failure %u of an allocation goes unnoticed", n);
		config_free(config);
	}
	print_message("%u allocations\n", n - 1);
	return n;
}

static void test_each_failure(void **state)
{
	(void)state;
	assert_true(check_each_failure(text) > 140);
	assert_true(check_each_failure(strchr(text, '\n') + 1) > 80);
}

/* The same with a configuration that is refused: out of memory or the refusal, never a
 * snapshot. */
static void test_each_failure_of_a_bad_one(void **state)
{
	unsigned n = 0;
	bool reached_end = false;

	(void)state;
	write_text("oauth2.yaml", 0600,
		"isuer: x\nsigning_keys: [{file: no.pem}]\nclients: {c: {scopes: [a], a: b, a: "
		"c}}\n");
	while (!reached_end) {
		has_failed = false;
		countdown = ++n;
		struct config *config = config_load(
			in_directory("oauth2.yaml"), CONFIG_CHECK, NOW_S);

		countdown = 0;
		reached_end = !has_failed;
		if (config != NULL) {
			assert_null(config_snapshot(config));
			assert_true(diag_error_count(config_diag(config)) > 0);
		}
		config_free(config);
	}
	assert_true(n > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_failure),
		cmocka_unit_test(test_each_failure_of_a_bad_one),
	};

	return cmocka_run_group_tests(tests, make_fixtures, remove_fixtures);
}
