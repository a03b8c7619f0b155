/* SPDX-License-Identifier: MIT */
/* The store's contract over LMDB; files that are damaged, replaced or full; calls that fail. */
#include "counting.h"
#include "store_fixture.h"

#include <lmdb.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/vfs.h>

/* Which call fails, of all that are counted, and how. */
static struct {
	unsigned calls;
	unsigned n; /* 0: none */
	int code;
} plan;

static size_t map_size;     /* 0: the store's own */
static size_t entry_weight; /* each entry counts as so many, so that a store fills up soon */
static bool on_nfs;
static bool memory_fails;
static bool digest_fails;

static bool fails_now(void)
{
	plan.calls++;
	return plan.n != 0 && plan.calls == plan.n;
}

/* A function of LMDB, which returns a code of its own. */
#define WRAP(name, parameters, arguments)                                 \
	int __real_##name parameters;                                     \
	int __wrap_##name parameters;                                     \
	int __wrap_##name parameters                                      \
	{                                                                 \
		return fails_now() ? plan.code : __real_##name arguments; \
	}

/* A function of the system, which sets errno. */
#define WRAP_SYSTEM(name, parameters, arguments)         \
	int __real_##name parameters;                    \
	int __wrap_##name parameters;                    \
	int __wrap_##name parameters                     \
	{                                                \
		if (!fails_now())                        \
			return __real_##name arguments;  \
		errno = plan.code < 0 ? EIO : plan.code; \
		return -1;                               \
	}

WRAP(mdb_env_create, (MDB_env * *env), (env))
WRAP(mdb_env_set_maxreaders, (MDB_env * env, unsigned readers), (env, readers))
WRAP(mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode),
	(env, path, flags, mode))
WRAP(mdb_env_stat, (MDB_env * env, MDB_stat *pages), (env, pages))
WRAP(mdb_env_info, (MDB_env * env, MDB_envinfo *info), (env, info))
WRAP(mdb_reader_check, (MDB_env * env, int *dead), (env, dead))
WRAP(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
	(env, parent, flags, txn))
WRAP(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
	(txn, name, flags, dbi))
WRAP(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
WRAP(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags),
	(txn, dbi, key, data, flags))
WRAP(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
WRAP(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor))
WRAP(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op),
	(cursor, key, data, op))
WRAP_SYSTEM(flock, (int fd, int operation), (fd, operation))
WRAP_SYSTEM(fallocate, (int fd, int mode, off_t offset, off_t n), (fd, mode, offset, n))
WRAP_SYSTEM(fsync, (int fd), (fd))
WRAP_SYSTEM(rename, (const char *from, const char *to), (from, to))
WRAP_SYSTEM(ftruncate, (int fd, off_t n), (fd, n))

/* Their names where offsets are asked to have 64 bits. */
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t n);
int __wrap_ftruncate64(int fd, off_t n);
int __wrap_statfs64(const char *path, struct statfs *fs);

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t n)
{
	return __wrap_fallocate(fd, mode, offset, n);
}

int __wrap_ftruncate64(int fd, off_t n)
{
	return __wrap_ftruncate(fd, n);
}

int __real_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *table);
int __wrap_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *table);
int __real_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __real_statfs(const char *path, struct statfs *fs);
int __wrap_statfs(const char *path, struct statfs *fs);
int __real_EVP_DigestFinal_ex(EVP_MD_CTX *hash, unsigned char *digest, unsigned *size);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *hash, unsigned char *digest, unsigned *size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size)
{
	return fails_now() ? plan.code
			   : __real_mdb_env_set_mapsize(env, map_size == 0 ? size : map_size);
}

int __wrap_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *table)
{
	int code = fails_now() ? plan.code : __real_mdb_stat(txn, dbi, table);

	if (code == MDB_SUCCESS && entry_weight != 0)
		table->ms_entries *= entry_weight;
	return code;
}

/* It ends the transaction in any case. */
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
	if (!fails_now())
		return __real_mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return plan.code;
}

int __wrap_statfs(const char *path, struct statfs *fs)
{
	if (!on_nfs)
		return __real_statfs(path, fs);
	*fs = (struct statfs){ .f_type = 0x6969 };
	return 0;
}

int __wrap_statfs64(const char *path, struct statfs *fs)
{
	return __wrap_statfs(path, fs);
}

int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *hash, unsigned char *digest, unsigned *size)
{
	return digest_fails ? 0 : __real_EVP_DigestFinal_ex(hash, digest, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_fails ? NULL : __real_calloc(count, size);
}

static void check_add(struct store *store, enum store_kind kind, unsigned number,
	int64_t expires_s, int64_t now_s, bool wanted, const char *name)
{
	bool added;

	CHECK_REASON(add(store, kind, number, expires_s, now_s, &added), REASON_NONE, name);
	CHECK_NUMBER(added, wanted, name);
}

static void check_has(struct store *store, enum store_kind kind, unsigned number,
	int64_t expires_s, int64_t now_s, bool wanted, const char *name)
{
	bool found;

	CHECK_REASON(has(store, kind, number, expires_s, now_s, &found), REASON_NONE, name);
	CHECK_NUMBER(found, wanted, name);
}

/* Every function gives this reason, and nothing else. */
static void check_refuses(struct store *store, enum reason wanted, const char *name)
{
	bool answer = true;
	struct store_counter counter = { 7, 7 };
	struct store_tally tally = { { 7, 7, 7 } };
	int64_t removed = 7;

	CHECK_REASON(has(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer), wanted, name);
	CHECK(!answer, name);
	answer = true;
	CHECK_REASON(add(store, STORE_REPLAY, 99, LATER_S, NOW_S, &answer), wanted, name);
	CHECK(!answer, name);
	CHECK_REASON(read_counter(store, 1, NOW_S, &counter), wanted, name);
	CHECK_NUMBER(counter.count + counter.expires_s, 0, name);
	counter.count = 7;
	CHECK_REASON(increment(store, 1, LATER_S, NOW_S, &counter), wanted, name);
	CHECK_NUMBER(counter.count + counter.expires_s, 0, name);
	CHECK_REASON(store_tally(store, NOW_S, &tally), wanted, name);
	CHECK_NUMBER(tally.counts[0] + tally.counts[1] + tally.counts[2], 0, name);
	CHECK_REASON(store_prune(store, NOW_S, &removed), wanted, name);
	CHECK_NUMBER(removed, 0, name);
}

static void test_urls(void **state)
{
	static char longest[PATH_MAX + 8];
	static const struct {
		struct str url;
		bool ok;
	} cases[] = {
		{ TEXT("lmdb:state"), true },
		{ TEXT("lmdb:/var/lib/a directory with spaces"), true },
		{ TEXT("redis://127.0.0.1:6379/0"), true },
		{ TEXT("redis://[::1]:6379/15"), true },
		{ TEXT(""), false },
		{ TEXT("lmdb:"), false },
		{ TEXT("lmdb:a\0b"), false },
		{ TEXT("LMDB:state"), false },
		{ TEXT("state"), false },
		{ TEXT("file:state"), false },
		{ TEXT("redis:127.0.0.1:6379/0"), false },
		{ TEXT("redis://127.0.0.1:6379"), false },
		{ TEXT("redis://127.0.0.1/0"), false },
		{ TEXT("redis://127.0.0.1:0/0"), false },
		{ TEXT("redis://127.0.0.1:65536/0"), false },
		{ TEXT("redis://:6379/0"), false },
		{ TEXT("redis://127.0.0.1:6379/"), false },
		{ TEXT("redis://127.0.0.1:6379/x"), false },
		{ TEXT("redis://127.0.0.1:6379/0?a"), false },
		{ TEXT("redis://127.0.0.1:6379/0#a"), false },
		{ TEXT("redis://user@127.0.0.1:6379/0"), false },
		{ { longest, sizeof(longest) }, false },
	};

	(void)state;
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "lmdb:", 5);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *store = store_new(cases[i].url);

		CHECK_NUMBER(store != NULL, cases[i].ok, cases[i].url.p);
		store_free(store);
	}
	memory_fails = true;
	CHECK(store_new(STR("lmdb:state")) == NULL, "no memory");
	memory_fails = false;
	store_free(NULL);
	check_end();
}

