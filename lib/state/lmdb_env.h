/* SPDX-License-Identifier: MIT */
/* The files of an LMDB environment: made, opened, looked at before each use. */
#ifndef STATE_LMDB_ENV_H
#define STATE_LMDB_ENV_H

#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include <lmdb.h>

#define LMDB_ENV_FORMAT 1 /* of the table; files with another are refused */

/* The entry that says the format; its value is one byte. */
#define LMDB_ENV_FORMAT_KEY "\000\377"
#define LMDB_ENV_FORMAT_KEY_SIZE 2

/* Which file it is. */
struct lmdb_identity {
	dev_t device;
	ino_t inode;
};

struct lmdb_env {
	MDB_env *env; /* NULL: not open */
	MDB_dbi dbi;  /* of the one table */
	MDB_txn *txn; /* the transaction that is under way; NULL: none */
	struct lmdb_identity data;
	struct lmdb_identity lock;
	bool was_open;   /* a file in the directory, in this process, at least once */
	off_t data_size; /* the most that was seen; it never shrinks */
	char directory[PATH_MAX];
	char data_path[PATH_MAX];
	char lock_path[PATH_MAX];
	char new_path[PATH_MAX]; /* a data file that is being made */
};

/*
 * lmdb_env_init - an environment that is not open.
 *
 * Returns false, and *env is not to be used, if the directory is no path: empty, too long, with
 * a NUL.
 */
NODISCARD bool lmdb_env_init(struct lmdb_env *env, struct str directory);

/*
 * lmdb_env_prepare - see that there is the directory, on a disk of this machine.
 *
 * It is made if it is not there, but not if was_open is set: a directory that has vanished took
 * with it what must not be forgotten, and its owner decides.
 *
 * Returns REASON_NONE, or one of reason.def's STORE rows.
 */
NODISCARD enum reason lmdb_env_prepare(const struct lmdb_env *env);

/*
 * lmdb_env_begin - begin a transaction; open the files before, if they are not open, or make
 * them, if they are not there.
 *
 * Returns REASON_NONE, or one of reason.def's STORE rows; then lmdb_env_close is to be called.
 */
NODISCARD enum reason lmdb_env_begin(struct lmdb_env *env, bool writes);

/* lmdb_env_commit - the same, for the end of a transaction that is to be kept. */
NODISCARD enum reason lmdb_env_commit(struct lmdb_env *env);

/* lmdb_env_abort - end the transaction, if one is under way, without a change. */
void lmdb_env_abort(struct lmdb_env *env);

/* lmdb_env_close - end the transaction and close the files, if there are any. */
void lmdb_env_close(struct lmdb_env *env);

/* lmdb_env_reason - what a result of LMDB or an errno means: REASON_NONE or a STORE row. */
enum reason lmdb_env_reason(int code);

#endif
