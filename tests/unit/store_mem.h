/* SPDX-License-Identifier: MIT */
/*
 * A state store in memory, for tests: counts its calls, and fails when it is told to.
 *
 *	struct store_mem *mem = store_mem_new();
 *	... &mem->store ...
 *	store_free(&mem->store);
 */
#ifndef TESTS_UNIT_STORE_MEM_H
#define TESTS_UNIT_STORE_MEM_H

#include "support.h"

#include "state/store.h"

#define STORE_MEM_RECORDS 4096

enum store_mem_call {
	STORE_MEM_ADD,
	STORE_MEM_HAS,
	STORE_MEM_READ,
	STORE_MEM_INCREMENT,
	STORE_MEM_TALLY,
	STORE_MEM_PRUNE,
	STORE_MEM_COUNT,
	STORE_MEM_PROBE, /* a count of nothing */
	STORE_MEM_EACH_COUNT,
	STORE_MEM__CALLS,
};

struct store_mem_record {
	struct store_key key;
	struct store_counter counter; /* count is 1 for what is no counter */
};

struct store_mem {
	struct store store;
	struct store_mem_record records[STORE_MEM_RECORDS];
	size_t record_count;
	int64_t removed_s; /* the latest expires_s that was removed */
	struct counters *counters;

	/* To be read and set by tests. */
	unsigned calls[STORE_MEM__CALLS]; /* also those that failed */
	unsigned call_count;              /* of all kinds */
	enum reason failure;              /* not REASON_NONE: what each call returns */
	unsigned failing_call;            /* not 0: only the call with this call_count fails */
	bool has_no_room;                 /* no counter can be begun */
	unsigned failing_kinds; /* not 0: only calls of these kinds fail, a bit each */
};

static inline struct store_mem *store_mem_of(struct store *store)
{
	return (struct store_mem *)store;
}

/* Count a call; what it is to fail with, or REASON_NONE. */
static inline enum reason store_mem_begin(struct store_mem *mem, enum store_mem_call call)
{
	mem->calls[call]++;
	mem->call_count++;
	if (mem->failing_call != 0 && mem->failing_call != mem->call_count)
		return REASON_NONE;
	if (mem->failing_kinds != 0 && (mem->failing_kinds & 1U << call) == 0)
		return REASON_NONE;
	return mem->failure;
}

static inline void store_mem_remove(struct store_mem *mem, size_t i)
{
	int64_t expires_s = mem->records[i].counter.expires_s;

	if (expires_s > mem->removed_s)
		mem->removed_s = expires_s;
	mem->records[i] = mem->records[--mem->record_count];
}

/* The live record; an expired one is removed on the way. */
static inline struct store_mem_record *store_mem_find(
	struct store_mem *mem, const struct store_key *key, int64_t now_s)
{
	for (size_t i = 0; i < mem->record_count; i++) {
		struct store_mem_record *record = &mem->records[i];

		if (memcmp(record->key.bytes, key->bytes, sizeof(key->bytes)) != 0)
			continue;
		if (record->counter.expires_s > now_s)
			return record;
		store_mem_remove(mem, i);
		return NULL;
	}
	return NULL;
}

static inline struct store_mem_record *store_mem_append(
	struct store_mem *mem, const struct store_key *key, int64_t expires_s)
{
	assert_true(mem->record_count < STORE_MEM_RECORDS);
	struct store_mem_record *record = &mem->records[mem->record_count++];

	*record = (struct store_mem_record){ *key, { 1, expires_s } };
	return record;
}

/* A record with this end may have been removed, or would be at once. */
static inline bool store_mem_is_over(
	const struct store_mem *mem, int64_t expires_s, int64_t now_s)
{
	return expires_s <= now_s || expires_s <= mem->removed_s;
}

static inline enum reason store_mem_add(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, bool *added)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_ADD);

	*added = false;
	if (reason != REASON_NONE)
		return reason;
	if (store_mem_find(mem, key, now_s) != NULL || store_mem_is_over(mem, expires_s, now_s))
		return REASON_NONE;
	store_mem_append(mem, key, expires_s);
	*added = true;
	return REASON_NONE;
}