static void test_keys(void **state)
{
	static const struct str lists[][3] = {
		{ TEXT("ab"), TEXT("c"), TEXT("") },
		{ TEXT("a"), TEXT("bc"), TEXT("") },
		{ TEXT("abc"), TEXT(""), TEXT("") },
		{ TEXT(""), TEXT(""), TEXT("abc") },
		{ TEXT("a\0"), TEXT("bc"), TEXT("") },
	};
	struct store_key keys[COUNT(lists) * STORE__KINDS + 1], again;
	size_t count = 0;

	(void)state;
	for (unsigned kind = 0; kind < STORE__KINDS; kind++) {
		for (size_t i = 0; i < COUNT(lists); i++) {
			CHECK_REASON(store_key_make((enum store_kind)kind, lists[i],
					     COUNT(lists[i]), &keys[count]),
				REASON_NONE, "key");
			CHECK_NUMBER(keys[count++].bytes[0], kind, "kind");
		}
	}
	CHECK_REASON(store_key_make(STORE_REPLAY, lists[0], 2, &keys[count++]), REASON_NONE,
		"two parts");
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++)
			CHECK(memcmp(&keys[i], &keys[j], sizeof(keys[i])) != 0, "different");
	}
	CHECK_REASON(store_key_make(STORE_REPLAY, lists[0], 3, &again), REASON_NONE, "again");
	CHECK(memcmp(&again, &keys[0], sizeof(again)) == 0, "the same");
	digest_fails = true;
	CHECK_REASON(
		store_key_make(STORE_REVOCATION, lists[0], 3, &again), REASON_STORE, "OpenSSL");
	digest_fails = false;
	for (size_t i = 0; i < sizeof(again.bytes); i++)
		CHECK_NUMBER(again.bytes[i], 0, "cleared");
	check_end();
}

static void test_add(void **state)
{
	struct store *store = open_store();

	(void)state;
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, false, "nothing there");
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "the first");
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, false, "again");
	check_add(store, STORE_REPLAY, 1, LATER_S + 9, NOW_S, false, "again, for longer");
	check_add(store, STORE_REPLAY, 2, LATER_S, NOW_S, true, "another");
	check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "of another kind");
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "there");
	check_has(store, STORE_REPLAY, 3, LATER_S, NOW_S, false, "not there");
	check_has(store, STORE_REPLAY, 1, LATER_S, LATER_S - 1, true, "its last second");
	check_add(store, STORE_REPLAY, 1, LATER_S, LATER_S - 1, false, "its last second");
	/* What has expired may have been removed, and so counts as used. */
	check_add(store, STORE_REPLAY, 4, NOW_S, NOW_S, false, "expires now");
	check_has(store, STORE_REPLAY, 4, NOW_S, NOW_S, true, "expires now");
	check_add(store, STORE_REPLAY, 4, NOW_S + 1, NOW_S, true, "expires in a second");
	check_has(store, STORE_REPLAY, 1, LATER_S + 9, LATER_S, false, "expired");
	check_add(store, STORE_REPLAY, 1, LATER_S + 9, LATER_S, true, "expired, so the first");
	check_add(store, STORE_REPLAY, 1, LATER_S + 9, LATER_S, false, "again");
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "and for an earlier clock");
	store_free(store);
	check_end();
}

static void test_counters(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;

	(void)state;
	CHECK_REASON(read_counter(store, 1, NOW_S, &counter), REASON_NONE, "none");
	CHECK_NUMBER(counter.count, 0, "none");
	CHECK_NUMBER(counter.expires_s, 0, "none");
	for (int64_t i = 1; i <= 5; i++) {
		CHECK_REASON(increment(store, 1, NOW_S + 59 + i, NOW_S, &counter), REASON_NONE,
			"increment");
		CHECK_NUMBER(counter.count, i, "increment");
		CHECK_NUMBER(counter.expires_s, NOW_S + 60, "the first sets the end");
		CHECK_REASON(read_counter(store, 1, NOW_S + 59, &counter), REASON_NONE, "read");
		CHECK_NUMBER(counter.count, i, "read");
		CHECK_NUMBER(counter.expires_s, NOW_S + 60, "read");
	}
	CHECK_REASON(read_counter(store, 2, NOW_S, &counter), REASON_NONE, "another");
	CHECK_NUMBER(counter.count, 0, "another");
	CHECK_REASON(read_counter(store, 1, NOW_S + 60, &counter), REASON_NONE, "expired");
	CHECK_NUMBER(counter.count, 0, "expired");
	CHECK_REASON(increment(store, 1, NOW_S + 120, NOW_S + 60, &counter), REASON_NONE,
		"a new window");
	CHECK_NUMBER(counter.count, 1, "a new window");
	CHECK_NUMBER(counter.expires_s, NOW_S + 120, "a new window");
	CHECK_REASON(increment(store, 3, NOW_S, NOW_S, &counter), REASON_NONE, "no window");
	CHECK_REASON(read_counter(store, 3, NOW_S, &counter), REASON_NONE, "no window");
	CHECK_NUMBER(counter.count, 0, "no window");
	store_free(store);
	check_end();
}

