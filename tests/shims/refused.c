/* SPDX-License-Identifier: MIT */
/*
 * What does a filter of system calls refuse?  To be loaded into a program that goes into one:
 * each call that fails there with ENOSYS is noted in the file that REFUSED names, with a line
 * for its process and its number.  The first that each process makes is personality(2), from
 * here, as "tried": it shows that they are noted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

static long (*next)(long number, ...);
static volatile sig_atomic_t is_trying;

/* Where registers are not known, the call returns something else than ENOSYS. */
static void fail_call(void *context)
{
#if defined(__x86_64__)
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
	((ucontext_t *)context)->uc_mcontext.regs[0] = (unsigned long long)-ENOSYS;
#else
	(void)context;
#endif
}

static void note(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;
	char line[64];
	int n = snprintf(line, sizeof(line), "%ld %d%s\n", (long)getpid(), info->si_syscall,
		is_trying ? " tried" : "");
	const char *path = getenv("REFUSED");
	int fd = path == NULL ? -1
			      : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	(void)signal_number;
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
	fail_call(context);
	errno = saved;
}

/* The same filter, with a signal in the place of ENOSYS. */
static long enter(unsigned flags, const struct sock_fprog *wanted)
{
	static struct sock_filter steps[BPF_MAXINSNS];
	struct sock_fprog changed = { wanted->len, steps };
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };

	memcpy(steps, wanted->filter, wanted->len * sizeof(*steps));
	for (size_t i = 0; i < wanted->len; i++) {
		if (steps[i].code == (BPF_RET | BPF_K) &&
			steps[i].k == (SECCOMP_RET_ERRNO | ENOSYS))
			steps[i].k = SECCOMP_RET_TRAP;
	}
	sigaction(SIGSYS, &action, NULL);
	long status = next(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &changed);

	is_trying = 1;
	next(SYS_personality, 0xffffffff);
	is_trying = 0;
	return status;
}

long syscall(long number, ...)
{
	long values[6];
	va_list list;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		values[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_seccomp && values[0] == SECCOMP_SET_MODE_FILTER && values[2] != 0)
		return enter((unsigned)values[1], (const struct sock_fprog *)values[2]);
	return next(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
