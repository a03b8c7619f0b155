/* SPDX-License-Identifier: MIT */
/* The throttle as clients meet it: 429 without a look at the credentials (interface §3.2). */
#include "ask.h"
#include "makers.h"

#include "state/throttle.h"

#define WINDOW_S 60
#define POST_AS(id, secret) GRANT "&client_id=" id "&client_secret=" secret
#define GOOD_AS(id) POST_AS(id, FIXTURE_SECRET)
#define BAD_AS(id) POST_AS(id, "wrong")

/* How often credentials of any kind were looked at. */
static unsigned looked;

/* Failures of A that others count while a secret is looked at. */
static unsigned meanwhile;
static void fail_meanwhile(void);

enum reason __real_credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched);
enum reason __wrap_credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched);
enum reason __real_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg);
enum reason __wrap_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg);
enum reason __real_certificate_read(
	struct str text, struct arena *arena, struct certificate *certificate);
enum reason __wrap_certificate_read(
	struct str text, struct arena *arena, struct certificate *certificate);

enum reason __wrap_credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched)
{
	looked++;
	fail_meanwhile();
	return __real_credential_check(checker, price, claim, matched);
}

enum reason __wrap_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg)
{
	looked++;
	return __real_jws_verify(parts, pkey, alg);
}

enum reason __wrap_certificate_read(
	struct str text, struct arena *arena, struct certificate *certificate)
{
	looked++;
	return __real_certificate_read(text, arena, certificate);
}

static EVP_PKEY *pkey;

static int open_fixture(void **state)
{
	struct client *client;

	(void)state;
	ask_now_s = NOW_S;
	looked = 0;
	meanwhile = 0;
	pkey = support_key(KEY_EC);
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture.snapshot->throttle = (struct throttle_policy){ 3, 8, WINDOW_S };
	fixture_add(&fixture, "A")->may_introspect = true;
	fixture_add(&fixture, "B");
	fixture_add(&fixture, "first-client");
	fixture_add(&fixture, "DISABLED")->enabled = false;
	client = fixture_add(&fixture, "KEY");
	client->auth_methods = AUTH_BIT(AUTH_PRIVATE_KEY_JWT);
	fixture_register(&fixture, client, pkey, JOSE_ALG_NONE, NULL);
	client = fixture_add(&fixture, "TLS");
	client->auth_methods = AUTH_BIT(AUTH_TLS);
	client->subject = (struct certificate_subject){ SUBJECT_DN, STR("CN=a") };
	client = fixture_add(&fixture, "BOTH");
	client->auth_methods |= AUTH_BIT(AUTH_TLS);
	client->subject = (struct certificate_subject){ SUBJECT_DN, STR("CN=a") };
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	EVP_PKEY_free(pkey);
	return 0;
}

static void fail_meanwhile(void)
{
	const struct throttle_limits limits = { 3, 8, WINDOW_S };
	struct throttle_subject subject = { .client_id = STR("A") };
	int64_t wait_s;

	assert_true(netaddr_parse(STR("192.0.2.7"), &subject.address));
	for (; meanwhile > 0; meanwhile--) {
		enum reason reason = throttle_count(
			fixture.services.store, &limits, &subject, ask_now_s, &wait_s);

		assert_true(reason == REASON_NONE || reason == REASON_THROTTLED);
	}
}

static void send_from(const char *body, const char *address)
{
	ask_send(&(struct ask){ .body = str_of(body), .more = { address } });
}

static void send_body(const char *body)
{
	send_from(body, NULL);
}

/* 429, and how long to wait; nothing was looked at. */
static void check_throttled(int64_t wait_s, const char *name)
{
	int64_t told_s = 0;

	ask_check_error(REASON_THROTTLED, name);
	CHECK_NUMBER(response.status, 429, name);
	CHECK(str_to_number(ask_header("Retry-After"), 1000000, &told_s), name);
	CHECK_NUMBER(told_s, wait_s, name);
	CHECK_NUMBER(audit.retry_after_s, wait_s, name);
	CHECK_NUMBER(looked, 0, name);
	CHECK(str_contains(response.body, STR("\"invalid_client\"")), name);
	looked = 0;
}