/* One that would last longer was begun by a clock that was ahead, and is begun anew. */
static void test_counter_too_long(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;
	struct store_tally tally;
	int64_t removed;

	(void)state;
	for (int64_t i = 1; i <= 3; i++) {
		CHECK_REASON(increment(store, 1, NOW_S + 1000, NOW_S + 940, &counter),
			REASON_NONE, "ahead");
		CHECK_NUMBER(counter.count, i, "ahead");
	}
	for (int64_t i = 1; i <= 2; i++) {
		CHECK_REASON(
			increment(store, 1, NOW_S + 60, NOW_S, &counter), REASON_NONE, "anew");
		CHECK_NUMBER(counter.count, i, "anew");
		CHECK_NUMBER(counter.expires_s, NOW_S + 60, "anew");
	}
	CHECK_REASON(read_counter(store, 1, NOW_S + 59, &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, 2, "read");
	CHECK_NUMBER(counter.expires_s, NOW_S + 60, "read");
	CHECK_REASON(store_tally(store, NOW_S, &tally), REASON_NONE, "one record");
	CHECK_NUMBER(tally.counts[STORE_THROTTLE], 1, "one record");
	CHECK_REASON(store_prune(store, NOW_S + 60, &removed), REASON_NONE, "one record");
	CHECK_NUMBER(removed, 1, "one record");
	CHECK_REASON(store_tally(store, INT64_MIN, &tally), REASON_NONE, "nothing is left");
	CHECK_NUMBER(tally.counts[STORE_THROTTLE], 0, "nothing is left");
	store_free(store);
	check_end();
}

static void check_tally(struct store *store, int64_t now_s, int64_t replays,
	int64_t revocations, int64_t counters, const char *name)
{
	struct store_tally tally;

	CHECK_REASON(store_tally(store, now_s, &tally), REASON_NONE, name);
	CHECK_NUMBER(tally.counts[STORE_REPLAY], replays, name);
	CHECK_NUMBER(tally.counts[STORE_REVOCATION], revocations, name);
	CHECK_NUMBER(tally.counts[STORE_THROTTLE], counters, name);
}

static void check_prune(struct store *store, int64_t now_s, int64_t wanted, const char *name)
{
	int64_t removed;

	CHECK_REASON(store_prune(store, now_s, &removed), REASON_NONE, name);
	CHECK_NUMBER(removed, wanted, name);
}

static void test_tally_and_prune(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;

	(void)state;
	check_tally(store, NOW_S, 0, 0, 0, "empty");
	check_prune(store, NOW_S, 0, "empty");
	for (unsigned i = 0; i < 10; i++)
		check_add(store, STORE_REPLAY, i, NOW_S + 1 + i, NOW_S, true, "replay");
	for (unsigned i = 0; i < 5; i++)
		check_add(store, STORE_REVOCATION, i, NOW_S + 1 + i, NOW_S, true, "revocation");
	CHECK_REASON(increment(store, 1, NOW_S + 60, NOW_S, &counter), REASON_NONE, "counter");
	check_tally(store, NOW_S, 10, 5, 1, "all");
	check_tally(store, NOW_S + 1, 9, 4, 1, "the first have expired");
	check_tally(store, NOW_S + 10, 0, 0, 1, "only the counter");
	check_tally(store, INT64_MAX, 0, 0, 0, "the end of time");
	check_prune(store, NOW_S, 0, "none has expired");
	check_prune(store, NOW_S + 1, 2, "one of each");
	check_prune(store, NOW_S + 1, 0, "again");
	check_tally(store, NOW_S, 9, 4, 1, "what is left");
	check_prune(store, NOW_S + 3600, 14, "all");
	check_tally(store, NOW_S, 0, 0, 0, "none");
	store_free(store);
	check_end();
}

/* Times are in order also before the epoch. */
static void test_times(void **state)
{
	static const int64_t times[] = { INT64_MIN + 1, -70000, -1, 0, 1, 255, 256, 70000,
		INT64_MAX };
	struct store *store = open_store();

	(void)state;
	for (unsigned i = COUNT(times); i-- > 0;)
		check_add(store, STORE_REPLAY, i, times[i], INT64_MIN, true, "times");
	for (unsigned i = 0; i < COUNT(times); i++) {
		check_tally(store, times[i] - 1, (int64_t)(COUNT(times) - i), 0, 0, "times");
		if (times[i] < INT64_MAX)
			check_prune(store, times[i], 1, "times");
	}
	store_free(store);
	check_end();
}

/* A clock that is set back must not make used tokens usable, nor revoked ones active. */
static void test_floors(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;

	(void)state;
	check_add(store, STORE_REPLAY, 1, NOW_S + 60, NOW_S, true, "replay");
	check_add(store, STORE_REVOCATION, 1, NOW_S + 80, NOW_S, true, "revocation");
	CHECK_REASON(increment(store, 1, NOW_S + 90, NOW_S, &counter), REASON_NONE, "counter");
	check_prune(store, NOW_S + 1000, 3, "prune");
	check_add(store, STORE_REPLAY, 1, NOW_S + 60, NOW_S, false, "used");
	check_has(store, STORE_REPLAY, 1, NOW_S + 60, NOW_S, true, "used");
	check_add(store, STORE_REPLAY, 2, NOW_S + 60, NOW_S, false, "perhaps used");
	check_add(store, STORE_REPLAY, 2, NOW_S + 61, NOW_S, true,
		"what was removed is the floor, not the time of removal");
	check_has(store, STORE_REVOCATION, 1, NOW_S + 80, NOW_S, true, "revoked");
	check_has(store, STORE_REVOCATION, 1, NOW_S + 81, NOW_S, false, "not revoked");
	CHECK_REASON(increment(store, 1, NOW_S + 90, NOW_S, &counter), REASON_NONE, "counter");
	CHECK_NUMBER(counter.count, 1, "counters have no floor");

	/* A floor stays where it is when something earlier is removed, and is kept. */
	check_prune(store, NOW_S + 61, 1, "prune");
	store_free(store);
	store = open_store();
	check_has(store, STORE_REPLAY, 3, NOW_S + 61, NOW_S, true, "kept");
	check_has(store, STORE_REPLAY, 3, NOW_S + 62, NOW_S, false, "kept");
	store_free(store);
	check_end();
}

/* Each record that is made removes more than one that has expired. */
static void test_stays_small(void **state)
{
	struct store *store = open_store();
	struct store_tally tally;
	struct stat st;
	off_t size = 0;
	bool added;

	(void)state;
	for (unsigned round = 0; round < 6; round++) {
		int64_t now_s = NOW_S + round * 100;

		for (unsigned i = 0; i < 200; i++)
			CHECK_REASON(add(store, STORE_REPLAY, round * 200 + i, now_s + 100,
					     now_s, &added),
				REASON_NONE, "add");
		CHECK_REASON(store_tally(store, INT64_MIN, &tally), REASON_NONE, "tally");
		CHECK_NUMBER(tally.counts[STORE_REPLAY], 200, "only what lives is there");
		CHECK_NUMBER(stat(file_of("data.mdb"), &st), 0, "stat");
		if (round == 2)
			size = st.st_blocks;
	}
	CHECK(st.st_blocks <= size + 16, "the file does not grow");
	store_free(store);
	check_end();
}

static void test_reopen(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;

	(void)state;
	CHECK(access(store_path, F_OK) != 0, "nothing is made before the first use");
	for (unsigned i = 0; i < 300; i++)
		check_add(store, STORE_REVOCATION, i, LATER_S, NOW_S, true, "revocation");
	CHECK_REASON(increment(store, 1, LATER_S, NOW_S, &counter), REASON_NONE, "counter");
	store_free(store);
	store = open_store();
	for (unsigned i = 0; i < 300; i++)
		check_has(store, STORE_REVOCATION, i, LATER_S, NOW_S, true, "kept");
	CHECK_REASON(increment(store, 1, LATER_S, NOW_S, &counter), REASON_NONE, "counter");
	CHECK_NUMBER(counter.count, 2, "kept");
	store_free(store);
	check_end();
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void test_rights(void **state)
{
	static const struct {
		mode_t directory, file;
	} cases[] = {
		{ 0700, 0600 },
		{ 0770, 0660 },
		{ 0750, 0640 },
		{ 02775, 0660 },
		{ 0777, 0660 },
	};
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	mode_t mask = umask(0077);
	bool is_root = geteuid() == 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *store = open_store();

		assert_int_equal(mkdir(store_path, 0700), 0);
		assert_int_equal(chmod(store_path, cases[i].directory), 0);
		assert_int_equal(is_root ? chown(store_path, 4321, 1234) : 0, 0);
		check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "add");
		for (size_t j = 0; j < COUNT(names); j++) {
			struct stat st = stat_of(file_of(names[j]));

			CHECK_NUMBER(st.st_mode & 07777, cases[i].file, names[j]);
			CHECK_NUMBER(st.st_uid, is_root ? 4321 : geteuid(), names[j]);
			CHECK(!is_root || st.st_gid == 1234, names[j]);
		}
		CHECK(access(file_of("data.new"), F_OK) != 0, "nothing else is left");
		/* Its map is written, which must not need a block of a full disk. */
		CHECK(stat_of(file_of("lock.mdb")).st_blocks * 512 >=
				stat_of(file_of("lock.mdb")).st_size,
			"the lock file has no holes");
		store_free(store);
		remove_tree(store_path);
	}
	struct store *store = open_store();

	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "no directory");
	CHECK_NUMBER(stat_of(store_path).st_mode & 07777, 0700, "made");
	store_free(store);
	umask(mask);
	check_end();
}

