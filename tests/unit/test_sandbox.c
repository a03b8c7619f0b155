/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/sandbox: what can be called in it, what fails, and what ends the process. */
#include "support.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/sandbox.c"

#define KILLED (-1)
#define DONE 0

/* A system call, tried in a process of its own. */
struct trial {
	const char *name;
	long (*call)(void);
	int wanted; /* DONE, an errno, or KILLED: by SIGSYS */
};

/* What libseccomp does instead of a filter. */
enum fault {
	NO_FAULT,
	NO_MEMORY,
	CRASH,
	HANG,
	NOTHING,
	CUT,
	DIFFERENT
};

static struct log lines;
static struct sandbox the_sandbox;
static enum fault fault;

int __real_seccomp_export_bpf(const scmp_filter_ctx filter, int fd);
int __wrap_seccomp_export_bpf(const scmp_filter_ctx filter, int fd);

/* The second time some other filter than the first time, as long as that. */
static int export_another(const scmp_filter_ctx filter, int fd)
{
	static bool again;

	if (again)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	again = true;
	return __real_seccomp_export_bpf(filter, fd);
}

int __wrap_seccomp_export_bpf(const scmp_filter_ctx filter, int fd)
{
	if (fault == NO_MEMORY)
		return -ENOMEM;
	if (fault == CRASH)
		kill(getpid(), SIGKILL);
	if (fault == HANG)
		pause();
	if (fault == CUT)
		return write(fd, "", 1) == 1 ? 0 : -EIO;
	if (fault == DIFFERENT)
		return export_another(filter, fd);
	return fault == NO_FAULT ? __real_seccomp_export_bpf(filter, fd) : 0;
}

static int open_log(void **state)
{
	(void)state;
	lines = (struct log){ .level = LOG_LEVEL_INFO };
	log_use(&lines, memfd_create("log", MFD_CLOEXEC));
	assert_true(lines.fd >= 0);
	return 0;
}

static int close_log(void **state)
{
	(void)state;
	close(lines.fd);
	return 0;
}

/* How often this stands in the log. */
static size_t count_in_log(const char *words)
{
	char text[8192] = "";
	size_t count = 0;

	assert_true(pread(lines.fd, text, sizeof(text) - 1, 0) >= 0);
	for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words))
		count++;
	return count;
}

/* What became of a child. */
static int end_of(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int try(long (*call)(void), bool inside)
{
	pid_t pid = fork();

	if (pid != 0)
		return end_of(pid);
	if (inside)
		sandbox_enter(&the_sandbox, &lines);
	else
		close(STDIN_FILENO); /* it may be a terminal */
	errno = 0;
	_exit(call() < 0 ? errno : DONE);
}

static void check_trials(const struct trial *trials, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (trials[i].wanted == ENOSYS && try(trials[i].call, false) == ENOSYS)
			print_message("not tested, not in this kernel: %s\n", trials[i].name);
		CHECK_NUMBER(try(trials[i].call, true), trials[i].wanted, trials[i].name);
	}
	CHECK_NUMBER(count_in_log("\n"), 0, "nothing is logged");
}

#define CALL(name, ...)                      \
	static long name(void)               \
	{                                    \
		return syscall(__VA_ARGS__); \
	}

