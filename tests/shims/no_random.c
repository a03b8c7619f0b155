/* SPDX-License-Identifier: MIT */
/*
 * A kernel that gives no random bytes, preloaded: while the file is there that NO_RANDOM
 * names, they fail; while it has ".wait" behind its name, whoever asks for them waits.
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
#include <sys/random.h>
#include <unistd.h>

#define PAUSE_US 10000

/* The function that would be called if there was none here. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static bool is_there(const char *suffix)
{
	const char *name = getenv("NO_RANDOM");
	char path[PATH_MAX];

	if (name == NULL)
		return false;
	snprintf(path, sizeof(path), "%s%s", name, suffix);
	return access(path, F_OK) == 0;
}

/* If there are none, that is said in errno. */
static bool is_refused(void)
{
	while (is_there(".wait"))
		usleep(PAUSE_US);
	errno = EIO;
	return is_there("");
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	return is_refused() ? -1 : NEXT(getrandom)(p, n, flags);
}

int getentropy(void *p, size_t n)
{
	return is_refused() ? -1 : NEXT(getentropy)(p, n);
}

static bool is_random_device(const char *path)
{
	return strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0 ||
	       strcmp(path, "/dev/srandom") == 0 || strcmp(path, "/dev/hwrng") == 0;
}

#define OPEN(name)                                                               \
	int name(const char *path, int flags, ...)                               \
	{                                                                        \
		va_list more;                                                    \
                                                                                 \
		va_start(more, flags);                                           \
		mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0; \
                                                                                 \
		va_end(more);                                                    \
		if (is_random_device(path) && is_refused())                      \
			return -1;                                               \
		return NEXT(name)(path, flags, mode);                            \
	}

OPEN(open)
OPEN(open64)