/* Write a table whose format is `format`, or that has another entry than it. */
static void write_table(const char *name, size_t name_size, int format)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char bytes[] = { 0, 0 };
	unsigned char content = (unsigned char)format;

	memcpy(bytes, name, name_size);
	MDB_val key = { name_size, bytes }, value = { 1, &content };

	assert_int_equal(mkdir(store_path, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, store_path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(name_size == 0 ? 0 : mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_format(void **state)
{
	static const struct {
		const char *name, *key;
		size_t key_size;
		int format;
		enum reason reason;
	} cases[] = {
		{ "this format", "\0\377", 2, 1, REASON_NONE },
		{ "an older one", "\0\377", 2, 0, REASON_STORE_DAMAGED },
		{ "a newer one", "\0\377", 2, 2, REASON_STORE_DAMAGED },
		{ "somebody else's", "a", 1, 1, REASON_STORE_DAMAGED },
		{ "none", "", 0, 0, REASON_STORE_DAMAGED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *store = open_store();
		bool added;

		write_table(cases[i].key, cases[i].key_size, cases[i].format);
		CHECK_REASON(add(store, STORE_REPLAY, 1, LATER_S, NOW_S, &added),
			cases[i].reason, cases[i].name);
		if (cases[i].reason != REASON_NONE)
			check_refuses(store, cases[i].reason, cases[i].name);
		store_free(store);
		remove_tree(store_path);
	}
	check_end();
}

/* Entries that this program has never written. */
static void test_strange_entries(void **state)
{
	static const struct {
		const char *name, *key;
		size_t key_size;
	} cases[] = {
		{ "an expiry that is too short", "\1\0\1", 3 },
		{ "a floor that is too short", "\0\0", 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *store;
		bool answer;
		int64_t removed;

		write_table("\0\377", 2, 1);
		MDB_env *env;
		MDB_txn *txn;
		MDB_dbi dbi;
		char bytes[3];

		memcpy(bytes, cases[i].key, cases[i].key_size);
		MDB_val key = { cases[i].key_size, bytes }, value = { 0, bytes };

		assert_int_equal(mdb_env_create(&env), 0);
		assert_int_equal(mdb_env_open(env, store_path, 0, 0600), 0);
		assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
		assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
		assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
		assert_int_equal(mdb_txn_commit(txn), 0);
		mdb_env_close(env);
		store = open_store();
		CHECK_REASON(add(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer),
			REASON_STORE_DAMAGED, cases[i].name);
		CHECK(!answer, cases[i].name);
		if (i == 0)
			CHECK_REASON(store_prune(store, NOW_S, &removed), REASON_STORE_DAMAGED,
				cases[i].name);
		store_free(store);
		remove_tree(store_path);
	}
	check_end();
}

/*
 * The order of expiry names a record at another time than the record itself: who believed it
 * would remove a record that is alive, and what was used once could be used again.
 */
static void test_wrong_order(void **state)
{
	unsigned char bytes[9 + STORE_KEY_SIZE] = { 1, 0x80 };
	struct store_key record = key_of(STORE_REPLAY, 1);
	bool answer;
	int64_t removed;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	(void)state;
	write_table("\0\377", 2, 1);
	/* Ten seconds after the epoch. */
	bytes[8] = 10;
	memcpy(bytes + 9, record.bytes, STORE_KEY_SIZE);
	MDB_val key = { sizeof(bytes), bytes }, value = { 0, bytes };

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, store_path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	struct store *store = open_store();

	CHECK_REASON(add(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer), REASON_STORE_DAMAGED,
		"the same record");
	CHECK(!answer, "the same record");
	CHECK_REASON(store_prune(store, NOW_S, &removed), REASON_STORE_DAMAGED, "no record");
	store_free(store);
	check_end();
}

static void cut(const char *name, off_t size)
{
	assert_int_equal(truncate(file_of(name), size), 0);
}

static void cut_to_nothing(void)
{
	cut("data.mdb", 0);
}

static void cut_in_first_page(void)
{
	cut("data.mdb", 100);
}

static void cut_after_first_page(void)
{
	cut("data.mdb", 4096);
}

static void cut_after_meta_pages(void)
{
	cut("data.mdb", 8192);
}

static void cut_in_the_middle(void)
{
	cut("data.mdb", 6 * 4096 + 17);
}

static void write_garbage(const char *name, size_t size)
{
	int fd = open(file_of(name), O_WRONLY);
	unsigned char bytes[4096];

	assert_true(fd >= 0);
	memset(bytes, 0x5a, sizeof(bytes));
	for (size_t done = 0; done < size; done += sizeof(bytes))
		assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
}

static void fill_with_garbage(void)
{
	write_garbage("data.mdb", 64 << 10);
}

static void fill_with_zeros(void)
{
	struct stat st = stat_of(file_of("data.mdb"));

	cut_to_nothing();
	cut("data.mdb", st.st_size);
}

static void replace(const char *name)
{
	assert_int_equal(unlink(file_of(name)), 0);
}

static void make_directory(void)
{
	replace("data.mdb");
	assert_int_equal(mkdir(file_of("data.mdb"), 0700), 0);
}

static void make_fifo(void)
{
	replace("data.mdb");
	assert_int_equal(mkfifo(file_of("data.mdb"), 0600), 0);
}

static void make_link(void)
{
	replace("data.mdb");
	assert_int_equal(symlink("/etc/passwd", file_of("data.mdb")), 0);
}

static void make_lock_directory(void)
{
	replace("lock.mdb");
	assert_int_equal(mkdir(file_of("lock.mdb"), 0700), 0);
}

static void make_lock_fifo(void)
{
	replace("lock.mdb");
	assert_int_equal(mkfifo(file_of("lock.mdb"), 0600), 0);
}

static void make_lock_link(void)
{
	replace("lock.mdb");
	assert_int_equal(symlink("/etc/passwd", file_of("lock.mdb")), 0);
}

static void make_file_of_directory(void)
{
	remove_tree(store_path);
	assert_int_equal(close(open(store_path, O_CREAT | O_WRONLY, 0600)), 0);
}

static void remove_parent(void)
{
	remove_tree(top);
}

static const struct {
	const char *name;
	void (*damage)(void);
	enum reason reason;
	bool in_use; /* is seen also while the files are open */
} damages[] = {
	{ "cut to nothing", cut_to_nothing, REASON_STORE_DAMAGED, true },
	{ "cut in the first page", cut_in_first_page, REASON_STORE_DAMAGED, true },
	{ "cut after the first page", cut_after_first_page, REASON_STORE_DAMAGED, true },
	{ "cut after the meta pages", cut_after_meta_pages, REASON_STORE_DAMAGED, true },
	{ "cut in the middle", cut_in_the_middle, REASON_STORE_DAMAGED, true },
	{ "garbage", fill_with_garbage, REASON_STORE_DAMAGED, false },
	{ "zeros", fill_with_zeros, REASON_STORE_DAMAGED, false },
	{ "a directory", make_directory, REASON_STORE_DAMAGED, true },
	{ "a FIFO", make_fifo, REASON_STORE_DAMAGED, true },
	{ "a link", make_link, REASON_STORE_DAMAGED, true },
	{ "the lock file a directory", make_lock_directory, REASON_STORE_DAMAGED, false },
	{ "the lock file a FIFO", make_lock_fifo, REASON_STORE_DAMAGED, false },
	{ "the lock file a link", make_lock_link, REASON_STORE_OPEN, false },
	{ "the directory a file", make_file_of_directory, REASON_STORE_OPEN, true },
	{ "no parent directory", remove_parent, REASON_STORE_OPEN, true },
};

/* Damage to the files, be they open or not; then the operator removes them. */
static void check_damage(size_t i, bool in_use)
{
	struct store *store = open_store();

	for (unsigned j = 0; j < 100; j++)
		check_add(store, STORE_REPLAY, j, LATER_S, NOW_S, true, damages[i].name);
	if (!in_use) {
		store_free(store);
		store = open_store();
	}
	damages[i].damage();
	check_refuses(store, damages[i].reason, damages[i].name);
	remove_tree(store_path);
	mkdir(top, 0700);
	if (in_use) {
		check_refuses(store, REASON_STORE_OPEN, damages[i].name);
		assert_int_equal(mkdir(store_path, 0700), 0);
	}
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, damages[i].name);
	store_free(store);
	remove_tree(store_path);
}

static void test_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(damages); i++)
		check_damage(i, false);
	check_end();
}

/* Cutting a file by its path leaves LMDB's locks alone, which opening it would not. */
static void test_damaged_in_use(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(damages); i++) {
		if (damages[i].in_use)
			check_damage(i, true);
	}
	check_end();
}

/* What was cut off and comes back, as from a backup, is used again without a restart. */
static void test_mended(void **state)
{
	struct store *store = open_store();
	char saved[PATH_MAX + 8];

	(void)state;
	snprintf(saved, sizeof(saved), "%s.saved", store_path);
	check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "add");
	assert_int_equal(rename(store_path, saved), 0);
	check_refuses(store, REASON_STORE_OPEN, "vanished");
	assert_int_equal(mkdir(store_path, 0700), 0);
	check_has(store, STORE_REVOCATION, 1, LATER_S, NOW_S, false, "a new store");
	check_add(store, STORE_REVOCATION, 2, LATER_S, NOW_S, true, "a new store");
	cut_after_meta_pages();
	check_refuses(store, REASON_STORE_DAMAGED, "cut");
	remove_tree(store_path);
	assert_int_equal(rename(saved, store_path), 0);
	check_has(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "the old one");
	check_has(store, STORE_REVOCATION, 2, LATER_S, NOW_S, false, "the old one");

	/* The lock file alone, too: a writer must hold the lock that others would. */
	assert_int_equal(unlink(file_of("lock.mdb")), 0);
	check_add(store, STORE_REVOCATION, 2, LATER_S, NOW_S, true, "a new lock file");
	CHECK(access(file_of("lock.mdb"), F_OK) == 0, "a new lock file");

	/* And the data alone: the lock file is for other transactions than the new data's. */
	assert_int_equal(unlink(file_of("data.mdb")), 0);
	check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "new data");
	check_has(store, STORE_REVOCATION, 2, LATER_S, NOW_S, false, "new data");
	store_free(store);
	check_end();
}