static void fail_times(
	unsigned times, const char *body, const char *address, enum reason wanted)
{
	for (unsigned i = 0; i < times; i++) {
		send_from(body, address);
		ask_check_error(wanted, body);
	}
	looked = 0;
}

static void test_client(void **state)
{
	(void)state;
	fail_times(2, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	CHECK_NUMBER(looked, 1, "it was looked at");
	ask_check_token("two failures are allowed");
	fail_times(1, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(BAD_AS("A"));
	check_throttled(WINDOW_S, "a wrong secret");
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S, "the right one is no oracle");
	CHECK_TEXT(audit.client_id, STR("A"), "the log tells who");
	CHECK_NUMBER(audit.method, AUTH_SECRET_POST, "the log tells how");
	send_body(GOOD_AS("B"));
	ask_check_token("another client from the same address");
	send_from(GOOD_AS("A"), "REMOTE_ADDR=192.0.2.8");
	ask_check_token("the same client from another address");
	check_end();
}

/* The window begins with its first failure, and ends. */
static void test_window(void **state)
{
	(void)state;
	fail_times(1, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	ask_now_s = NOW_S + 20;
	fail_times(2, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S - 20, "from the first failure on");
	ask_now_s = NOW_S + WINDOW_S - 1;
	send_body(GOOD_AS("A"));
	check_throttled(1, "the last second");
	ask_now_s = NOW_S + WINDOW_S;
	send_body(GOOD_AS("A"));
	ask_check_token("then it is over");
	fail_times(3, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	looked = 0;
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S, "a new window");
	check_end();
}

/* Whoever does not exist is treated as who does. */
static void test_unknown(void **state)
{
	(void)state;
	fail_times(3, BAD_AS("NOBODY"), NULL, REASON_CLIENT_UNKNOWN);
	send_body(GOOD_AS("NOBODY"));
	check_throttled(WINDOW_S, "unknown");
	fail_times(3, GOOD_AS("DISABLED"), NULL, REASON_CLIENT_DISABLED);
	send_body(GOOD_AS("DISABLED"));
	check_throttled(WINDOW_S, "disabled");
	check_end();
}

static void test_address(void **state)
{
	(void)state;
	fail_times(2, BAD_AS("NOBODY1"), NULL, REASON_CLIENT_UNKNOWN);
	fail_times(2, BAD_AS("NOBODY2"), NULL, REASON_CLIENT_UNKNOWN);
	fail_times(2, BAD_AS("NOBODY3"), NULL, REASON_CLIENT_UNKNOWN);
	fail_times(1, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("B"));
	ask_check_token("seven failures of the address are allowed");
	fail_times(1, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("B"));
	check_throttled(WINDOW_S, "a client that never failed");
	send_from(GOOD_AS("B"), "REMOTE_ADDR=192.0.2.8");
	ask_check_token("from elsewhere");
	check_end();
}

/* An IPv6 address counts as its /64. */
static void test_ipv6(void **state)
{
	(void)state;
	fail_times(1, BAD_AS("A"), "REMOTE_ADDR=2001:db8:1:2::1", REASON_SECRET_WRONG);
	fail_times(1, BAD_AS("A"), "REMOTE_ADDR=2001:db8:1:2::2", REASON_SECRET_WRONG);
	fail_times(1, BAD_AS("A"), "REMOTE_ADDR=2001:db8:1:2:ffff::3", REASON_SECRET_WRONG);
	send_from(GOOD_AS("A"), "REMOTE_ADDR=2001:db8:1:2:9:9:9:9");
	check_throttled(WINDOW_S, "the same network");
	send_from(GOOD_AS("A"), "REMOTE_ADDR=2001:db8:1:3::1");
	ask_check_token("another network");
	check_end();
}

/* Behind a proxy that is trusted it is the client's address that counts. */
static void test_proxy(void **state)
{
	static struct netmask proxies[1];
	struct ask ask = { .body = TEXT(BAD_AS("A")),
		.more = { "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=198.51.100.1" } };

	(void)state;
	assert_true(netmask_parse(STR("10.0.0.0/8"), &proxies[0]));
	fixture.snapshot->trusted_proxies = (struct netmask_list){ proxies, 1 };
	for (unsigned i = 0; i < 3; i++)
		ask_send(&ask);
	looked = 0;
	ask.body = STR(GOOD_AS("A"));
	ask_send(&ask);
	check_throttled(WINDOW_S, "the client behind the proxy");
	ask.more[1] = "HTTP_X_FORWARDED_FOR=198.51.100.2";
	ask_send(&ask);
	ask_check_token("another client behind the proxy");
	check_end();
}

/* An assertion of KEY as a body, in static memory. */
static const char *assertion_body(const char *aud)
{
	static char body[4096];
	static unsigned serial;
	const struct maker maker = { pkey, JOSE_ALG_ES256, STR("") };
	char claims[512];
	char *jwt;

	snprintf(claims, sizeof(claims),
		"{\"iss\":\"KEY\",\"sub\":\"KEY\",\"aud\":\"%s\",\"jti\":\"%u\",\"exp\":%lld}",
		aud, serial++, (long long)NOW_S + 60);
	jwt = make_jws(&maker, "{\"alg\":\"ES256\"}", claims);
	snprintf(body, sizeof(body), "%s&client_assertion=%s", GRANT "&" ASSERTION_TYPE, jwt);
	free(jwt);
	return body;
}

static void test_assertion(void **state)
{
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		send_body(assertion_body("x"));
		ask_check_refusal(REASON_ASSERTION, REASON_JWT_AUDIENCE, "wrong aud");
	}
	looked = 0;
	before = fixture.store->calls[STORE_MEM_ADD];
	send_body(assertion_body(FIXTURE_ISSUER));
	check_throttled(WINDOW_S, "a good assertion");
	CHECK_NUMBER(fixture.store->calls[STORE_MEM_ADD], before, "its jti was not used up");
	send_body(GOOD_AS("KEY"));
	check_throttled(WINDOW_S, "by another method");
	check_end();
}

/* Whoever sends a good assertion again guesses nothing. */
static void test_replay(void **state)
{
	char *body = strdup(assertion_body(FIXTURE_ISSUER));

	(void)state;
	assert_non_null(body);
	send_body(body);
	ask_check_token("first");
	for (unsigned i = 0; i < 20; i++) {
		send_body(body);
		ask_check_refusal(REASON_ASSERTION, REASON_JWT_REPLAYED, "again");
	}
	CHECK_NUMBER(fixture.store->calls[STORE_MEM_INCREMENT], 0, "nothing is counted");
	send_body(assertion_body(FIXTURE_ISSUER));
	ask_check_token("another one");
	free(body);
	check_end();
}

static void test_certificate(void **state)
{
	const struct certificate_plan plan = { { "CN=b" }, NULL, pkey, NOW_S - 1, NOW_S + 100 };
	X509 *x509 = make_certificate(&plan);
	char *pem = make_pem(x509);
	static char variable[8192];
	struct ask ask = { .body = TEXT(GRANT "&client_id=TLS"),
		.more = { variable, "SSL_CLIENT_VERIFY=SUCCESS" } };

	(void)state;
	snprintf(variable, sizeof(variable), "SSL_CLIENT_CERT=%s", pem);
	for (unsigned i = 0; i < 3; i++) {
		ask_send(&ask);
		ask_check_error(REASON_CERTIFICATE_SUBJECT, "another's");
	}
	looked = 0;
	ask_send(&ask);
	check_throttled(WINDOW_S, "a certificate");
	free(pem);
	X509_free(x509);
	check_end();
}

/* A certificate beside a secret would tell which clients have one: it is told three times. */
static void test_certificate_beside(void **state)
{
	const struct certificate_plan plan = { { "CN=a" }, NULL, pkey, NOW_S - 1, NOW_S + 100 };
	static const char *const bodies[] = { BAD_AS("BOTH"), GOOD_AS("BOTH") };
	X509 *x509 = make_certificate(&plan);
	char *pem = make_pem(x509);
	static char variable[8192];

	(void)state;
	snprintf(variable, sizeof(variable), "SSL_CLIENT_CERT=%s", pem);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct ask ask = { .body = str_of(bodies[i]),
			.more = { variable, "SSL_CLIENT_VERIFY=SUCCESS" } };

		ask_now_s = NOW_S + 1000 * (int64_t)i;
		for (unsigned round = 0; round < 3; round++) {
			ask_send(&ask);
			ask_check_error(REASON_AUTH_CERTIFICATE, bodies[i]);
		}
		CHECK_NUMBER(looked, 0, bodies[i]);
		ask_send(&ask);
		check_throttled(WINDOW_S, bodies[i]);
		send_body(GOOD_AS("BOTH"));
		check_throttled(WINDOW_S, "also without the certificate");
	}
	free(pem);
	X509_free(x509);
	check_end();
}

