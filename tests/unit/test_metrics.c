/* SPDX-License-Identifier: MIT */
/* Tests of oauth/metrics: who may read what was counted, and how it is written. */
#include "ask.h"

#include "oauth/meter.h"

#include <openssl/crypto.h>

#define LOCAL "REMOTE_ADDR=127.0.0.1"

static struct netmask allowed;
static const struct ask from_local = { .method = "GET", .path = "/metrics", .more = { LOCAL } };

static int open_fixture(void **state)
{
	(void)state;
	ask_now_s = NOW_S;
	ask_process = (struct process_facts){ .pid = 4711,
		.started_s = NOW_S - 100,
		.loaded_s = NOW_S - 10,
		.version = "1.2.3" };
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture.snapshot->metrics = true;
	assert_true(netmask_parse(STR("127.0.0.0/8"), &allowed));
	fixture.snapshot->metrics_allowed_ips = (struct netmask_list){ &allowed, 1 };
	fixture_add(&fixture, "A");
	fixture_add(&fixture, "B \"\\");
	fixture_seal(&fixture);
	fixture.services.meter = meter_new();
	assert_non_null(fixture.services.meter);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	meter_free(fixture.services.meter);
	fixture_close(&fixture);
	return 0;
}

static void count(const char *name, int64_t amount)
{
	const struct counter_step step = { str_of(name), amount };

	assert_int_equal(counters_add(fixture.store->counters, &step), REASON_NONE);
}

static bool says(const char *text)
{
	return str_contains(response.body, str_of(text));
}

static void check_answer(const char *name)
{
	CHECK_NUMBER(response.status, 200, name);
	CHECK_REASON(audit.reason, REASON_NONE, name);
	CHECK_TEXT(str_of(audit.event), STR("metrics"), name);
	CHECK_TEXT(str_of(audit.endpoint), STR("metrics"), name);
	CHECK_TEXT(ask_header("Content-Type"), STR("text/plain; version=0.0.4; charset=utf-8"),
		name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), name);
	CHECK(str_ends(response.body, STR("\n")), name);
	ask_check_headers(name);
}