/*
 * A directory that vanishes takes with it what must not be forgotten: who had it open does not
 * make another one, so that its owner gets to know.
 */
static void test_vanished(void **state)
{
	struct store *store = open_store();

	(void)state;
	check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "made at first");
	for (unsigned round = 0; round < 3; round++) {
		remove_tree(store_path);
		for (unsigned i = 0; i < 3; i++) {
			check_refuses(store, REASON_STORE_OPEN, "vanished");
			CHECK(access(store_path, F_OK) != 0, "it is not made anew");
		}
		assert_int_equal(mkdir(store_path, 0700), 0);
		check_has(store, STORE_REVOCATION, 1, LATER_S, NOW_S, false, "made by hand");
		check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "made by hand");
		check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, false, "made by hand");
	}
	store_free(store);
	remove_tree(store_path);
	store = open_store();
	check_add(store, STORE_REVOCATION, 1, LATER_S, NOW_S, true, "by another process");
	store_free(store);
	check_end();
}

static void test_named_counters(void **state)
{
	struct store *store = open_store();

	(void)state;
	CHECK(access(store_path, F_OK) != 0, "nothing is made before the first use");
	counting_check_contract(store);
	CHECK_NUMBER(stat_of(store_path).st_mode & 07777, 0700, "made");
	CHECK_NUMBER(stat_of(file_of("metrics")).st_mode & 07777, 0600, "made");
	CHECK(access(file_of("data.mdb"), F_OK) != 0, "nothing else is made");
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "what else is in the store");
	check_tally(store, NOW_S, 1, 0, 0, "what else is in the store");
	store_free(store);
	store = open_store();
	counting_check(store, STR("1 2 3"), 4, 6, "kept");
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, false, "kept");
	store_free(store);
	check_end();
}

