/* SPDX-License-Identifier: MIT */
/*
 * The store in a directory of this machine, shared by all its processes (LMDB).
 *
 * One table; numbers are 8 bytes, most significant first, the sign turned round, so that they
 * sort as they count.  The first byte of a key says what the entry is:
 *
 *   0 255                  the format of the table, which lmdb_env writes and checks
 *   0 kind                 floor of this kind: the latest expiry that was removed
 *   1 expires_s key        no value; the order in which records expire
 *   2 key                  expires_s count: a record
 *
 * Floors: what has been removed is not known any more, so whatever expires at or before a floor
 * counts as used up or revoked.  That matters only after the clock was set back.
 *
 * Size: a transaction that makes a record removes up to PRUNE_SOME expired ones, so the table
 * is as large as what lives, and the pages of removed records are used again.  RECORDS_MAX
 * keeps it from filling the map of lmdb_env: to remove a record needs free pages, too.  Above
 * THROTTLE_MAX records no counter is begun.
 *
 * The named counters are beside it, in a file of their own, with which LMDB has nothing to do.
 */
#include "state/lmdb_env.h"
#include "state/path.h"
#include "state/stores.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 1000000 /* about 220 bytes each of the map's 256 MiB */
#define THROTTLE_MAX 750000 /* strangers make them: they must leave room for the others */
#define PRUNE_SOME 4
#define PRUNE_MANY 1024

#define NUMBER_SIZE 8
#define META_KEY_SIZE 2
#define EXPIRY_KEY_SIZE (1 + NUMBER_SIZE + STORE_KEY_SIZE)
#define RECORD_KEY_SIZE (1 + STORE_KEY_SIZE)
#define RECORD_SIZE (2 * NUMBER_SIZE)

enum entry_type {
	ENTRY_META,
	ENTRY_EXPIRY,
	ENTRY_RECORD,
};

/* The key of an entry. */
struct entry_key {
	unsigned char bytes[EXPIRY_KEY_SIZE];
	size_t n;
};

struct store_lmdb {
	struct store store;
	struct lmdb_env env;
	struct counters *counters;  /* NULL: not open */
	struct process_facts facts; /* the last that were reported; pid 0: none */
	char counters_path[PATH_MAX];
};

/* One use of the store: what is asked, and what was found. */
struct task {
	enum reason (*run)(struct lmdb_env *env, struct task *task);
	const struct store_key *key;
	int64_t expires_s;
	int64_t now_s;
	size_t limit; /* of records to remove */
	bool writes;
	bool changed; /* there is something to commit */
	bool answer;
	struct store_counter counter;
	struct store_tally tally;
	size_t removed;
};

/* Only these are remembered after they were removed. */
static const bool has_floor[STORE__KINDS] = {
	[STORE_REPLAY] = true,
	[STORE_REVOCATION] = true,
};

static struct store_lmdb *lmdb_of(struct store *store)
{
	return (struct store_lmdb *)store;
}

static struct lmdb_env *env_of(struct store *store)
{
	return &lmdb_of(store)->env;
}

static void put_number(unsigned char p[static NUMBER_SIZE], int64_t number)
{
	uint64_t bits = (uint64_t)number ^ (UINT64_C(1) << 63);

	for (size_t i = 0; i < NUMBER_SIZE; i++)
		p[i] = (unsigned char)(bits >> (8 * (NUMBER_SIZE - 1 - i)));
}

static int64_t get_number(const unsigned char p[static NUMBER_SIZE])
{
	uint64_t bits = 0;

	for (size_t i = 0; i < NUMBER_SIZE; i++)
		bits = bits << 8 | p[i];
	return (int64_t)(bits ^ (UINT64_C(1) << 63));
}

static struct entry_key meta_key(unsigned char name)
{
	return (struct entry_key){ { ENTRY_META, name }, META_KEY_SIZE };
}

static struct entry_key record_key(const struct store_key *key)
{
	struct entry_key made = { { ENTRY_RECORD }, RECORD_KEY_SIZE };

	memcpy(made.bytes + 1, key->bytes, STORE_KEY_SIZE);
	return made;
}

/* The place of a record in the order of expiry. */
static struct entry_key expiry_key(int64_t expires_s, const struct store_key *key)
{
	struct entry_key made = { { ENTRY_EXPIRY }, EXPIRY_KEY_SIZE };

	put_number(made.bytes + 1, expires_s);
	memcpy(made.bytes + 1 + NUMBER_SIZE, key->bytes, STORE_KEY_SIZE);
	return made;
}

