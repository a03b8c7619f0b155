/* SPDX-License-Identifier: MIT */
/* Slow hashes that may not run now, or not at once: who is refused, alike, and who is not. */
#include "ask.h"

#define POST_AS(id, secret) GRANT "&client_id=" id "&client_secret=" secret
/* FAST:c%62, which is something else when it is form-decoded */
#define BASIC_TWICE "HTTP_AUTHORIZATION=Basic RkFTVDpjJTYy"
/* Of "a+b", which is "a b" when it is form-decoded */
#define PLUS_HASH "$5$rounds=1000$abcdefgh$G7IzUgyaOFm4x24brvX0iNTH7oVfo2xFiUixx782VF0"

static struct {
	unsigned asked;
	unsigned refused_from; /* asked so often, it answers `answer`; before that it hashes */
	enum reason answer;
} runner;

static enum reason run(
	void *context, const struct credential_work *work, struct credential_verdict *verdict)
{
	assert_ptr_equal(context, &runner);
	*verdict = (struct credential_verdict){ 0 };
	if (++runner.asked >= runner.refused_from)
		return runner.answer;
	credential_work_run(work, verdict);
	return REASON_NONE;
}

static void refuse_from(unsigned count, enum reason answer)
{
	runner.asked = 0;
	runner.refused_from = count;
	runner.answer = answer;
}

