/* SPDX-License-Identifier: MIT */
/* Changing the configuration in place: one at a time, checked before, whole or not at all. */
#include "edit.h"
#include "output.h"
#include "config/file.h"
#include "config/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WAIT_MS 20
#define WAIT_COUNT 1500 /* 30 seconds */

/* The directory of a path without symbolic links, open; -1: errno says why. */
static int open_directory(const char *path)
{
	struct str directory = file_directory(path);
	char *copy = strndup(directory.p, directory.n);

	int fd = copy == NULL ? -1 : open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = errno;

	free(copy);
	errno = error;
	return fd;
}

/* Of the directory, because the file itself is another one after each edit. */
static int lock_directory(int fd, const char *path)
{
	for (int i = 0; i < WAIT_COUNT; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return STATUS_DONE;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return output_fail("%s: its directory cannot be locked: %s", path,
				strerror(errno));
		poll(NULL, 0, WAIT_MS);
	}
	return output_fail("%s: somebody else edits the configuration; try again", path);
}

static int lock(struct edit *edit)
{
	const char *path = edit->admin->config_path;
	char *real = realpath(path, NULL);

	if (real == NULL)
		return output_reason(path, REASON_FILE_OPEN);
	edit->lock = open_directory(real);
	free(real);
	if (edit->lock < 0)
		return output_reason(path, REASON_FILE_OPEN);
	return lock_directory(edit->lock, path);
}

/* The file, and what it is before anything is read of it. */
static enum reason find_target(struct edit *edit)
{
	edit->target = realpath(edit->file, NULL);
	if (edit->target == NULL)
		return REASON_FILE_OPEN;
	edit->dir = open_directory(edit->target);
	if (edit->dir < 0 || stat(edit->target, &edit->before) != 0)
		return REASON_FILE_OPEN;
	return edit->before.st_nlink > 1 ? REASON_FILE_LINKS : REASON_NONE;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Other programs, such as text editors, know nothing of the lock. */
static bool is_unchanged(const struct edit *edit)
{
	struct stat now;

	return stat(edit->target, &now) == 0 && now.st_ino == edit->before.st_ino &&
	       now.st_dev == edit->before.st_dev && now.st_size == edit->before.st_size &&
	       is_same_time(now.st_mtim, edit->before.st_mtim);
}

/* Would the configuration load with the changed text? */
static int check(const struct edit *edit)
{
	const struct config_draft draft = { edit->file, buf_view(&edit->patch.text) };
	struct config *config = config_load_draft(
		edit->admin->config_path, CONFIG_CHECK, edit->admin->now_s, &draft);

	if (config == NULL)
		return output_reason(edit->file, REASON_MEMORY);
	int status = STATUS_DONE;

	if (config_snapshot(config) == NULL) {
		status = output_fail("nothing is changed, because it would leave errors:");
		output_diagnostics(stderr, config_diag(config), false);
	}
	config_free(config);
	return status;
}

int edit_begin(struct edit *edit, struct admin *admin)
{
	*edit = (struct edit){ .admin = admin, .lock = -1, .dir = -1 };
	int status = lock(edit);

	if (status != STATUS_DONE)
		return status;
	admin->config = config_load(admin->config_path, CONFIG_SERVE, admin->now_s);
	return admin->config != NULL ? STATUS_DONE
				     : output_reason(admin->config_path, REASON_MEMORY);
}

int edit_open(struct edit *edit, const char *file)
{
	struct buf text;

	edit->file = file;
	enum reason reason = find_target(edit);

	if (reason == REASON_NONE)
		reason = file_read(edit->target, FILE_PUBLIC, LOADER_FILE_SIZE_MAX, &text);
	if (reason == REASON_NONE)
		reason = patch_open(&edit->patch, text);
	return edit_refuse(edit, reason);
}

int edit_require_good(const struct edit *edit)
{
	if (config_snapshot(edit->admin->config) != NULL)
		return STATUS_DONE;
	output_diagnostics(stderr, config_diag(edit->admin->config), false);
	return STATUS_FAILED;
}

size_t edit_find(const struct edit *edit, const struct str *keys, size_t key_count)
{
	size_t key = OUTLINE_NONE, mapping = 0;

	for (size_t i = 0; i < key_count; i++) {
		key = outline_find(edit->patch.outline, mapping, keys[i]);
		if (key == OUTLINE_NONE)
			break;
		mapping = key + 1;
	}
	return key;
}

int edit_refuse(const struct edit *edit, enum reason reason)
{
	return reason == REASON_NONE ? STATUS_DONE : output_reason(edit->file, reason);
}

int edit_prepare(struct edit *edit)
{
	int status = check(edit);

	if (status != STATUS_DONE)
		return status;
	edit->draft.dir = edit->dir;
	edit->draft.name = edit->target + file_directory(edit->target).n;
	return edit_refuse(edit,
		save_prepare_edit(&edit->draft, &edit->before, buf_view(&edit->patch.text)));
}

int edit_commit(struct edit *edit)
{
	if (!is_unchanged(edit))
		return edit_refuse(edit, REASON_FILE_CHANGED);
	enum reason reason = save_commit(&edit->draft);

	/* Also if only the directory could not be synced. */
	edit->is_done = edit->draft.temporary[0] == '\0';
	return edit_refuse(edit, reason);
}

void edit_end(struct edit *edit)
{
	save_discard(&edit->draft);
	patch_clear(&edit->patch);
	free(edit->target);
	if (edit->dir >= 0)
		close(edit->dir);
	if (edit->lock >= 0)
		close(edit->lock);
}
