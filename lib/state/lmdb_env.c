/* SPDX-License-Identifier: MIT */
/*
 * The files of an LMDB environment.
 *
 * Every commit is synchronous.  Nothing is written through the map, which a full disk would
 * answer by SIGBUS; for the same reason the lock file's blocks are allocated before LMDB maps
 * it.  A data file gets its name when it is complete, so that one that is empty or short has
 * been cut.  LMDB neither compares the file's length with the pages in use, nor does it always
 * write the last of them; here the file is extended, as a hole, before it is written, so that
 * it is never shorter than its pages, and its length is looked at before each use.
 *
 * Files that were replaced or removed are opened anew; so is everything after any failure, so
 * that no state of LMDB's outlives one.  Who opens holds a lock on the directory: nobody else
 * makes or opens the files meanwhile.  A process must not have them open twice: closing one
 * would give up the locks of the other.
 *
 * What cannot be seen is damage inside of pages: LMDB has no checksums.
 */
#include "state/lmdb_env.h"
#include "state/path.h"
#include "util/clock.h"
#include "util/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_SIZE ((size_t)256 << 20)
#define READERS 512
#define LOCK_FILE_SIZE (36 << 10) /* for more than READERS, in whole pages */
#define LOCK_LIMIT_US 300000      /* opening takes a few milliseconds */
#define LOCK_PAUSE_MS 2
#define SPARE_PAGES 256 /* for what a transaction needs beside copies of pages */

/* What LMDB and the system report; everything else is REASON_STORE. */
static const struct {
	int code;
	enum reason reason;
} failures[] = {
	{ MDB_SUCCESS, REASON_NONE },
	{ MDB_MAP_FULL, REASON_STORE_FULL },
	{ MDB_TXN_FULL, REASON_STORE_FULL },
	{ ENOSPC, REASON_STORE_FULL },
	{ EDQUOT, REASON_STORE_FULL },
	{ EFBIG, REASON_STORE_FULL },
	{ MDB_INVALID, REASON_STORE_DAMAGED },
	{ MDB_CORRUPTED, REASON_STORE_DAMAGED },
	{ MDB_PAGE_NOTFOUND, REASON_STORE_DAMAGED },
	{ MDB_VERSION_MISMATCH, REASON_STORE_DAMAGED },
	{ MDB_INCOMPATIBLE, REASON_STORE_DAMAGED },
	{ EISDIR, REASON_STORE_DAMAGED },
	{ EACCES, REASON_STORE_OPEN },
	{ EPERM, REASON_STORE_OPEN },
	{ EROFS, REASON_STORE_OPEN },
	{ ENOENT, REASON_STORE_OPEN },
	{ ENOTDIR, REASON_STORE_OPEN },
	{ ELOOP, REASON_STORE_OPEN },
	{ ENXIO, REASON_STORE_OPEN },
	{ EMFILE, REASON_STORE_OPEN },
	{ ENFILE, REASON_STORE_OPEN },
};

static struct lmdb_identity identity_of(const struct stat *st)
{
	return (struct lmdb_identity){ st->st_dev, st->st_ino };
}

/* Is the file of this name still the same one? */
static bool is_still(const char *path, struct lmdb_identity identity, off_t *size)
{
	struct stat st;

	*size = 0;
	if (lstat(path, &st) != 0)
		return false;
	*size = st.st_size;
	return st.st_dev == identity.device && st.st_ino == identity.inode;
}

/* Extend the file, under the write lock, to what a transaction can use: a copy of each page. */
static enum reason extend_file(struct lmdb_env *env)
{
	int fd;
	struct stat st;
	MDB_stat pages;
	MDB_envinfo info;

	if (mdb_env_stat(env->env, &pages) != MDB_SUCCESS ||
		mdb_env_info(env->env, &info) != MDB_SUCCESS ||
		mdb_env_get_fd(env->env, &fd) != MDB_SUCCESS)
		return REASON_STORE;
	size_t wanted = (2 * (info.me_last_pgno + 1) + SPARE_PAGES) * pages.ms_psize;

