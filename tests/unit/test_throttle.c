/* SPDX-License-Identifier: MIT */
/* Tests of state/throttle: who is counted together, when it begins, when it ends. */
#include "store_mem.h"

#include "state/throttle.h"

#define WINDOW_S 60

static const struct throttle_limits usual = {
	.failures = 3, .address_failures = 5, .window_s = WINDOW_S
};

/* An address that does not parse is an unknown one. */
static struct throttle_subject subject_of(const char *client_id, const char *address)
{
	struct throttle_subject subject = { .client_id = str_of(client_id) };

	if (!netaddr_parse(str_of(address), &subject.address))
		assert_false(subject.address.known);
	return subject;
}

static void fail_times(struct store_mem *mem, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		int64_t wait_s = 77;
		enum reason reason = throttle_count(
			&mem->store, limits, subject, now_s, &wait_s);

		assert_true(reason == REASON_NONE || reason == REASON_THROTTLED);
		assert_int_equal(wait_s > 0, reason == REASON_THROTTLED);
	}
}

/* Seconds to wait; 0 if it may try. */
static int64_t wait_of(struct store_mem *mem, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s)
{
	int64_t wait_s = 77;
	enum reason reason = throttle_check(&mem->store, limits, subject, now_s, &wait_s);

	if (wait_s > 0)
		assert_int_equal(reason, REASON_THROTTLED);
	else
		assert_int_equal(reason, REASON_NONE);
	assert_true(wait_s >= 0);
	return wait_s;
}

static void test_limit(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();

	(void)state;
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), 0, "no failure");
	fail_times(mem, &usual, &subject, NOW_S, 2);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), 0, "one below the limit");
	fail_times(mem, &usual, &subject, NOW_S, 1);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "at the limit");
	fail_times(mem, &usual, &subject, NOW_S, 1);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "above it");
	store_free(&mem->store);
	check_end();
}

/* It begins with the first failure; later ones do not make it longer. */
static void test_window(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();

	(void)state;
	fail_times(mem, &usual, &subject, NOW_S, 1);
	fail_times(mem, &usual, &subject, NOW_S + 30, 2);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + 30), 30, "half");
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + 59), 1, "last second");
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + 60), 0, "over");
	fail_times(mem, &usual, &subject, NOW_S + 60, 2);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + 60), 0, "counts anew");
	fail_times(mem, &usual, &subject, NOW_S + 60, 1);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + 60), 60, "again");
	store_free(&mem->store);
	check_end();
}