static void test_whole_document(void **state)
{
	static const char wanted[] =
		"# These are the numbers of all processes that share the state store's "
		"directory.\n"
		"# HELP oauth2_metrics_scope Whose numbers these are: process, host or store.\n"
		"# TYPE oauth2_metrics_scope gauge\n"
		"oauth2_metrics_scope{scope=\"host\"} 1\n"
		"# HELP oauth2_state_store_up 1 if the state store answers and gives the "
		"counters.\n"
		"# TYPE oauth2_state_store_up gauge\n"
		"oauth2_state_store_up 1\n"
		"# HELP oauth2_openssl_info The version of OpenSSL.\n"
		"# TYPE oauth2_openssl_info gauge\n"
		"oauth2_openssl_info{version=\"%s\"} 1\n"
		"# HELP oauth2_build_info The version of the program.\n"
		"# TYPE oauth2_build_info gauge\n"
		"oauth2_build_info{worker=\"4711\",version=\"1.2.3\"} 1\n"
		"# HELP oauth2_config_age_seconds Time since the configuration in use was "
		"loaded.\n"
		"# TYPE oauth2_config_age_seconds gauge\n"
		"oauth2_config_age_seconds{worker=\"4711\"} 10\n"
		"# HELP oauth2_config_degraded 1 if the newest configuration was rejected, and "
		"an older one is in use.\n"
		"# TYPE oauth2_config_degraded gauge\n"
		"oauth2_config_degraded{worker=\"4711\"} 0\n"
		"# HELP oauth2_worker_start_time_seconds When the process started, in seconds "
		"since 1970.\n"
		"# TYPE oauth2_worker_start_time_seconds gauge\n"
		"oauth2_worker_start_time_seconds{worker=\"4711\"} 1640588728\n"
		"# HELP oauth2_requests_total Requests, by endpoint and HTTP status.\n"
		"# TYPE oauth2_requests_total counter\n"
		"oauth2_requests_total{endpoint=\"jwks\",status=\"200\"} 3\n"
		"oauth2_requests_total{endpoint=\"token\",status=\"200\"} 9223372036854775807\n"
		"oauth2_requests_total{endpoint=\"token\",status=\"401\"} 2\n"
		"# HELP oauth2_config_reloads_total Loads of a changed configuration, counted "
		"by each worker for itself.\n"
		"# TYPE oauth2_config_reloads_total counter\n"
		"oauth2_config_reloads_total{result=\"failure\"} 0\n"
		"oauth2_config_reloads_total{result=\"success\"} 4\n"
		"# HELP oauth2_state_store_errors_total Requests that the state store failed, "
		"and attempts to count that it did not take.\n"
		"# TYPE oauth2_state_store_errors_total counter\n"
		"oauth2_state_store_errors_total{reason=\"store_full\"} 5\n"
		"# HELP oauth2_throttled_total Requests answered 429, by the client that they "
		"named.\n"
		"# TYPE oauth2_throttled_total counter\n"
		"oauth2_throttled_total{client_id=\"unknown\"} 6\n"
		"# HELP oauth2_tokens_issued_total Access tokens issued, by client.\n"
		"# TYPE oauth2_tokens_issued_total counter\n"
		"oauth2_tokens_issued_total{client_id=\"A\"} 7\n"
		"oauth2_tokens_issued_total{client_id=\"B \\\"\\\\\"} 8\n"
		"# HELP oauth2_tokens_refused_total Token requests refused, by the client that "
		"they named and the reason.\n"
		"# TYPE oauth2_tokens_refused_total counter\n"
		"oauth2_tokens_refused_total{client_id=\"A\",reason=\"secret_wrong\"} 9\n"
		"oauth2_tokens_refused_total{client_id=\"unknown\",reason=\"client_unknown\"} "
		"10\n";
	char text[8192];

	(void)state;
	count("tokens_refused_total\tunknown\tclient_unknown", 10);
	count("tokens_refused_total\tA\tsecret_wrong", 9);
	count("tokens_issued_total\tB \"\\", 8);
	count("tokens_issued_total\tA", 7);
	count("throttled_total\tunknown", 6);
	count("state_store_errors_total\tstore_full", 5);
	count("config_reloads_total\tsuccess", 4);
	count("config_reloads_total\tfailure", 0);
	count("requests_total\tjwks\t200", 3);
	count("requests_total\ttoken\t401", 2);
	count("requests_total\ttoken\t200", INT64_MAX);
	ask_send(&from_local);
	check_answer("whole");
	snprintf(text, sizeof(text), wanted, OpenSSL_version(OPENSSL_VERSION_STRING));
	CHECK_TEXT(response.body, str_of(text), "whole");
	check_end();
}

static void test_histogram(void **state)
{
	static const char wanted[] =
		"# HELP oauth2_request_duration_seconds Time from the request to the answer, "
		"by "
		"endpoint.\n"
		"# TYPE oauth2_request_duration_seconds histogram\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.0005\"} 2\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.001\"} 2\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.0025\"} 5\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.005\"} 5\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.01\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.025\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.05\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.1\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.25\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"0.5\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"1\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"2.5\"} 9\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"jwks\",le=\"+Inf\"} 10\n"
		"oauth2_request_duration_seconds_sum{endpoint=\"jwks\"} 12.000345\n"
		"oauth2_request_duration_seconds_count{endpoint=\"jwks\"} 10\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"token\",le=\"0.0005\"} 0\n"
		"oauth2_request_duration_seconds_bucket{endpoint=\"token\",le=\"0.001\"} 1\n";

	(void)state;
	count("request_duration_seconds\tjwks\t0.01", 4);
	count("request_duration_seconds\tjwks\t0.0005", 2);
	count("request_duration_seconds\tjwks\t0.0025", 3);
	count("request_duration_seconds\tjwks\t+Inf", 1);
	count("request_duration_seconds\ttoken\t0.001", 1);
	count("request_duration_us\tjwks", 12000345);
	count("request_duration_us\ttoken", 999999);
	ask_send(&from_local);
	check_answer("histogram");
	CHECK(says(wanted), "cumulated");
	CHECK(says("oauth2_request_duration_seconds_sum{endpoint=\"token\"} 0.999999\n"
		   "oauth2_request_duration_seconds_count{endpoint=\"token\"} 1\n#"),
		"the other");
	CHECK(!says("duration_us"), "that is a part of it");
	check_end();
}

