/* SPDX-License-Identifier: MIT */
/* Named counters and listed processes, as a visit finds them: in counters, and in a store. */
#ifndef TESTS_UNIT_COUNTING_H
#define TESTS_UNIT_COUNTING_H

#include "support.h"

#include "state/store.h"

/* What a visit has found. */
struct findings {
	struct str name; /* the one that is looked for */
	unsigned times;
	int64_t value;
	unsigned names; /* of all */
	int64_t total;
};

static inline void counting_find(void *context, struct str name, int64_t value)
{
	struct findings *findings = context;

	findings->names++;
	/* As the counters are added, but also of garbage. */
	findings->total = (int64_t)((uint64_t)findings->total + (uint64_t)value);
	if (!str_eq(name, findings->name))
		return;
	findings->times++;
	findings->value = value;
}

static inline enum reason counting_add(struct store *store, struct str name, int64_t amount)
{
	const struct counter_step step = { name, amount };

	return store->ops->count(store, &step, 1);
}

/* All of a store's counters; `name` is looked at in particular. */
static inline enum reason counting_visit(
	struct store *store, struct str name, struct findings *findings)
{
	*findings = (struct findings){ .name = name };
	return store->ops->each_count(store, counting_find, findings);
}

static inline void counting_check(
	struct store *store, struct str name, int64_t wanted, unsigned names, const char *test)
{
	struct findings findings;

	CHECK_REASON(counting_visit(store, name, &findings), REASON_NONE, test);
	CHECK_NUMBER(findings.times, 1, test);
	CHECK_NUMBER(findings.value, wanted, test);
	CHECK_NUMBER(findings.names, names, test);
}

/* Nothing is counted, nothing is visited. */
static inline void counting_check_refuses(
	struct store *store, enum reason wanted, const char *test)
{
	struct findings findings;

	CHECK_REASON(counting_add(store, STR("refused"), 1), wanted, test);
	CHECK_REASON(counting_visit(store, STR("refused"), &findings), wanted, test);
	CHECK_NUMBER(findings.names, 0, test);
}

/* The contract of `count`, over an empty store. */
static inline void counting_check_contract(struct store *store)
{
	static char longest[COUNTERS_NAME_MAX + 1];
	static const struct str names[] = { TEXT("a"), TEXT("a b"), TEXT("1 2 3"),
		TEXT("requests\tclient\tinvalid_client"), TEXT("\xff\x01\r\n$5%s"),
		{ longest, COUNTERS_NAME_MAX } };
	static const struct counter_step bad[] = { { TEXT("a"), 1 }, { TEXT("new"), 1 },
		{ { longest, sizeof(longest) }, 1 } };
	static const struct counter_step less[] = { { TEXT("a"), 1 }, { TEXT("a b"), -1 } };
	struct counter_step steps[COUNT(names) + 1];
	struct findings findings;

	memset(longest, 'x', sizeof(longest));
	CHECK_REASON(counting_visit(store, STR("a"), &findings), REASON_NONE, "empty");
	CHECK_NUMBER(findings.names, 0, "empty");
	CHECK_REASON(store->ops->count(store, NULL, 0), REASON_NONE, "nothing");
	for (size_t i = 0; i < COUNT(names); i++)
		steps[i] = (struct counter_step){ names[i], (int64_t)i };
	steps[COUNT(names)] = (struct counter_step){ names[1], INT64_C(1) << 40 };
	for (unsigned i = 0; i < 2; i++)
		CHECK_REASON(store->ops->count(store, steps, COUNT(steps)), REASON_NONE, "all");
	for (size_t i = 0; i < COUNT(names); i++)
		counting_check(store, names[i],
			2 * (int64_t)i + (i == 1 ? INT64_C(1) << 41 : 0), COUNT(names), "all");
	CHECK_REASON(store->ops->count(store, bad, COUNT(bad)), REASON_STORE, "too long");
	CHECK_REASON(counting_add(store, STR(""), 1), REASON_STORE, "no name");
	CHECK_REASON(store->ops->count(store, less, COUNT(less)), REASON_STORE, "below 0");
	CHECK_REASON(counting_visit(store, STR("a"), &findings), REASON_NONE, "none");
	CHECK_NUMBER(findings.value, 0, "none of them");
	CHECK_NUMBER(findings.total, (INT64_C(1) << 41) + 30, "none of them");
}

static inline void counting_take_process(void *context, const struct process_facts *facts)
{
	(void)facts;
	++*(unsigned *)context;
}

/* How many processes a store lists. */
static inline unsigned counting_processes(struct store *store)
{
	unsigned count = 0;

	store->ops->each_process(store, counting_take_process, &count);
	return count;
}

#endif
