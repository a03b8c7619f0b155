/* SPDX-License-Identifier: MIT */
/* Tests of util/clock. */
#include "support.h"
#include "util/clock.h"

#include <time.h>

static void test_format(void **state)
{
	static const struct {
		int64_t wall_ms;
		struct str seconds;
		struct str milliseconds;
	} cases[] = {
		{ 0, TEXT("1970-01-01T00:00:00Z"), TEXT("1970-01-01T00:00:00.000Z") },
		{ 1, TEXT("1970-01-01T00:00:00Z"), TEXT("1970-01-01T00:00:00.001Z") },
		{ -1, TEXT("1969-12-31T23:59:59Z"), TEXT("1969-12-31T23:59:59.999Z") },
		{ -86400000, TEXT("1969-12-31T00:00:00Z"), TEXT("1969-12-31T00:00:00.000Z") },
		{ 1640588828999, TEXT("2021-12-27T07:07:08Z"),
			TEXT("2021-12-27T07:07:08.999Z") },
		{ 951782400000, TEXT("2000-02-29T00:00:00Z"),
			TEXT("2000-02-29T00:00:00.000Z") },
		{ 951868799999, TEXT("2000-02-29T23:59:59Z"),
			TEXT("2000-02-29T23:59:59.999Z") },
		{ 1704067199000, TEXT("2023-12-31T23:59:59Z"),
			TEXT("2023-12-31T23:59:59.000Z") },
		{ 1709251200000, TEXT("2024-03-01T00:00:00Z"),
			TEXT("2024-03-01T00:00:00.000Z") },
		{ 2147483648000, TEXT("2038-01-19T03:14:08Z"),
			TEXT("2038-01-19T03:14:08.000Z") },
		{ 4107542400000, TEXT("2100-03-01T00:00:00Z"),
			TEXT("2100-03-01T00:00:00.000Z") },
		{ 253402300799999, TEXT("9999-12-31T23:59:59Z"),
			TEXT("9999-12-31T23:59:59.999Z") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char space[40];
		struct buf buf = buf_init(space, sizeof(space));

		clock_format(&buf, cases[i].wall_ms, false);
		CHECK_TEXT(buf_view(&buf), cases[i].seconds, cases[i].seconds.p);
		buf = buf_init(space, sizeof(space));
		clock_format(&buf, cases[i].wall_ms, true);
		CHECK_TEXT(buf_view(&buf), cases[i].milliseconds, cases[i].seconds.p);
	}
	check_end();
}

static void test_parse(void **state)
{
	static const struct {
		struct str s;
		bool ok;
		int64_t wall_s;
	} cases[] = {
		{ TEXT("1970-01-01T00:00:00Z"), true, 0 },
		{ TEXT("2026-11-01T00:00:00Z"), true, 1793491200 },
		{ TEXT("2026-12-31T23:59:59Z"), true, 1798761599 },
		{ TEXT("2021-12-27T07:07:08Z"), true, 1640588828 },
		{ TEXT("2021-12-27t07:07:08z"), true, 1640588828 },
		{ TEXT("2021-12-27T07:07:08.999Z"), true, 1640588828 },
		{ TEXT("2021-12-27T07:07:08.1234567890123Z"), true, 1640588828 },
		{ TEXT("2021-12-27T09:07:08+02:00"), true, 1640588828 },
		{ TEXT("2021-12-27T03:37:08-03:30"), true, 1640588828 },
		{ TEXT("2021-12-27T07:07:08-00:00"), true, 1640588828 },
		{ TEXT("2021-12-27T07:07:08+00:00"), true, 1640588828 },
		{ TEXT("2022-01-01T00:00:00+23:59"), true, 1640908860 },
		{ TEXT("2026-11-01"), true, 1793491200 },
		{ TEXT("2000-02-29"), true, 951782400 },
		{ TEXT("2024-02-29"), true, 1709164800 },
		{ TEXT("2038-01-20"), true, 2147558400 },
		{ TEXT("2100-02-28"), true, 4107456000 },
		{ TEXT("1969-12-31"), true, -86400 },
		{ TEXT("9999-12-31"), true, 253402214400 },
		{ TEXT("2023-02-29"), false, 0 },
		{ TEXT("1900-02-29"), false, 0 },
		{ TEXT("2100-02-29"), false, 0 },
		{ TEXT("2026-04-31"), false, 0 },
		{ TEXT("2026-13-01"), false, 0 },
		{ TEXT("2026-00-01"), false, 0 },
		{ TEXT("2026-01-00"), false, 0 },
		{ TEXT("2026-01-32"), false, 0 },
		{ TEXT("2026-1-1"), false, 0 },
		{ TEXT("26-01-01"), false, 0 },
		{ TEXT("2026/01/01"), false, 0 },
		{ TEXT("20260101"), false, 0 },
		{ TEXT("2026-01-01Z"), false, 0 },
		{ TEXT("2026-01-01T"), false, 0 },
		{ TEXT("2026-01-01T00:00Z"), false, 0 },
		{ TEXT("2026-01-01T00:00:00"), false, 0 },
		{ TEXT("2026-01-01 00:00:00"), false, 0 },
		{ TEXT("2026-01-01T24:00:00Z"), false, 0 },
		{ TEXT("2026-01-01T00:60:00Z"), false, 0 },
		{ TEXT("2026-01-01T00:00:61Z"), false, 0 },
		{ TEXT("2026-01-01T00:00:00.Z"), false, 0 },
		{ TEXT("2026-01-01T00:00:00,5Z"), false, 0 },
		{ TEXT("2026-01-01T00:00:00+24:00"), false, 0 },
		{ TEXT("2026-01-01T00:00:00+01:60"), false, 0 },
		{ TEXT("2026-01-01T00:00:00+0100"), false, 0 },
		{ TEXT("2026-01-01T00:00:00+01"), false, 0 },
		{ TEXT("2026-01-01T00:00:00ZZ"), false, 0 },
		{ TEXT("2026-01-01T00:00:00Z "), false, 0 },
		{ TEXT(" 2026-01-01"), false, 0 },
		{ TEXT("2026-01-01\0"), false, 0 },
		{ TEXT("2026-01-0x"), false, 0 },
		{ TEXT("2026-01--1"), false, 0 },
		{ TEXT("-2026-01-01"), false, 0 },
		{ TEXT("+2026-01-01"), false, 0 },
		{ TEXT("tomorrow"), false, 0 },
		{ TEXT("1640588828"), false, 0 },
		{ TEXT(""), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t wall_s = 4711;

		CHECK(clock_parse(cases[i].s, &wall_s) == cases[i].ok, cases[i].s.p);
		CHECK_NUMBER(wall_s, cases[i].wall_s, cases[i].s.p);
	}
	check_end();
}

/* Each day of 400 years comes back as it went. */
static void test_round_trip(void **state)
{
	(void)state;
	for (int64_t day = 0; day < 146097; day++) {
		char space[40];
		struct buf buf = buf_init(space, sizeof(space));
		int64_t wall_s;

		clock_format(&buf, (day * 86400 + 3661) * 1000, false);
		CHECK(clock_parse(buf_view(&buf), &wall_s), "reads what it wrote");
		CHECK_NUMBER(wall_s, day * 86400 + 3661, "same second");
	}
	check_end();
}

static void test_now(void **state)
{
	struct timespec before, after;
	int64_t wall_ms, steady_us, later_us;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &before);
	wall_ms = clock_wall_ms();
	clock_gettime(CLOCK_REALTIME, &after);
	CHECK(wall_ms >= before.tv_sec * INT64_C(1000), "not before");
	CHECK(wall_ms <= after.tv_sec * INT64_C(1000) + 999, "not after");

	steady_us = clock_steady_us();
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	later_us = clock_steady_us();
	CHECK(later_us - steady_us >= 2000, "counts microseconds");
	CHECK(later_us - steady_us < 10000000, "counts microseconds");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
