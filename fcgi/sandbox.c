/* SPDX-License-Identifier: MIT */
/*
 * Gives up all system calls but those that a worker and its libraries need.
 *
 * What is not in these tables fails with ENOSYS, and nobody is killed for it: the C library
 * and others try a new call first, and on ENOSYS do without it; with any other error, or dead,
 * they could not, so that an update of a library would end a service that ran for years.
 *
 * libseccomp makes the filter, once, in a process of its own, and twice: where memory is short,
 * it crashes, never comes to an end, or makes some other filter and says that all is well.
 */
#include "sandbox.h"
#include "util/clock.h"
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define BINARY_TREE 2
#define STEPS_MAX 1024                  /* of a filter; it has some 250 */
#define BUILD_LIMIT_US INT64_C(2000000) /* it takes a millisecond */

/* s390 has the first two arguments the other way round. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
		CLONE_NEWPID | CLONE_NEWNET)

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER
#endif
#endif

/* A call that is let through if all conditions hold. */
struct rule {
	const char *call;
	unsigned arg_count;
	struct scmp_arg_cmp args[2];
};

/* clang-format off */
/*
 * Whatever their arguments are.  A name that this machine or this libseccomp does not have is
 * passed over: those with 32, 64 or time64 at the end belong to machines of 32 bits, and where
 * two calls do the same, one C library uses the one and another the other.
 */
static const char *const allowed[] = {
	/* memory; mmap and mprotect stand below */
	"brk", "madvise", "mremap", "munmap",
	/* connections, epoll, signals as bytes */
	"accept", "accept4", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "getsockopt", "poll", "ppoll", "ppoll_time64", "recv", "recvfrom", "send",
	"sendto", "setsockopt", "shutdown", "signalfd", "signalfd4",
	/* Redis, and the resolver */
	"bind", "connect", "getpeername", "getsockname", "pselect6", "pselect6_time64",
	"recvmmsg", "recvmmsg_time64", "recvmsg", "select", "_newselect", "sendmmsg", "sendmsg",
	/* files of the configuration, of the state, of the log */
	"access", "close", "close_range", "dup", "dup2", "dup3", "faccessat", "faccessat2",
	"fallocate", "fchmod", "fchown", "fchown32", "fcntl", "fcntl64", "fdatasync", "flock",
	"fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
	"ftruncate64", "getcwd", "getdents", "getdents64", "_llseek", "lseek", "lstat",
	"lstat64", "mkdir", "mkdirat", "msync", "newfstatat", "open", "openat", "pipe",
	"pipe2", "pread64", "preadv", "pwrite64", "pwritev", "read", "readlink", "readlinkat",
	"readv", "rename", "renameat", "renameat2", "stat", "stat64", "statfs", "statfs64",
	"statx", "unlink", "unlinkat", "write", "writev",
	/* time, random numbers, what this process is */
	"clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
	"clock_nanosleep", "clock_nanosleep_time64", "getegid", "getegid32", "geteuid",
	"geteuid32", "getgid", "getgid32", "getpid", "getppid", "getrandom", "getrlimit",
	"getrusage", "gettid", "gettimeofday", "getuid", "getuid32", "nanosleep",
	"sched_getaffinity", "sysinfo", "time", "ugetrlimit", "uname",
	/* the process for a slow hash; clone and others stand below */
	"fork", "kill", "wait4", "waitid", "waitpid",
	/* locks, signals, threads of the C library; the end */
	"exit", "exit_group", "futex", "futex_time64", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_yield", "set_robust_list", "set_tid_address",
	"sigaltstack", "sigreturn", "tgkill", "tkill",
#ifdef WITH_SANITIZER
	/* LeakSanitizer looks at its own process from a thread beside it. */
	"prctl", "ptrace",
#endif
};

/* No memory to write code into; no namespaces; no sockets but those of Redis and the resolver. */
static const struct rule restricted[] = {
	{ "clone", 1, { { CLONE_FLAGS, SCMP_CMP_MASKED_EQ, NAMESPACES, 0 } } },
	{ "ioctl", 1, { { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, FIONREAD } } },
	{ "ioctl", 1, { { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TCGETS } } },
	{ "mmap", 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
	{ "mmap", 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC } } },
	{ "mmap2", 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
	{ "mmap2", 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC } } },
	{ "mprotect", 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
	{ "prctl", 1, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, PR_SET_PDEATHSIG } } },
	{ "prlimit64", 1, { { 2, SCMP_CMP_EQ, 0, 0 } } },
	{ "setpriority", 2, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, PRIO_PROCESS },
				    { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, 0 } } },
	{ "socket", 1, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX } } },
	{ "socket", 1, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_INET } } },
	{ "socket", 1, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_INET6 } } },
	{ "socket", 2, { { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_NETLINK },
			       { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, NETLINK_ROUTE } } },
};

/* What no library does of its own accord: whoever calls it has taken over the process. */
static const char *const deadly[] = {
	"bpf", "chroot", "delete_module", "execve", "execveat", "finit_module", "init_module",
	"kexec_file_load", "kexec_load", "mount", "move_mount", "open_by_handle_at",
	"pidfd_getfd", "pivot_root", "process_vm_readv", "process_vm_writev", "setns", "umount2",
	"unshare", "userfaultfd",
#ifndef WITH_SANITIZER
	"ptrace",
#endif
};
/* clang-format on */

