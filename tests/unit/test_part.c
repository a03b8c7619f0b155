/* SPDX-License-Identifier: MIT */
/* The part of a configuration that one token request needs. */
#include "config/load.h"
#include "config_fixtures.h"

#define NOW_S 1795305600 /* 2026-11-22 */
#define CHEAP_HASH "$2y$04$abcdefghijklmnopqrstuuJ8Q0m1n2o3p4q5r6s7t8u9v0w1x2y3z"

#define MIXED 100
#define STRANGERS 200

#define HEAD                                                                                 \
	"issuer: https://a.example\n"                                                        \
	"signing_keys: [{file: ed.pem, kid: old, state: retired}, {file: ec.pem, kid: k}]\n" \
	"scopes: {s: {}}\nclients:\n"
#define GOOD "  good: {scopes: [s], secrets: [{hash: " SHA256_HASH "}]}\n"
#define BAD "  bad: {scopes: [t], colour: red, secrets: [{hash: MD5}]}\n"
#define SLOW "  slow: {secrets: [{hash: \"" BCRYPT_HASH "\"}, {hash: \"" CHEAP_HASH "\"}]}\n"

static struct config *load_part(const char *text, const char *first, const char *second)
{
	const struct str ids[] = { str_of(first), str_of(second) };
	const struct str_list clients = { ids, second == NULL ? 1 : 2 };

	write_text("part.yaml", 0600, text);
	struct config *config = config_load_part(in_directory("part.yaml"), NOW_S, &clients);

	assert_non_null(config);
	return config;
}

static const struct snapshot *snapshot_of(const struct config *config)
{
	if (config_snapshot(config) == NULL)
		fail_msg("%s", diag_get(config_diag(config), 0)->text);
	return config_snapshot(config);
}

static void test_client(void **state)
{
	struct config *config = load_part(
		HEAD "  z: {}\n" GOOD "  a: {name: A}\n", "z", "good");
	const struct snapshot *snapshot = snapshot_of(config);
	const struct client *good = client_find(&snapshot->clients, STR("good"));

	(void)state;
	assert_true(snapshot->is_partial);
	assert_int_equal(snapshot->clients.count, 2);
	assert_non_null(client_find(&snapshot->clients, STR("z")));
	assert_null(client_find(&snapshot->clients, STR("a")));
	assert_non_null(good);
	assert_true(good->enabled);
	assert_int_equal(good->scopes.count, 1);
	assert_int_equal(good->secret_count, 1);
	assert_int_equal(
		good->auth_methods, AUTH_BIT(AUTH_SECRET_BASIC) | AUTH_BIT(AUTH_SECRET_POST));
	config_free(config);
}

/* The active key alone, with its signer; nothing to publish. */
static void test_keys(void **state)
{
	struct config *config = load_part(HEAD GOOD, "good", NULL);
	const struct snapshot *snapshot = snapshot_of(config);

	(void)state;
	assert_int_equal(snapshot->keyring.count, 1);
	assert_ptr_equal(snapshot->keyring.active, &snapshot->keyring.keys[0]);
	assert_true(str_eq(snapshot->keyring.active->kid, STR("k")));
	assert_non_null(snapshot->keyring.active->signer);
	assert_int_equal(snapshot->jwks.body.n, 0);
	config_free(config);
	config = load_part(
		"issuer: https://a.example\nsigning_keys: [{file: none.pem, state: next}, "
		"{file: ec.pem}]\nscopes: {s: {}}\nclients:\n" GOOD,
		"other", NULL);
	assert_non_null(snapshot_of(config));
	config_free(config);
}

static const struct {
	const char *text;
	const char *client;
	bool is_good;
} cases[] = {
	{ HEAD GOOD BAD, "good", true },
	{ HEAD BAD GOOD, "good", true },
	{ HEAD GOOD BAD, "bad", false },
	/* Whoever stands in for one that is not there is read as it would be. */
	{ HEAD BAD, "unknown", false },
	{ HEAD "  file: {jwks_file: none.json}\n", "unknown", false },
	/* What is only another form of a client_id is no reason to refuse anybody. */
	{ HEAD BAD, "un%20known", true },
	{ HEAD BAD, "un+known", true },
	{ HEAD BAD, "un known", true },
	{ HEAD BAD "  a+b: {colour: red}\n", "a+b", true },
	{ HEAD GOOD, "unknown", true },
	{ HEAD "  {}\n", "unknown", true },
	{ "issuer: https://a.example\nsigning_keys: [{file: ec.pem}]\n", "unknown", true },
	/* What concerns everybody. */
	{ HEAD GOOD GOOD, "unknown", false },
	{ HEAD GOOD "  a: [\n", "good", false },
	{ HEAD GOOD "colour: red\n", "good", false },
	{ "issuer: ftp://a\nsigning_keys: [{file: ec.pem}]\nclients:\n" GOOD, "good", false },
	{ "issuer: https://a.example\nsigning_keys: [{file: none.pem}]\nclients:\n" GOOD,
		"good", false },
	{ "issuer: https://a.example\nsigning_keys: [{file: ec.pem}, {file: "
	  "ed.pem}]\nclients:\n" GOOD,
		"good", false },
	{ "issuer: https://a.example\nsigning_keys: [{file: ec.pem, state: "
	  "next}]\nclients:\n" GOOD,
		"good", false },
	{ HEAD GOOD "include: [none.yaml]\n", "good", false },
};