CALL(raw_socket, SYS_socket, AF_PACKET, SOCK_RAW, 0)
CALL(audit_socket, SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)
CALL(wide_socket, SYS_socket, INT64_C(0x100000000) | AF_PACKET, SOCK_RAW, 0)
CALL(call_listen, SYS_listen, 0, 1)
CALL(call_clone3, SYS_clone3, NULL, 0)
CALL(new_user, SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL)
CALL(call_symlink, SYS_symlinkat, "a", AT_FDCWD, "/nonexistent/b")
CALL(call_link, SYS_linkat, AT_FDCWD, "/nonexistent/a", AT_FDCWD, "/nonexistent/b", 0)
CALL(call_chmod, SYS_fchmodat, AT_FDCWD, "/nonexistent/a", 0777)
CALL(call_mknod, SYS_mknodat, AT_FDCWD, "/nonexistent/a", S_IFIFO, 0)
CALL(call_chdir, SYS_chdir, "/")
CALL(call_setuid, SYS_setuid, 65534)
CALL(call_capset, SYS_capset, NULL, NULL)
CALL(call_keyctl, SYS_keyctl, 0, 0, 0, 0, 0)
CALL(call_perf, SYS_perf_event_open, NULL, 0, 0, 0, 0)
CALL(call_uring, SYS_io_uring_setup, 1, NULL)
CALL(call_memfd, SYS_memfd_create, "x", 0)
CALL(call_seccomp, SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL)
CALL(call_personality, SYS_personality, 0x0400000)
CALL(set_limit, SYS_prlimit64, 0, RLIMIT_CORE, &(struct rlimit){ 0 }, NULL)
CALL(get_limit, SYS_prlimit64, 0, RLIMIT_CORE, NULL, &(struct rlimit){ 0 })
CALL(push_key, SYS_ioctl, STDIN_FILENO, TIOCSTI, "x")
CALL(other_priority, SYS_setpriority, PRIO_PROCESS, INT32_MAX, 0)
CALL(own_priority, SYS_setpriority, PRIO_PROCESS, 0, 5)
CALL(call_execve, SYS_execve, "/bin/true", NULL, NULL)
CALL(call_execveat, SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0)
CALL(call_mount, SYS_mount, NULL, "/", NULL, 0, NULL)
CALL(call_unshare, SYS_unshare, CLONE_NEWUSER)
CALL(call_bpf, SYS_bpf, 0, NULL, 0)
CALL(read_memory, SYS_process_vm_readv, getppid(), NULL, 0UL, NULL, 0UL, 0UL)
CALL(death_signal, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
CALL(unnamed_call, SYS_getxattr, "/", "user.x", NULL, 0)

#ifndef WITH_SANITIZER
CALL(call_ptrace, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
CALL(be_dumpable, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)
#endif

static long map(int rights)
{
	return mmap(NULL, 4096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
											  : 0;
}

static long map_code_to_write(void)
{
	return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long map_data(void)
{
	return map(PROT_READ | PROT_WRITE);
}

static long make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

/* As the C library does for a module of the resolver. */
static long map_library(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	return page == MAP_FAILED ? -1 : 0;
}

static long open_sockets(void)
{
	static const struct {
		int family, type, protocol;
	} kinds[] = {
		{ AF_UNIX, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET6, SOCK_STREAM, 0 },
		{ AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (socket(kinds[i].family, kinds[i].type, kinds[i].protocol) < 0 &&
			errno != EAFNOSUPPORT)
			return -1;
	}
	return 0;
}

/* A process for a hash is in it, too. */
static long execute_in_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return pid;
	if (pid == 0)
		_exit(call_execve() < 0 ? errno : DONE);
	errno = EPERM;
	return end_of(pid) == KILLED ? 0 : -1;
}

static void test_allowed(void **state)
{
	static const struct trial trials[] = {
		{ "memory", map_data, DONE },
		{ "a library", map_library, DONE },
		{ "sockets", open_sockets, DONE },
		{ "a child, that executes nothing", execute_in_child, DONE },
		{ "end with the parent", death_signal, DONE },
		{ "lower the own priority", own_priority, DONE },
		{ "look at a limit", get_limit, DONE },
	};

	(void)state;
	check_trials(trials, COUNT(trials));
	check_end();
}

static void test_refused(void **state)
{
	static const struct trial trials[] = {
		{ "a socket for raw packets", raw_socket, ENOSYS },
		{ "netlink, of the audit system", audit_socket, ENOSYS },
		{ "a socket, upper bits set", wide_socket, ENOSYS },
		{ "listen", call_listen, ENOSYS },
		{ "code to write", map_code_to_write, ENOSYS },
		{ "data to execute", make_executable, ENOSYS },
		{ "clone3", call_clone3, ENOSYS },
		{ "another user namespace", new_user, ENOSYS },
		{ "symlink", call_symlink, ENOSYS },
		{ "link", call_link, ENOSYS },
		{ "chmod", call_chmod, ENOSYS },
		{ "mknod", call_mknod, ENOSYS },
		{ "chdir", call_chdir, ENOSYS },
		{ "setuid", call_setuid, ENOSYS },
		{ "capset", call_capset, ENOSYS },
		{ "keyctl", call_keyctl, ENOSYS },
		{ "perf_event_open", call_perf, ENOSYS },
		{ "io_uring_setup", call_uring, ENOSYS },
		{ "memfd_create", call_memfd, ENOSYS },
		{ "seccomp", call_seccomp, ENOSYS },
		{ "personality", call_personality, ENOSYS },
		{ "another limit", set_limit, ENOSYS },
		{ "type into a terminal", push_key, ENOSYS },
		{ "priority of another process", other_priority, ENOSYS },
		{ "a call that is in no table", unnamed_call, ENOSYS },
#ifndef WITH_SANITIZER
		{ "be dumpable again", be_dumpable, ENOSYS },
#endif
	};

	(void)state;
	check_trials(trials, COUNT(trials));
	check_end();
}

static void test_deadly(void **state)
{
	static const struct trial trials[] = {
		{ "execve", call_execve, KILLED },
		{ "execveat", call_execveat, KILLED },
		{ "mount", call_mount, KILLED },
		{ "unshare", call_unshare, KILLED },
		{ "bpf", call_bpf, KILLED },
		{ "memory of another process", read_memory, KILLED },
#ifndef WITH_SANITIZER
		{ "ptrace", call_ptrace, KILLED },
#endif
	};

	(void)state;
	check_trials(trials, COUNT(trials));
	check_end();
}

/* Each name is one that libseccomp knows, so that none is passed over for a slip of the pen. */
static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(allowed); i++)
		CHECK(seccomp_syscall_resolve_name(allowed[i]) != __NR_SCMP_ERROR, allowed[i]);
	for (size_t i = 0; i < COUNT(deadly); i++)
		CHECK(seccomp_syscall_resolve_name(deadly[i]) != __NR_SCMP_ERROR, deadly[i]);
	for (size_t i = 0; i < COUNT(restricted); i++)
		CHECK(seccomp_syscall_resolve_name(restricted[i].call) != __NR_SCMP_ERROR,
			restricted[i].call);
	check_end();
}

/* As a container that lets nobody filter. */
static void forbid_filters(void)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { COUNT(steps), steps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
		_exit(255);
}

static void test_without_seccomp(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		forbid_filters();
		struct sandbox sandbox = sandbox_make();

		sandbox_announce(&sandbox, &lines);
		sandbox_enter(&sandbox, &lines);
		sandbox_enter(&sandbox, &lines);
		sandbox_free(&sandbox);
		_exit(sandbox_is_available() || call_memfd() < 0);
	}
	CHECK_NUMBER(end_of(pid), 0, "it goes on without");
	CHECK_NUMBER(count_in_log("sandbox.unavailable"), 1, "and says so, once");
	CHECK_NUMBER(count_in_log("\"warning\""), 1, "as a warning");
	CHECK_NUMBER(count_in_log("seccomp(2)"), 1, "and why");
	check_end();
}

/* The kernel lets nobody in who has been made to believe that it would. */
static void test_refused_filter(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		forbid_filters();
		sandbox_enter(&the_sandbox, &lines);
		_exit(call_memfd() < 0);
	}
	CHECK_NUMBER(end_of(pid), 0, "it goes on without");
	CHECK_NUMBER(count_in_log("Operation not permitted"), 1, "and says why");
	check_end();
}