/* After three failures of client A from `from`: who else has to wait? */
static void test_pairs(void **state)
{
	static const struct {
		const char *from;
		const char *client_id;
		const char *address;
		bool waits;
	} cases[] = {
		{ "192.0.2.1", "A", "192.0.2.1", true },
		{ "192.0.2.1", "A", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "A", "192.0.2.2", false },
		{ "192.0.2.1", "A", "192.0.2.129", false },
		{ "192.0.2.1", "A", "::c000:201", false },
		{ "192.0.2.1", "A", "unknown", false },
		{ "192.0.2.1", "B", "192.0.2.1", false },
		{ "192.0.2.1", "a", "192.0.2.1", false },
		{ "192.0.2.1", "", "192.0.2.1", false },
		{ "2001:db8:1:2::1", "A", "2001:db8:1:2::1", true },
		{ "2001:db8:1:2::1", "A", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:1:2::1", "A", "2001:db8:1:3::1", false },
		{ "2001:db8:1:2::1", "B", "2001:db8:1:2::1", false },
		{ "::1", "A", "127.0.0.1", false },
		{ "::1", "A", "unknown", false },
		{ "unknown", "A", "unknown", true },
		{ "unknown", "A", "::", false },
		{ "unknown", "A", "0.0.0.0", false },
		{ "unknown", "B", "unknown", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct throttle_subject first = subject_of("A", cases[i].from);
		struct throttle_subject other = subject_of(
			cases[i].client_id, cases[i].address);
		struct store_mem *mem = store_mem_new();
		char name[80];

		snprintf(name, sizeof(name), "A from %s, then '%s' from %s", cases[i].from,
			cases[i].client_id, cases[i].address);
		fail_times(mem, &usual, &first, NOW_S, 3);
		CHECK((wait_of(mem, &usual, &other, NOW_S) > 0) == cases[i].waits, name);
		store_free(&mem->store);
	}
	check_end();
}

/* Many clients from one address, known ones or not, each below its own limit. */
static void test_address(void **state)
{
	static const char *const ids[] = { "A", "B", "C", "", "A" };
	struct throttle_subject other = subject_of("D", "192.0.2.1");
	struct throttle_subject nobody = subject_of("", "192.0.2.1");
	struct throttle_subject elsewhere = subject_of("A", "192.0.2.2");
	struct store_mem *mem = store_mem_new();

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct throttle_subject subject = subject_of(ids[i], "192.0.2.1");

		CHECK_NUMBER(wait_of(mem, &usual, &other, NOW_S), 0, "below the limit");
		fail_times(mem, &usual, &subject, NOW_S + (int64_t)i, 1);
	}
	CHECK_NUMBER(wait_of(mem, &usual, &other, NOW_S + 4), 56, "any client");
	CHECK_NUMBER(wait_of(mem, &usual, &nobody, NOW_S + 4), 56, "no client");
	CHECK_NUMBER(wait_of(mem, &usual, &elsewhere, NOW_S + 4), 0, "elsewhere");
	CHECK_NUMBER(wait_of(mem, &usual, &other, NOW_S + 60), 0, "over");
	store_free(&mem->store);
	check_end();
}

/* Both are reached, with windows that end at different times. */
static void test_longest(void **state)
{
	struct throttle_subject first = subject_of("A", "192.0.2.1");
	struct throttle_subject second = subject_of("B", "192.0.2.1");
	struct store_mem *mem = store_mem_new();

	(void)state;
	fail_times(mem, &usual, &first, NOW_S, 2);
	fail_times(mem, &usual, &second, NOW_S + 20, 3);
	CHECK_NUMBER(wait_of(mem, &usual, &second, NOW_S + 20), 60, "the pair is longer");
	CHECK_NUMBER(wait_of(mem, &usual, &first, NOW_S + 20), 40, "only the address");
	CHECK_NUMBER(wait_of(mem, &usual, &second, NOW_S + 60), 20, "only the pair");
	CHECK_NUMBER(wait_of(mem, &usual, &second, NOW_S + 80), 0, "none");
	store_free(&mem->store);
	check_end();
}

static const struct off {
	const char *name;
	struct throttle_limits limits;
	const char *client_id;
	unsigned calls;        /* of the store, for one check, and for one count */
	bool waits_by_client;  /* after ten failures: the same client */
	bool waits_by_address; /* another client from the same address */
} offs[] = {
	{ "both", { 3, 5, WINDOW_S }, "A", 2, true, true },
	{ "no limit of clients", { 0, 5, WINDOW_S }, "A", 1, true, true },
	{ "no limit of addresses", { 3, 0, WINDOW_S }, "A", 1, true, false },
	{ "no limit", { 0, 0, WINDOW_S }, "A", 0, false, false },
	{ "no client", { 3, 5, WINDOW_S }, "", 1, true, true },
	{ "no client, and no limit of addresses", { 3, 0, WINDOW_S }, "", 0, false, false },
};

static void test_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(offs); i++) {
		const struct off *off = &offs[i];
		struct throttle_subject subject = subject_of(off->client_id, "192.0.2.1");
		struct throttle_subject other = subject_of("other", "192.0.2.1");
		struct store_mem *mem = store_mem_new();

		wait_of(mem, &off->limits, &subject, NOW_S);
		CHECK_NUMBER(mem->calls[STORE_MEM_READ], off->calls, off->name);
		fail_times(mem, &off->limits, &subject, NOW_S, 1);
		CHECK_NUMBER(mem->calls[STORE_MEM_INCREMENT], off->calls, off->name);
		CHECK_NUMBER(mem->call_count, 2 * off->calls, off->name);
		fail_times(mem, &off->limits, &subject, NOW_S, 9);
		CHECK((wait_of(mem, &off->limits, &subject, NOW_S) > 0) == off->waits_by_client,
			off->name);
		CHECK((wait_of(mem, &off->limits, &other, NOW_S) > 0) == off->waits_by_address,
			off->name);
		store_free(&mem->store);
	}
	check_end();
}