/* Each of the two is what it was whatever happens to the other. */
static void test_named_counters_apart(void **state)
{
	struct store *store = open_store(), *other = open_store();

	(void)state;
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "add");
	CHECK(access(file_of("metrics"), F_OK) != 0, "not made before its first use");
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "count");
	CHECK_REASON(counting_add(other, STR("a"), 2), REASON_NONE, "another process");
	counting_check(store, STR("a"), 3, 1, "another process");
	assert_int_equal(unlink(file_of("data.mdb")), 0);
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "new data");
	counting_check(store, STR("a"), 3, 1, "new data");
	write_garbage("data.mdb", 64 << 10);
	counting_check(store, STR("a"), 3, 1, "damaged data");
	assert_int_equal(unlink(file_of("data.mdb")), 0);
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "new data");
	write_garbage("metrics", 64 << 10);
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "damaged counters");
	(void)!counting_add(store, STR("b"), 1);
	CHECK_REASON(
		counting_add(store, STR("b"), 1), REASON_NONE, "damage is seen, then over");
	cut("metrics", 100);
	CHECK_REASON(counting_add(other, STR("c"), 1), REASON_NONE, "cut short");
	counting_check(store, STR("c"), 1, 1, "cut short");
	assert_int_equal(unlink(file_of("metrics")), 0);
	CHECK_REASON(counting_add(store, STR("d"), 1), REASON_NONE, "removed");
	CHECK_REASON(counting_add(other, STR("d"), 1), REASON_NONE, "removed");
	counting_check(store, STR("d"), 2, 1, "removed");
	assert_int_equal(unlink(file_of("metrics")), 0);
	assert_int_equal(mkdir(file_of("metrics"), 0700), 0);
	counting_check_refuses(store, REASON_STORE_OPEN, "no file");
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "no file");
	assert_int_equal(rmdir(file_of("metrics")), 0);
	CHECK_REASON(counting_add(store, STR("e"), 1), REASON_NONE, "made again");
	store_free(store);
	store_free(other);
	check_end();
}

/* A directory that has vanished is not made anew, whatever had been open of it. */
static void test_named_counters_vanished(void **state)
{
	(void)state;
	for (unsigned uses = 1; uses <= 3; uses++) {
		struct store *store = open_store();

		if ((uses & 1) != 0)
			check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "add");
		if ((uses & 2) != 0)
			CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "count");
		remove_tree(store_path);
		for (unsigned i = 0; i < 2; i++) {
			counting_check_refuses(store, REASON_STORE_OPEN, "vanished");
			check_refuses(store, REASON_STORE_OPEN, "vanished");
			CHECK_NUMBER(counting_processes(store), 0, "vanished");
			CHECK(access(store_path, F_OK) != 0, "it is not made anew");
		}
		assert_int_equal(mkdir(store_path, 0700), 0);
		CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "made by hand");
		counting_check(store, STR("a"), 1, 1, "made by hand");
		check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "made by hand");
		store_free(store);
		remove_tree(store_path);
	}
	check_end();
}

/* Who has reported is listed also after the file was replaced, as soon as it counts. */
static void test_listed(void **state)
{
	const struct process_facts facts = { .pid = getpid(), .version = "1.0" };
	struct store *store = open_store(), *other = open_store();

	(void)state;
	CHECK_NUMBER(counting_processes(store), 0, "nobody");
	store->ops->report(store, &facts);
	other->ops->report(other, &facts);
	CHECK_NUMBER(counting_processes(store), 2, "both");
	assert_int_equal(unlink(file_of("metrics")), 0);
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "count");
	CHECK_NUMBER(counting_processes(store), 1, "a new file");
	CHECK_NUMBER(counting_processes(other), 2, "a new file");
	store_free(store);
	CHECK_NUMBER(counting_processes(other), 1, "one is left");
	store_free(other);
	/* And if nothing could be opened when it did. */
	store = open_store();
	on_nfs = true;
	store->ops->report(store, &facts);
	CHECK_NUMBER(counting_processes(store), 0, "NFS");
	on_nfs = false;
	CHECK_NUMBER(counting_processes(store), 1, "no longer");
	store_free(store);
	check_end();
}

/* It waits 300 ms for others who open the directory; anybody who may read it can hold it. */
static void test_locked(void **state)
{
	struct store *store = open_store(), *fresh;
	int fd, status;

	(void)state;
	alarm(30);
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "before");
	fd = open(store_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "who has it open");
	store_free(store);
	fresh = open_store();
	for (unsigned i = 0; i < 3; i++) {
		int64_t start_us = clock_steady_us(), spent_us;
		bool added = true;

		CHECK_REASON(add(fresh, STORE_REPLAY, 2, LATER_S, NOW_S, &added),
			REASON_STORE_OPEN, "held");
		CHECK(!added, "held");
		spent_us = clock_steady_us() - start_us;
		CHECK(spent_us >= 100000, "it waits for a moment");
		CHECK(spent_us < 500000, "and not for long");
		check_failures += i == 2 && flock(fd, LOCK_EX) != 0;
	}
	/* Somebody else, who opens it as we do, and is done soon. */
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		usleep(100000);
		_exit(flock(fd, LOCK_UN) == 0 ? 0 : 1);
	}
	check_add(fresh, STORE_REPLAY, 2, LATER_S, NOW_S, true, "given back");
	check_has(fresh, STORE_REPLAY, 1, LATER_S, NOW_S, true, "given back");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	CHECK_NUMBER(status, 0, "given back");
	alarm(0);
	close(fd);
	store_free(fresh);
	check_end();
}

