/* SPDX-License-Identifier: MIT */
/* Tests of util/arena. */
#include "support.h"
#include "util/arena.h"

#include <stdalign.h>

static bool all_zero(const void *p, size_t size)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static void test_alloc(void **state)
{
	struct arena *arena = arena_new(256, 4096);
	unsigned char *last = NULL;

	(void)state;
	assert_non_null(arena);
	CHECK_NUMBER(arena_used(arena), 0, "new");
	for (size_t size = 1; size <= 40; size++) {
		unsigned char *p = arena_alloc(arena, size);

		assert_non_null(p);
		CHECK((uintptr_t)p % alignof(max_align_t) == 0, "aligned");
		CHECK(all_zero(p, size), "zeroed");
		CHECK(!last || last[0] == (unsigned char)(size - 1),
			"the one before is untouched");
		memset(p, (int)size, size);
		last = p;
	}
	CHECK(arena_used(arena) >= 40 * 41 / 2, "used counts all");
	CHECK(arena_used(arena) <= 4096, "used is within the limit");
	arena_free(arena);
	arena_free(NULL);
	check_end();
}

static void test_rewind(void **state)
{
	struct arena *arena = arena_new(64, 1000000);
	struct arena_mark empty = arena_mark(arena);
	unsigned char *kept, *gone;

	(void)state;
	kept = arena_alloc(arena, 10);
	assert_non_null(kept);
	memset(kept, 1, 10);
	struct arena_mark mark = arena_mark(arena);
	size_t used = arena_used(arena);

	gone = arena_alloc(arena, 10);
	assert_non_null(gone);
	memset(gone, 2, 10);
	for (size_t i = 0; i < 100; i++)
		assert_non_null(arena_alloc(arena, 5000));
	arena_rewind(arena, &mark);
	CHECK_NUMBER(arena_used(arena), (long long)used, "used");
	CHECK(kept[0] == 1 && kept[9] == 1, "what was there before stays");
	CHECK(all_zero(gone, 10), "the rest is wiped");
	CHECK(arena_alloc(arena, 10) == gone, "and used again");
	arena_rewind(arena, &empty);
	CHECK_NUMBER(arena_used(arena), 0, "all");
	CHECK(all_zero(kept, 10), "wiped");
	arena_free(arena);
	check_end();
}

static void test_blocks(void **state)
{
	struct arena *arena = arena_new(64, 100000);
	unsigned char *small, *large, *next;

	(void)state;
	assert_non_null(arena);
	small = arena_alloc(arena, 10);
	large = arena_alloc(arena, 50000);
	next = arena_alloc(arena, 10);
	assert_non_null(small);
	assert_non_null(large);
	assert_non_null(next);
	memset(large, 0xff, 50000);
	CHECK(all_zero(small, 10), "small before large");
	CHECK(all_zero(next, 10), "small after large");
	arena_free(arena);
	check_end();
}

static void test_limit(void **state)
{
	struct arena *arena = arena_new(256, 1024);
	size_t sum = 0;

	(void)state;
	assert_non_null(arena);
	CHECK(!arena_alloc(arena, 1025), "one byte too many");
	CHECK(!arena_alloc(arena, SIZE_MAX), "SIZE_MAX");
	CHECK(!arena_alloc(arena, SIZE_MAX - 7), "rounds up to nothing");
	CHECK(!arena_alloc(arena, SIZE_MAX - 15), "nearly rounds up to nothing");
	CHECK_NUMBER(arena_used(arena), 0, "failures use nothing");
	while (arena_alloc(arena, 16))
		sum += 16;
	CHECK(sum <= 1024 && sum >= 512, "stops at the limit");
	arena_reset(arena);
	CHECK_NUMBER(arena_used(arena), 0, "reset");
	CHECK(arena_alloc(arena, 512) != NULL, "usable again");
	CHECK(!arena_alloc(arena, 1024), "the limit holds again");
	CHECK(arena_alloc(arena, 16) != NULL, "a failure is not the end");
	arena_free(arena);
	check_end();
}

static void test_limit_below_block(void **state)
{
	struct arena *arena = arena_new(4096, 128);

	(void)state;
	assert_non_null(arena);
	CHECK(!arena_alloc(arena, 129), "the limit counts, not the block");
	CHECK(arena_alloc(arena, 128) != NULL, "all of it");
	CHECK(!arena_alloc(arena, 1), "nothing left");
	arena_free(arena);
	check_end();
}

static void test_array(void **state)
{
	static const struct {
		const char *name;
		size_t count;
		size_t size;
		bool ok;
	} cases[] = {
		{ "fits", 10, 10, true },
		{ "too much", 100, 100, false },
		{ "product wraps to 0", SIZE_MAX / 2 + 1, 2, false },
		{ "product wraps to 16", SIZE_MAX / 16 + 2, 16, false },
		{ "both huge", SIZE_MAX, SIZE_MAX, false },
		{ "one huge", 1, SIZE_MAX, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(256, 1024);
		void *p;

		assert_non_null(arena);
		p = arena_alloc_array(arena, cases[i].count, cases[i].size);
		CHECK((p != NULL) == cases[i].ok, cases[i].name);
		CHECK(!p || all_zero(p, cases[i].count * cases[i].size), cases[i].name);
		arena_free(arena);
	}
	check_end();
}

static void test_copy(void **state)
{
	struct arena *arena = arena_new(64, 64);
	struct str copy = STR("unset");
	char text[] = "a\0bc";

	(void)state;
	assert_non_null(arena);
	CHECK(arena_copy(arena, (struct str){ text, 4 }, &copy), "copied");
	memset(text, 'x', 4);
	CHECK_TEXT(copy, STR("a\0bc"), "of its own");
	CHECK(copy.p[copy.n] == '\0', "followed by a NUL");
	CHECK(arena_copy(arena, STR(""), &copy), "nothing");
	CHECK_NUMBER(copy.n, 0, "nothing");
	CHECK(copy.p && copy.p[0] == '\0', "a C string too");
	copy = STR("unset");
	CHECK(!arena_copy(arena,
		      STR("0123456789012345678901234567890123456789"
			  "0123456789012345678901234567890123456789"),
		      &copy),
		"too long");
	CHECK_NUMBER(copy.n, 0, "empty on failure");
	arena_free(arena);
	check_end();
}

static void test_reset_wipes(void **state)
{
	struct arena *arena = arena_new(1024, 65536);
	unsigned char *first, *again;

	(void)state;
	assert_non_null(arena);
	first = arena_alloc(arena, 200);
	assert_non_null(first);
	memset(first, 0xa5, 200);
	arena_reset(arena);
	/* The first block is kept, so this memory may still be looked at. */
	CHECK(all_zero(first, 200), "wiped");
	again = arena_alloc(arena, 200);
	CHECK(again == first, "the block is used again");
	CHECK(again && all_zero(again, 200), "zeroed");
	for (unsigned i = 0; i < 1000; i++) {
		unsigned char *p = arena_alloc(arena, 5000);

		assert_non_null(p);
		p[4999] = 1;
		arena_reset(arena);
	}
	CHECK_NUMBER(arena_used(arena), 0, "after a thousand resets");
	arena_free(arena);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_below_block),
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_reset_wipes),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