/* At each call of the store: it is not guessed who may try. */
static void test_failure(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");

	(void)state;
	for (unsigned n = 0; n <= 2; n++) {
		struct store_mem *mem = store_mem_new();
		int64_t wait_s = 77;

		fail_times(mem, &usual, &subject, NOW_S, 5);
		mem->failure = REASON_STORE_UNREACHABLE;
		mem->call_count = 0;
		mem->failing_call = n;
		CHECK_REASON(throttle_check(&mem->store, &usual, &subject, NOW_S, &wait_s),
			REASON_STORE_UNREACHABLE, "check");
		CHECK_NUMBER(wait_s, 0, "check");
		mem->failure = REASON_STORE_FULL;
		mem->call_count = 0;
		wait_s = 77;
		CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S, &wait_s),
			REASON_STORE_FULL, "count");
		CHECK_NUMBER(wait_s, 0, "count");
		mem->failure = REASON_NONE;
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "afterwards");
		store_free(&mem->store);
	}
	check_end();
}

/* Several that were let through at the same moment: as many as the limit are told so. */
static void test_at_once(void **state)
{
	static const struct {
		const char *name;
		struct throttle_limits limits;
		const char *ids[8];
		unsigned told; /* that they failed; the others, that they are throttled */
	} rows[] = {
		{ "one client", { 3, 100, WINDOW_S }, { "A", "A", "A", "A", "A", "A", "A" },
			3 },
		{ "one address", { 3, 5, WINDOW_S }, { "A", "B", "C", "D", "E", "F", "G" }, 5 },
		{ "both", { 3, 5, WINDOW_S }, { "A", "B", "A", "A", "A", "B", "B" }, 4 },
		{ "nobody", { 3, 5, WINDOW_S }, { "", "", "", "", "", "", "" }, 5 },
		{ "no limit of addresses", { 1, 0, WINDOW_S }, { "A", "A", "B", "B", "C" }, 3 },
		{ "no limit of clients", { 0, 1, WINDOW_S }, { "A", "B", "A", "B", "C" }, 1 },
		{ "no limit", { 0, 0, WINDOW_S }, { "A", "A", "A", "A", "A" }, 5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct store_mem *mem = store_mem_new();
		unsigned told = 0;

		for (size_t j = 0; rows[i].ids[j]; j++) {
			struct throttle_subject subject = subject_of(
				rows[i].ids[j], "192.0.2.1");

			CHECK_NUMBER(wait_of(mem, &rows[i].limits, &subject, NOW_S), 0,
				rows[i].name);
		}
		for (size_t j = 0; rows[i].ids[j]; j++) {
			struct throttle_subject subject = subject_of(
				rows[i].ids[j], "192.0.2.1");
			int64_t wait_s = 77;
			enum reason reason = throttle_count(&mem->store, &rows[i].limits,
				&subject, NOW_S + (int64_t)j, &wait_s);

			told += reason == REASON_NONE;
			if (reason != REASON_NONE)
				CHECK_REASON(reason, REASON_THROTTLED, rows[i].name);
			CHECK(reason == REASON_NONE ? wait_s == 0
						    : wait_s > 0 && wait_s <= WINDOW_S,
				rows[i].name);
		}
		CHECK_NUMBER(told, rows[i].told, rows[i].name);
		store_free(&mem->store);
	}
	check_end();
}

/* The wait that counting tells is the longest of both, from the first failure on. */
static void test_count_tells_wait(void **state)
{
	struct throttle_subject first = subject_of("A", "192.0.2.1");
	struct throttle_subject second = subject_of("B", "192.0.2.1");
	struct store_mem *mem = store_mem_new();
	int64_t wait_s;

	(void)state;
	fail_times(mem, &usual, &first, NOW_S, 5);
	fail_times(mem, &usual, &second, NOW_S + 20, 3);
	CHECK_REASON(throttle_count(&mem->store, &usual, &second, NOW_S + 25, &wait_s),
		REASON_THROTTLED, "the pair is longer");
	CHECK_NUMBER(wait_s, 55, "the pair is longer");
	CHECK_REASON(throttle_count(&mem->store, &usual, &first, NOW_S + 25, &wait_s),
		REASON_THROTTLED, "they end at once");
	CHECK_NUMBER(wait_s, 35, "they end at once");
	CHECK_REASON(throttle_count(&mem->store, &usual, &first, NOW_S + 60, &wait_s),
		REASON_NONE, "over");
	CHECK_NUMBER(wait_s, 0, "over");
	store_free(&mem->store);
	check_end();
}

/* A window that a clock began which was ahead; and one of a policy that allowed longer ones. */
static void test_clock_ahead(void **state)
{
	static const int64_t ahead_s[] = { 60, 86400, 315360000 };
	struct throttle_subject subject = subject_of("A", "192.0.2.1");

	(void)state;
	for (size_t i = 0; i < COUNT(ahead_s); i++) {
		struct store_mem *mem = store_mem_new();

		fail_times(mem, &usual, &subject, NOW_S + ahead_s[i], 9);
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + ahead_s[i]), WINDOW_S,
			"by that clock");
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), 0, "it does not count");
		fail_times(mem, &usual, &subject, NOW_S, 1);
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), 0, "begun anew");
		fail_times(mem, &usual, &subject, NOW_S, 2);
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "begun anew");
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S + WINDOW_S), 0, "it ends");
		store_free(&mem->store);
	}
	check_end();
}

