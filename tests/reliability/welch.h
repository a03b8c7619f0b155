/* SPDX-License-Identifier: MIT */
/*
 * Do two classes of times differ?  Welch's t-test, over all times and over those below fixed
 * percentiles, as dudect does (O. Reparaz, J. Balasch, I. Verbauwhede: Dude, is my code
 * constant time?).
 *
 * Interrupts and other processes make few times very long, and hide small differences.  So a
 * pilot of both classes together gives percentiles before the test begins, and each has a test
 * of its own over the times that are not above it.
 */
#ifndef TESTS_RELIABILITY_WELCH_H
#define TESTS_RELIABILITY_WELCH_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Of the pilot's times, in thousandths; above the last one nothing is. */
static const unsigned welch_crops[] = { 500, 750, 900, 950, 990, 999, 1000 };

#define WELCH_CROPS (sizeof(welch_crops) / sizeof(welch_crops[0]))

/* Count, mean and squared distances from it, gathered as they come (B. P. Welford). */
struct welch_class {
	double count;
	double mean;
	double squares;
};

struct welch {
	int64_t limits[WELCH_CROPS];
	struct welch_class classes[WELCH_CROPS][2];
};

/* The test whose t is farthest from 0. */
struct welch_result {
	double t;
	unsigned crop; /* one of welch_crops */
	double means[2];
};

static inline int welch_order(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* The pilot's times are sorted. */
static inline void welch_begin(struct welch *welch, int64_t *pilot, size_t count)
{
	*welch = (struct welch){ 0 };
	qsort(pilot, count, sizeof(*pilot), welch_order);
	for (size_t i = 0; i < WELCH_CROPS; i++)
		welch->limits[i] = welch_crops[i] == 1000
					   ? INT64_MAX
					   : pilot[count * welch_crops[i] / 1000];
}

static inline void welch_add(struct welch *welch, unsigned class, int64_t time)
{
	for (size_t i = 0; i < WELCH_CROPS; i++) {
		struct welch_class *c = &welch->classes[i][class];

		if (time > welch->limits[i])
			continue;
		double distance = (double)time - c->mean;

		c->count += 1;
		c->mean += distance / c->count;
		c->squares += distance * ((double)time - c->mean);
	}
}

/* Both, the second one's times moved (T. F. Chan, G. H. Golub, R. J. LeVeque). */
static inline struct welch_class welch_sum(
	const struct welch_class *a, const struct welch_class *b, double by)
{
	const double count = a->count + b->count, distance = b->mean + by - a->mean;

	if (count == 0)
		return *a;
	return (struct welch_class){ count, a->mean + distance * b->count / count,
		a->squares + b->squares + distance * distance * a->count * b->count / count };
}

static inline double welch_middle(const struct welch_class classes[2])
{
	return (classes[0].mean + classes[1].mean) / 2;
}

/*
 * Add what another process has found.  One is faster than the other as a whole: its times are
 * moved by as much, so that only the difference within each process counts.
 */
static inline void welch_join(struct welch *welch, const struct welch *other)
{
	for (size_t i = 0; i < WELCH_CROPS; i++) {
		struct welch_class *to = welch->classes[i];
		const struct welch_class *from = other->classes[i];
		const bool is_first = to[0].count + to[1].count == 0;
		const double by = is_first ? 0 : welch_middle(to) - welch_middle(from);

		for (unsigned j = 0; j < 2; j++)
			to[j] = welch_sum(&to[j], &from[j], by);
	}
}

static inline double welch_t(const struct welch_class classes[2])
{
	double error = 0;

	for (unsigned i = 0; i < 2; i++) {
		if (classes[i].count < 2)
			return 0;
		error += classes[i].squares / (classes[i].count - 1) / classes[i].count;
	}
	double difference = classes[0].mean - classes[1].mean;

	if (error > 0)
		return difference / sqrt(error);
	return difference == 0 ? 0 : copysign(INFINITY, difference);
}

static inline struct welch_result welch_end(const struct welch *welch)
{
	struct welch_result result = { 0 };

	for (size_t i = 0; i < WELCH_CROPS; i++) {
		const struct welch_class *classes = welch->classes[i];
		double t = welch_t(classes);

		if (i > 0 && fabs(t) <= fabs(result.t))
			continue;
		result = (struct welch_result){ t, welch_crops[i],
			{ classes[0].mean, classes[1].mean } };
	}
	return result;
}

#endif