	if (wanted > info.me_mapsize)
		wanted = info.me_mapsize;
	if (env->data_size >= (off_t)wanted)
		return REASON_NONE;
	if (fstat(fd, &st) != 0 ||
		(st.st_size < (off_t)wanted && ftruncate(fd, (off_t)wanted) != 0))
		return lmdb_env_reason(errno);
	return REASON_NONE;
}

/* Slots of processes that were killed stay taken until somebody looks for them. */
static enum reason begin(struct lmdb_env *env, bool writes)
{
	unsigned flags = writes ? 0 : MDB_RDONLY;
	int code = mdb_txn_begin(env->env, NULL, flags, &env->txn);

	if (code == MDB_READERS_FULL && mdb_reader_check(env->env, NULL) == MDB_SUCCESS)
		code = mdb_txn_begin(env->env, NULL, flags, &env->txn);
	if (code != MDB_SUCCESS) {
		env->txn = NULL;
		return lmdb_env_reason(code);
	}
	return writes ? extend_file(env) : REASON_NONE;
}

/*
 * LMDB reports EIO also where a disk took only a part of what was written, because it is full.
 * Then it has no room for the holes of the file either.
 */
static enum reason find_cause(struct lmdb_env *env)
{
	int fd;
	struct stat st;

	if (mdb_env_get_fd(env->env, &fd) == MDB_SUCCESS && fstat(fd, &st) == 0 &&
		fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size) != 0)
		return lmdb_env_reason(errno);
	return REASON_STORE;
}

static enum reason create(struct lmdb_env *env)
{
	int code = mdb_env_create(&env->env);

	if (code != MDB_SUCCESS)
		env->env = NULL;
	if (code == MDB_SUCCESS)
		code = mdb_env_set_mapsize(env->env, MAP_SIZE);
	if (code == MDB_SUCCESS)
		code = mdb_env_set_maxreaders(env->env, READERS);
	return lmdb_env_reason(code);
}

/* A new file, with the rights of the directory, and its owner's. */
static enum reason make_file(const char *path, const struct stat *directory, int *fd)
{
	mode_t mode = S_IRUSR | S_IWUSR | (directory->st_mode & (S_IRGRP | S_IWGRP));

	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (*fd < 0)
		return lmdb_env_reason(errno);
	if (fchmod(*fd, mode) == 0 &&
		(geteuid() != 0 || fchown(*fd, directory->st_uid, directory->st_gid) == 0))
		return REASON_NONE;
	enum reason reason = lmdb_env_reason(errno);

	close(*fd);
	*fd = -1;
	return reason;
}

static enum reason remove_file(const char *path)
{
	return unlink(path) == 0 || errno == ENOENT ? REASON_NONE : lmdb_env_reason(errno);
}

/* Write the format into the file at new_path, which nobody else uses. */
static enum reason write_format(struct lmdb_env *env)
{
	unsigned char name[] = LMDB_ENV_FORMAT_KEY, format[] = { LMDB_ENV_FORMAT };
	MDB_val key = { LMDB_ENV_FORMAT_KEY_SIZE, name }, value = { sizeof(format), format };
	enum reason reason = create(env);

	env->data_size = 0;
	if (reason == REASON_NONE)
		reason = lmdb_env_reason(mdb_env_open(
			env->env, env->new_path, MDB_NOSUBDIR | MDB_NOLOCK, S_IRUSR | S_IWUSR));
	if (reason == REASON_NONE)
		reason = begin(env, true);
	if (reason == REASON_NONE)
		reason = lmdb_env_reason(mdb_dbi_open(env->txn, NULL, 0, &env->dbi));
	if (reason == REASON_NONE)
		reason = lmdb_env_reason(mdb_put(env->txn, env->dbi, &key, &value, 0));
	if (reason == REASON_NONE)
		reason = lmdb_env_commit(env);
	lmdb_env_close(env);
	return reason;
}

/* Make an empty data file.  A lock file that is left goes with the data that it was for. */
static enum reason make_data(
	struct lmdb_env *env, int directory_fd, const struct stat *directory)
{
	int fd;
	enum reason reason = remove_file(env->new_path);