static enum reason check_once(struct store_mem *mem, int64_t now_s)
{
	struct throttle_subject subject = subject_of("B", "192.0.2.2");
	int64_t wait_s = 77;
	enum reason reason = throttle_check(&mem->store, &usual, &subject, now_s, &wait_s);

	CHECK_NUMBER(wait_s, 0, "no wait is known");
	return reason;
}

/* A store that can be read, but not written, lets nobody try after the first failure. */
static void test_cannot_count(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();
	int64_t wait_s = 77;

	(void)state;
	mem->failing_kinds = 1U << STORE_MEM_INCREMENT;
	mem->failure = REASON_STORE_FULL;
	CHECK_REASON(check_once(mem, NOW_S), REASON_NONE, "nobody has failed");
	CHECK_NUMBER(mem->calls[STORE_MEM_INCREMENT], 0, "no probe without need");
	CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S, &wait_s),
		REASON_STORE_FULL, "not counted");
	CHECK_NUMBER(wait_s, 0, "not counted");
	for (int64_t i = 0; i < 9; i++) {
		unsigned reads = mem->calls[STORE_MEM_READ];

		mem->failure = i % 2 == 0 ? REASON_STORE_FULL : REASON_STORE_OPEN;
		CHECK_REASON(check_once(mem, NOW_S + 100 * i), mem->failure, "anybody");
		CHECK_NUMBER(mem->calls[STORE_MEM_READ], reads, "nothing else is asked");
	}
	mem->failure = REASON_NONE;
	unsigned increments = mem->calls[STORE_MEM_INCREMENT];

	CHECK_REASON(check_once(mem, NOW_S), REASON_NONE, "it counts again");
	CHECK_NUMBER(mem->calls[STORE_MEM_INCREMENT], increments + 1, "one probe");
	CHECK_REASON(check_once(mem, NOW_S), REASON_NONE, "normal");
	CHECK_NUMBER(mem->calls[STORE_MEM_INCREMENT], increments + 1, "no more probes");
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), 0, "the probe is nobody's failure");
	fail_times(mem, &usual, &subject, NOW_S, 3);
	CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "normal");
	store_free(&mem->store);
	check_end();
}

