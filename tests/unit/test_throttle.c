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
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(
			throttle_count(&mem->store, limits, subject, now_s), REASON_NONE);
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
		CHECK_REASON(throttle_count(&mem->store, &usual, &subject, NOW_S),
			REASON_STORE_FULL, "count");
		mem->failure = REASON_NONE;
		CHECK_NUMBER(wait_of(mem, &usual, &subject, NOW_S), WINDOW_S, "afterwards");
		store_free(&mem->store);
	}
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
	struct store store = { &ops };
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
		cmocka_unit_test(test_at_least_a_second),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
