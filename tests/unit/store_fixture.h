/* SPDX-License-Identifier: MIT */
/* What the tests of the LMDB store share: a directory of their own, keys, and processes. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "support.h"

#include "state/stores.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATER_S (NOW_S + 3600)

static char top[64];              /* a new directory for each test */
static char store_path[PATH_MAX]; /* where the store is to be: top/state */

static inline int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* In memory if that can be, where synchronising costs nothing. */
static inline int make_top(void **state)
{
	const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)state;
	snprintf(top, sizeof(top), "%s/oauth2-store.XXXXXX", parent);
	if (mkdtemp(top) == NULL)
		return -1;
	snprintf(store_path, sizeof(store_path), "%s/state", top);
	return 0;
}

static inline int remove_top(void **state)
{
	(void)state;
	remove_tree(top);
	return 0;
}

/* A file of the store; borrowed until the next call. */
static inline const char *file_of(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", store_path, name);
	return path;
}

static inline struct store *open_store(void)
{
	struct store *store = store_lmdb_new(str_of(store_path));

	assert_non_null(store);
	return store;
}

/* The key of the record `number` of a kind. */
static inline struct store_key key_of(enum store_kind kind, unsigned number)
{
	char text[16];
	struct store_key key;

	snprintf(text, sizeof(text), "%u", number);
	struct str part = str_of(text);

	assert_int_equal(store_key_make(kind, &part, 1, &key), REASON_NONE);
	return key;
}

static inline enum reason add(struct store *store, enum store_kind kind, unsigned number,
	int64_t expires_s, int64_t now_s, bool *added)
{
	struct store_key key = key_of(kind, number);

	return store->ops->add(store, &key, expires_s, now_s, added);
}

static inline enum reason has(struct store *store, enum store_kind kind, unsigned number,
	int64_t expires_s, int64_t now_s, bool *found)
{
	struct store_key key = key_of(kind, number);

	return store->ops->has(store, &key, expires_s, now_s, found);
}

static inline enum reason increment(struct store *store, unsigned number, int64_t expires_s,
	int64_t now_s, struct store_counter *counter)
{
	struct store_key key = key_of(STORE_THROTTLE, number);

	return store->ops->increment(store, &key, expires_s, now_s, counter);
}

static inline enum reason read_counter(
	struct store *store, unsigned number, int64_t now_s, struct store_counter *counter)
{
	struct store_key key = key_of(STORE_THROTTLE, number);

	return store->ops->read(store, &key, now_s, counter);
}

/* Run a function in a process of its own; true if it returned true. */
static inline bool in_process(bool (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