/* Also if only one of the two counters cannot be raised; a failure that counts mends it. */
static void test_cannot_count_one(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");

	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		struct store_mem *mem = store_mem_new();
		int64_t wait_s;

		mem->failure = REASON_STORE;
		mem->failing_call = n;
		CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S, &wait_s),
			REASON_STORE, "one fails");
		mem->failing_call = 0;
		CHECK_REASON(check_once(mem, NOW_S), REASON_STORE, "anybody");
		mem->failure = REASON_NONE;
		CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S, &wait_s),
			REASON_NONE, "one who was let through before");
		unsigned increments = mem->calls[STORE_MEM_INCREMENT];

		CHECK_REASON(check_once(mem, NOW_S), REASON_NONE, "normal");
		CHECK_NUMBER(mem->calls[STORE_MEM_INCREMENT], increments, "no probe");
		store_free(&mem->store);
	}
	check_end();
}

/* A store that is full can still raise the counters that it has: that proves nothing. */
static void test_no_room(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();
	unsigned tried = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		int64_t wait_s;

		mem->has_no_room = i != 1;
		if (throttle_check(&mem->store, &usual, &subject, NOW_S, &wait_s) !=
			REASON_NONE)
			continue;
		tried++;
		mem->has_no_room = true;
		CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S, &wait_s),
			REASON_STORE_FULL, "not counted");
	}
	CHECK(tried <= 2, "nobody tries while there is no room for a failure");
	store_free(&mem->store);
	check_end();
}

/* One who is throttled was counted. */
static void test_throttled_is_counted(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();

	(void)state;
	fail_times(mem, &usual, &subject, NOW_S, 4);
	mem->failing_kinds = 1U << STORE_MEM_INCREMENT;
	mem->failure = REASON_STORE;
	CHECK_REASON(check_once(mem, NOW_S), REASON_NONE, "no probe");
	store_free(&mem->store);
	check_end();
}

/* A counter that ends this very moment still asks for a second. */
static enum reason read_ending(struct store *store, const struct store_key *key, int64_t now_s,
	struct store_counter *counter)
{
	(void)store;
	(void)key;
	*counter = (struct store_counter){ 1000, now_s };
	return REASON_NONE;
}

static void test_at_least_a_second(void **state)
{
	static const struct store_ops ops = { .read = read_ending };
	struct store store = { .ops = &ops };
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	int64_t wait_s;

	(void)state;
	CHECK_REASON(throttle_check(&store, &usual, &subject, NOW_S, &wait_s), REASON_THROTTLED,
		"throttled");
	CHECK_NUMBER(wait_s, 1, "one second");
	check_end();
}

static void test_kind(void **state)
{
	struct throttle_subject subject = subject_of("A", "192.0.2.1");
	struct store_mem *mem = store_mem_new();
	struct store_tally tally;

	(void)state;
	fail_times(mem, &usual, &subject, NOW_S, 2);
	assert_int_equal(store_tally(&mem->store, NOW_S, &tally), REASON_NONE);
	CHECK_NUMBER(tally.counts[STORE_THROTTLE], 2, "the pair and the address");
	CHECK_NUMBER(tally.counts[STORE_REPLAY] + tally.counts[STORE_REVOCATION], 0, "else");
	store_free(&mem->store);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_count_tells_wait),
		cmocka_unit_test(test_clock_ahead),
		cmocka_unit_test(test_cannot_count),
		cmocka_unit_test(test_cannot_count_one),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_throttled_is_counted),
		cmocka_unit_test(test_at_least_a_second),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
