/* SPDX-License-Identifier: MIT */
/* Tests of oauth/meter: what is counted of a request, where, and what a failing store costs. */
#include "fixture.h"

#include "oauth/meter.h"
#include "util/clock.h"

#define SECOND_US INT64_C(1000000)
#define COUNTER_MAX 2048

static struct fixture fixture;
static struct meter_turn turn;

/* The clock stands, so that what may be done in a time does not depend on the machine. */
static int64_t steady_us = SECOND_US;

int64_t __wrap_clock_steady_us(void);

int64_t __wrap_clock_steady_us(void)
{
	return steady_us;
}

/* What is counted somewhere: "NAME=VALUE" lines with | for the tabs, sorted. */
struct listing {
	char lines[COUNTER_MAX][COUNTERS_NAME_MAX + 24];
	size_t count;
};

static struct listing listing;

static void list_counter(void *context, struct str name, int64_t value)
{
	struct listing *list = context;
	char *line = list->lines[list->count++];

	assert_true(list->count < COUNTER_MAX);
	snprintf(line, sizeof(list->lines[0]), "%.*s=%lld", (int)name.n, name.p,
		(long long)value);
	for (char *p = line; *p; p++)
		*p = *p == '\t' ? '|' : *p;
}

static const struct listing *stored(void)
{
	listing.count = 0;
	counters_each(fixture.store->counters, list_counter, &listing);
	return &listing;
}

static const struct listing *kept(void)
{
	listing.count = 0;
	meter_each(fixture.services.meter, list_counter, &listing);
	return &listing;
}

static bool lists(const struct listing *list, const char *line)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->lines[i], line) == 0)
			return true;
	}
	return false;
}

/* Are these, up to the NULL, all that is listed? */
static void check_all(const struct listing *list, const char *const *wanted, const char *name)
{
	size_t count = 0;

	for (; wanted[count]; count++) {
		if (!lists(list, wanted[count])) {
			CHECK(false, name);
			fprintf(stderr, "missing: %s\n", wanted[count]);
		}
	}
	CHECK_NUMBER(list->count, count, name);
	for (size_t i = 0; i < list->count && list->count != count; i++)
		fprintf(stderr, "there is: %s\n", list->lines[i]);
}

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture_add(&fixture, "A");
	fixture_add(&fixture, "B \"\\");
	fixture_seal(&fixture);
	fixture.services.meter = meter_new();
	assert_non_null(fixture.services.meter);
	turn = (struct meter_turn){ &fixture.services, &fixture.snapshot->clients, SECOND_US };
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	meter_free(fixture.services.meter);
	fixture_close(&fixture);
	return 0;
}

static void count(const char *endpoint, const char *client_id, enum reason reason, int status)
{
	struct audit audit = { .endpoint = endpoint,
		.client_id = str_of(client_id),
		.reason = reason,
		.status = status };

	meter_count_request(&turn, &audit, 700);
}

