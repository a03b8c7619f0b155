/* SPDX-License-Identifier: MIT */
/*
 * A wall clock that can be set, for one program alone: preloaded.  The file that CLOCK_SHIFT
 * names says by how many seconds it is ahead, or behind; the steady clocks go on.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift_s(void)
{
	const char *path = getenv("CLOCK_SHIFT");
	char text[32] = "";
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return (time_t)strtoll(text, NULL, 10);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int status = (int)syscall(SYS_clock_gettime, id, now);

	if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		now->tv_sec += shift_s();
	return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact = { 0 };
	int status = clock_gettime(CLOCK_REALTIME, &exact);

	(void)zone;
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return status;
}

time_t time(time_t *result)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	if (result != NULL)
		*result = now.tv_sec;
	return now.tv_sec;
}