/* Numbers that nobody has counted up to stay as they are, and rise. */
static void test_large_numbers(void **state)
{
	(void)state;
	count("request_duration_seconds\tjwks\t0.001", INT64_MAX);
	count("request_duration_seconds\tjwks\t0.005", INT64_MAX);
	count("request_duration_seconds\tjwks\t+Inf", 1);
	count("request_duration_us\tjwks", INT64_MAX);
	ask_send(&from_local);
	check_answer("large");
	CHECK(says("le=\"0.0005\"} 0\n"), "below");
	CHECK(says("le=\"0.0025\"} 9223372036854775807\n"), "between");
	CHECK(says("le=\"0.005\"} 9223372036854775807\n"), "the same");
	CHECK(says("le=\"+Inf\"} 9223372036854775807\n"), "the same");
	CHECK(says("_sum{endpoint=\"jwks\"} 9223372036854.775807\n"), "the sum");
	CHECK(!says("} -"), "none is below 0");
	check_end();
}

/* A store may tell a name twice, and other numbers each time. */
static enum reason tell_twice(struct store *store, counter_visitor *visitor, void *context)
{
	static const struct counter_step steps[] = {
		{ TEXT("tokens_issued_total\tA"), 2 },
		{ TEXT("request_duration_seconds\tjwks\t0.001"), 4 },
		{ TEXT("requests_total\tjwks\t200"), -1 },
		{ TEXT("config_reloads_total\tfailure"), 9 },
		{ TEXT("tokens_issued_total\tA"), 3 },
		{ TEXT("tokens_issued_total\tB \"\\"), 3 },
		{ TEXT("request_duration_seconds\tjwks\t0.001"), 4 },
		{ TEXT("tokens_issued_total\tA"), 2 },
	};

	(void)store;
	for (size_t i = 0; i < COUNT(steps); i++)
		visitor(context, steps[i].name, steps[i].amount);
	return REASON_NONE;
}

static void test_twice(void **state)
{
	static struct store_ops ops;

	(void)state;
	ops = *fixture.services.store->ops;
	fixture.services.store->ops = &ops;
	ops.each_count = tell_twice;
	ask_send(&from_local);
	check_answer("twice");
	CHECK(says("\noauth2_tokens_issued_total{client_id=\"A\"} 3\n"
		   "oauth2_tokens_issued_total{client_id=\"B \\\"\\\\\"} 3\n"),
		"the newer one, once");
	CHECK(says("oauth2_request_duration_seconds_count{endpoint=\"jwks\"} 4\n"), "once");
	CHECK(says("\noauth2_config_reloads_total{result=\"failure\"} 9\n"
		   "oauth2_config_reloads_total{result=\"success\"} 0\n"),
		"loads are there before there are any");
	CHECK(!says("_requests_total"), "no number below 0");
	check_end();
}

/* What another program, or another version, may have left there. */
static void test_foreign_names(void **state)
{
	static const char *const names[] = { "x", "requests_total", "requests_total\ttoken",
		"requests_total\ttoken\t200\tmore", "oauth2_requests_total\ttoken\t200",
		"tokens_issued_total\tgone", "tokens_issued_total\tA\tB",
		"tokens_refused_total\tgone\tsecret_wrong", "tokens_refused_total\tA",
		"throttled_total\tgone", "\t", "tokens_issued_total\t", "a\nb 1\n",
		"requests_total\t\t200", "requests_total\ttoken\t", "requests_total\t\t",
		"requests_total\ta\nb\t200", "requests_total\ttoken\t\xff",
		"requests_total\t\xc3\xa4\t200", "request_duration_seconds\t\t1",
		"tokens_refused_total\tA\t\x01", "request_duration_us\t" };
	static char before[16384];

	(void)state;
	ask_send(&from_local);
	snprintf(before, sizeof(before), "%.*s", (int)response.body.n, response.body.p);
	for (size_t i = 0; i < COUNT(names); i++)
		count(names[i], 1);
	ask_send(&from_local);
	check_answer("foreign");
	CHECK_TEXT(response.body, str_of(before), "nothing more");
	count("requests_total\ta \"\\\t200", 1);
	count("request_duration_seconds\tjwks\t0.7", 1);
	ask_send(&from_local);
	CHECK(says("\noauth2_requests_total{endpoint=\"a \\\"\\\\\",status=\"200\"} 1\n"),
		"escaped");
	CHECK(says("_count{endpoint=\"jwks\"} 0\n"), "no bucket of ours");
	check_end();
}

