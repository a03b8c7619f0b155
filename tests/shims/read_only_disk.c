/* SPDX-License-Identifier: MIT */
/*
 * A directory that is like a disk that is mounted read-only, for machines where nobody may
 * mount one: preloaded.  The variable READ_ONLY_DISK names it; it can be written as soon as
 * there is a file beside it with ".writable" behind its name.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The function that would be called if there was none here. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* If this path is on the disk, that is said in errno. */
static bool is_refused(const char *path)
{
	const char *disk = getenv("READ_ONLY_DISK");
	char writable[PATH_MAX];

	if (disk == NULL || strncmp(path, disk, strlen(disk)) != 0 || path[strlen(disk)] != '/')
		return false;
	snprintf(writable, sizeof(writable), "%s.writable", disk);
	if (access(writable, F_OK) == 0)
		return false;
	errno = EROFS;
	return true;
}

/* A file that is not there, and is not to be made, is not there: the kernel looks first. */
static bool is_open_refused(const char *path, int flags)
{
	if ((flags & O_CREAT) == 0 && access(path, F_OK) != 0)
		return false;
	return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0 && is_refused(path);
}

#define OPEN(name)                                                                        \
	int name(const char *path, int flags, ...)                                        \
	{                                                                                 \
		va_list more;                                                             \
                                                                                          \
		va_start(more, flags);                                                    \
		mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;          \
                                                                                          \
		va_end(more);                                                             \
		return is_open_refused(path, flags) ? -1 : NEXT(name)(path, flags, mode); \
	}

OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode)
{
	return is_refused(path) ? -1 : NEXT(mkdir)(path, mode);
}

int unlink(const char *path)
{
	return is_refused(path) ? -1 : NEXT(unlink)(path);
}

int rename(const char *from, const char *to)
{
	return is_refused(from) || is_refused(to) ? -1 : NEXT(rename)(from, to);
}