static void test_what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = load_part(cases[i].text, cases[i].client, NULL);

		if ((config_snapshot(config) != NULL) != cases[i].is_good)
			fail_msg("client %s of\n%s", cases[i].client, cases[i].text);
		config_free(config);
	}
}

/* As many good clients as broken ones. */
static void write_mixture(struct buf *text, const char *key)
{
	buf_text(text, "issuer: https://a.example\nsigning_keys: [{file: ");
	buf_text(text, key);
	buf_text(text, "}]\nclients:\n");
	for (int64_t i = 0; i < MIXED; i++) {
		buf_text(text, "  c");
		buf_number(text, i);
		buf_text(text, i % 2 == 0 ? ": {}\n" : ": {colour: red}\n");
	}
	buf_char(text, '\0');
	assert_false(text->overflow);
}

static bool is_refused(const char *text, const char *first, const char *second)
{
	struct config *config = load_part(text, first, second);
	bool refused = config_snapshot(config) == NULL;

	config_free(config);
	return refused;
}

/*
 * Which of some client_ids that are not there are refused.  Each beside a client that is good,
 * and once more, it is treated the same.
 */
static size_t ask_for_strangers(const char *key, bool refused[static STRANGERS])
{
	char memory[MIXED * 32 + 128];
	struct buf text = buf_init(memory, sizeof(memory));
	size_t count = 0;

	write_mixture(&text, key);
	for (size_t i = 0; i < STRANGERS; i++) {
		char id[16];

		snprintf(id, sizeof(id), "s%zu", i);
		refused[i] = is_refused(memory, id, NULL);
		count += refused[i];
		assert_int_equal(is_refused(memory, id, id), refused[i]);
		assert_int_equal(is_refused(memory, "c0", id), refused[i]);
		assert_int_equal(is_refused(memory, id, "c2"), refused[i]);
		assert_true(is_refused(memory, id, "c1"));
	}
	return count;
}

/* Strangers are refused as often as clients are, and which of them only who has the key knows.
 */
static void test_strangers(void **state)
{
	bool by_one[STRANGERS], by_other[STRANGERS];

	(void)state;
	/* Half of them, with a margin that is left once in 10^12 keys. */
	assert_in_range(ask_for_strangers("ec.pem", by_one), STRANGERS / 4, STRANGERS * 3 / 4);
	assert_in_range(
		ask_for_strangers("ec2.pem", by_other), STRANGERS / 4, STRANGERS * 3 / 4);
	assert_true(memcmp(by_one, by_other, sizeof(by_one)) != 0);
}

/* A client that is left out is not there, and its hashes cost what they cost. */
static void test_left_out(void **state)
{
	struct config *config = load_part(HEAD GOOD
		"  a%b: {colour: red, secrets: [{hash: \"" BCRYPT_HASH "\"}]}\n  c+d: {}\n",
		"a%b", "c+d");
	const struct snapshot *snapshot = snapshot_of(config);

	(void)state;
	assert_int_equal(snapshot->clients.count, 1);
	assert_non_null(client_find(&snapshot->clients, STR("c+d")));
	assert_true(snapshot->failure_price.hash_us > 0);
	config_free(config);
}

/* As with the whole configuration, whoever is asked for. */
static void test_price(void **state)
{
	static const char *const clients[] = { "good", "slow", "unknown" };

	(void)state;
	write_text("whole.yaml", 0600, HEAD GOOD SLOW);
	struct config *whole = config_load(in_directory("whole.yaml"), CONFIG_SERVE, NOW_S);

	assert_non_null(whole);
	const struct failure_price *wanted = &snapshot_of(whole)->failure_price;

	assert_true(wanted->total_us > wanted->hash_us && wanted->hash_us > 0);
	assert_true(wanted->hash_count > 1);
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct config *config = load_part(HEAD GOOD SLOW, clients[i], NULL);
		const struct failure_price *price = &snapshot_of(config)->failure_price;

		/* The price outlives the text. */
		config_release_text(config);
		assert_int_equal(price->total_us, wanted->total_us);
		assert_int_equal(price->hash_us, wanted->hash_us);
		assert_int_equal(price->hash_count, wanted->hash_count);
		assert_string_equal(price->hash.p, BCRYPT_HASH);
		config_free(config);
	}
	config_free(whole);
	/* What is no hash costs nothing, and is nobody's problem but its client's. */
	struct config *config = load_part(HEAD GOOD
		"  b: {secrets: [{hash: $2y$10$short}, {hash: \"$1$md5\"}, 7]}\n"
		"  c: {secrets: 7}\n  d: 7\n",
		"good", NULL);

	assert_int_equal(snapshot_of(config)->failure_price.total_us, 0);
	config_free(config);
}

/* From all files. */
static void test_include(void **state)
{
	(void)state;
	write_text("part-included.yaml", 0600, "clients:\n" GOOD SLOW);
	struct config *config = load_part(
		HEAD "  a: {}\ninclude: [part-included.yaml]\n", "good", NULL);

	assert_non_null(client_find(&snapshot_of(config)->clients, STR("good")));
	assert_true(snapshot_of(config)->failure_price.hash_us > 0);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_price),
		cmocka_unit_test(test_include),
	};

	return cmocka_run_group_tests(tests, make_fixtures, remove_fixtures);
}