static void test_scope(void **state)
{
	static const struct {
		const char *state;
		const char *line;
		const char *comment;
	} cases[] = {
		{ "", "oauth2_metrics_scope{scope=\"process\"} 1\n",
			"# These are the numbers of the one process that answers. Name a state "
			"store in the configuration (state) for those of all.\n" },
		{ "lmdb:x", "oauth2_metrics_scope{scope=\"host\"} 1\n",
			"# These are the numbers of all processes that share the state store's "
			"directory.\n" },
		{ "redis://127.0.0.1:6379/0", "oauth2_metrics_scope{scope=\"store\"} 1\n",
			"# These are the numbers of all processes, on all machines, that share "
			"the state store; those with the label worker are of the one that "
			"answers.\n" },
	};
	struct store *store = fixture.services.store;
	struct meter_turn turn = { &fixture.services, &fixture.snapshot->clients, 0 };
	static const struct audit issued = {
		.endpoint = "token", .client_id = TEXT("A"), .status = 200
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		fixture.snapshot->state = str_of(cases[i].state);
		fixture.services.store = cases[i].state[0] ? store : NULL;
		meter_count_request(&turn, &issued, 1);
		ask_send(&from_local);
		check_answer(cases[i].line);
		CHECK(says(cases[i].line), cases[i].line);
		CHECK(str_starts(response.body, str_of(cases[i].comment)), cases[i].line);
		CHECK((cases[i].state[0] != '\0') == says("oauth2_state_store_up 1\n"),
			cases[i].line);
		CHECK(says("\noauth2_tokens_issued_total{client_id=\"A\"} "), cases[i].line);
		turn.now_us += 2000000;
	}
	fixture.services.store = NULL;
	meter_free(fixture.services.meter);
	fixture.services.meter = NULL;
	ask_send(&from_local);
	check_answer("nothing was counted yet");
	CHECK(!says("_total") && says("oauth2_build_info"), "nothing was counted yet");
	fixture.services.store = store;
	check_end();
}

/* Processes of a store of the tests: there is room for one only, so these are made up. */
static void list_five(struct store *store, process_visitor *visitor, void *context)
{
	static const struct process_facts five[] = {
		{ .pid = 30, .started_s = 3, .loaded_s = NOW_S + 5, .version = "1.2.4" },
		{ .pid = 4, .started_s = 4, .loaded_s = NOW_S - 1, .version = "1.2.3" },
		{ .pid = 500, .loaded_s = NOW_S, .degraded = true, .version = "\"\\" },
		{ .pid = 4, .started_s = 5, .loaded_s = NOW_S - 2, .version = "1.2.5" },
		{ .pid = 4, .started_s = 3, .loaded_s = NOW_S - 3, .version = "1.2.6" },
	};

	(void)store;
	for (size_t i = 0; i < COUNT(five); i++)
		visitor(context, &five[i]);
}

