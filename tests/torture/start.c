/* SPDX-License-Identifier: MIT */
/*
 * What runs instead of main(): main() between the begin and the end of the accounts, or a
 * server that forks for each run, so that thousands of them need neither exec nor the dynamic
 * linker.
 *
 * A run is asked for by a packet of fields, each a letter, a text and NUL: d directory, 0 1 2
 * the standard files, s the path of a socket to listen at as standard input, a an argument, e
 * NAME=VALUE of the environment.  The answers are two numbers: the process, its status.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKET_SIZE 131072
#define ARGUMENTS_MAX 64
#define FAILED 125 /* the exit status of a run that could not begin */

typedef int main_function(int argc, char **argv, char **environment);

static main_function *program_main;
static int64_t fds_before;

/* By the kernel alone: libraries' functions may fail, or be counted. */
static void map_control(void)
{
	const char *path = getenv("TORTURE_CONTROL");

	if (path == NULL)
		return;
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	void *memory = mmap(
		NULL, sizeof(*shim_control), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);

	syscall(SYS_close, fd);
	if (memory != MAP_FAILED)
		shim_control = memory;
}

static void tell_crash(int number)
{
	shim_inside = 1;
	shim_trace(strsignal(number));
	signal(number, SIG_DFL);
	raise(number);
}

static int run(int argc, char **argv)
{
	pid_t self = getpid();

	if (shim_control != NULL && shim_control->trace > 0) {
		signal(SIGSEGV, tell_crash);
		signal(SIGABRT, tell_crash);
		signal(SIGSYS, tell_crash);
		signal(SIGBUS, tell_crash);
	}
	shim_memory_begin();
	fds_before = shim_count_fds();
	shim_inside = 0;
	int status = program_main(argc, argv, environ);

	shim_inside = 1;
	/* A child of the program that came back here is not the program. */
	if (shim_control != NULL && getpid() == self) {
		int64_t left = shim_count_fds() - fds_before;

		shim_memory_end();
		shim_control->left = left > 0 ? left : 0;
	}
	/* What is done at exit is not the program's. */
	return status;
}

static void become(const char *path, int fd, int flags)
{
	int opened = open(path, flags | O_CLOEXEC, 0600);

	if (opened < 0 || dup2(opened, fd) != fd)
		_exit(FAILED);
	if (opened != fd)
		close(opened);
}

static void listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(fd, 64) != 0 || dup2(fd, STDIN_FILENO) != STDIN_FILENO)
		_exit(FAILED);
	close(fd);
}

static void apply(char kind, char *text)
{
	if (kind == 'd' && chdir(text) != 0)
		_exit(FAILED);
	if (kind == '0')
		become(text, STDIN_FILENO, O_RDONLY);
	if (kind == '1' || kind == '2')
		become(text, kind - '0', O_WRONLY | O_CREAT | O_APPEND);
	if (kind == 's')
		listen_at(text);
	if (kind == 'e' && putenv(text) != 0)
		_exit(FAILED);
}

/* In a child of the server: become what the packet asks for. */
static int begin(char *packet, size_t n)
{
	static char *argv[ARGUMENTS_MAX + 1];
	int argc = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (char *field = packet; field < packet + n; field += strlen(field) + 1) {
		if (field[0] == 'a' && argc < ARGUMENTS_MAX)
			argv[argc++] = field + 1;
		else
			apply(field[0], field + 1);
	}
	return run(argc, argv);
}

static void tell(int fd, int64_t number)
{
	if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) != (ssize_t)sizeof(number))
		_exit(FAILED);
}

/* Until the other side closes.  A run's process returns from here with its status. */
static int serve(int fd)
{
	static char packet[PACKET_SIZE];
	ssize_t n;
	int status;

	unsetenv("TORTURE_SERVER");
	if (getenv("TORTURE_RSA") != NULL)
		shim_make_rsa();
	while ((n = recv(fd, packet, sizeof(packet), 0)) > 0) {
		pid_t pid = fork();

		if (pid == 0) {
			close(fd);
			return begin(packet, (size_t)n);
		}
		tell(fd, pid);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		tell(fd, status);
	}
	_exit(0);
}

static int shim_main(int argc, char **argv, char **environment)
{
	const char *server = getenv("TORTURE_SERVER");

	(void)environment;
	shim_inside = 1;
	shim_prepare();
	map_control();
	return server != NULL ? serve((int)strtol(server, NULL, 10)) : run(argc, argv);
}

int __libc_start_main(main_function *function, int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*linker_fini)(void), void *stack_end);

SHIM_HOOK int __libc_start_main(main_function *function, int argc, char **argv,
	void (*init)(void), void (*fini)(void), void (*linker_fini)(void), void *stack_end)
{
	static __typeof__(&__libc_start_main) next;

	program_main = function;
	*(void **)&next = shim_next("__libc_start_main");
	return next(shim_main, argc, argv, init, fini, linker_fini, stack_end);
}