static MDB_val value_of(void *p, size_t size)
{
	return (MDB_val){ .mv_size = size, .mv_data = p };
}

/* Look an entry up; *value is NULL if there is none, else `size` bytes, borrowed from the map.
 */
static enum reason get_entry(const struct lmdb_env *env, struct entry_key key, size_t size,
	const unsigned char **value)
{
	MDB_val name = value_of(key.bytes, key.n), found;
	int code = mdb_get(env->txn, env->dbi, &name, &found);

	*value = NULL;
	if (code == MDB_NOTFOUND)
		return REASON_NONE;
	if (code != MDB_SUCCESS)
		return lmdb_env_reason(code);
	if (found.mv_size != size)
		return REASON_STORE_DAMAGED;
	*value = found.mv_data;
	return REASON_NONE;
}

static enum reason put_entry(
	const struct lmdb_env *env, struct entry_key key, void *value, size_t size)
{
	MDB_val name = value_of(key.bytes, key.n), content = value_of(value, size);

	return lmdb_env_reason(mdb_put(env->txn, env->dbi, &name, &content, 0));
}

/* Remove an entry that must be there. */
static enum reason remove_entry(const struct lmdb_env *env, struct entry_key key)
{
	MDB_val name = value_of(key.bytes, key.n);
	int code = mdb_del(env->txn, env->dbi, &name, NULL);

	return code == MDB_NOTFOUND ? REASON_STORE_DAMAGED : lmdb_env_reason(code);
}

/* A meta entry; `absent` if it is not there. */
static enum reason get_meta(
	const struct lmdb_env *env, unsigned char name, int64_t absent, int64_t *number)
{
	const unsigned char *value;
	enum reason reason = get_entry(env, meta_key(name), NUMBER_SIZE, &value);

	*number = value == NULL ? absent : get_number(value);
	return reason;
}

static enum reason put_meta(const struct lmdb_env *env, unsigned char name, int64_t number)
{
	unsigned char value[NUMBER_SIZE];

	put_number(value, number);
	return put_entry(env, meta_key(name), value, sizeof(value));
}

/* The record as it is stored, be it expired; count 0 if there is none. */
static enum reason get_record(
	const struct lmdb_env *env, const struct store_key *key, struct store_counter *record)
{
	const unsigned char *value;
	enum reason reason = get_entry(env, record_key(key), RECORD_SIZE, &value);

	*record = (struct store_counter){ 0 };
	if (value != NULL) {
		record->expires_s = get_number(value);
		record->count = get_number(value + NUMBER_SIZE);
	}
	return reason;
}

static enum reason put_record(const struct lmdb_env *env, const struct store_key *key,
	const struct store_counter *record)
{
	unsigned char value[RECORD_SIZE];

	put_number(value, record->expires_s);
	put_number(value + NUMBER_SIZE, record->count);
	return put_entry(env, record_key(key), value, sizeof(value));
}

/* Each record has two entries. */
static enum reason check_room(const struct lmdb_env *env, const struct store_key *key)
{
	const size_t most = key->bytes[0] == STORE_THROTTLE ? THROTTLE_MAX : RECORDS_MAX;
	MDB_stat table;
	enum reason reason = lmdb_env_reason(mdb_stat(env->txn, env->dbi, &table));

	if (reason != REASON_NONE)
		return reason;
	return table.ms_entries / 2 < most ? REASON_NONE : REASON_STORE_FULL;
}

/* Make a record, or put it in the place of an expired one. */
static enum reason replace_record(const struct lmdb_env *env, const struct store_key *key,
	const struct store_counter *old, const struct store_counter *record)
{
	enum reason reason;
	char nothing[1];

	if (old->count != 0)
		reason = remove_entry(env, expiry_key(old->expires_s, key));
	else
		reason = check_room(env, key);
	if (reason == REASON_NONE)
		reason = put_entry(env, expiry_key(record->expires_s, key), nothing, 0);
	if (reason == REASON_NONE)
		reason = put_record(env, key, record);
	return reason;
}

/* Put the cursor on the record that expires first at or after a time; false: there is none. */
static enum reason seek_expiry(MDB_cursor *cursor, int64_t from_s, MDB_val *name, bool *found)
{
	struct entry_key first = expiry_key(from_s, &(struct store_key){ 0 });
	MDB_val value;

	*name = value_of(first.bytes, first.n);
	int code = mdb_cursor_get(cursor, name, &value, MDB_SET_RANGE);
	const unsigned char *bytes = name->mv_data;