static void list_many(struct store *store, process_visitor *visitor, void *context)
{
	(void)store;
	for (int64_t pid = 2 * COUNTERS_PROCESSES_MAX; pid > 0; pid--)
		visitor(context, &(struct process_facts){ .pid = INT64_MAX - pid,
					 .started_s = INT64_MAX,
					 .version = "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\" });
}

static void test_processes(void **state)
{
	static struct store_ops ops;

	(void)state;
	ops = *fixture.services.store->ops;
	fixture.services.store->ops = &ops;
	ops.each_process = list_five;
	ask_send(&from_local);
	check_answer("five");
	/* Numbers may be there twice: those of containers that share a directory. */
	CHECK(says("\noauth2_build_info{worker=\"4\",version=\"1.2.6\"} 1\n"
		   "oauth2_build_info{worker=\"4-2\",version=\"1.2.3\"} 1\n"
		   "oauth2_build_info{worker=\"4-3\",version=\"1.2.5\"} 1\n"
		   "oauth2_build_info{worker=\"30\",version=\"1.2.4\"} 1\n"
		   "oauth2_build_info{worker=\"500\",version=\"\\\"\\\\\"} 1\n#"),
		"sorted, escaped, and nobody else");
	CHECK(says("\noauth2_config_age_seconds{worker=\"4\"} 3\n"
		   "oauth2_config_age_seconds{worker=\"4-2\"} 1\n"
		   "oauth2_config_age_seconds{worker=\"4-3\"} 2\n"
		   "oauth2_config_age_seconds{worker=\"30\"} 0\n"
		   "oauth2_config_age_seconds{worker=\"500\"} 0\n#"),
		"never below 0");
	CHECK(says("\noauth2_config_degraded{worker=\"4\"} 0\n"
		   "oauth2_config_degraded{worker=\"4-2\"} 0\n"
		   "oauth2_config_degraded{worker=\"4-3\"} 0\n"
		   "oauth2_config_degraded{worker=\"30\"} 0\n"
		   "oauth2_config_degraded{worker=\"500\"} 1\n#"),
		"each its own");
	CHECK(says("\noauth2_worker_start_time_seconds{worker=\"4\"} 3\n"
		   "oauth2_worker_start_time_seconds{worker=\"4-2\"} 4\n"
		   "oauth2_worker_start_time_seconds{worker=\"4-3\"} 5\n"
		   "oauth2_worker_start_time_seconds{worker=\"30\"} 3\n"
		   "oauth2_worker_start_time_seconds{worker=\"500\"} 0\n"),
		"each its own");
	ops.each_process = list_many;
	count("tokens_issued_total\tA", 1);
	ask_send(&from_local);
	check_answer("more than there is room for");
	CHECK(str_ends(response.body, STR("oauth2_tokens_issued_total{client_id=\"A\"} 1\n")),
		"and the counters behind them");
	check_end();
}

/* Numbers of this process alone would look as if all had begun anew. */
static void test_failing_store(void **state)
{
	struct meter_turn turn = { &fixture.services, &fixture.snapshot->clients, 0 };
	static const struct audit issued = {
		.endpoint = "token", .client_id = TEXT("A"), .status = 200
	};

	(void)state;
	count("tokens_issued_total\tA", 1);
	fixture.store->failure = REASON_STORE_UNREACHABLE;
	meter_count_request(&turn, &issued, 1);
	ask_send(&from_local);
	check_answer("it fails");
	CHECK(says("\noauth2_state_store_up 0\n"), "it fails");
	CHECK_NUMBER(fixture.store->calls[STORE_MEM_HAS], 0, "and is not asked twice");
	CHECK(says("\n# The counters are left out now: the state store does not answer.\n"),
		"why");
	CHECK(!says("_total") && !says("duration"), "no counters");
	CHECK(says("oauth2_build_info{worker=\"4711\",version=\"1.2.3\"} 1\n"), "gauges");
	fixture.store->failing_kinds = 1U << STORE_MEM_HAS;
	ask_send(&from_local);
	check_answer("no look-ups");
	CHECK(says("\noauth2_state_store_up 0\n"), "no look-ups");
	CHECK(says("\noauth2_tokens_issued_total{client_id=\"A\"} 1\n"), "no look-ups");
	fixture.store->failing_kinds = 1U << STORE_MEM_EACH_COUNT;
	ask_send(&from_local);
	check_answer("no counters");
	CHECK(says("\noauth2_state_store_up 0\n") && !says("_total"), "no counters");
	fixture.store->failure = REASON_NONE;
	ask_send(&from_local);
	CHECK(says("\noauth2_state_store_up 1\n") && says("_total"), "it is back");
	CHECK_NUMBER(fixture.store->record_count, 0, "asking leaves nothing behind");
	check_end();
}

/* Whoever may not know of it sees what an unknown path gives, whatever the method. */
static void test_strangers(void **state)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "OPTIONS", "FOO", "" };
	static const struct {
		const char *name;
		const char *variable;
		const char *forwarded;
	} cases[] = {
		{ "another address", "REMOTE_ADDR=192.0.2.7", "X" },
		{ "no address", "REMOTE_ADDR", "X" },
		{ "no address at all", "REMOTE_ADDR=localhost", "X" },
		{ "said by nobody who is trusted", "REMOTE_ADDR=192.0.2.7",
			"HTTP_X_FORWARDED_FOR=127.0.0.1" },
		{ "behind a trusted proxy", "REMOTE_ADDR=127.0.0.1",
			"HTTP_X_FORWARDED_FOR=192.0.2.7" },
		{ "behind one that says nonsense", "REMOTE_ADDR=127.0.0.1",
			"HTTP_X_FORWARDED_FOR=127.0.0.1, x" },
	};
	struct netmask proxies;
	char wanted[1024];

	(void)state;
	assert_true(netmask_parse(STR("127.0.0.1"), &proxies));
	fixture.snapshot->trusted_proxies = (struct netmask_list){ &proxies, 1 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t j = 0; j < COUNT(methods); j++) {
			struct ask ask = { .method = methods[j],
				.path = "/metricx",
				.more = { cases[i].variable, cases[i].forwarded } };

			ask_send(&ask);
			ask_check_error(REASON_NOT_FOUND, cases[i].name);
			snprintf(wanted, sizeof(wanted), "%.*s", (int)response.body.n,
				response.body.p);
			size_t header_count = response.header_count;

			ask.path = "/metrics";
			ask_send(&ask);
			ask_check_error(REASON_NOT_FOUND, cases[i].name);
			CHECK_TEXT(response.body, str_of(wanted), cases[i].name);
			CHECK_NUMBER(response.header_count, header_count, cases[i].name);
			CHECK(ask_header("Allow").n == 0, cases[i].name);
			CHECK(audit.endpoint == NULL, cases[i].name);
			CHECK_TEXT(str_of(audit.event), STR("request.denied"), cases[i].name);
		}
	}
	struct ask ask = { .method = "GET",
		.path = "/metrics",
		.more = { "REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=127.0.0.2" } };

	ask_send(&ask);
	check_answer("one who may, behind a trusted proxy");
	fixture.snapshot->metrics_allowed_ips = (struct netmask_list){ 0 };
	ask_send(&from_local);
	ask_check_error(REASON_NOT_FOUND, "an empty list is nobody");
	check_end();
}