/* Basic's two readings of the credentials are one failure, of one client. */
static void test_basic(void **state)
{
	/* A:a%62, whose other reading is A:ab; and %41:x, whose other reading is A:x */
	static const char *const headers[] = { "HTTP_AUTHORIZATION=Basic QTphJTYy",
		"HTTP_AUTHORIZATION=Basic JTQxOng=" };

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct ask ask = { .body = TEXT(GRANT), .more = { headers[i] } };

		ask_now_s = NOW_S + 1000 * (int64_t)i;
		for (unsigned round = 0; round < 3; round++) {
			ask_send(&ask);
			ask_check_error(REASON_SECRET_WRONG, headers[i]);
		}
		looked = 0;
		ask_send(&ask);
		check_throttled(WINDOW_S, headers[i]);
		send_body(GOOD_AS("A"));
		check_throttled(WINDOW_S, "it was A that failed");
	}
	check_end();
}

#define BASIC_AS(base64) "HTTP_AUTHORIZATION=Basic " base64
#define GUESS BASIC_AS("Zmlyc3QlMkRjbGllbnQ6Z3Vlc3M=") /* first%2Dclient:guess */

#define STRANGER BASIC_AS("bm8lMkRvbmU6Z3Vlc3M=") /* no%2Done:guess */

