/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/quota: half of the workers, and one at least, whatever becomes of them. */
#include "entrants.h"

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/quota.c"

#define WORKER_MAX 9

static bool enter(void *context)
{
	return quota_enter(context);
}

static void leave(void *context)
{
	quota_leave(context);
}

static void check_quota(struct quota *quota, size_t slots, const char *name)
{
	const struct entrance entrance = { enter, leave, quota };
	struct entrant entrants[WORKER_MAX];
	size_t entered = 0;

	for (size_t i = 0; i < COUNT(entrants); i++)
		entrants[i] = entrant_start(&entrance);
	for (size_t i = 0; i < COUNT(entrants); i++)
		entered += entrant_tell(&entrants[i], order_enter) == 'y';
	CHECK_NUMBER(entered, slots, name);
	CHECK(!quota_enter(quota), "a supervisor counts, too");
	entrant_tell(&entrants[slots], order_leave);
	CHECK(!quota_enter(quota), "who was not in cannot leave");
	entrant_end(&entrants[0], true);
	CHECK(quota_enter(quota), "after one was killed");
	CHECK(quota_enter(quota), "who is in stays in");
	CHECK(entrant_tell(&entrants[slots], order_enter) == 'n', name);
	quota_leave(quota);
	CHECK(entrant_tell(&entrants[slots], order_enter) == 'y', "after one has left");
	for (size_t i = 1; i < COUNT(entrants); i++)
		entrant_end(&entrants[i], false);
}

static void test_among(void **state)
{
	static const struct {
		size_t workers, slots;
		const char *name;
	} cases[] = {
		{ 1, 1, "one" },
		{ 2, 1, "two" },
		{ 3, 1, "three" },
		{ 4, 2, "four" },
		{ 5, 2, "five" },
		{ 16, 8, "sixteen" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct quota quota = quota_among(cases[i].workers);

		CHECK(quota.fd >= 0, cases[i].name);
		check_quota(&quota, cases[i].slots, cases[i].name);
		quota_close(&quota);
		CHECK_NUMBER(quota.fd, -1, "closed");
	}
	check_end();
}

static void test_two_of_them(void **state)
{
	struct quota one = quota_among(2), other = quota_among(2);
	const struct entrance entrance = { enter, leave, &one };
	struct entrant entrant = entrant_start(&entrance);

	(void)state;
	CHECK(entrant_tell(&entrant, order_enter) == 'y', "one");
	CHECK(!quota_enter(&one), "used up");
	CHECK(quota_enter(&other), "for another thing");
	entrant_end(&entrant, false);
	quota_close(&one);
	quota_close(&other);
	check_end();
}

static void test_open(void **state)
{
	struct quota broken = quota_among(2), none = { .fd = -1 };

	(void)state;
	close(broken.fd);
	broken.fd = -1;
	CHECK(quota_enter(&broken), "no locks");
	quota_leave(&broken);
	CHECK(quota_enter(&broken), "again");
	CHECK(quota_enter(&none), "no slots");
	quota_close(&broken);
	quota_close(&none);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_among),
		cmocka_unit_test(test_two_of_them),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