/* As a user who has no rights, which root would have in any case. */
static bool without_rights(void)
{
	static const struct {
		const char *name;
		mode_t directory, data, lock;
	} cases[] = {
		{ "directory not to be searched", 0, 0600, 0600 },
		{ "data not to be read", 0700, 0, 0600 },
		{ "data not to be written", 0700, 0400, 0600 },
		{ "lock not to be written", 0700, 0600, 0400 },
	};
	struct store *store = open_store();

	if (geteuid() == 0 &&
		(chown(top, 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
		return false;
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "as another user");
	store_free(store);
	for (size_t i = 0; i < COUNT(cases); i++) {
		store = open_store();
		chmod(file_of("data.mdb"), cases[i].data);
		chmod(file_of("lock.mdb"), cases[i].lock);
		chmod(store_path, cases[i].directory);
		check_refuses(store, REASON_STORE_OPEN, cases[i].name);
		chmod(store_path, 0700);
		chmod(file_of("data.mdb"), 0600);
		chmod(file_of("lock.mdb"), 0600);
		check_has(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, cases[i].name);
		store_free(store);
	}
	chmod(top, 0500);
	remove_tree(store_path);
	chmod(store_path, 0500);
	store = open_store();
	check_refuses(store, REASON_STORE_OPEN, "nothing to be made");
	chmod(store_path, 0700);
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "nothing to be made");
	store_free(store);
	chmod(top, 0700);
	return check_failures == 0;
}

static void test_rights_missing(void **state)
{
	(void)state;
	assert_true(in_process(without_rights));
}

static void test_network(void **state)
{
	struct store *store = open_store();

	(void)state;
	on_nfs = true;
	check_refuses(store, REASON_STORE_NETWORK, "NFS");
	counting_check_refuses(store, REASON_STORE_NETWORK, "NFS");
	CHECK(access(store_path, F_OK) != 0, "nothing is made");
	on_nfs = false;
	check_add(store, STORE_REPLAY, 1, LATER_S, NOW_S, true, "no longer");
	store_free(store);
	check_end();
}

/* Add records, the first 500 for 100 s and the others for 1,000, until one is refused. */
static unsigned fill(struct store *store, const char *name)
{
	enum reason reason = REASON_NONE;
	unsigned count = 0;
	bool added = true;

	while (reason == REASON_NONE && count < 100000) {
		CHECK(added, name);
		reason = add(store, STORE_REPLAY, count, NOW_S + (count < 500 ? 100 : 1000),
			NOW_S, &added);
		count += reason == REASON_NONE;
	}
	CHECK_REASON(reason, REASON_STORE_FULL, name);
	CHECK(!added, name);
	CHECK(count >= 1000, name);
	return count;
}

/* All that was acknowledged is there, and nothing else. */
static void check_content(struct store *store, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		check_has(store, STORE_REPLAY, i, NOW_S + 1000, NOW_S, true, name);
	for (unsigned i = 0; i < 9; i++)
		check_has(store, STORE_REPLAY, count + i, NOW_S + 1000, NOW_S, false, name);
	check_tally(store, NOW_S, count, 0, 0, name);
	for (unsigned i = 0; i < 9; i++)
		check_add(store, STORE_REPLAY, i, NOW_S + 100, NOW_S, false, name);
}

static void test_full(void **state)
{
	struct store *store = open_store();
	struct store_counter counter = { 1, 1 };
	bool added;

	(void)state;
	entry_weight = 1000;
	CHECK_NUMBER(fill(store, "full"), 1000, "full");
	for (unsigned i = 0; i < 3; i++) {
		CHECK_REASON(add(store, STORE_REVOCATION, i, NOW_S + 1000, NOW_S, &added),
			REASON_STORE_FULL, "full");
		CHECK_REASON(increment(store, i, NOW_S + 1000, NOW_S, &counter),
			REASON_STORE_FULL, "full");
		CHECK_NUMBER(counter.count, 0, "full");
	}
	check_content(store, 1000, "full");
	/* One less, for the floor is an entry, too. */
	for (unsigned i = 0; i < 499; i++)
		check_add(
			store, STORE_REVOCATION, i, NOW_S + 1000, NOW_S + 100, true, "pruned");
	CHECK_REASON(add(store, STORE_REVOCATION, 500, NOW_S + 1000, NOW_S + 100, &added),
		REASON_STORE_FULL, "full again");
	check_tally(store, NOW_S + 100, 500, 499, 0, "full again");
	check_prune(store, NOW_S + 1000, 999, "all");
	entry_weight = 0;
	store_free(store);
	check_end();
}

/* Begin counters, from this number on, until one is refused; how many there are then. */
static unsigned begin_counters(struct store *store, unsigned from, const char *name)
{
	enum reason reason = REASON_NONE;
	struct store_counter counter;
	unsigned count = 0;

	while (reason == REASON_NONE && count < 2000) {
		reason = increment(store, from + count, NOW_S + 100, NOW_S, &counter);
		CHECK_NUMBER(counter.count, reason == REASON_NONE, name);
		count += reason == REASON_NONE;
	}
	CHECK_REASON(reason, REASON_STORE_FULL, name);
	return count;
}

/* Strangers make counters: a quarter of the store is kept for the others. */
static void test_full_of_counters(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;
	bool added;

	(void)state;
	entry_weight = 1000;
	CHECK_NUMBER(begin_counters(store, 0, "counters"), 750, "counters");
	CHECK_REASON(increment(store, 7, NOW_S + 100, NOW_S, &counter), REASON_NONE, "raised");
	CHECK_NUMBER(counter.count, 2, "raised");
	CHECK_REASON(increment(store, 8, NOW_S + 90, NOW_S, &counter), REASON_NONE, "anew");
	CHECK_NUMBER(counter.count, 1, "anew");
	for (unsigned i = 0; i < 125; i++) {
		check_add(store, STORE_REPLAY, i, NOW_S + 1000, NOW_S, true, "replay");
		check_add(store, STORE_REVOCATION, i, NOW_S + 1000, NOW_S, true, "revocation");
	}
	check_tally(store, NOW_S, 125, 125, 750, "full");
	CHECK_REASON(add(store, STORE_REPLAY, 999, NOW_S + 1000, NOW_S, &added),
		REASON_STORE_FULL, "full");
	CHECK_NUMBER(begin_counters(store, 1000, "full"), 0, "full");
	check_tally(store, NOW_S, 125, 125, 750, "full");
	check_prune(store, NOW_S + 100, 750, "the counters are over");
	CHECK_NUMBER(begin_counters(store, 1000, "again"), 500, "again");
	check_prune(store, NOW_S + 100, 500, "they are over");
	/* And where there is no counter yet. */
	for (unsigned i = 125; i < 375; i++) {
		check_add(store, STORE_REPLAY, i, NOW_S + 1000, NOW_S, true, "replay");
		check_add(store, STORE_REVOCATION, i, NOW_S + 1000, NOW_S, true, "revocation");
	}
	CHECK_NUMBER(begin_counters(store, 2000, "only others"), 0, "only others");
	check_add(store, STORE_REVOCATION, 999, NOW_S + 1000, NOW_S, true, "only others");
	entry_weight = 0;
	store_free(store);
	check_end();
}

/* What is in the table, be it expired. */
static int64_t stored(struct store *store)
{
	struct store_tally tally;

	CHECK_REASON(store_tally(store, INT64_MIN, &tally), REASON_NONE, "tally");
	return tally.counts[STORE_REPLAY] + tally.counts[STORE_REVOCATION] +
	       tally.counts[STORE_THROTTLE];
}

/* A request that meets a full store removes some of what has expired; an operator, all. */
static void test_many_expired(void **state)
{
	struct store *store = open_store();
	struct store_counter counter;

	(void)state;
	entry_weight = 200;
	for (unsigned i = 0; i < 5000; i++)
		check_add(store, STORE_REPLAY, i, NOW_S + 100, NOW_S, true, "add");
	CHECK_NUMBER(stored(store), 5000, "full");
	check_add(store, STORE_REVOCATION, 1, NOW_S + 1000, NOW_S + 100, true, "makes room");
	int64_t left = stored(store) - 1;

	CHECK(left < 5000 - 4, "makes room for others, too");
	CHECK(left >= 5000 - 1024 - 4, "but not without end");
	CHECK_REASON(increment(store, 1, NOW_S + 200, NOW_S + 100, &counter), REASON_NONE,
		"a counter");
	CHECK(stored(store) >= left - 1024 - 4, "a counter");
	left = stored(store) - 2;
	check_prune(store, NOW_S + 100, left, "all of them, in several steps");
	CHECK_NUMBER(stored(store), 2, "only what lives is left");
	check_has(store, STORE_REVOCATION, 1, NOW_S + 1000, NOW_S + 100, true, "and is left");
	check_has(store, STORE_REPLAY, 1, NOW_S + 100, NOW_S, true, "its floor is known");
	check_prune(store, NOW_S + 100, 0, "none");
	entry_weight = 0;
	store_free(store);
	check_end();
}

/* A map without a free page: then records cannot be removed either, but a larger map helps. */
static void test_full_map(void **state)
{
	struct store *store = open_store();

	(void)state;
	map_size = 512 << 10;
	unsigned count = fill(store, "full map");

	check_content(store, count, "full map");
	store_free(store);
	map_size = 0;
	store = open_store();
	check_content(store, count, "larger map");
	check_add(store, STORE_REPLAY, count, NOW_S + 1000, NOW_S, true, "larger map");
	check_prune(store, NOW_S + 1000, count + 1, "larger map");
	store_free(store);
	check_end();
}

static bool with_small_files(void)
{
	const struct rlimit limit = { 512 << 10, 512 << 10 };
	struct store *store = open_store();

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return false;
	check_refuses(store, REASON_STORE_FULL, "no room for the first file");
	store_free(store);
	return check_failures == 0;
}

static void test_file_limit(void **state)
{
	(void)state;
	assert_true(in_process(with_small_files));
}

/* Do it, and do it again if it was refused; *refused counts that. */
static enum reason retry_add(
	struct store *store, unsigned number, int64_t now_s, bool *added, unsigned *refused)
{
	enum reason reason = add(store, STORE_REPLAY, number, now_s + 10, now_s, added);

	if (reason == REASON_NONE)
		return reason;
	CHECK(!*added, "cleared");
	CHECK_NUMBER(reason_info(reason)->status, 503, "one of the store's");
	++*refused;
	return add(store, STORE_REPLAY, number, now_s + 10, now_s, added);
}

/* One failing call costs at most one answer, and never gives a wrong one. */
static unsigned check_scenario(const char *name)
{
	struct store *store = open_store();
	struct store_counter counter = { 0 };
	struct store_tally tally;
	unsigned refused = 0;
	int64_t removed;
	bool answer;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_REASON(retry_add(store, i, NOW_S, &answer, &refused), REASON_NONE, name);
		CHECK(answer, name);
	}
	CHECK_REASON(retry_add(store, 1, NOW_S, &answer, &refused), REASON_NONE, name);
	CHECK(!answer, name);
	if (has(store, STORE_REPLAY, 2, NOW_S + 10, NOW_S, &answer) != REASON_NONE) {
		CHECK(!answer, name);
		refused++;
		CHECK_REASON(has(store, STORE_REPLAY, 2, NOW_S + 10, NOW_S, &answer),
			REASON_NONE, name);
	}
	CHECK(answer, name);
	for (unsigned i = 0; i < 2; i++) {
		if (increment(store, 1, NOW_S + 10, NOW_S, &counter) == REASON_NONE)
			continue;
		CHECK_NUMBER(counter.count, 0, name);
		refused++;
		CHECK_REASON(
			increment(store, 1, NOW_S + 10, NOW_S, &counter), REASON_NONE, name);
	}
	CHECK_NUMBER(counter.count, 2, name);
	if (read_counter(store, 1, NOW_S, &counter) != REASON_NONE)
		refused++;
	else
		CHECK_NUMBER(counter.count, 2, name);
	if (store_tally(store, NOW_S, &tally) != REASON_NONE)
		refused++;
	else
		CHECK_NUMBER(tally.counts[STORE_REPLAY], 3, name);
	for (unsigned i = 0; i < 2; i++) {
		if (counting_add(store, STR("requests"), 1) == REASON_NONE)
			continue;
		refused++;
		CHECK_REASON(counting_add(store, STR("requests"), 1), REASON_NONE, name);
	}
	counting_check(store, STR("requests"), 2, 1, name);
	CHECK_REASON(retry_add(store, 7, NOW_S + 10, &answer, &refused), REASON_NONE, name);
	CHECK(answer, name);
	bool is_unknown = store_prune(store, NOW_S + 20, &removed) != REASON_NONE;

	if (is_unknown) {
		CHECK_NUMBER(removed, 0, name);
		refused++;
		CHECK_REASON(store_prune(store, NOW_S + 20, &removed), REASON_NONE, name);
	}
	/* What was removed before it failed is not removed again. */
	CHECK(removed == 1 || (is_unknown && removed == 0), name);
	if (store_tally(store, INT64_MIN, &tally) != REASON_NONE)
		refused++;
	else
		CHECK_NUMBER(
			tally.counts[STORE_REPLAY] + tally.counts[STORE_THROTTLE], 0, name);
	store_free(store);
	remove_tree(store_path);
	return refused;
}

