/* SPDX-License-Identifier: MIT */
/* Changing the configuration in place: one at a time, checked before, whole or not at all. */
#ifndef ADMIN_EDIT_H
#define ADMIN_EDIT_H

#include "admin.h"
#include "patch.h"
#include "save.h"

/* A change on its way, from edit_begin to edit_end; all functions print what goes wrong. */
struct edit {
	struct admin *admin;
	int lock;           /* the main file's directory, locked; -1: not yet */
	int dir;            /* the edited file's directory; -1: none is open */
	const char *file;   /* the edited file as messages name it; borrowed */
	char *target;       /* the same without symbolic links; owned */
	struct stat before; /* of the target */
	struct patch patch; /* its text */
	struct save_draft draft;
	bool is_done; /* the changed text is in place */
};

/*
 * edit_begin - wait for other editors, and load the configuration as it is.
 *
 * edit->admin->config is set then.  It may have errors: the change may mend them.
 *
 * Returns STATUS_DONE, STATUS_FAILED.  edit_end is called in any case.
 */
NODISCARD int edit_begin(struct edit *edit, struct admin *admin);

/*
 * edit_open - read the file that is to be changed: the main file, or an included one.
 *
 * file  as a struct place names it; borrowed until edit_end
 *
 * Returns STATUS_DONE, STATUS_FAILED.
 */
NODISCARD int edit_open(struct edit *edit, const char *file);

/* edit_require_good - print the errors of the configuration as it is.  Returns STATUS_DONE,
 * STATUS_FAILED: there are some. */
NODISCARD int edit_require_good(const struct edit *edit);

/* edit_find - the key at the end of this path of keys, or OUTLINE_NONE. */
size_t edit_find(const struct edit *edit, const struct str *keys, size_t key_count);

/* edit_refuse - print why the text cannot be changed, if it cannot.  Returns STATUS_DONE,
 * STATUS_FAILED. */
int edit_refuse(const struct edit *edit, enum reason reason);

/*
 * edit_prepare - load the changed text in place of the file, and write it beside the file.
 *
 * Returns STATUS_DONE; STATUS_FAILED: the problems are printed, and nothing is changed.
 */
NODISCARD int edit_prepare(struct edit *edit);

/* edit_commit - put what was prepared in the place of the file.  Returns STATUS_DONE,
 * STATUS_FAILED. */
NODISCARD int edit_commit(struct edit *edit);

/* edit_end - unlock; what was not committed is forgotten. */
void edit_end(struct edit *edit);

#endif