	*found = code == MDB_SUCCESS && name->mv_size > 0 && bytes[0] == ENTRY_EXPIRY;
	if (*found && name->mv_size != EXPIRY_KEY_SIZE)
		return REASON_STORE_DAMAGED;
	return code == MDB_NOTFOUND ? REASON_NONE : lmdb_env_reason(code);
}

static struct store_key key_of_expiry(const struct entry_key *expiry)
{
	struct store_key key;

	memcpy(key.bytes, expiry->bytes + 1 + NUMBER_SIZE, STORE_KEY_SIZE);
	return key;
}

/* The record that expires before all others, by its place in the order; n is 0 if there is
 * none.
 */
static enum reason find_first(const struct lmdb_env *env, struct entry_key *first)
{
	MDB_cursor *cursor;
	MDB_val name;
	bool found;

	*first = (struct entry_key){ 0 };
	enum reason reason = lmdb_env_reason(mdb_cursor_open(env->txn, env->dbi, &cursor));

	if (reason != REASON_NONE)
		return reason;
	reason = seek_expiry(cursor, INT64_MIN, &name, &found);
	if (reason == REASON_NONE && found) {
		first->n = EXPIRY_KEY_SIZE;
		memcpy(first->bytes, name.mv_data, EXPIRY_KEY_SIZE);
	}
	mdb_cursor_close(cursor);
	return reason;
}

/* A record of this kind is removed. */
static enum reason raise_floor(
	const struct lmdb_env *env, unsigned char kind, int64_t expires_s)
{
	int64_t floor_s;

	if (kind >= STORE__KINDS)
		return REASON_STORE_DAMAGED;
	if (!has_floor[kind])
		return REASON_NONE;
	enum reason reason = get_meta(env, kind, INT64_MIN, &floor_s);

	if (reason != REASON_NONE || floor_s >= expires_s)
		return reason;
	return put_meta(env, kind, expires_s);
}

/* Remove a record by its place in the order, which must be the right one: another may be that
 * of a record that lives. */
static enum reason remove_record(const struct lmdb_env *env, const struct entry_key *expiry)
{
	const struct store_key key = key_of_expiry(expiry);
	const int64_t expires_s = get_number(expiry->bytes + 1);
	struct store_counter record;
	enum reason reason = get_record(env, &key, &record);

	if (reason == REASON_NONE && record.expires_s != expires_s)
		reason = REASON_STORE_DAMAGED;
	if (reason == REASON_NONE)
		reason = raise_floor(env, key.bytes[0], expires_s);
	if (reason == REASON_NONE)
		reason = remove_entry(env, *expiry);
	if (reason == REASON_NONE)
		reason = remove_entry(env, record_key(&key));
	return reason;
}

/* Remove up to task->limit of the expired records, the oldest first. */
static enum reason run_prune(struct lmdb_env *env, struct task *task)
{
	while (task->removed < task->limit) {
		struct entry_key first;
		enum reason reason = find_first(env, &first);

		if (reason != REASON_NONE || first.n == 0 ||
			get_number(first.bytes + 1) > task->now_s)
			return reason;
		reason = remove_record(env, &first);
		if (reason != REASON_NONE)
			return reason;
		task->changed = true;
		task->removed++;
	}
	return REASON_NONE;
}

/* Is there a live record, or can there have been one that is forgotten? */
static enum reason run_has(struct lmdb_env *env, struct task *task)
{
	unsigned char kind = task->key->bytes[0];
	int64_t floor_s;
	enum reason reason = get_meta(env, kind, INT64_MIN, &floor_s);

	if (reason == REASON_NONE)
		reason = get_record(env, task->key, &task->counter);
	task->answer = task->expires_s <= floor_s || task->expires_s <= task->now_s ||
		       (task->counter.count != 0 && task->counter.expires_s > task->now_s);
	return reason;
}

static enum reason run_add(struct lmdb_env *env, struct task *task)
{
	const struct store_counter record = { .count = 1, .expires_s = task->expires_s };
	enum reason reason = run_has(env, task);

	if (reason != REASON_NONE || task->answer)
		return reason;
	reason = replace_record(env, task->key, &task->counter, &record);
	if (reason != REASON_NONE)
		return reason;
	task->changed = true;
	return run_prune(env, task);
}

static enum reason run_read(struct lmdb_env *env, struct task *task)
{
	enum reason reason = get_record(env, task->key, &task->counter);

	if (task->counter.expires_s <= task->now_s)
		task->counter = (struct store_counter){ 0 };
	return reason;
}

static enum reason run_increment(struct lmdb_env *env, struct task *task)
{
	struct store_counter old;
	enum reason reason = get_record(env, task->key, &old);

