/* SPDX-License-Identifier: MIT */
/*
 * A directory that is like a disk of 1 MiB, for machines where nobody may mount one: preloaded,
 * or part of a test.  The variable SMALL_DISK names it, without symbolic links.
 *
 * Each file on it has as much room as the file "ballast" at its top leaves of the disk; or what
 * it has had already, if a file beside it with ".room" behind its name is as long as that.  As
 * on a tmpfs, what fits is written, the rest is refused, and holes take no room.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SMALL_DISK_SIZE (1 << 20)
#define BOUNDLESS INT64_MAX

/* Also for calls from libraries, although the symbols of a program are hidden. */
#define SMALL_DISK_HOOK __attribute__((visibility("default")))

/* The function that would be called if there was none here. */
#define NEXT(function, name) (__extension__(__typeof__(&(function))) dlsym(RTLD_NEXT, name))

/* How many bytes of this file can be written from there on. */
static off64_t room_behind(int fd, off64_t offset)
{
	const char *disk = getenv("SMALL_DISK");
	char name[64], path[PATH_MAX + 16];
	struct stat st;

	if (disk == NULL)
		return BOUNDLESS;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, path, PATH_MAX - 1);

	path[n < 0 ? 0 : n] = '\0';
	if (strncmp(path, disk, strlen(disk)) != 0 || path[strlen(disk)] != '/')
		return BOUNDLESS;
	snprintf(&path[n], sizeof(path) - (size_t)n, ".room");
	off64_t room = SMALL_DISK_SIZE;

	if (stat(path, &st) == 0) {
		room = st.st_size;
	} else {
		snprintf(path, sizeof(path), "%s/ballast", disk);
		if (stat(path, &st) == 0)
			room -= st.st_size;
	}
	return room > offset ? room - offset : 0;
}

/* The part of n bytes that fits in; 0 and errno if none does. */
static size_t fitting(int fd, size_t n, off64_t offset)
{
	off64_t room = room_behind(fd, offset);

	if (room == 0 && n > 0)
		errno = ENOSPC;
	return n < (size_t)room ? n : (size_t)room;
}

SMALL_DISK_HOOK ssize_t write(int fd, const void *data, size_t n)
{
	off64_t offset = lseek64(fd, 0, SEEK_CUR);
	size_t fits = offset < 0 ? n : fitting(fd, n, offset);

	return fits == 0 && n > 0 ? -1 : NEXT(write, "write")(fd, data, fits);
}

/* One after the other, until one does not fit in. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off64_t offset)
{
	ssize_t done = 0;

	for (int i = 0; i < count; i++) {
		ssize_t n = pwrite64(fd, parts[i].iov_base, parts[i].iov_len, offset + done);

		if (n < 0)
			return done > 0 ? done : -1;
		done += n;
		if ((size_t)n < parts[i].iov_len)
			break;
	}
	return done;
}

SMALL_DISK_HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (room_behind(fd, 0) == BOUNDLESS)
		return NEXT(writev, "writev")(fd, parts, count);
	ssize_t n = write_parts(fd, parts, count, lseek64(fd, 0, SEEK_CUR));

	return n < 0 || lseek64(fd, n, SEEK_CUR) < 0 ? -1 : n;
}

/*
 * The functions that take an offset have two names each.  The compiler may be told to take one
 * for the other, so that here they have names of their own, which the linker does not see.
 */
#define HOOKS(suffix, type)                                                                    \
	SMALL_DISK_HOOK ssize_t small_pwrite##suffix(int, const void *, size_t, type) __asm__( \
		"pwrite" #suffix);                                                             \
	SMALL_DISK_HOOK ssize_t small_pwritev##suffix(                                         \
		int, const struct iovec *, int, type) __asm__("pwritev" #suffix);              \
	SMALL_DISK_HOOK int small_fallocate##suffix(int, int, type, type) __asm__(             \
		"fallocate" #suffix);                                                          \
                                                                                               \
	ssize_t small_pwrite##suffix(int fd, const void *data, size_t n, type offset)          \
	{                                                                                      \
		size_t fits = fitting(fd, n, offset);                                          \
                                                                                               \
		return fits == 0 && n > 0 ? -1                                                 \
					  : NEXT(small_pwrite##suffix, "pwrite" #suffix)(      \
						    fd, data, fits, offset);                   \
	}                                                                                      \
                                                                                               \
	ssize_t small_pwritev##suffix(                                                         \
		int fd, const struct iovec *parts, int count, type offset)                     \
	{                                                                                      \
		return room_behind(fd, offset) == BOUNDLESS                                    \
			       ? NEXT(small_pwritev##suffix, "pwritev" #suffix)(               \
					 fd, parts, count, offset)                             \
			       : write_parts(fd, parts, count, offset);                        \
	}                                                                                      \
                                                                                               \
	int small_fallocate##suffix(int fd, int mode, type offset, type n)                     \
	{                                                                                      \
		bool fits = n <= room_behind(fd, offset);                                      \
                                                                                               \
		errno = ENOSPC;                                                                \
		return fits ? NEXT(small_fallocate##suffix, "fallocate" #suffix)(              \
				      fd, mode, offset, n)                                     \
			    : -1;                                                              \
	}

HOOKS(, __off_t)
HOOKS(64, off64_t)