static int open_fixture(void **state)
{
	struct client *client;
	struct secret *secrets;

	(void)state;
	ask_now_s = NOW_S;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture.snapshot->throttle = (struct throttle_policy){ 3, 8, 60 };
	fixture_add(&fixture, "FAST");
	fixture_add(&fixture, "DISABLED")->enabled = false;
	fixture_secrets(&fixture, fixture_add(&fixture, "SLOW"), 1)[0] = fixture_slow_secret();
	client = fixture_add(&fixture, "SLOW_DISABLED");
	client->enabled = false;
	fixture_secrets(&fixture, client, 1)[0] = fixture_slow_secret();
	secrets = fixture_secrets(&fixture, fixture_add(&fixture, "TWO"), 2);
	secrets[1] = secrets[0];
	secrets[0] = fixture_slow_secret();
	secrets = fixture_secrets(&fixture, fixture_add(&fixture, "EXPIRED"), 1);
	secrets[0].expires_s = NOW_S;
	fixture_seal(&fixture);
	credential_use_runner(
		fixture.services.credentials, &(struct credential_runner){ run, &runner });
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static void send_body(const char *body)
{
	ask_send(&(struct ask){ .body = str_of(body) });
}

/* Whatever is known of client and secret: the same answer, and nothing is counted. */
static void test_alike(void **state)
{
	static const char *const bodies[] = {
		POST_AS("NOBODY", "wrong"),
		POST_AS("FAST", "wrong"),
		POST_AS("DISABLED", FIXTURE_SECRET),
		POST_AS("DISABLED", "wrong"),
		POST_AS("EXPIRED", FIXTURE_SECRET),
		POST_AS("SLOW", "wrong"),
		POST_AS("SLOW", FIXTURE_SLOW_SECRET),
		POST_AS("SLOW_DISABLED", FIXTURE_SLOW_SECRET),
		POST_AS("TWO", "wrong"),
		POST_AS("TWO", FIXTURE_SLOW_SECRET),
	};

	(void)state;
	for (unsigned times = 0; times < 4; times++) {
		for (size_t i = 0; i < COUNT(bodies); i++) {
			refuse_from(1, REASON_HASH_BUSY);
			send_body(bodies[i]);
			ask_check_error(REASON_HASH_BUSY, bodies[i]);
			CHECK_TEXT(ask_header("Retry-After"), STR("1"), bodies[i]);
			CHECK_NUMBER(runner.asked, 1, bodies[i]);
			CHECK_NUMBER(audit.secret_label.n, 0, bodies[i]);
		}
	}
	CHECK_NUMBER(reason_info(REASON_HASH_BUSY)->status, 429, "status");
	/* Forty refusals; the throttle would have stopped at three. */
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", "wrong"));
	ask_check_error(REASON_SECRET_WRONG, "not counted");
	check_end();
}

/* As long as requests wait, which is longer if a failure takes longer; rounded up. */
static void test_retry_after(void **state)
{
	static const struct {
		int64_t total_us;
		const char *seconds;
	} cases[] = {
		{ 245760, "1" },
		{ 500000, "1" },
		{ 500001, "2" },
		{ 1228800, "3" },
		{ INT64_C(60000000), "5" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		fixture.snapshot->failure_price.total_us = cases[i].total_us;
		refuse_from(1, REASON_HASH_BUSY);
		send_body(POST_AS("SLOW", "wrong"));
		ask_check_error(REASON_HASH_BUSY, cases[i].seconds);
		CHECK_TEXT(ask_header("Retry-After"), str_of(cases[i].seconds), "Retry-After");
	}
	check_end();
}

/* What needs no slow hash is not even asked for. */
static void test_never_refused(void **state)
{
	(void)state;
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_token("hashed once");
	send_body(POST_AS("TWO", FIXTURE_SECRET));
	ask_check_token("a digest behind a slow hash");
	CHECK_NUMBER(runner.asked, 1, "before");
	refuse_from(1, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_token("remembered");
	send_body(POST_AS("FAST", FIXTURE_SECRET));
	ask_check_token("by its digest");
	CHECK_NUMBER(runner.asked, 0, "asked for nothing");
	check_end();
}

/* A new secret that is remembered, behind an old slow one. */
static void test_remembered_behind_another(void **state)
{
	static const struct str other = TEXT(
		"$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
	const struct secret secrets[] = { { .kind = SECRET_CRYPT, .text = other },
		fixture_slow_secret() };

	(void)state;
	fixture_client(&fixture, "TWO")->secrets = secrets;
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("TWO", FIXTURE_SLOW_SECRET));
	ask_check_token("hashed once");
	send_body(POST_AS("TWO", FIXTURE_SLOW_SECRET));
	ask_check_token("remembered");
	CHECK_NUMBER(runner.asked, 1, "remembered");
	check_end();
}

/* Only that it is right is remembered; what the configuration says now decides the rest. */
static void test_remembered_and_changed(void **state)
{
	struct client *client = fixture_client(&fixture, "SLOW");
	struct secret secret = fixture_slow_secret();

	(void)state;
	client->secrets = &secret;
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_token("hashed once");
	client->enabled = false;
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_error(REASON_CLIENT_DISABLED, "disabled");
	client->enabled = true;
	secret.expires_s = NOW_S;
	refuse_from(2, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_error(REASON_SECRET_EXPIRED, "expired");
	CHECK_NUMBER(runner.asked, 1, "expired");
	/* The throttle has counted two failures, and would refuse a third right one. */
	fixture.snapshot->throttle = (struct throttle_policy){ 0 };
	secret.expires_s = NOW_S + 1;
	refuse_from(1, REASON_HASH_BUSY);
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_token("remembered");
	CHECK_NUMBER(runner.asked, 0, "remembered");
	client->secret_count = 0;
	send_body(POST_AS("SLOW", FIXTURE_SLOW_SECRET));
	ask_check_error(REASON_HASH_BUSY, "removed");
	check_end();
}

/* As RFC 7617 has it, without form-encoding. */
static const char *basic(const char *credentials)
{
	static char variable[256];
	const size_t head = strlen("HTTP_AUTHORIZATION=Basic ");

	snprintf(variable, sizeof(variable), "HTTP_AUTHORIZATION=Basic ");
	assert_true(strlen(credentials) < 128);
	EVP_EncodeBlock((unsigned char *)variable + head, (const unsigned char *)credentials,
		(int)strlen(credentials));
	return variable;
}

static void send_basic(const char *credentials)
{
	ask_send(&(struct ask){ .body = STR(GRANT), .more = { basic(credentials) } });
}

/* Both forms of Basic are looked at without slow hashes, before any is made for one. */
static void test_basic_never_refused(void **state)
{
	static const char *const secrets[] = { "a+b", "a%2Bb", "a%2bb/c+d%25", "%41" };
	struct secret kept;
	char credentials[64];

	(void)state;
	fixture_client(&fixture, "FAST")->secrets = &kept;
	for (size_t i = 0; i < COUNT(secrets); i++) {
		kept = fixture_secret(secrets[i]);
		refuse_from(1, REASON_HASH_BUSY);
		snprintf(credentials, sizeof(credentials), "FAST:%s", secrets[i]);
		send_basic(credentials);
		ask_check_token(secrets[i]);
		CHECK_NUMBER(runner.asked, 0, secrets[i]);
	}
	kept = fixture_secret("a+b");
	send_basic("FAST:a%2Bb");
	ask_check_token("decoded");
	kept = (struct secret){ .kind = SECRET_CRYPT, .text = STR(PLUS_HASH) };
	refuse_from(3, REASON_HASH_BUSY);
	send_basic("FAST:a+b");
	ask_check_token("hashed, in both forms");
	CHECK_NUMBER(runner.asked, 2, "in both forms");
	send_basic("FAST:a+b");
	ask_check_token("remembered");
	send_basic("FAST:a%2Bb");
	ask_check_token("remembered, of the other form");
	send_body(POST_AS("FAST", "a%2Bb"));
	ask_check_token("remembered, in the body");
	CHECK_NUMBER(runner.asked, 2, "remembered");
	check_end();
}

/* Whoever the client is, a failure of two forms pays twice; one that is refused, too. */
static void test_basic_alike(void **state)
{
	static const struct {
		const char *credentials;
		enum reason wanted;
	} cases[] = {
		{ "NOBODY:a%62", REASON_CLIENT_UNKNOWN },
		{ "FAST:a%62", REASON_SECRET_WRONG },
		{ "SLOW:a%62", REASON_SECRET_WRONG },
		{ "SLOW_DISABLED:a%62", REASON_SECRET_WRONG },
		{ "SLOW_DISABLED:U%2AU", REASON_CLIENT_DISABLED },
		{ "DISABLED:a%62", REASON_SECRET_WRONG },
		{ "DISABLED:TENANT%5FCLIENT_SECRET", REASON_CLIENT_DISABLED },
		{ "EXPIRED:TENANT%5FCLIENT_SECRET", REASON_SECRET_EXPIRED },
		{ "TWO:a%62", REASON_SECRET_WRONG },
	};

	(void)state;
	fixture.snapshot->throttle = (struct throttle_policy){ 0 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].credentials;

		refuse_from(3, REASON_HASH_BUSY);
		send_basic(name);
		ask_check_error(cases[i].wanted, name);
		CHECK_NUMBER(runner.asked, 2, name);
		refuse_from(2, REASON_HASH_AWAITED);
		send_basic(name);
		CHECK_REASON(audit.reason, REASON_HASH_AWAITED, name);
		CHECK_NUMBER(runner.asked, 2, name);
		/* What was checked and is wrong counts, also if the second form is not. */
		refuse_from(2, REASON_HASH_BUSY);
		send_basic(name);
		ask_check_error(cases[i].wanted, name);
		/* But a fault of ours does not look like a secret that is wrong. */
		refuse_from(2, REASON_HASHING);
		send_basic(name);
		ask_check_error(REASON_HASHING, name);
		refuse_from(1, REASON_HASH_BUSY);
		send_basic(name);
		ask_check_error(REASON_HASH_BUSY, name);
		CHECK_NUMBER(runner.asked, 1, name);
	}
	check_end();
}

#define STRANGERS 64

/* Whichever client stands in for a stranger, none has one. */
static void test_without_slow_hashes(void **state)
{
	const struct secret quick = fixture_secret(FIXTURE_SECRET);

	(void)state;
	for (size_t i = 0; i < fixture.client_count; i++) {
		fixture.clients[i].secrets = &quick;
		fixture.clients[i].secret_count = 1;
	}
	fixture.snapshot->failure_price = (struct failure_price){ 0 };
	fixture.snapshot->throttle = (struct throttle_policy){ 0 };
	refuse_from(1, REASON_HASH_BUSY);
	send_body(POST_AS("FAST", "wrong"));
	ask_check_error(REASON_SECRET_WRONG, "wrong");
	for (unsigned i = 0; i < STRANGERS; i++) {
		char body[128];

		snprintf(body, sizeof(body), POST_AS("NOBODY-%u", "wrong"), i);
		send_body(body);
		ask_check_error(REASON_CLIENT_UNKNOWN, "unknown");
	}
	CHECK_NUMBER(runner.asked, 0, "asked for nothing");
	check_end();
}

/* A hash that is awaited decides nothing, whichever of two checks it is for. */
static void test_awaited(void **state)
{
	(void)state;
	refuse_from(1, REASON_HASH_AWAITED);
	for (unsigned times = 0; times < 10; times++) {
		send_body(POST_AS("SLOW", "wrong"));
		CHECK_REASON(audit.reason, REASON_HASH_AWAITED, "first");
		CHECK_NUMBER(response.status, 0, "no answer");
	}
	refuse_from(2, REASON_HASH_AWAITED);
	ask_send(&(struct ask){ .body = STR(GRANT), .more = { BASIC_TWICE } });
	CHECK_REASON(audit.reason, REASON_HASH_AWAITED, "second");
	CHECK_NUMBER(runner.asked, 2, "second");
	/* What was checked and is wrong counts, also if the second form is not checked. */
	refuse_from(2, REASON_HASH_BUSY);
	ask_send(&(struct ask){ .body = STR(GRANT), .more = { BASIC_TWICE } });
	ask_check_error(REASON_SECRET_WRONG, "second refused");
	refuse_from(3, REASON_HASH_BUSY);
	ask_send(&(struct ask){ .body = STR(GRANT), .more = { BASIC_TWICE } });
	ask_check_error(REASON_SECRET_WRONG, "both");
	CHECK_NUMBER(runner.asked, 2, "both");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alike, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_retry_after, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_never_refused, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_remembered_behind_another, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_remembered_and_changed, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_basic_never_refused, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_basic_alike, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_without_slow_hashes, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_awaited, open_fixture, close_fixture),
	};

	return cmocka_run_group_tests_name("hash busy", tests, NULL, NULL);
}