static void test_failing_calls(void **state)
{
	static const int codes[] = { MDB_MAP_FULL, MDB_READERS_FULL, MDB_CORRUPTED, MDB_PANIC,
		ENOSPC, EIO, EACCES };
	unsigned calls, silent = 0;

	(void)state;
	plan.n = 0;
	plan.calls = 0;
	CHECK_NUMBER(check_scenario("no failure"), 0, "no failure");
	calls = plan.calls;
	CHECK(calls > 80, "enough calls are looked at");
	for (size_t i = 0; i < COUNT(codes); i++) {
		plan.code = codes[i];
		for (plan.n = 1; plan.n <= calls; plan.n++) {
			char name[64];

			plan.calls = 0;
			snprintf(name, sizeof(name), "call %u fails with %d", plan.n, codes[i]);
			unsigned refused = check_scenario(name);

			CHECK(refused <= 1, name);
			silent += refused == 0;
		}
	}
	plan.n = 0;
	/* Without an effect are only those that are tried again. */
	CHECK(silent < calls * COUNT(codes) / 2, "failures are reported");
	check_end();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_top, remove_top)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_keys),
		TEST(test_add),
		TEST(test_counters),
		TEST(test_counter_too_long),
		TEST(test_tally_and_prune),
		TEST(test_times),
		TEST(test_floors),
		TEST(test_stays_small),
		TEST(test_reopen),
		TEST(test_rights),
		TEST(test_format),
		TEST(test_strange_entries),
		TEST(test_wrong_order),
		TEST(test_damaged),
		TEST(test_damaged_in_use),
		TEST(test_mended),
		TEST(test_vanished),
		TEST(test_named_counters),
		TEST(test_named_counters_apart),
		TEST(test_named_counters_vanished),
		TEST(test_listed),
		TEST(test_locked),
		TEST(test_rights_missing),
		TEST(test_network),
		TEST(test_full),
		TEST(test_full_of_counters),
		TEST(test_many_expired),
		TEST(test_full_map),
		TEST(test_file_limit),
		TEST(test_failing_calls),
	};

	return cmocka_run_group_tests_name("store_lmdb", tests, NULL, NULL);
}
