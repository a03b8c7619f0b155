/* SPDX-License-Identifier: MIT */
/* Tests of state/revocation. */
#include "store_mem.h"

#include "state/replay.h"
#include "state/revocation.h"

#define END_S (NOW_S + 300)

static bool is_revoked(struct store_mem *mem, struct str jti, int64_t now_s)
{
	bool revoked = true;

	CHECK_REASON(
		revocation_find(&mem->store, jti, END_S, now_s, &revoked), REASON_NONE, jti.p);
	return revoked;
}

static void test_revoke(void **state)
{
	static const struct str others[] = { TEXT(""), TEXT("jt"), TEXT("jti2"), TEXT("JTI"),
		TEXT("jti\0") };
	struct store_mem *mem = store_mem_new();

	(void)state;
	CHECK(!is_revoked(mem, STR("jti"), NOW_S), "before");
	CHECK_REASON(
		revocation_add(&mem->store, STR("jti"), END_S, NOW_S), REASON_NONE, "first");
	CHECK(is_revoked(mem, STR("jti"), NOW_S), "after");
	CHECK_REASON(
		revocation_add(&mem->store, STR("jti"), END_S, NOW_S), REASON_NONE, "twice");
	CHECK(is_revoked(mem, STR("jti"), END_S - 1), "last second");
	for (size_t i = 0; i < COUNT(others); i++)
		CHECK(!is_revoked(mem, others[i], NOW_S), others[i].p);
	store_free(&mem->store);
	check_end();
}

/* A record that may be gone must not make a revoked token good again. */
static void test_end(void **state)
{
	struct store_mem *mem = store_mem_new();
	int64_t removed;

	(void)state;
	CHECK_REASON(revocation_add(&mem->store, STR("jti"), END_S, NOW_S), REASON_NONE, "add");
	CHECK(is_revoked(mem, STR("jti"), END_S), "at its end");
	assert_int_equal(store_prune(&mem->store, END_S, &removed), REASON_NONE);
	CHECK(is_revoked(mem, STR("jti"), NOW_S), "the clock was set back");
	CHECK_REASON(revocation_add(&mem->store, STR("late"), END_S, END_S + 1), REASON_NONE,
		"expired already");
	CHECK_NUMBER(mem->record_count, 0, "nothing is kept of it");
	store_free(&mem->store);
	check_end();
}

static void test_kind(void **state)
{
	struct store_mem *mem = store_mem_new();
	const struct replay_token token = { REPLAY_DPOP, STR(""), STR("jti"), END_S };
	struct store_tally tally;
	bool is_fresh;

	(void)state;
	assert_int_equal(replay_remember(&mem->store, &token, NOW_S, &is_fresh), REASON_NONE);
	CHECK(!is_revoked(mem, STR("jti"), NOW_S), "used is not revoked");
	CHECK_REASON(revocation_add(&mem->store, STR("jti"), END_S, NOW_S), REASON_NONE, "add");
	assert_int_equal(store_tally(&mem->store, NOW_S, &tally), REASON_NONE);
	CHECK_NUMBER(tally.counts[STORE_REVOCATION], 1, "revocations");
	CHECK_NUMBER(tally.counts[STORE_REPLAY], 1, "replay entries");
	store_free(&mem->store);
	check_end();
}

static void test_failure(void **state)
{
	static const enum reason reasons[] = { REASON_STORE, REASON_STORE_OPEN,
		REASON_STORE_FULL, REASON_STORE_DAMAGED, REASON_STORE_UNREACHABLE };
	struct store_mem *mem = store_mem_new();

	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		const char *name = reason_info(reasons[i])->name;
		bool revoked = false;

		mem->failure = reasons[i];
		CHECK_REASON(revocation_add(&mem->store, STR("jti"), END_S, NOW_S), reasons[i],
			name);
		CHECK_REASON(revocation_find(&mem->store, STR("jti"), END_S, NOW_S, &revoked),
			reasons[i], name);
		CHECK(revoked, name);
	}
	CHECK_NUMBER(mem->record_count, 0, "nothing was kept");
	store_free(&mem->store);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_revoke),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests_name("revocation", tests, NULL, NULL);
}