/* The other reading's name is throttled: that tells as little of a client that does not exist
 * as of one that does, below. */
static void test_basic_other_name_of_nobody(void **state)
{
	struct ask guess = { .body = TEXT(GRANT), .more = { STRANGER } };

	(void)state;
	fixture.snapshot->throttle.address_failures = 100;
	fail_times(3, BAD_AS("no%252Done"), NULL, REASON_CLIENT_UNKNOWN);
	for (unsigned i = 1; i <= 3; i++) {
		ask_send(&guess);
		ask_check_error(REASON_CLIENT_UNKNOWN, "told");
		CHECK_TEXT(audit.client_id, STR("no-one"), "who");
	}
	looked = 0;
	ask_send(&guess);
	check_throttled(WINDOW_S, "then it is throttled, too");
	check_end();
}

/* The other reading's name is throttled: what was checked is counted, and never beyond 3. */
static void test_basic_other_name(void **state)
{
	struct ask guess = { .body = TEXT(GRANT), .more = { GUESS } };

	(void)state;
	fixture.snapshot->throttle.address_failures = 100;
	fail_times(3, BAD_AS("first%252Dclient"), NULL, REASON_CLIENT_UNKNOWN);
	send_body(BAD_AS("first%252Dclient"));
	check_throttled(WINDOW_S, "the other name");
	send_from(GRANT, BASIC_AS("Zmlyc3QlMkRjbGllbnQ6VEVOQU5UX0NMSUVOVF9TRUNSRVQ="));
	ask_check_token("the right secret, by the decoded name");
	looked = 0;
	for (unsigned i = 1; i <= 3; i++) {
		ask_send(&guess);
		ask_check_error(REASON_SECRET_WRONG, "told");
		CHECK_TEXT(audit.client_id, STR("first-client"), "who");
		CHECK_NUMBER(audit.retry_after_s, 0, "nothing of the other name is left");
		CHECK_NUMBER(looked, i, "one look each");
	}
	looked = 0;
	for (unsigned i = 0; i < 5; i++) {
		ask_send(&guess);
		check_throttled(WINDOW_S, "then it is throttled, too");
		CHECK_TEXT(audit.client_id, STR("first-client"), "who");
	}
	check_end();
}