static inline enum reason store_mem_has(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, bool *found)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_HAS);

	*found = false;
	if (reason != REASON_NONE)
		return reason;
	*found = store_mem_find(mem, key, now_s) != NULL ||
		 store_mem_is_over(mem, expires_s, now_s);
	return REASON_NONE;
}

static inline enum reason store_mem_read(struct store *store, const struct store_key *key,
	int64_t now_s, struct store_counter *counter)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_READ);

	*counter = (struct store_counter){ 0 };
	if (reason != REASON_NONE)
		return reason;
	const struct store_mem_record *record = store_mem_find(mem, key, now_s);

	if (record != NULL)
		*counter = record->counter;
	return REASON_NONE;
}

static inline enum reason store_mem_increment(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, struct store_counter *counter)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_INCREMENT);

	*counter = (struct store_counter){ 0 };
	if (reason != REASON_NONE)
		return reason;
	struct store_mem_record *record = store_mem_find(mem, key, now_s);

	if (record == NULL && mem->has_no_room)
		return REASON_STORE_FULL;
	if (record == NULL)
		record = store_mem_append(mem, key, expires_s);
	else if (record->counter.expires_s > expires_s + STORE_CLOCK_SLACK_S)
		record->counter = (struct store_counter){ 1, expires_s };
	else
		record->counter.count++;
	*counter = record->counter;
	return REASON_NONE;
}

static inline enum reason store_mem_tally(
	struct store *store, int64_t now_s, struct store_tally *tally)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_TALLY);

	*tally = (struct store_tally){ 0 };
	if (reason != REASON_NONE)
		return reason;
	for (size_t i = 0; i < mem->record_count; i++) {
		if (mem->records[i].counter.expires_s > now_s)
			tally->counts[mem->records[i].key.bytes[0]]++;
	}
	return REASON_NONE;
}

static inline enum reason store_mem_prune(struct store *store, int64_t now_s, int64_t *removed)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_PRUNE);

	*removed = 0;
	if (reason != REASON_NONE)
		return reason;
	for (size_t i = mem->record_count; i-- > 0;) {
		if (mem->records[i].counter.expires_s > now_s)
			continue;
		store_mem_remove(mem, i);
		(*removed)++;
	}
	return REASON_NONE;
}

static inline enum reason store_mem_count(
	struct store *store, const struct counter_step *steps, size_t step_count)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(
		mem, step_count == 0 ? STORE_MEM_PROBE : STORE_MEM_COUNT);

	return reason == REASON_NONE ? counters_add_all(mem->counters, steps, step_count)
				     : reason;
}

static inline enum reason store_mem_each_count(
	struct store *store, counter_visitor *visitor, void *context)
{
	struct store_mem *mem = store_mem_of(store);
	enum reason reason = store_mem_begin(mem, STORE_MEM_EACH_COUNT);

	if (reason == REASON_NONE)
		counters_each(mem->counters, visitor, context);
	return reason;
}

static inline void store_mem_report(struct store *store, const struct process_facts *facts)
{
	counters_report(store_mem_of(store)->counters, facts);
}

static inline void store_mem_each_process(
	struct store *store, process_visitor *visitor, void *context)
{
	counters_each_process(store_mem_of(store)->counters, visitor, context);
}

static inline void store_mem_close(struct store *store)
{
	counters_free(store_mem_of(store)->counters);
	free(store);
}

/* An empty store, for store_free(&mem->store). */
static inline struct store_mem *store_mem_new(void)
{
	static const struct store_ops ops = {
		.add = store_mem_add,
		.has = store_mem_has,
		.read = store_mem_read,
		.increment = store_mem_increment,
		.tally = store_mem_tally,
		.prune = store_mem_prune,
		.count = store_mem_count,
		.each_count = store_mem_each_count,
		.report = store_mem_report,
		.each_process = store_mem_each_process,
		.close = store_mem_close,
	};
	struct store_mem *mem = calloc(1, sizeof(*mem));

	assert_non_null(mem);
	mem->counters = counters_new();
	assert_non_null(mem->counters);
	mem->store.ops = &ops;
	return mem;
}

#endif