static void test_requests(void **state)
{
	static const struct {
		const char *name;
		struct audit audit;
		const char *wanted[8];
	} cases[] = {
		{ "a token", { .endpoint = "token", .client_id = TEXT("A"), .status = 200 },
			{ "requests_total|token|200=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700", "tokens_issued_total|A=1" } },
		{ "a name with signs",
			{ .endpoint = "token", .client_id = TEXT("B \"\\"), .status = 200 },
			{ "requests_total|token|200=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_issued_total|B \"\\=1" } },
		{ "a wrong secret",
			{ .endpoint = "token",
				.client_id = TEXT("A"),
				.status = 401,
				.reason = REASON_SECRET_WRONG },
			{ "requests_total|token|401=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|A|secret_wrong=1" } },
		{ "an unknown client",
			{ .endpoint = "token",
				.client_id = TEXT("stranger"),
				.status = 401,
				.reason = REASON_CLIENT_UNKNOWN },
			{ "requests_total|token|401=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|unknown|client_unknown=1" } },
		{ "a name that would make two labels",
			{ .endpoint = "token",
				.client_id = TEXT("A\tB"),
				.status = 401,
				.reason = REASON_CLIENT_UNKNOWN },
			{ "requests_total|token|401=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|unknown|client_unknown=1" } },
		{ "nobody named",
			{ .endpoint = "token", .status = 405, .reason = REASON_METHOD },
			{ "requests_total|token|405=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|unknown|method=1" } },
		{ "throttled at the token endpoint",
			{ .endpoint = "token",
				.client_id = TEXT("A"),
				.status = 429,
				.reason = REASON_THROTTLED },
			{ "requests_total|token|429=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|A|throttled=1", "throttled_total|A=1" } },
		{ "throttled at another",
			{ .endpoint = "revocation",
				.client_id = TEXT("A"),
				.status = 429,
				.reason = REASON_THROTTLED },
			{ "requests_total|revocation|429=1",
				"request_duration_seconds|revocation|0.001=1",
				"request_duration_us|revocation=700", "throttled_total|A=1" } },
		{ "the store has failed",
			{ .endpoint = "token",
				.client_id = TEXT("A"),
				.status = 503,
				.reason = REASON_STORE_UNREACHABLE },
			{ "requests_total|token|503=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700",
				"tokens_refused_total|A|store_unreachable=1",
				"state_store_errors_total|store_unreachable=1" } },
		{ "another endpoint", { .endpoint = "jwks", .status = 304 },
			{ "requests_total|jwks|304=1", "request_duration_seconds|jwks|0.001=1",
				"request_duration_us|jwks=700" } },
		{ "introspection is no token",
			{ .endpoint = "introspection",
				.client_id = TEXT("A"),
				.jti = TEXT("j"),
				.status = 200 },
			{ "requests_total|introspection|200=1",
				"request_duration_seconds|introspection|0.001=1",
				"request_duration_us|introspection=700" } },
		{ "a preflight", { .endpoint = "token", .status = 204 },
			{ "requests_total|token|204=1",
				"request_duration_seconds|token|0.001=1",
				"request_duration_us|token=700" } },
		{ "no endpoint", { .status = 404, .reason = REASON_NOT_FOUND },
			{ "requests_total|none|404=1", "request_duration_seconds|none|0.001=1",
				"request_duration_us|none=700" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		meter_count_request(&turn, &cases[i].audit, 700);
		check_all(stored(), cases[i].wanted, cases[i].name);
		CHECK_NUMBER(kept()->count, 0, cases[i].name);
		counters_clear(fixture.store->counters);
	}
	check_end();
}

/* A request is in the lowest bucket whose limit it does not exceed. */
static void test_buckets(void **state)
{
	static const struct {
		int64_t us;
		const char *line;
	} cases[] = {
		{ 0, "request_duration_seconds|jwks|0.0005=1" },
		{ 500, "request_duration_seconds|jwks|0.0005=1" },
		{ 501, "request_duration_seconds|jwks|0.001=1" },
		{ 1000, "request_duration_seconds|jwks|0.001=1" },
		{ 2500, "request_duration_seconds|jwks|0.0025=1" },
		{ 5000, "request_duration_seconds|jwks|0.005=1" },
		{ 10000, "request_duration_seconds|jwks|0.01=1" },
		{ 25000, "request_duration_seconds|jwks|0.025=1" },
		{ 50000, "request_duration_seconds|jwks|0.05=1" },
		{ 100000, "request_duration_seconds|jwks|0.1=1" },
		{ 250000, "request_duration_seconds|jwks|0.25=1" },
		{ 500000, "request_duration_seconds|jwks|0.5=1" },
		{ 1000000, "request_duration_seconds|jwks|1=1" },
		{ 2500000, "request_duration_seconds|jwks|2.5=1" },
		{ 2500001, "request_duration_seconds|jwks|+Inf=1" },
		{ INT64_C(86400000000), "request_duration_seconds|jwks|+Inf=1" },
	};
	static const struct audit audit = { .endpoint = "jwks", .status = 200 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		meter_count_request(&turn, &audit, cases[i].us);
		CHECK(lists(stored(), cases[i].line), cases[i].line);
		counters_clear(fixture.store->counters);
	}
	for (size_t i = 1; i < METER_BUCKETS; i++)
		CHECK(meter_bucket(i)->limit_us > meter_bucket(i - 1)->limit_us, "they rise");
	check_end();
}

static void test_loads(void **state)
{
	static const char *const some[] = { "config_reloads_total|success=2",
		"config_reloads_total|failure=3", NULL };

	(void)state;
	meter_count_loads(&turn, 0, 0);
	CHECK_NUMBER(stored()->count, 0, "none yet");
	meter_count_loads(&turn, 2, 0);
	CHECK_NUMBER(stored()->count, 1, "what has not happened is not there");
	meter_count_loads(&turn, 0, 3);
	check_all(stored(), some, "some");
	check_end();
}

/* All in this process, for as long as it likes. */
static void test_no_store(void **state)
{
	static const char *const wanted[] = { "requests_total|token|200=3",
		"request_duration_seconds|token|0.001=3", "request_duration_us|token=2100",
		"tokens_issued_total|A=3", NULL };

	(void)state;
	fixture.services.store = NULL;
	for (unsigned i = 0; i < 3; i++, turn.now_us += 2 * SECOND_US)
		count("token", "A", REASON_NONE, 200);
	check_all(kept(), wanted, "kept");
	CHECK_NUMBER(stored()->count, 0, "nowhere else");
	/* A reload names one: it gets what was counted before. */
	fixture.services.store = &fixture.store->store;
	meter_catch_up(&turn);
	check_all(stored(), wanted, "sent");
	CHECK_NUMBER(kept()->count, 0, "once");
	check_end();
}

/* One try a second; then nothing is lost, and nothing counted twice. */
static void test_failing_store(void **state)
{
	static const char *const wanted[] = { "requests_total|token|200=14",
		"request_duration_seconds|token|0.001=14", "request_duration_us|token=9800",
		"tokens_issued_total|A=14", "state_store_errors_total|store_unreachable=3",
		NULL };
	struct store_mem *mem = fixture.store;

	(void)state;
	count("token", "A", REASON_NONE, 200);
	CHECK_NUMBER(mem->calls[STORE_MEM_COUNT], 1, "one call for a request");
	mem->failure = REASON_STORE_UNREACHABLE;
	for (unsigned i = 0; i < 3; i++, turn.now_us += SECOND_US) {
		mem->call_count = 0;
		for (unsigned j = 0; j < 4; j++, turn.now_us++)
			count("token", "A", REASON_NONE, 200);
		CHECK_NUMBER(mem->call_count, 1, "one try a second");
	}
	CHECK_NUMBER(mem->calls[STORE_MEM_COUNT], 2,
		"nothing is told twice to a store that does not answer");
	CHECK(lists(kept(), "tokens_issued_total|A=12"), "kept");
	mem->failure = REASON_NONE;
	mem->call_count = 0;
	turn.now_us -= SECOND_US;
	meter_catch_up(&turn);
	CHECK_NUMBER(mem->call_count, 0, "not before its time");
	turn.now_us += SECOND_US;
	count("token", "A", REASON_NONE, 200);
	check_all(stored(), wanted, "all");
	CHECK_NUMBER(kept()->count, 0, "nothing is left");
	mem->call_count = 0;
	meter_catch_up(&turn);
	CHECK_NUMBER(mem->call_count, 0, "nothing to send");
	check_end();
}

/* Whichever call of catching up fails: the rest stays, and is sent the next time. */
static void test_failing_again(void **state)
{
	static const char *const endpoints[] = { "token", "jwks", "metadata", "health",
		"metrics", "none" };
	char expected[64];
	unsigned some = 0;

	(void)state;
	for (unsigned n = 1; n < 12; n++) {
		unsigned failures;

		fixture.store->failure = REASON_STORE_UNREACHABLE;
		fixture.store->failing_call = 0;
		for (unsigned status = 200; status < 500; status++) {
			for (size_t i = 0; i < COUNT(endpoints); i++)
				count(endpoints[i], "A", REASON_NONE, (int)status);
		}
		fixture.store->call_count = 0;
		fixture.store->failing_call = n;
		turn.now_us += SECOND_US;
		meter_catch_up(&turn);
		failures = fixture.store->call_count < n ? 1 : 2;
		some += failures - 1;
		fixture.store->failure = REASON_NONE;
		turn.now_us += SECOND_US;
		meter_finish(&turn);
		snprintf(expected, sizeof(expected),
			"state_store_errors_total|store_unreachable=%u", failures);
		CHECK(lists(stored(), expected), expected);
		CHECK(lists(stored(), "tokens_issued_total|A=1"), "a token");
		CHECK_NUMBER(stored()->count, 1800 + 6 + 6 + 2, "each name");
		for (size_t i = 0; i < listing.count; i++)
			CHECK(strncmp(listing.lines[i], "requests_total", 14) != 0 ||
					strstr(listing.lines[i], "=1") != NULL,
				listing.lines[i]);
		counters_clear(fixture.store->counters);
		turn.now_us += SECOND_US;
	}
	CHECK(some > 3 && some < 11, "each of the calls has failed");
	check_end();
}

/* Keep what that many requests count, at three names each. */
static void keep_requests(unsigned requests)
{
	char endpoint[32];

	fixture.store->failure = REASON_STORE_UNREACHABLE;
	for (unsigned i = 0; i < requests; i++) {
		snprintf(endpoint, sizeof(endpoint), "e%u", i);
		count(endpoint, "", REASON_NONE, 200);
	}
	fixture.store->failure = REASON_NONE;
	fixture.store->call_count = 0;
	turn.now_us += SECOND_US;
}

static void sum(void *context, struct str name, int64_t value)
{
	if (str_starts(name, STR("requests_total\t")))
		*(int64_t *)context += value;
}

static int64_t requests_in(const struct counters *counters)
{
	int64_t total = 0;

	counters_each(counters, sum, &total);
	return total;
}

/* Nobody waits for all that was kept: each call takes a share of it. */
static void test_shares(void **state)
{
	struct store_mem *mem = fixture.store;
	int64_t before = 0;
	unsigned shares = 0;

	(void)state;
	keep_requests(4000);
	for (; before < 4000 && shares < 100; shares++) {
		mem->call_count = 0;
		meter_catch_up(&turn);
		CHECK(mem->call_count <= 11, "few calls");
		CHECK(requests_in(mem->counters) > before, "each brings some");
		before = requests_in(mem->counters);
		count("jwks", "", REASON_NONE, 404);
		before++;
	}
	CHECK(shares > 1 && shares < 20, "some");
	mem->call_count = 0;
	meter_catch_up(&turn);
	CHECK_NUMBER(requests_in(mem->counters), 4000 + shares, "all, once");
	CHECK_NUMBER(mem->call_count, 0, "nothing is left");
	check_end();
}

static const struct store_ops *quick;

static enum reason count_slowly(
	struct store *store, const struct counter_step *steps, size_t step_count)
{
	steady_us += 15000;
	return quick->count(store, steps, step_count);
}

/* Nor long for a share. */
static void test_slow_store(void **state)
{
	struct store_mem *mem = fixture.store;
	static struct store_ops slow;

	(void)state;
	keep_requests(4000);
	quick = mem->store.ops;
	slow = *quick;
	slow.count = count_slowly;
	mem->store.ops = &slow;
	int64_t begin_us = steady_us;

	meter_catch_up(&turn);
	CHECK(steady_us - begin_us <= 20000 + 15000, "20 ms, and one call more");
	CHECK(mem->calls[STORE_MEM_COUNT] >= 2, "but one at least");
	/* Whoever ends has more time, and does not mind what failed a moment ago. */
	mem->store.ops = quick;
	mem->failure = REASON_STORE_UNREACHABLE;
	count("jwks", "", REASON_NONE, 200);
	mem->failure = REASON_NONE;
	meter_finish(&turn);
	CHECK_NUMBER(requests_in(mem->counters), 4001, "all");
	mem->call_count = 0;
	meter_finish(&turn);
	CHECK_NUMBER(mem->call_count, 0, "nothing to send");
	keep_requests(4000);
	mem->store.ops = &slow;
	begin_us = steady_us;
	meter_finish(&turn);
	CHECK(steady_us - begin_us > 20000 + 15000, "more time");
	CHECK(steady_us - begin_us <= 150000 + 15000, "150 ms, and one call more");
	mem->failure = REASON_STORE_UNREACHABLE;
	mem->call_count = 0;
	count("jwks", "", REASON_NONE, 200);
	meter_finish(&turn);
	CHECK(mem->call_count <= 2, "one that fails is left alone");
	mem->store.ops = quick;
	check_end();
}

/* Fill counters up, so that no name of more than a few bytes fits any more. */
static void fill(struct counters *counters)
{
	char text[COUNTERS_NAME_MAX];
	enum reason reason = REASON_NONE;

	memset(text, 'x', sizeof(text));
	for (size_t size = sizeof(text); size > 8; size /= 2) {
		for (unsigned i = 0; i == 0 || reason == REASON_NONE; i++) {
			struct counter_step step = { { text, size }, 1 };

			snprintf(text, sizeof(text), "%07u", i);
			text[7] = 'x';
			reason = counters_add(counters, &step);
		}
		assert_int_equal(reason, REASON_STORE_FULL);
	}
}

/* The value of a counter; -1 if there is none. */
struct wanted {
	struct str name;
	int64_t value;
};

static void find(void *context, struct str name, int64_t value)
{
	struct wanted *wanted = context;

	if (str_eq(name, wanted->name))
		wanted->value = value;
}

static int64_t value_of(const struct counters *counters, const char *name)
{
	struct wanted wanted = { str_of(name), -1 };

	counters_each(counters, find, &wanted);
	return wanted.value;
}

static void add(const char *name)
{
	const struct counter_step step = { str_of(name), 1 };

	assert_int_equal(counters_add(fixture.store->counters, &step), REASON_NONE);
}

/* Without room for a client of its own it is an unknown one, and the rest is counted as ever.
 */
static void test_no_room(void **state)
{
	const struct counters *counters = fixture.store->counters;

	(void)state;
	add("tokens_issued_total\tunknown");
	count("token", "stranger", REASON_CLIENT_UNKNOWN, 401);
	count("token", "B \"\\", REASON_NONE, 200);
	fill(fixture.store->counters);
	count("token", "A", REASON_NONE, 200);
	CHECK_NUMBER(value_of(counters, "tokens_issued_total\tA"), -1, "no room");
	CHECK_NUMBER(value_of(counters, "tokens_issued_total\tunknown"), 2, "unknown");
	CHECK_NUMBER(value_of(counters, "requests_total\ttoken\t200"), 2, "the request");
	count("token", "B \"\\", REASON_NONE, 200);
	CHECK_NUMBER(value_of(counters, "tokens_issued_total\tB \"\\"), 2, "there already");
	count("token", "A", REASON_CLIENT_UNKNOWN, 401);
	CHECK_NUMBER(value_of(counters, "tokens_refused_total\tunknown\tclient_unknown"), 2,
		"with a reason");
	/* Not even that: the rest is counted, and nothing waits for ever. */
	count("token", "A", REASON_SCOPE_DENIED, 401);
	CHECK_NUMBER(value_of(counters, "requests_total\ttoken\t401"), 3, "the request");
	CHECK_NUMBER(value_of(counters, "request_duration_us\ttoken"), 4200, "all six");
	CHECK_NUMBER(kept()->count, 0, "lost");
	check_end();
}

/* The value of a counter that is kept; -1 if there is none. */
static int64_t kept_value(const char *name)
{
	struct wanted wanted = { str_of(name), -1 };

	meter_each(fixture.services.meter, find, &wanted);
	return wanted.value;
}

/* The same where there is no store, and the process's own memory is full. */
static void test_no_room_in_process(void **state)
{
	char endpoint[COUNTERS_NAME_MAX - 64], name[COUNTERS_NAME_MAX];

	(void)state;
	fixture.services.store = NULL;
	count("token", "stranger", REASON_NONE, 200);
	memset(endpoint, 'x', sizeof(endpoint));
	/* Long names first, then short ones for the rest of the room. */
	for (size_t n = sizeof(endpoint); n > 10; n /= 2) {
		bool has_room = true;

		for (unsigned i = 0; has_room; i++) {
			snprintf(endpoint, n, "%08u", i);
			endpoint[8] = 'x';
			endpoint[n - 1] = '\0';
			count(endpoint, "", REASON_NONE, 200);
			snprintf(name, sizeof(name), "requests_total\t%s\t200", endpoint);
			has_room = i % 64 != 0 || kept_value(name) == 1;
		}
	}
	count("token", "A", REASON_NONE, 200);
	CHECK_NUMBER(kept_value("tokens_issued_total\tA"), -1, "no room");
	CHECK_NUMBER(kept_value("tokens_issued_total\tunknown"), 2, "unknown");
	CHECK_NUMBER(kept_value("requests_total\ttoken\t200"), 2, "the request");
	fixture.services.store = &fixture.store->store;
	check_end();
}

/* What was kept comes to a store that has no room for new names, but for those it has. */
static void test_no_room_later(void **state)
{
	struct store_mem *mem = fixture.store;

	(void)state;
	count("token", "stranger", REASON_NONE, 200);
	fill(mem->counters);
	mem->failure = REASON_STORE_UNREACHABLE;
	for (unsigned i = 0; i < 3; i++)
		count("token", "A", REASON_NONE, 200);
	mem->failure = REASON_NONE;
	turn.now_us += SECOND_US;
	meter_catch_up(&turn);
	CHECK_NUMBER(value_of(mem->counters, "tokens_issued_total\tA"), -1, "no room");
	CHECK_NUMBER(value_of(mem->counters, "tokens_issued_total\tunknown"), 4, "unknown");
	CHECK_NUMBER(value_of(mem->counters, "requests_total\ttoken\t200"), 4, "requests");
	CHECK_NUMBER(kept()->count, 0, "nothing is left");
	/* New names alone: none is taken, and nobody asks again before its time. */
	mem->failure = REASON_STORE_UNREACHABLE;
	count("jwks", "", REASON_NONE, 200);
	mem->failure = REASON_NONE;
	turn.now_us += SECOND_US;
	mem->call_count = 0;
	meter_catch_up(&turn);
	CHECK(mem->call_count > 0, "asked");
	CHECK(lists(kept(), "requests_total|jwks|200=1"), "kept");
	CHECK(lists(kept(), "state_store_errors_total|store_full=1"), "and why");
	mem->call_count = 0;
	meter_catch_up(&turn);
	CHECK_NUMBER(mem->call_count, 0, "left alone");
	check_end();
}

/* What a store answers, one call after the other. */
static const enum reason *script;

static enum reason count_by_script(
	struct store *store, const struct counter_step *steps, size_t step_count)
{
	(void)store;
	(void)steps;
	(void)step_count;
	return *script++;
}

/* One that fails in the middle of what there is room for: what it took is not sent again. */
static void test_fails_between(void **state)
{
	static const enum reason some[] = { REASON_STORE_FULL, REASON_STORE_FULL, REASON_NONE,
		REASON_STORE_UNREACHABLE };
	static const enum reason none[] = { REASON_STORE_FULL, REASON_STORE_FULL,
		REASON_STORE_FULL, REASON_STORE_UNREACHABLE };
	struct store_ops scripted = *fixture.store->store.ops;
	const struct store_ops *usual = fixture.store->store.ops;

	(void)state;
	scripted.count = count_by_script;
	fixture.store->store.ops = &scripted;
	script = some;
	count("jwks", "", REASON_NONE, 200);
	CHECK(script == some + COUNT(some), "asked until it failed");
	CHECK_NUMBER(kept()->count, 0, "not twice");
	script = none;
	count("jwks", "", REASON_NONE, 200);
	CHECK(script == none + COUNT(none), "asked until it failed");
	CHECK(lists(kept(), "requests_total|jwks|200=1"), "kept");
	CHECK(lists(kept(), "state_store_errors_total|store_unreachable=1"), "and why");
	fixture.store->store.ops = usual;
	check_end();
}

/* A client with a name that is longer than any may be: the request is counted all the same. */
static void test_long_name(void **state)
{
	static char id[3000];
	const struct client client = { .id = { id, sizeof(id) - 1 } };
	const struct client_table clients = { &client, 1 };

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	turn.clients = &clients;
	count("token", id, REASON_NONE, 200);
	CHECK(lists(stored(), "requests_total|token|200=1"), "the request");
	CHECK_NUMBER(stored()->count, 3, "without the client");
	check_end();
}

/* A store that is full altogether is one that fails. */
static void test_full_store(void **state)
{
	struct store_mem *mem = fixture.store;

	(void)state;
	mem->failure = REASON_STORE_FULL;
	count("token", "A", REASON_NONE, 200);
	CHECK(lists(kept(), "tokens_issued_total|A=1"), "kept");
	CHECK(lists(kept(), "state_store_errors_total|store_full=1"), "and why");
	mem->calls[STORE_MEM_COUNT] = 0;
	count("token", "A", REASON_NONE, 200);
	CHECK_NUMBER(mem->calls[STORE_MEM_COUNT], 0, "left alone");
	mem->failure = REASON_NONE;
	turn.now_us += SECOND_US;
	meter_catch_up(&turn);
	CHECK(lists(stored(), "tokens_issued_total|A=2"), "nothing lost");
	check_end();
}

/* Each row of reason.def has a label of its own that needs no quoting. */
static void test_reasons(void **state)
{
	(void)state;
	for (unsigned i = 1; i < REASON__MAX; i++) {
		const char *id = reason_info((enum reason)i)->id;
		char wanted[128];

		count("token", "A", (enum reason)i, 400);
		snprintf(wanted, sizeof(wanted), "tokens_refused_total|A|%s=1", id);
		for (char *p = strstr(wanted, "|A|") + 3; *p; p++)
			*p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
		CHECK(lists(stored(), wanted), id);
		counters_clear(fixture.store->counters);
	}
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_buckets),
		TEST(test_loads),
		TEST(test_no_store),
		TEST(test_failing_store),
		TEST(test_failing_again),
		TEST(test_shares),
		TEST(test_slow_store),
		TEST(test_no_room),
		TEST(test_no_room_in_process),
		TEST(test_no_room_later),
		TEST(test_fails_between),
		TEST(test_long_name),
		TEST(test_full_store),
		TEST(test_reasons),
	};

	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
