/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/reload: when it looks, when it loads, and that it waits while others load. */
#include "entrants.h"

#include "config_fixtures.h"

/* The modules are no part of the library that the tests are linked with. */
#include "../../fcgi/quota.c"
#include "../../fcgi/reload.c"

#define GOOD "issuer: https://a.example\nsigning_keys: [{file: ec.pem}]\nlog: {file: log}\n"
#define BROKEN "issuer: https://a.example\nsigning_kyes: []\n"

static struct quota quota;

static bool enter(void *context)
{
	return quota_enter(context);
}

static void leave(void *context)
{
	quota_leave(context);
}

static const struct entrance entrance = { enter, leave, &quota };

static void change_to(const char *text)
{
	write_text("new", 0600, text);
	assert_int_equal(rename(in_directory("new"), in_directory("oauth2.yaml")), 0);
}

static struct reload *start(void)
{
	char memory[1024];
	struct buf problems = buf_init(memory, sizeof(memory));
	struct reload *reload = reload_new(in_directory("oauth2.yaml"), CONFIG_CHECK);

	assert_non_null(reload);
	change_to(GOOD);
	assert_int_equal(reload_start(reload, &problems), REASON_NONE);
	quota = quota_among(2);
	return reload;
}

static void end(struct reload *reload)
{
	reload_free(reload);
	quota_close(&quota);
	check_end();
}

/* As if its time had come. */
static void check_now(struct reload *reload)
{
	reload->due_us = 0;
	reload_check(reload);
}

static bool is_due_in(const struct reload *reload, int64_t least_us, int64_t most_us)
{
	int64_t in_us = reload_due_us(reload) - clock_steady_us();

	return in_us > least_us && in_us <= most_us;
}

static void test_once_a_second(void **state)
{
	struct reload *reload = start();

	(void)state;
	CHECK(is_due_in(reload, 500000, 1000000), "after the first load");
	change_to(GOOD "# changed\n");
	reload_check(reload);
	CHECK_NUMBER(reload_generation(reload), 1, "not yet");
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "changed");
	CHECK(is_due_in(reload, 500000, 1000000), "after a load");
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "the same");
	CHECK(is_due_in(reload, 500000, 1000000), "after a look");
	end(reload);
}

static void test_waits_for_others(void **state)
{
	struct reload *reload = start();
	struct entrant other = entrant_start(&entrance);

	(void)state;
	reload_share(reload, &quota);
	CHECK(entrant_tell(&other, order_enter) == 'y', "another loads");
	check_now(reload);
	CHECK(is_due_in(reload, 500000, 1000000), "nothing has changed");
	change_to(GOOD "# changed\n");
	for (unsigned i = 0; i < 3; i++) {
		check_now(reload);
		CHECK_NUMBER(reload_generation(reload), 1, "the old one");
		CHECK(is_due_in(reload, 0, 50000), "asks again soon");
	}
	CHECK(reload_snapshot(reload) != NULL, "and serves");
	entrant_tell(&other, order_leave);
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "its turn");
	CHECK(is_due_in(reload, 500000, 1000000), "as ever");
	CHECK(entrant_tell(&other, order_enter) == 'y', "it has left");
	entrant_end(&other, false);
	end(reload);
}

static void test_killed_while_it_loads(void **state)
{
	struct reload *reload = start();
	struct entrant other = entrant_start(&entrance);

	(void)state;
	reload_share(reload, &quota);
	CHECK(entrant_tell(&other, order_enter) == 'y', "another loads");
	change_to(GOOD "# changed\n");
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 1, "the old one");
	entrant_end(&other, true);
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "its turn");
	end(reload);
}

/* Told to load while it cannot: it does not forget that. */
static void test_told_while_others_load(void **state)
{
	struct reload *reload = start();
	struct entrant other = entrant_start(&entrance);

	(void)state;
	reload_share(reload, &quota);
	CHECK(entrant_tell(&other, order_enter) == 'y', "another loads");
	reload_force(reload);
	CHECK_NUMBER(reload_generation(reload), 1, "the old one");
	CHECK(is_due_in(reload, 0, 50000), "asks again soon");
	/* A rotated log does not wait for that. */
	assert_int_equal(rename(in_directory("log"), in_directory("log.1")), 0);
	check_now(reload);
	CHECK(access(in_directory("log"), F_OK) == 0, "the new log");
	entrant_end(&other, false);
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "its turn");
	check_now(reload);
	CHECK_NUMBER(reload_generation(reload), 2, "once");
	end(reload);
}

static void test_broken_one_leaves_as_well(void **state)
{
	struct reload *reload = start();
	struct entrant other = entrant_start(&entrance);

	(void)state;
	reload_share(reload, &quota);
	change_to(BROKEN);
	check_now(reload);
	CHECK_NUMBER(reload_rejections(reload), 1, "broken");
	CHECK(reload_is_degraded(reload), "broken");
	CHECK(entrant_tell(&other, order_enter) == 'y', "it has left");
	reload_force(reload);
	CHECK_NUMBER(reload_rejections(reload), 1, "waits");
	entrant_end(&other, false);
	check_now(reload);
	CHECK_NUMBER(reload_rejections(reload), 2, "told to, and broken");
	check_now(reload);
	CHECK_NUMBER(reload_rejections(reload), 2, "once");
	end(reload);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_a_second),
		cmocka_unit_test(test_waits_for_others),
		cmocka_unit_test(test_killed_while_it_loads),
		cmocka_unit_test(test_told_while_others_load),
		cmocka_unit_test(test_broken_one_leaves_as_well),
	};

	return cmocka_run_group_tests_name("reload", tests, make_fixtures, remove_fixtures);
}
