/* SPDX-License-Identifier: MIT */
/* A directory of this process for what a target needs in files, in memory if that can be. */
#ifndef TESTS_FUZZ_PLACE_H
#define TESTS_FUZZ_PLACE_H

#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char place_directory[64];

static inline int place_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	return remove(path);
}

static inline void place_remove_tree(const char *path)
{
	nftw(path, place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void place_remove(void)
{
	place_remove_tree(place_directory);
}

/* The path of a file in it, for ever; of sixteen at most. */
static inline const char *place_path(const char *name)
{
	static char paths[16][128];
	static size_t count;
	char *path = paths[count++];

	if (place_directory[0] == '\0') {
		snprintf(place_directory, sizeof(place_directory), "%s/oauth2-fuzz-XXXXXX",
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		REQUIRE(mkdtemp(place_directory) != NULL);
		REQUIRE(atexit(place_remove) == 0);
	}
	REQUIRE(count <= COUNT(paths));
	snprintf(path, sizeof(paths[0]), "%s/%s", place_directory, name);
	return path;
}

/* For the owner alone. */
static inline void place_write(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0 && write(fd, data, n) == (ssize_t)n && close(fd) == 0);
}

static inline void place_text(const char *path, const char *text)
{
	place_write(path, text, strlen(text));
}

#endif
