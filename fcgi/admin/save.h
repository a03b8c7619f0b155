/* SPDX-License-Identifier: MIT */
/* New files that are there whole or not at all. */
#ifndef ADMIN_SAVE_H
#define ADMIN_SAVE_H

#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#include <sys/stat.h>

#define SAVE_NAME_SIZE 272 /* of a temporary file's name */

/*
 * save_new - make a new file, synced to the disk; an existing one is left as it is.
 *
 * dir   open directory that `name` is relative to, or AT_FDCWD
 * mode  set whatever the umask says
 *
 * Returns REASON_NONE; REASON_FILE_EXISTS; REASON_FILE_WRITE, errno says why,
 * and nothing is left behind.
 */
NODISCARD enum reason save_new(int dir, const char *name, mode_t mode, struct str text);

/*
 * save_new_like - the same, with the owner, group and mode of another file.
 *
 * Returns as save_new does; REASON_FILE_OWNER.
 */
NODISCARD enum reason save_new_like(
	int dir, const char *name, const struct stat *like, struct str text);

/* A file that is written but does not yet have its name. */
struct save_draft {
	int dir;                        /* borrowed */
	const char *name;               /* borrowed; at most 250 bytes, without a slash */
	char temporary[SAVE_NAME_SIZE]; /* "": there is none */
};

/*
 * save_prepare - write what is going to be dir/name under a temporary name.
 *
 * draft  dir and name set
 *
 * Returns as save_new does; REASON_RANDOM.
 */
NODISCARD enum reason save_prepare(struct save_draft *draft, mode_t mode, struct str text);

/*
 * save_prepare_edit - write what is going to replace the file dir/name, with its owner, group,
 * mode and access list.
 *
 * The temporary name is always the same, so that what a process leaves that is killed goes with
 * the next edit.  The caller holds a lock on the directory.
 *
 * Returns as save_new_like does.
 */
NODISCARD enum reason save_prepare_edit(
	struct save_draft *draft, const struct stat *like, struct str text);

/* save_commit - give the draft its name, replacing what had it.  Returns REASON_NONE,
 * REASON_FILE_WRITE. */
NODISCARD enum reason save_commit(struct save_draft *draft);

/* save_discard - remove the draft, if there still is one. */
void save_discard(struct save_draft *draft);

#endif