/* What does not even name a client counts for the address. */
static const struct nameless {
	const char *body;
	const char *variable;
	enum reason wanted;
} nameless[] = {
	{ GRANT, "HTTP_AUTHORIZATION=Basic !", REASON_BASIC_SYNTAX },
	{ GRANT, "HTTP_AUTHORIZATION=Basic !!", REASON_BASIC_SYNTAX },
	{ GRANT, "HTTP_AUTHORIZATION=Basic", REASON_BASIC_SYNTAX },
	{ GRANT, "REDIRECT_HTTP_AUTHORIZATION=Basic QQ==", REASON_BASIC_SYNTAX },
	{ GRANT, "HTTP_AUTHORIZATION=Bearer x", REASON_AUTH_SCHEME },
	{ GRANT, "HTTP_AUTHORIZATION=x", REASON_AUTH_SCHEME },
	{ GRANT "&" ASSERTION_TYPE "&client_assertion=x", NULL, REASON_ASSERTION },
	{ GRANT "&" ASSERTION_TYPE "&client_assertion=a.b.c", NULL, REASON_ASSERTION },
};

static void test_nameless(void **state)
{
	(void)state;
	fixture.snapshot->throttle.failures = 0;
	for (size_t i = 0; i < COUNT(nameless); i++) {
		const struct nameless *row = &nameless[i];
		const char *name = row->variable ? row->variable : row->body;

		ask_now_s = NOW_S + 1000 * (int64_t)i;
		for (unsigned round = 0; round < 8; round++) {
			send_from(row->body, row->variable);
			ask_check_error(row->wanted, name);
		}
		looked = 0;
		for (unsigned round = 0; round < 3; round++) {
			send_from(row->body, row->variable);
			check_throttled(WINDOW_S, name);
		}
		send_body(GOOD_AS("A"));
		check_throttled(WINDOW_S, name);
	}
	check_end();
}

/* The same with a client_id in the body: for that client, too. */
static void test_nameless_with_client(void **state)
{
	(void)state;
	fixture.snapshot->throttle.address_failures = 100;
	for (size_t i = 0; i < COUNT(nameless); i++) {
		const struct nameless *row = &nameless[i];
		const char *name = row->variable ? row->variable : row->body;
		char body[512];

		ask_now_s = NOW_S + 1000 * (int64_t)i;
		snprintf(body, sizeof(body), "%s&client_id=A", row->body);
		for (unsigned round = 0; round < 3; round++) {
			send_from(body, row->variable);
			ask_check_error(row->wanted, name);
		}
		looked = 0;
		for (unsigned round = 0; round < 3; round++) {
			ask_now_s++;
			send_from(body, row->variable);
			check_throttled(WINDOW_S - 1 - (int64_t)round, name);
			CHECK_TEXT(audit.client_id, STR("A"), name);
		}
		send_body(GOOD_AS("A"));
		check_throttled(WINDOW_S - 3, name);
		send_body(GOOD_AS("B"));
		ask_check_token(name);
	}
	check_end();
}

/* They came while others failed: of all at once, no more than three are told so. */
static void test_at_once(void **state)
{
	(void)state;
	meanwhile = 2;
	send_body(BAD_AS("A"));
	ask_check_error(REASON_SECRET_WRONG, "the third");
	for (unsigned others = 3; others < 6; others++) {
		ask_now_s += 1000;
		looked = 0;
		meanwhile = others;
		send_body(BAD_AS("A"));
		CHECK_NUMBER(looked, 1, "it was let through");
		looked = 0;
		check_throttled(WINDOW_S, "but too many failed");
	}
	ask_now_s += 1000;
	meanwhile = 5;
	send_body(GOOD_AS("A"));
	ask_check_token("a good one is no failure");
	check_end();
}