static void check_fault(enum fault what, const char *why, const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		fault = what;
		int64_t begin_us = clock_steady_us();
		struct sandbox sandbox = sandbox_make();
		bool in_time = clock_steady_us() - begin_us < 2 * BUILD_LIMIT_US;

		sandbox_announce(&sandbox, &lines);
		sandbox_enter(&sandbox, &lines);
		sandbox_free(&sandbox);
		_exit(!in_time || call_memfd() < 0 || waitpid(-1, NULL, 0) > 0);
	}
	CHECK_NUMBER(end_of(pid), 0, name);
	CHECK_NUMBER(count_in_log("sandbox.unavailable"), 1, name);
	CHECK_NUMBER(count_in_log(why), 1, name);
	assert_int_equal(ftruncate(lines.fd, 0), 0);
	assert_int_equal(lseek(lines.fd, 0, SEEK_SET), 0);
}

/* There is a whole filter, or there is none, and it goes on. */
static void test_faults(void **state)
{
	static const char unknown[] = "there is no memory to make the filter";

	(void)state;
	check_fault(NO_MEMORY, "Cannot allocate memory", "it fails");
	check_fault(CRASH, unknown, "it crashes");
	check_fault(HANG, unknown, "it never comes to an end");
	check_fault(NOTHING, unknown, "it makes nothing");
	check_fault(CUT, unknown, "it makes no whole number of steps");
	check_fault(DIFFERENT, unknown, "it makes another one the second time");
	check_end();
}

/* Does the filter for this kind of machine have these words? */
static bool has_words(scmp_filter_ctx filter, const char *words)
{
	static char text[1 << 20];
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_int_equal(seccomp_export_pfc(filter, fd), 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	return strstr(text, words) != NULL;
}

/* There all calls for sockets are one, of which recv(2) is the tenth; its number is none here.
 */
static void test_other_machines(void **state)
{
	static const struct {
		uint32_t arch;
		const char *name, *words;
	} machines[] = {
		{ SCMP_ARCH_X86, "32-bit x86", "if ($a0 == 10)\n" },
		{ SCMP_ARCH_PPC64LE, "POWER", "if ($a0.lo32 == 10)\n" },
	};

	(void)state;
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	for (size_t i = 0; i < COUNT(machines); i++) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

		assert_non_null(filter);
		assert_int_equal(seccomp_arch_add(filter, machines[i].arch), 0);
		assert_int_equal(seccomp_arch_remove(filter, SCMP_ARCH_X86_64), 0);
		CHECK_NUMBER(add_tables(filter), 0, machines[i].name);
		CHECK(has_words(filter, "socketcall"), machines[i].name);
		CHECK(has_words(filter, machines[i].words), machines[i].name);
		seccomp_release(filter);
	}
	check_end();
}

static int make_sandbox(void **state)
{
	(void)state;
	if (!sandbox_is_available())
		fail_msg("this kernel or container has no seccomp(2), at least of Linux 4.14");
	the_sandbox = sandbox_make();
	assert_null(the_sandbox.problem);
	return 0;
}

static int free_sandbox(void **state)
{
	(void)state;
	sandbox_free(&the_sandbox);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allowed, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_refused, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_deadly, open_log, close_log),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_machines),
		cmocka_unit_test_setup_teardown(test_without_seccomp, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_refused_filter, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_faults, open_log, close_log),
	};

	return cmocka_run_group_tests_name("sandbox", tests, make_sandbox, free_sandbox);
}
