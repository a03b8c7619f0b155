/* SPDX-License-Identifier: MIT */
/* The files that a configuration was read from, and whether they have changed since. */
#include "config/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_SIZE 16

/* What stat(2) says of a path; zero but for `error` if it says nothing. */
struct stamp {
	int error; /* errno */
	dev_t device;
	ino_t inode;
	mode_t mode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct entry {
	char *path; /* owned */
	struct stamp stamp;
};

struct watch {
	struct entry *entries;
	size_t count;
	size_t size; /* of entries */
};

static struct stamp take_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct stamp){ .error = errno };
	return (struct stamp){
		.device = st.st_dev,
		.inode = st.st_ino,
		.mode = st.st_mode,
		.size = st.st_size,
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->error == b->error && a->device == b->device && a->inode == b->inode &&
	       a->mode == b->mode && a->size == b->size &&
	       is_same_time(a->modified, b->modified) && is_same_time(a->changed, b->changed);
}

static bool make_room(struct watch *watch)
{
	if (watch->count < watch->size)
		return true;
	size_t size = watch->size == 0 ? FIRST_SIZE : 2 * watch->size;
	struct entry *entries = reallocarray(watch->entries, size, sizeof(*entries));

	if (entries == NULL)
		return false;
	watch->entries = entries;
	watch->size = size;
	return true;
}

struct watch *watch_new(void)
{
	return calloc(1, sizeof(struct watch));
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	for (size_t i = 0; i < watch->count; i++)
		free(watch->entries[i].path);
	free(watch->entries);
	free(watch);
}

bool watch_add(struct watch *watch, const char *path)
{
	if (!make_room(watch))
		return false;
	struct entry entry = { .path = strdup(path), .stamp = take_stamp(path) };

	if (entry.path == NULL)
		return false;
	watch->entries[watch->count++] = entry;
	return true;
}

bool watch_changed(const struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++) {
		struct stamp now = take_stamp(watch->entries[i].path);

		if (!is_same(&now, &watch->entries[i].stamp))
			return true;
	}
	return false;
}