static void test_methods(void **state)
{
	static const char *const methods[] = { "HEAD", "POST", "PUT", "OPTIONS", "get" };
	struct ask ask = from_local;

	(void)state;
	for (size_t i = 0; i < COUNT(methods); i++) {
		ask.method = methods[i];
		ask_send(&ask);
		ask_check_error(REASON_METHOD, methods[i]);
		CHECK_TEXT(ask_header("Allow"), STR("GET"), methods[i]);
	}
	ask.method = "GET";
	ask.more[1] = "HTTPS";
	ask_send(&ask);
	check_answer("plain HTTP");
	fixture.snapshot->metrics = false;
	ask_send(&from_local);
	ask_check_error(REASON_NOT_FOUND, "not offered");
	check_end();
}

/* More than there is memory for: it ends behind a line, with the totals in it, and says so. */
static void test_many(void **state)
{
	char name[64];

	(void)state;
	arena_free(fixture.arena);
	fixture.arena = arena_new(65536, 8 * 1024 * 1024);
	assert_non_null(fixture.arena);
	count("requests_total\ttoken\t200", 1);
	for (unsigned i = 0; i < REASON__MAX; i++) {
		snprintf(name, sizeof(name), "tokens_refused_total\tA\t%s",
			reason_info((enum reason)i)->id);
		count(name, i + 1);
	}
	ask_send(&from_local);
	check_answer("many");
	CHECK(!says("left out"), "all");
	/* As many as the counters have room for. */
	for (unsigned i = 0; i < 200000; i++) {
		struct counter_step step = { str_of(name), 1 };

		snprintf(name, sizeof(name), "tokens_refused_total\tA\tr%u", i);
		step.name.n = strlen(name);
		if (counters_add(fixture.store->counters, &step) != REASON_NONE)
			break;
		assert_true(i < 199999);
	}
	ask_send(&from_local);
	check_answer("too many");
	CHECK(response.body.n < 2600000, "bounded");
	CHECK(arena_used(fixture.arena) + response.body.n + 4096 < 8 * 1024 * 1024,
		"it can be sent");
	CHECK(says("oauth2_requests_total{endpoint=\"token\",status=\"200\"} 1\n"), "totals");
	const char *tail = strstr(response.body.p + response.body.n - 128,
		"\n# The document ends here; series that are left out: ");

	CHECK(tail != NULL, "it says so");
	CHECK(tail == NULL || tail[-1] == '1', "it ends behind a line");
	check_end();
}

