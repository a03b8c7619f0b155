/* SPDX-License-Identifier: MIT */
/* Tests of state/replay: once each, by use, owner and jti. */
#include "store_mem.h"

#include "state/replay.h"

#define END_S (NOW_S + 60)

struct token {
	const char *name;
	enum replay_use use;
	struct str owner;
	struct str jti;
};

/* Each differs from all others. */
static const struct token tokens[] = {
	{ "first", REPLAY_ASSERTION, TEXT("a"), TEXT("bc") },
	{ "a byte of the jti at the end of the owner", REPLAY_ASSERTION, TEXT("ab"),
		TEXT("c") },
	{ "all in the owner", REPLAY_ASSERTION, TEXT("abc"), TEXT("") },
	{ "all in the jti", REPLAY_ASSERTION, TEXT(""), TEXT("abc") },
	{ "another use", REPLAY_DPOP, TEXT("a"), TEXT("bc") },
	{ "another owner", REPLAY_ASSERTION, TEXT("b"), TEXT("bc") },
	{ "another jti", REPLAY_ASSERTION, TEXT("a"), TEXT("bd") },
	{ "upper case", REPLAY_ASSERTION, TEXT("a"), TEXT("BC") },
	{ "a NUL at the end", REPLAY_ASSERTION, TEXT("a"), TEXT("bc\0") },
	{ "a NUL in the middle", REPLAY_ASSERTION, TEXT("a"), TEXT("bc\0d") },
	{ "the name of the use in the owner", REPLAY_ASSERTION, TEXT("dpopa"), TEXT("bc") },
	{ "bytes that are no UTF-8", REPLAY_ASSERTION, TEXT("a"), TEXT("\xff\xfe") },
};

static bool remember(struct store_mem *mem, const struct token *token, int64_t now_s)
{
	const struct replay_token given = { token->use, token->owner, token->jti, END_S };
	bool is_fresh = false;

	CHECK_REASON(replay_remember(&mem->store, &given, now_s, &is_fresh), REASON_NONE,
		token->name);
	return is_fresh;
}

static void test_each_once(void **state)
{
	struct store_mem *mem = store_mem_new();

	(void)state;
	for (size_t i = 0; i < COUNT(tokens); i++)
		CHECK(remember(mem, &tokens[i], NOW_S), tokens[i].name);
	for (size_t i = 0; i < COUNT(tokens); i++)
		CHECK(!remember(mem, &tokens[i], NOW_S + 1), tokens[i].name);
	CHECK_NUMBER(mem->call_count, 2 * COUNT(tokens), "one call each");
	CHECK_NUMBER(mem->calls[STORE_MEM_ADD], mem->call_count, "atomic");
	store_free(&mem->store);
	check_end();
}

static void test_kind(void **state)
{
	struct store_mem *mem = store_mem_new();
	struct store_tally tally;

	(void)state;
	CHECK(remember(mem, &tokens[0], NOW_S), "fresh");
	assert_int_equal(store_tally(&mem->store, NOW_S, &tally), REASON_NONE);
	CHECK_NUMBER(tally.counts[STORE_REPLAY], 1, "replay");
	CHECK_NUMBER(tally.counts[STORE_REVOCATION] + tally.counts[STORE_THROTTLE], 0, "else");
	store_free(&mem->store);
	check_end();
}

/* Until the last second, and after it no token with this end is taken as fresh either. */
static void test_end(void **state)
{
	struct store_mem *mem = store_mem_new();

	(void)state;
	CHECK(remember(mem, &tokens[0], NOW_S), "fresh");
	CHECK(!remember(mem, &tokens[0], END_S - 1), "last second");
	CHECK(!remember(mem, &tokens[0], END_S), "at its end");
	CHECK(!remember(mem, &tokens[1], END_S), "new, at its end");
	CHECK(!remember(mem, &tokens[0], NOW_S), "the clock was set back");
	store_free(&mem->store);
	check_end();
}

static void test_long(void **state)
{
	enum {
		SIZE = 65536
	};
	static char text[SIZE];
	struct store_mem *mem = store_mem_new();
	struct token token = { "64 KiB", REPLAY_DPOP, { text, SIZE }, { text, SIZE } };

	(void)state;
	memset(text, 'x', sizeof(text));
	CHECK(remember(mem, &token, NOW_S), "fresh");
	CHECK(!remember(mem, &token, NOW_S), "used");
	token.jti.n--;
	CHECK(remember(mem, &token, NOW_S), "one byte shorter");
	store_free(&mem->store);
	check_end();
}

static void test_failure(void **state)
{
	static const enum reason reasons[] = { REASON_STORE, REASON_STORE_OPEN,
		REASON_STORE_FULL, REASON_STORE_DAMAGED, REASON_STORE_UNREACHABLE };
	const struct replay_token token = { REPLAY_DPOP, STR("a"), STR("b"), END_S };
	struct store_mem *mem = store_mem_new();

	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		bool is_fresh = true;

		mem->failure = reasons[i];
		CHECK_REASON(replay_remember(&mem->store, &token, NOW_S, &is_fresh), reasons[i],
			reason_info(reasons[i])->name);
		CHECK(!is_fresh, reason_info(reasons[i])->name);
	}
	store_free(&mem->store);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