	if (reason == REASON_NONE)
		reason = remove_file(env->lock_path);
	if (reason == REASON_NONE)
		reason = make_file(env->new_path, directory, &fd);
	if (reason != REASON_NONE)
		return reason;
	close(fd);
	reason = write_format(env);
	if (reason == REASON_NONE &&
		(rename(env->new_path, env->data_path) != 0 || fsync(directory_fd) != 0))
		reason = lmdb_env_reason(errno);
	if (reason != REASON_NONE)
		unlink(env->new_path);
	return reason;
}

/* Look at the data file, or make it. */
static enum reason prepare_data(
	struct lmdb_env *env, int directory_fd, const struct stat *directory)
{
	struct stat st;
	enum reason reason = REASON_NONE;

	if (lstat(env->data_path, &st) != 0) {
		reason = errno == ENOENT ? make_data(env, directory_fd, directory)
					 : lmdb_env_reason(errno);
		if (reason == REASON_NONE && lstat(env->data_path, &st) != 0)
			reason = lmdb_env_reason(errno);
	}
	if (reason != REASON_NONE)
		return reason;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return REASON_STORE_DAMAGED;
	env->data = identity_of(&st);
	return REASON_NONE;
}

/* Look at the lock file, or make it, and see that touching its map cannot fail. */
static enum reason prepare_lock(struct lmdb_env *env, const struct stat *directory)
{
	struct stat st;
	int fd = open(env->lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum reason reason = fd < 0 ? lmdb_env_reason(errno) : REASON_NONE;

	if (fd < 0 && errno == ENOENT)
		reason = make_file(env->lock_path, directory, &fd);
	if (reason != REASON_NONE)
		return reason;
	if (fstat(fd, &st) != 0) {
		reason = lmdb_env_reason(errno);
	} else if (!S_ISREG(st.st_mode)) {
		reason = REASON_STORE_DAMAGED;
	} else {
		env->lock = identity_of(&st);
		if (fallocate(fd, 0, 0, LOCK_FILE_SIZE) != 0 && errno != EOPNOTSUPP)
			reason = lmdb_env_reason(errno);
	}
	close(fd);
	return reason;
}

/* Are these the files that were looked at, and has nothing been cut off? */
static enum reason check_files(struct lmdb_env *env)
{
	MDB_stat pages;
	MDB_envinfo info;
	off_t lock_size;

	if (mdb_env_stat(env->env, &pages) != MDB_SUCCESS ||
		mdb_env_info(env->env, &info) != MDB_SUCCESS ||
		!is_still(env->data_path, env->data, &env->data_size) ||
		!is_still(env->lock_path, env->lock, &lock_size))
		return REASON_STORE;
	return (size_t)env->data_size / pages.ms_psize > info.me_last_pgno
		       ? REASON_NONE
		       : REASON_STORE_DAMAGED;
}

static enum reason check_format(struct lmdb_env *env)
{
	unsigned char name[] = LMDB_ENV_FORMAT_KEY;
	MDB_val key = { LMDB_ENV_FORMAT_KEY_SIZE, name }, value = { 0 };
	enum reason reason = begin(env, false);

	if (reason == REASON_NONE)
		reason = lmdb_env_reason(mdb_dbi_open(env->txn, NULL, 0, &env->dbi));
	if (reason != REASON_NONE)
		return reason;
	int code = mdb_get(env->txn, env->dbi, &key, &value);

	if (code == MDB_NOTFOUND)
		return REASON_STORE_DAMAGED;
	if (code == MDB_SUCCESS &&
		(value.mv_size != 1 || *(unsigned char *)value.mv_data != LMDB_ENV_FORMAT))
		return REASON_STORE_DAMAGED;
	lmdb_env_abort(env);
	return lmdb_env_reason(code);
}

/* Anybody who may read the directory can hold this lock: it is not waited for without end. */
static bool lock_directory(int directory_fd)
{
	const int64_t until_us = clock_steady_us() + LOCK_LIMIT_US;

	while (flock(directory_fd, LOCK_EX | LOCK_NB) != 0) {
		if (clock_steady_us() > until_us || poll(NULL, 0, LOCK_PAUSE_MS) > 0)
			return false;
	}
	return true;
}

static enum reason open_files(struct lmdb_env *env, int directory_fd)
{
	struct stat directory;