	if (reason != REASON_NONE)
		return reason;
	if (old.count != 0 && old.expires_s > task->now_s &&
		old.expires_s <= task->expires_s + STORE_CLOCK_SLACK_S) {
		task->counter = old;
		task->counter.count += old.count < INT64_MAX;
		reason = put_record(env, task->key, &task->counter);
	} else {
		task->counter = (struct store_counter){ .count = 1,
			.expires_s = task->expires_s };
		reason = replace_record(env, task->key, &old, &task->counter);
	}
	if (reason != REASON_NONE)
		return reason;
	task->changed = true;
	return run_prune(env, task);
}

static enum reason count_live(MDB_cursor *cursor, int64_t now_s, struct store_tally *tally)
{
	MDB_val name, value;
	bool found = false;
	enum reason reason = REASON_NONE;

	if (now_s < INT64_MAX)
		reason = seek_expiry(cursor, now_s + 1, &name, &found);
	while (reason == REASON_NONE && found) {
		const unsigned char *bytes = name.mv_data;
		unsigned char kind = bytes[1 + NUMBER_SIZE];

		if (kind >= STORE__KINDS)
			return REASON_STORE_DAMAGED;
		tally->counts[kind]++;
		int code = mdb_cursor_get(cursor, &name, &value, MDB_NEXT);

		bytes = name.mv_data;
		found = code == MDB_SUCCESS && name.mv_size == EXPIRY_KEY_SIZE &&
			bytes[0] == ENTRY_EXPIRY;
		if (code != MDB_NOTFOUND)
			reason = lmdb_env_reason(code);
	}
	return reason;
}

static enum reason run_tally(struct lmdb_env *env, struct task *task)
{
	MDB_cursor *cursor;
	enum reason reason = lmdb_env_reason(mdb_cursor_open(env->txn, env->dbi, &cursor));

	if (reason != REASON_NONE)
		return reason;
	reason = count_live(cursor, task->now_s, &task->tally);
	mdb_cursor_close(cursor);
	return reason;
}

/* Do a task in a transaction of its own.  After a failure all is closed. */
static enum reason attempt(struct lmdb_env *env, struct task *task)
{
	enum reason reason = lmdb_env_begin(env, task->writes);

	if (reason == REASON_NONE)
		reason = task->run(env, task);
	if (reason == REASON_NONE && task->changed)
		reason = lmdb_env_commit(env);
	if (reason == REASON_NONE)
		lmdb_env_abort(env);
	else
		lmdb_env_close(env);
	return reason;
}

/*
 * Remove up to PRUNE_MANY of the expired records.  A full store can take only few changes at
 * once: each needs free pages before it frees some.
 */
static enum reason prune_many(struct lmdb_env *env, int64_t now_s, size_t *removed)
{
	size_t limit = PRUNE_MANY;
	enum reason reason;

	*removed = 0;
	do {
		struct task task = {
			.run = run_prune, .now_s = now_s, .limit = limit, .writes = true
		};

		reason = attempt(env, &task);
		if (reason == REASON_NONE)
			*removed = task.removed;
		limit /= 2;
	} while (reason == REASON_STORE_FULL && limit > 0);
	return reason;
}

/* Do a task, if need be after making room for it. */
static enum reason perform(struct lmdb_env *env, struct task *task)
{
	const struct task asked = *task;
	size_t removed;
	enum reason reason = attempt(env, task);

	if (reason == REASON_STORE_FULL && task->writes) {
		enum reason pruned = prune_many(env, task->now_s, &removed);

		*task = asked;
		if (removed > 0)
			reason = attempt(env, task);
		else if (pruned != REASON_NONE)
			reason = pruned;
	}
	return reason;
}

static enum reason lmdb_add(struct store *store, const struct store_key *key, int64_t expires_s,
	int64_t now_s, bool *added)
{
	struct task task = { .run = run_add,
		.key = key,
		.expires_s = expires_s,
		.now_s = now_s,
		.limit = PRUNE_SOME,
		.writes = true };
	enum reason reason = perform(env_of(store), &task);

	*added = reason == REASON_NONE && !task.answer;
	return reason;
}

static enum reason lmdb_has(struct store *store, const struct store_key *key, int64_t expires_s,
	int64_t now_s, bool *found)
{
	struct task task = {
		.run = run_has, .key = key, .expires_s = expires_s, .now_s = now_s
	};
	enum reason reason = perform(env_of(store), &task);

	*found = reason == REASON_NONE && task.answer;
	return reason;
}

