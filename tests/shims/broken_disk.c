/* SPDX-License-Identifier: MIT */
/*
 * A directory on a disk that fails, preloaded: while there is a file beside it with ".broken"
 * behind its name, nothing is written below it, or known to be (EIO).  The variable BROKEN_DISK
 * names it, without symbolic links.
 */
/* Else the names of small files would be those of large ones. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* The function that would be called if there was none here. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* If this file is on the disk, and that fails, it is said in errno. */
static bool is_refused(int fd)
{
	const char *disk = getenv("BROKEN_DISK");
	char name[64], path[PATH_MAX] = "", broken[PATH_MAX];

	if (disk == NULL)
		return false;
	snprintf(broken, sizeof(broken), "%s.broken", disk);
	if (access(broken, F_OK) != 0)
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (readlink(name, path, sizeof(path) - 1) < 0)
		return false;
	errno = EIO;
	return strncmp(path, disk, strlen(disk)) == 0 &&
	       (path[strlen(disk)] == '/' || path[strlen(disk)] == '\0');
}

ssize_t write(int fd, const void *p, size_t n)
{
	return is_refused(fd) ? -1 : NEXT(write)(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return is_refused(fd) ? -1 : NEXT(writev)(fd, parts, count);
}

#define PWRITE(name, type)                                                 \
	ssize_t name(int fd, const void *p, size_t n, type offset)         \
	{                                                                  \
		return is_refused(fd) ? -1 : NEXT(name)(fd, p, n, offset); \
	}

#define PWRITEV(name, type)                                                        \
	ssize_t name(int fd, const struct iovec *parts, int count, type offset)    \
	{                                                                          \
		return is_refused(fd) ? -1 : NEXT(name)(fd, parts, count, offset); \
	}

#define SYNC(name)                                           \
	int name(int fd)                                     \
	{                                                    \
		return is_refused(fd) ? -1 : NEXT(name)(fd); \
	}

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)
SYNC(fsync)
SYNC(fdatasync)