	if (!lock_directory(directory_fd))
		return REASON_STORE_OPEN;
	if (fstat(directory_fd, &directory) != 0)
		return lmdb_env_reason(errno);
	enum reason reason = prepare_data(env, directory_fd, &directory);

	if (reason == REASON_NONE)
		reason = prepare_lock(env, &directory);
	if (reason == REASON_NONE)
		reason = create(env);
	if (reason == REASON_NONE)
		reason = lmdb_env_reason(
			mdb_env_open(env->env, env->directory, 0, S_IRUSR | S_IWUSR));
	if (reason == REASON_NONE)
		reason = lmdb_env_reason(mdb_reader_check(env->env, NULL));
	if (reason == REASON_NONE)
		reason = check_files(env);
	if (reason == REASON_NONE)
		reason = check_format(env);
	return reason;
}

/* Make the directory, so that it is there also if the machine stops the next moment. */
static enum reason make_directory(const struct lmdb_env *env)
{
	char above[PATH_MAX];

	if (mkdir(env->directory, S_IRWXU) != 0)
		return errno == EEXIST ? REASON_NONE : lmdb_env_reason(errno);
	if (!path_join(above, str_of(env->directory), "/.."))
		return REASON_STORE_OPEN;
	int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* One that may not be read cannot be synchronised, and was not made here either. */
	if (fd < 0)
		return REASON_NONE;
	enum reason reason = fsync(fd) == 0 ? REASON_NONE : lmdb_env_reason(errno);

	close(fd);
	return reason;
}

static enum reason open_env(struct lmdb_env *env)
{
	enum reason reason = lmdb_env_prepare(env);

	if (reason != REASON_NONE)
		return reason;
	int fd = open(env->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return lmdb_env_reason(errno);
	reason = open_files(env, fd);
	close(fd);
	env->was_open = env->was_open || reason == REASON_NONE;
	return reason;
}

/* Open the files, if they are not open, or are others now. */
static enum reason ensure_open(struct lmdb_env *env)
{
	off_t size, lock_size;

	if (env->env == NULL)
		return open_env(env);
	/* From a lock file that is not that of the others readers learn of no new commit. */
	if (!is_still(env->data_path, env->data, &size) ||
		!is_still(env->lock_path, env->lock, &lock_size)) {
		lmdb_env_close(env);
		return open_env(env);
	}
	if (size < env->data_size)
		return REASON_STORE_DAMAGED;
	env->data_size = size;
	return REASON_NONE;
}

bool lmdb_env_init(struct lmdb_env *env, struct str directory)
{
	*env = (struct lmdb_env){ 0 };
	return directory.n > 0 && !str_has(directory, '\0') &&
	       path_join(env->directory, directory, "") &&
	       path_join(env->data_path, directory, "/data.mdb") &&
	       path_join(env->lock_path, directory, "/lock.mdb") &&
	       path_join(env->new_path, directory, "/data.new");
}

enum reason lmdb_env_prepare(const struct lmdb_env *env)
{
	if (filesystem_is_network(env->directory))
		return REASON_STORE_NETWORK;
	return env->was_open ? REASON_NONE : make_directory(env);
}

enum reason lmdb_env_begin(struct lmdb_env *env, bool writes)
{
	enum reason reason = ensure_open(env);

	return reason == REASON_NONE ? begin(env, writes) : reason;
}

enum reason lmdb_env_commit(struct lmdb_env *env)
{
	MDB_txn *txn = env->txn;

	env->txn = NULL;
	int code = mdb_txn_commit(txn);

	return code == EIO ? find_cause(env) : lmdb_env_reason(code);
}

void lmdb_env_abort(struct lmdb_env *env)
{
	if (env->txn != NULL)
		mdb_txn_abort(env->txn);
	env->txn = NULL;
}

void lmdb_env_close(struct lmdb_env *env)
{
	lmdb_env_abort(env);
	if (env->env != NULL)
		mdb_env_close(env->env);
	env->env = NULL;
}

enum reason lmdb_env_reason(int code)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (code == failures[i].code)
			return failures[i].reason;
	}
	return REASON_STORE;
}
