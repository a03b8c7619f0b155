/* SPDX-License-Identifier: MIT */
/* Tests of domain/lookup; linked with --wrap of random_bytes, to fail. */
#include "support.h"
#include "domain/lookup.h"

#define MOST 70

enum reason __real_random_bytes(void *p, size_t size);
enum reason __wrap_random_bytes(void *p, size_t size);

static bool random_fails;

enum reason __wrap_random_bytes(void *p, size_t size)
{
	return random_fails ? REASON_RANDOM : __real_random_bytes(p, size);
}

static struct client clients[MOST];
static char ids[MOST][8];

static int make_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < MOST; i++) {
		snprintf(ids[i], sizeof(ids[i]), "c%03zu", i);
		clients[i].id = str_of(ids[i]);
	}
	return 0;
}

static void check_table(struct arena *arena, size_t count)
{
	static const struct str others[] = { TEXT(""), TEXT("c"), TEXT("c00"), TEXT("c0000"),
		TEXT("c000\0"), TEXT("C000"), TEXT("x") };
	const struct client_table table = { clients, count };
	const struct client *stand_in, *again;
	struct lookup lookup;

	assert_int_equal(lookup_make(arena, &table, &lookup), REASON_NONE);
	for (size_t i = 0; i < MOST; i++) {
		const struct client *found = lookup_find(&lookup, clients[i].id, &stand_in);

		CHECK(found == (i < count ? &clients[i] : NULL), ids[i]);
		CHECK(i >= count || stand_in == found, ids[i]);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		CHECK(!lookup_find(&lookup, others[i], &stand_in), others[i].p);
		CHECK((stand_in == NULL) == (count == 0), others[i].p);
		CHECK(!lookup_find(&lookup, others[i], &again), others[i].p);
		CHECK(stand_in == again, others[i].p);
	}
}

static void check_tables(void)
{
	for (size_t count = 0; count <= MOST; count++) {
		struct arena *arena = arena_new(4096, 1048576);

		assert_non_null(arena);
		check_table(arena, count);
		arena_free(arena);
	}
	check_end();
}

static void test_find(void **state)
{
	(void)state;
	check_tables();
}

static void test_no_random(void **state)
{
	(void)state;
	random_fails = true;
	check_tables();
	random_fails = false;
}

/* Each client stands in for some, of whom nobody can tell whom: with another key for others. */
static void test_stand_ins(void **state)
{
	static bool seen[MOST];
	const struct client_table table = { clients, MOST };
	struct arena *arena = arena_new(4096, 1048576);
	const struct client *first, *second;
	struct lookup one, other;
	size_t different = 0, used = 0;
	char id[16];

	(void)state;
	assert_int_equal(lookup_make(arena, &table, &one), REASON_NONE);
	assert_int_equal(lookup_make(arena, &table, &other), REASON_NONE);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(id, sizeof(id), "stranger%u", i);
		assert_null(lookup_find(&one, str_of(id), &first));
		assert_null(lookup_find(&other, str_of(id), &second));
		different += first != second;
		used += !seen[first - clients];
		seen[first - clients] = true;
	}
	assert_int_equal(used, MOST);
	assert_true(different > 95000);
	arena_free(arena);
}

static void test_no_memory(void **state)
{
	const struct client_table table = { clients, MOST };
	struct arena *arena = arena_new(64, 128);
	const struct client *stand_in = clients;
	struct lookup lookup;

	(void)state;
	assert_int_equal(lookup_make(arena, &table, &lookup), REASON_MEMORY);
	assert_null(lookup_find(&lookup, clients[0].id, &stand_in));
	assert_null(stand_in);
	arena_free(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_no_random),
		cmocka_unit_test(test_stand_ins),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("lookup", tests, make_clients, NULL);
}