/* Windows that a clock began which was ahead. */
static void test_clock_ahead(void **state)
{
	(void)state;
	ask_now_s = NOW_S + 86400;
	fail_times(3, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S, "ahead");
	ask_now_s = NOW_S;
	send_body(GOOD_AS("A"));
	ask_check_token("set right");
	fail_times(3, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S, "begun anew");
	check_end();
}

/* What is no failed authentication. */
static void test_not_counted(void **state)
{
	static const char *const headers[] = { "HTTP_AUTHORIZATION=", "SERVER_SOFTWARE=Apache",
		"HTTP_AUTHORIZATION=Basic QTp3cm9uZw==, Basic QTpB",
		"SSL_CLIENT_VERIFY=SUCCESS" };
	static const char *const bodies[] = {
		GRANT,
		GRANT "&client_id=A",
		GRANT "&client_id=A&client_secret=x&client_secret=x",
		GRANT "&client_id=A&client_secret=x&client_assertion=x",
		GRANT "&client_id=A&client_secret=x&client_assertion=x&" ASSERTION_TYPE,
		GRANT "&client_id=A&client_assertion=x",
		GRANT "&client_id=A&" ASSERTION_TYPE,
		GRANT "&client_id=TLS",
		GOOD_AS("A") "&scope=x",
		"grant_type=password&client_id=A&client_secret=" FIXTURE_SECRET,
		GOOD_AS("A"),
	};

	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		for (size_t i = 0; i < COUNT(bodies); i++) {
			send_body(bodies[i]);
			CHECK(response.status != 429, bodies[i]);
		}
		for (size_t i = 0; i < COUNT(headers); i++) {
			send_from(GRANT, headers[i]);
			CHECK(response.status == 400 || response.status == 401, headers[i]);
		}
		/* Basic is A's, the body is B's. */
		send_from(GRANT "&client_id=B", BASIC_AS("QTp3cm9uZw=="));
		ask_check_error(REASON_AUTH_CLIENT_ID, "two names");
	}
	CHECK_NUMBER(fixture.store->record_count, 0, "nothing is remembered");
	CHECK_NUMBER(fixture.store->calls[STORE_MEM_INCREMENT], 0, "nothing is counted");
	check_end();
}

/* The other endpoints that authenticate share the count. */
static void test_endpoints(void **state)
{
	static const char *const paths[] = { "/introspect", "/revoke", "/token" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		ask_send(&(struct ask){ .path = paths[i], .body = TEXT(BAD_AS("A")) });
		ask_check_error(REASON_SECRET_WRONG, paths[i]);
	}
	looked = 0;
	for (size_t i = 0; i < COUNT(paths); i++) {
		ask_send(&(struct ask){
			.path = paths[i], .body = TEXT(GOOD_AS("A") "&token=x") });
		check_throttled(WINDOW_S, paths[i]);
	}
	check_end();
}