/* How often the body says something. */
static size_t times(const char *text)
{
	size_t found = 0;

	for (const char *p = response.body.p;
		(p = memmem(p, (size_t)(response.body.p + response.body.n - p), text,
			 strlen(text))) != NULL;
		p++)
		found++;
	return found;
}

/* The same for names that are no client's, which the document itself has no room for. */
static void test_many_endpoints(void **state)
{
	char name[160];
	size_t all = 0;

	(void)state;
	arena_free(fixture.arena);
	fixture.arena = arena_new(65536, 8 * 1024 * 1024);
	assert_non_null(fixture.arena);
	memset(name, 'x', sizeof(name));
	for (enum reason reason = REASON_NONE; reason == REASON_NONE; all++) {
		struct counter_step step = { { name, 120 }, 1 };

		snprintf(name, sizeof(name), "requests_total\t%06zu", all);
		name[strlen(name)] = 'x';
		memcpy(name + 116, "\t200", 4);
		reason = counters_add(fixture.store->counters, &step);
	}
	all--;
	ask_send(&from_local);
	check_answer("too many");
	CHECK(response.body.n <= 2500000, "bounded");
	const char *tail = memmem(response.body.p + response.body.n - 128, 128,
		"\n# The document ends here; series that are left out: ", 53);

	assert_non_null(tail);
	CHECK(tail[-1] == '1', "it ends behind a line");
	const size_t shown = times("\noauth2_requests_total{");

	/* And the two of the loads, which come later. */
	CHECK(shown > 1000, "what fits");
	CHECK_NUMBER(strtoul(tail + 53, NULL, 10), all - shown + 2, "left out");
	check_end();
}

/* With too little memory it is a 503, like any other answer; with some, not all of them. */
static void test_no_memory(void **state)
{
	size_t limit = 1024;

	(void)state;
	count("requests_total\ttoken\t200", 1);
	for (;; limit += 24) {
		arena_free(fixture.arena);
		fixture.arena = arena_new(512, limit);
		assert_non_null(fixture.arena);
		ask_send(&from_local);
		if (response.status == 200 && !says("left out"))
			break;
		assert_true(limit < 65536);
		if (response.status == 200)
			continue;
		CHECK_NUMBER(response.status, 503, "too little");
		CHECK_REASON(audit.reason, REASON_MEMORY, "too little");
	}
	CHECK(limit > 1024, "some was too little");
	check_answer("enough");
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_whole_document),
		TEST(test_histogram),
		TEST(test_large_numbers),
		TEST(test_twice),
		TEST(test_foreign_names),
		TEST(test_scope),
		TEST(test_processes),
		TEST(test_failing_store),
		TEST(test_strangers),
		TEST(test_methods),
		TEST(test_many),
		TEST(test_many_endpoints),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
