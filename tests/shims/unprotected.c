/* SPDX-License-Identifier: MIT */
/* To be loaded into a program that makes no core dumps and hides its memory: it then does
 * neither. */
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...)
{
	unsigned long values[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_DUMPABLE)
		return 0;
	return (int)syscall(SYS_prctl, option, values[0], values[1], values[2], values[3]);
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource == RLIMIT_CORE)
		return 0;
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

/* By this name it is called by a program that was built for large files. */
int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	if (resource == RLIMIT_CORE)
		return 0;
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}