/* 0, or a negative errno. */
static int add(scmp_filter_ctx filter, uint32_t action, const struct rule *rule)
{
	int call = seccomp_syscall_resolve_name(rule->call);

	if (call == __NR_SCMP_ERROR)
		return 0;
	int error = seccomp_rule_add_array(filter, action, call, rule->arg_count, rule->args);

	/* Below 0 are calls of other machines, and those that are one call for all sockets. */
	return call < 0 && error != -ENOMEM ? 0 : error;
}

static int add_all(
	scmp_filter_ctx filter, uint32_t action, const char *const *calls, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++)
		error = add(filter, action, &(struct rule){ .call = calls[i] });
	return error;
}

static int add_restricted(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(restricted) / sizeof(restricted[0]) && error == 0; i++)
		error = add(filter, SCMP_ACT_ALLOW, &restricted[i]);
	return error;
}

static int add_tables(scmp_filter_ctx filter)
{
	int error = add_all(
		filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));

	if (error == 0)
		error = add_restricted(filter);
	if (error == 0)
		error = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly,
			sizeof(deadly) / sizeof(deadly[0]));
	return error;
}

/* 0, or a negative errno. */
static int export(int fd)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	if (filter == NULL)
		return -ENOMEM;
	/* Another architecture's calls, which these tables say nothing of. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	int error = add_tables(filter);

	if (error == 0)
		error = seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	return error;
}

static void be_builder(int fd, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(ESRCH);
	/* The C library would tell there of a heap that is broken. */
	close(STDERR_FILENO);
	int error = export(fd);

	if (error == 0)
		error = export(fd);
	_exit(-error);
}

/* Returns how many bytes came until the end, or until it was too late for more. */
static size_t read_in_time(int fd, void *bytes, size_t size)
{
	int64_t until_us = clock_steady_us() + BUILD_LIMIT_US;
	struct pollfd input = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		int64_t left_us = until_us - clock_steady_us();

		if (left_us <= 0)
			return len;
		if (poll(&input, 1, (int)(left_us / 1000) + 1) != 1)
			continue;
		ssize_t n = read(fd, (unsigned char *)bytes + len, size - len);

		if (n <= 0)
			return len;
		len += (size_t)n;
	}
}

/* Both filters that the child has made.  Returns its status; if there is no child, that of one
 * that ended with the errno. */
static int build(struct sock_filter *steps, size_t size, size_t *len)
{
	pid_t parent = getpid();
	int fds[2], status = 0;

	*len = 0;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return W_EXITCODE(errno, 0);
	pid_t pid = fork();

	if (pid == 0)
		be_builder(fds[1], parent);
	if (pid < 0)
		status = W_EXITCODE(errno, 0);
	close(fds[1]);
	if (pid > 0) {
		*len = read_in_time(fds[0], steps, size);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid)
			*len = 0;
	}
	close(fds[0]);
	return status;
}

/* What is wrong with them; NULL: nothing. */
static const char *find_problem(int status, const struct sock_filter *steps, size_t len)
{
	size_t half = len / 2;

	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return strerror(WEXITSTATUS(status));
	if (!WIFEXITED(status) || len == 0 || len % (2 * sizeof(*steps)) != 0 ||
		!secret_equal(steps, (const unsigned char *)steps + half, half))
		return "there is no memory to make the filter";
	return NULL;
}

/* Those of them that this kernel has: it looks at them before it looks for the filter. */
static unsigned find_flags(void)
{
	/*
	 * Before Linux 5.16 a filter also turned off what makes processors fast, against code
	 * that reads its own process; there is no such code in a worker, and it signs.
	 */
	static const unsigned wanted[] = { SECCOMP_FILTER_FLAG_LOG,
		SECCOMP_FILTER_FLAG_SPEC_ALLOW };
	unsigned found = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, wanted[i], NULL) != 0 &&
			errno == EFAULT)
			found |= wanted[i];
	}
	return found;
}

static void make(struct sandbox *sandbox)
{
	const size_t size = 2 * STEPS_MAX * sizeof(struct sock_filter);
	size_t len;

	sandbox->steps = malloc(size);
	if (sandbox->steps == NULL) {
		sandbox->problem = strerror(ENOMEM);
		return;
	}
	int status = build(sandbox->steps, size, &len);

	sandbox->problem = find_problem(status, sandbox->steps, len);
	sandbox->step_count = len / 2 / sizeof(struct sock_filter);
	sandbox->flags = find_flags();
}

bool sandbox_is_available(void)
{
	const uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) == 0;
}

struct sandbox sandbox_make(void)
{
	struct sandbox sandbox = { 0 };

	if (sandbox_is_available())
		make(&sandbox);
	else
		sandbox.problem = "this kernel, or this container, has no seccomp(2) for it";
	return sandbox;
}

void sandbox_free(struct sandbox *sandbox)
{
	free(sandbox->steps);
	sandbox->steps = NULL;
}

void sandbox_announce(const struct sandbox *sandbox, const struct log *log)
{
	if (sandbox->problem != NULL)
		log_message(log, LOG_LEVEL_WARNING, "sandbox.unavailable",
			str_of(sandbox->problem));
}

void sandbox_enter(const struct sandbox *sandbox, const struct log *log)
{
	const struct sock_fprog program = { (unsigned short)sandbox->step_count,
		sandbox->steps };

	if (sandbox->problem != NULL)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, sandbox->flags, &program) != 0)
		log_message(
			log, LOG_LEVEL_WARNING, "sandbox.unavailable", str_of(strerror(errno)));
}