static enum reason lmdb_read(struct store *store, const struct store_key *key, int64_t now_s,
	struct store_counter *counter)
{
	struct task task = { .run = run_read, .key = key, .now_s = now_s };
	enum reason reason = perform(env_of(store), &task);

	*counter = reason == REASON_NONE ? task.counter : (struct store_counter){ 0 };
	return reason;
}

static enum reason lmdb_increment(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, struct store_counter *counter)
{
	struct task task = { .run = run_increment,
		.key = key,
		.expires_s = expires_s,
		.now_s = now_s,
		.limit = PRUNE_SOME,
		.writes = true };
	enum reason reason = perform(env_of(store), &task);

	*counter = reason == REASON_NONE ? task.counter : (struct store_counter){ 0 };
	return reason;
}

static enum reason lmdb_tally(struct store *store, int64_t now_s, struct store_tally *tally)
{
	struct task task = { .run = run_tally, .now_s = now_s };
	enum reason reason = perform(env_of(store), &task);

	*tally = reason == REASON_NONE ? task.tally : (struct store_tally){ 0 };
	return reason;
}

static enum reason lmdb_prune(struct store *store, int64_t now_s, int64_t *removed)
{
	int64_t total = 0;
	size_t count;
	enum reason reason;

	do {
		reason = prune_many(env_of(store), now_s, &count);
		total += (int64_t)count;
	} while (reason == REASON_NONE && count > 0);
	*removed = reason == REASON_NONE ? total : 0;
	return reason;
}

/* Open the counters, if they are not open, or are others now; *counters is borrowed. */
static enum reason get_counters(struct store_lmdb *lmdb, struct counters **counters)
{
	*counters = lmdb->counters;
	if (*counters != NULL && !counters_is_stale(*counters))
		return REASON_NONE;
	counters_free(lmdb->counters);
	lmdb->counters = *counters = NULL;
	enum reason reason = lmdb_env_prepare(&lmdb->env);

	if (reason == REASON_NONE)
		reason = counters_open(lmdb->counters_path, &lmdb->counters);
	if (reason != REASON_NONE)
		return reason == REASON_MEMORY ? REASON_STORE : reason;
	lmdb->env.was_open = true;
	*counters = lmdb->counters;
	if (lmdb->facts.pid != 0)
		counters_report(*counters, &lmdb->facts);
	return REASON_NONE;
}

static enum reason lmdb_count(
	struct store *store, const struct counter_step *steps, size_t step_count)
{
	struct counters *counters;
	enum reason reason = get_counters(lmdb_of(store), &counters);

	return reason == REASON_NONE ? counters_add_all(counters, steps, step_count) : reason;
}

static enum reason lmdb_each_count(struct store *store, counter_visitor *visitor, void *context)
{
	struct counters *counters;
	enum reason reason = get_counters(lmdb_of(store), &counters);

	if (reason == REASON_NONE)
		counters_each(counters, visitor, context);
	return reason;
}

static void lmdb_report(struct store *store, const struct process_facts *facts)
{
	struct store_lmdb *lmdb = lmdb_of(store);
	struct counters *counters;

	/* What cannot be reported now is when the counters are open. */
	lmdb->facts = *facts;
	if (get_counters(lmdb, &counters) == REASON_NONE)
		counters_report(counters, facts);
}

static void lmdb_each_process(struct store *store, process_visitor *visitor, void *context)
{
	struct counters *counters;

	if (get_counters(lmdb_of(store), &counters) == REASON_NONE)
		counters_each_process(counters, visitor, context);
}

static void lmdb_close(struct store *store)
{
	counters_free(lmdb_of(store)->counters);
	lmdb_env_close(env_of(store));
	free(store);
}

struct store *store_lmdb_new(struct str directory)
{
	static const struct store_ops ops = {
		.add = lmdb_add,
		.has = lmdb_has,
		.read = lmdb_read,
		.increment = lmdb_increment,
		.tally = lmdb_tally,
		.prune = lmdb_prune,
		.count = lmdb_count,
		.each_count = lmdb_each_count,
		.report = lmdb_report,
		.each_process = lmdb_each_process,
		.close = lmdb_close,
	};
	struct store_lmdb *lmdb = calloc(1, sizeof(*lmdb));

	if (lmdb == NULL)
		return NULL;
	lmdb->store.ops = &ops;
	if (!path_join(lmdb->counters_path, directory, "/metrics") ||
		!lmdb_env_init(&lmdb->env, directory)) {
		free(lmdb);
		return NULL;
	}
	return &lmdb->store;
}
