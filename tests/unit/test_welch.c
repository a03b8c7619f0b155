/* SPDX-License-Identifier: MIT */
/* Tests of tests/reliability/welch.h: t by known numbers, and what is cut off. */
#include "support.h"

#include "../reliability/welch.h"

static void assert_near(double got, double wanted)
{
	if (fabs(got - wanted) > 0.0001)
		fail_msg("got %f, wanted %f", got, wanted);
}

static void add_all(struct welch *welch, unsigned class, const int64_t *times, size_t count)
{
	for (size_t i = 0; i < count; i++)
		welch_add(welch, class, times[i]);
}

/* Means 3 and 6, variances 2.5 and 10, five each: t = -3 / sqrt(0.5 + 2). */
static void test_t(void **state)
{
	static const int64_t first[] = { 1, 2, 3, 4, 5 }, second[] = { 2, 4, 6, 8, 10 };
	int64_t pilot[] = { 1000, 1000 };
	struct welch welch;

	(void)state;
	welch_begin(&welch, pilot, COUNT(pilot));
	add_all(&welch, 0, first, COUNT(first));
	add_all(&welch, 1, second, COUNT(second));
	const struct welch_result result = welch_end(&welch);

	assert_near(result.t, -3 / sqrt(2.5));
	assert_near(result.means[0], 3);
	assert_near(result.means[1], 6);
}

static void test_nothing(void **state)
{
	const struct welch welch = { 0 };
	const struct welch_class equal[2] = { { 5, 7, 0 }, { 5, 7, 0 } };
	const struct welch_class apart[2] = { { 5, 7, 0 }, { 5, 8, 0 } };

	(void)state;
	assert_near(welch_end(&welch).t, 0);
	assert_near(welch_t(equal), 0);
	assert_true(isinf(welch_t(apart)) && welch_t(apart) < 0);
}

static struct welch made(const int64_t *first, const int64_t *second, size_t count)
{
	int64_t pilot[] = { 1000, 1000 };
	struct welch welch;

	welch_begin(&welch, pilot, COUNT(pilot));
	add_all(&welch, 0, first, count);
	add_all(&welch, 1, second, count);
	return welch;
}

/* What two processes of one speed have found is what one would have. */
static void test_join(void **state)
{
	static const int64_t times[][8] = { { 1, 7, 3, 5, 2, 6, 3, 5 },
		{ 5, 5, 8, 2, 4, 6, 1, 9 } };
	struct welch whole = made(times[0], times[1], 8), joined = { 0 };
	const struct welch parts[] = { made(times[0], times[1], 4),
		made(&times[0][4], &times[1][4], 4) };

	(void)state;
	welch_join(&joined, &parts[0]);
	welch_join(&joined, &parts[1]);
	for (unsigned i = 0; i < 2; i++) {
		assert_near(joined.classes[0][i].count, 8);
		assert_near(joined.classes[0][i].mean, whole.classes[0][i].mean);
		assert_near(joined.classes[0][i].squares, whole.classes[0][i].squares);
	}
}

/* Of two that are of different speed each has the same small difference: that is not hidden. */
static void test_join_of_unlike(void **state)
{
	static const int64_t fast[][4] = { { 10, 12, 10, 12 }, { 14, 16, 14, 16 } };
	static const int64_t slow[][4] = { { 510, 512, 510, 512 }, { 514, 516, 514, 516 } };
	const struct welch parts[] = { made(fast[0], fast[1], 4), made(slow[0], slow[1], 4) };
	struct welch joined = { 0 };

	(void)state;
	welch_join(&joined, &parts[0]);
	welch_join(&joined, &parts[1]);
	const struct welch_result result = welch_end(&joined);

	assert_near(result.means[0], 11);
	assert_near(result.means[1], 15);
	assert_near(result.t, -4 / sqrt(2 * 8.0 / 7 / 8));
}

/* A few very long times hide a difference; below a percentile it is found. */
static void test_crops(void **state)
{
	int64_t pilot[1000];
	struct welch welch;

	(void)state;
	for (int i = 0; i < 1000; i++)
		pilot[i] = i < 980 ? 100 + i % 10 : 1000000;
	welch_begin(&welch, pilot, COUNT(pilot));
	for (unsigned i = 0; i < 20000; i++) {
		unsigned class = i & 1, time = 100 + i / 2 % 8 + class;

		welch_add(&welch, class, i / 2 % 50 == 0 ? 1000000 + i % 77 * 1000 : time);
	}
	const struct welch_result result = welch_end(&welch);

	assert_true(fabs(welch_t(welch.classes[WELCH_CROPS - 1])) < 4.5);
	assert_true(fabs(result.t) > 20 && result.crop < 1000);
	/* Whatever is above the limit is not looked at. */
	assert_true(result.means[0] < 120 && result.means[1] < 120);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_t),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_of_unlike),
		cmocka_unit_test(test_crops),
	};

	return cmocka_run_group_tests_name("welch", tests, NULL, NULL);
}