static void test_off(void **state)
{
	static const struct throttle_policy offs[] = { { 0, 0, WINDOW_S }, { 0, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(offs); i++) {
		fixture.snapshot->throttle = offs[i];
		fail_times(20, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
		fail_times(20, GRANT "&client_id=A", "HTTP_AUTHORIZATION=Bearer x",
			REASON_AUTH_SCHEME);
		send_body(GOOD_AS("A"));
		ask_check_token("off");
	}
	CHECK_NUMBER(fixture.store->call_count, 0, "no store is needed");
	fixture.snapshot->throttle = (struct throttle_policy){ 3, 8, WINDOW_S };
	fixture.store->failing_kinds = 1U << STORE_MEM_INCREMENT;
	fixture.store->failure = REASON_STORE;
	fail_times(2, BAD_AS("A"), NULL, REASON_STORE);
	fixture.snapshot->throttle = offs[0];
	fail_times(2, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	ask_check_token("off while nothing can be counted");
	fixture.store->failure = REASON_NONE;
	fixture.snapshot->throttle = (struct throttle_policy){ 3, 0, WINDOW_S };
	for (unsigned i = 0; i < 20; i++) {
		char body[128];

		snprintf(body, sizeof(body), "%s&client_id=N%u&client_secret=x", GRANT, i);
		send_body(body);
		ask_check_error(REASON_CLIENT_UNKNOWN, "no limit for the address");
	}
	check_end();
}

/* It fails closed: 503 at each call of the store, for good credentials and bad ones. */
static void test_store_fails(void **state)
{
	static const char *const bodies[] = { GOOD_AS("A"), BAD_AS("A"), BAD_AS("NOBODY") };
	static const unsigned calls[] = { 2, 4, 4 }; /* two to check, two to count */

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		for (unsigned n = 1; n <= calls[i]; n++) {
			fixture.store->call_count = 0;
			fixture.store->failing_call = n;
			fixture.store->failure = REASON_STORE_UNREACHABLE;
			looked = 0;
			send_body(bodies[i]);
			ask_check_error(REASON_STORE_UNREACHABLE, bodies[i]);
			CHECK_NUMBER(looked, n > 2, "when the secret is looked at");
			fixture.store->failure = REASON_NONE;
			send_body(GOOD_AS("B"));
			ask_check_token("the store is back");
		}
	}
	check_end();
}

/* Nobody may try while no failure can be counted: else anybody could guess for ever. */
static void test_cannot_count(void **state)
{
	static const char *const bodies[] = { GOOD_AS("A"), GOOD_AS("B"), BAD_AS("A"),
		BAD_AS("NOBODY"), GRANT "&client_id=A&" ASSERTION_TYPE "&client_assertion=x" };
	struct store_mem *mem = fixture.store;

	(void)state;
	mem->failing_kinds = 1U << STORE_MEM_INCREMENT;
	mem->failure = REASON_STORE_FULL;
	send_body(GOOD_AS("A"));
	ask_check_token("nobody has failed");
	send_body(BAD_AS("A"));
	ask_check_error(REASON_STORE_FULL, "the failure is not told");
	looked = 0;
	for (size_t i = 0; i < 3 * COUNT(bodies); i++) {
		send_body(bodies[i % COUNT(bodies)]);
		ask_check_error(REASON_STORE_FULL, bodies[i % COUNT(bodies)]);
	}
	send_body(assertion_body(FIXTURE_ISSUER));
	ask_check_error(REASON_STORE_FULL, "a good assertion");
	send_from(GRANT, "HTTP_AUTHORIZATION=Bearer x");
	ask_check_error(REASON_STORE_FULL, "another scheme");
	CHECK_NUMBER(looked, 0, "nothing is looked at");
	send_body(GRANT);
	ask_check_error(REASON_NO_CREDENTIALS, "who has no credentials tries nothing");
	mem->failure = REASON_NONE;
	send_body(GOOD_AS("A"));
	ask_check_token("it counts again");
	fail_times(3, BAD_AS("A"), NULL, REASON_SECRET_WRONG);
	send_body(GOOD_AS("A"));
	check_throttled(WINDOW_S, "and what was not counted is forgotten");
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_client),
		TEST(test_window),
		TEST(test_unknown),
		TEST(test_address),
		TEST(test_ipv6),
		TEST(test_proxy),
		TEST(test_assertion),
		TEST(test_replay),
		TEST(test_certificate),
		TEST(test_certificate_beside),
		TEST(test_basic),
		TEST(test_basic_other_name_of_nobody),
		TEST(test_basic_other_name),
		TEST(test_nameless),
		TEST(test_nameless_with_client),
		TEST(test_at_once),
		TEST(test_clock_ahead),
		TEST(test_not_counted),
		TEST(test_endpoints),
		TEST(test_off),
		TEST(test_store_fails),
		TEST(test_cannot_count),
	};

	return cmocka_run_group_tests_name("throttling", tests, NULL, NULL);
}
