/* SPDX-License-Identifier: MIT */
/* oauth2.fcgi: options, the configuration, and the choice between CGI, one worker and a
 * supervisor. */
#include "arguments.h"
#include "cgi_io.h"
#include "options.h"
#include "sandbox.h"
#include "supervisor.h"
#include "util/openssl.h"
#include "util/wiped.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define PASSED_FD 3 /* the first descriptor of the LISTEN_FDS protocol */
#define WORKERS_MIN 4
#define FILE_LIMIT 4352 /* descriptors: a worker's connections, and some */
#define PROBLEM_SIZE 65536
#define PERTURB_BYTE 0xa5
#define MMAP_THRESHOLD (128 << 10) /* bytes */

/* Exit statuses (interface §1). */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
};

enum mode {
	MODE_NONE,       /* nobody has said how */
	MODE_CGI,        /* a request is in the environment */
	MODE_ONE,        /* a web server gave a socket: one worker, this process */
	MODE_SUPERVISED, /* workers, kept alive by this process */
	MODE_WRONG,      /* sockets were passed that cannot be used */
};

/* A program that was started without them would mistake its first files for them. */
static bool open_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

/* The memory of a process that lives on. */
static void tune_memory(void)
{
#ifdef __GLIBC__
	/* Libraries free requests and secrets as they are: overwrite what is freed. */
	mallopt(M_PERTURB, PERTURB_BYTE);
	/* Set, it stays: what an old configuration took in large pieces goes back at once. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
#endif
	json_set_alloc_funcs(malloc, wiped_free);
}

/* No core with keys in it, no file that others may read, no death by a peer that is gone, no
 * rights by a program with more of them. */
static void harden(void)
{
	const struct rlimit no_core = { 0 };
	struct rlimit files;

	umask(027);
	/* A write that fails is an error, not the end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* Whoever starts us may have it ignored: nobody could wait for a child then. */
	signal(SIGCHLD, SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILE_LIMIT) {
		files.rlim_cur = files.rlim_max < FILE_LIMIT ? files.rlim_max : FILE_LIMIT;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* One that comes while we start is acted upon by whoever reads signals later. */
static void hold_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static struct str cgi_query(void)
{
	return str_of(getenv("REQUEST_METHOD") != NULL ? getenv("QUERY_STRING") : NULL);
}

static const char *config_path(const struct options *options)
{
	const char *path = options->config;

	if (path == NULL || path[0] == '\0')
		path = getenv("OAUTH2_CONFIG");
	if (path == NULL || path[0] == '\0')
		path = SYSCONFDIR "/oauth2-fcgi/oauth2.yaml";
	return path;
}

static bool sockets_are_passed(void)
{
	int64_t pid;

	return str_to_number(str_of(getenv("LISTEN_PID")), INT32_MAX, &pid) &&
	       pid == getpid() && getenv("LISTEN_FDS") != NULL;
}

static bool passed_socket_is_good(void)
{
	return str_eq(str_of(getenv("LISTEN_FDS")), STR("1")) && listener_is_one(PASSED_FD);
}

static enum mode choose_mode(const struct options *options)
{
	if (options->listen.socket_len > 0)
		return MODE_SUPERVISED;
	if (listener_is_one(STDIN_FILENO))
		return options->workers > 0 ? MODE_SUPERVISED : MODE_ONE;
	if (sockets_are_passed())
		return passed_socket_is_good() ? MODE_SUPERVISED : MODE_WRONG;
	return getenv("REQUEST_METHOD") != NULL ? MODE_CGI : MODE_NONE;
}

static enum reason get_listener(
	const struct options *options, struct listener *listener, struct buf *problem)
{
	if (options->listen.socket_len > 0)
		return listener_open(&options->listen, options->socket_mode, listener, problem);
	/* choose_mode has seen that one of them is a socket. */
	bool is_passed = sockets_are_passed() && !listener_is_one(STDIN_FILENO);

	listener_adopt(is_passed ? PASSED_FD : STDIN_FILENO, listener);
	return REASON_NONE;
}

static size_t worker_count(const struct options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = processors > 0 ? 2 * (size_t)processors : 0;

	if (options->workers > 0)
		return options->workers;
	return count < WORKERS_MIN ? WORKERS_MIN : count;
}

static enum reason run_alone(
	struct listener *listener, struct reload *reload, const struct sandbox *sandbox)
{
	struct hash_gate alone = hash_gate_alone();

	sandbox_enter(sandbox, reload_log(reload));
	return worker_run(listener, reload, &alone);
}

static enum reason run_fastcgi(const struct options *options, enum mode mode,
	struct reload *reload, const struct sandbox *sandbox, struct buf *problem)
{
	struct listener listener = { .fd = -1 };
	enum reason reason = openssl_start(OPENSSL_ANSWERS);

	if (reason == REASON_NONE)
		reason = reload_start(reload, problem);
	if (reason == REASON_NONE)
		reason = get_listener(options, &listener, problem);
	if (reason == REASON_NONE) {
		reload_announce(reload);
		sandbox_announce(sandbox, reload_log(reload));
		reason = mode == MODE_ONE ? run_alone(&listener, reload, sandbox)
					  : supervisor_run(&listener, worker_count(options),
						    reload, sandbox);
	}
	listener_close(&listener);
	return reason;
}

static int serve_fastcgi(const struct options *options, enum mode mode, struct reload *reload,
	struct buf *problem)
{
	hold_signals();
	tune_memory();
	struct sandbox sandbox = sandbox_make();
	enum reason reason = run_fastcgi(options, mode, reload, &sandbox, problem);

	sandbox_free(&sandbox);
	if (reason == REASON_NONE)
		return STATUS_DONE;
	if (problem->n == 0)
		buf_text(problem, reason_info(reason)->name);
	return STATUS_FAILED;
}

static int serve_cgi(struct reload *reload, struct buf *problem)
{
	enum reason reason = openssl_start(OPENSSL_ONE_ANSWER);

	if (reason == REASON_NONE)
		return cgi_io_serve(reload, problem) == REASON_NONE ? STATUS_DONE
								    : STATUS_FAILED;
	buf_text(problem, reason_info(reason)->name);
	return STATUS_FAILED;
}

static int serve(const struct options *options, struct buf *problem)
{
	enum mode mode = choose_mode(options);
	int status = STATUS_FAILED;

	if (mode == MODE_NONE || mode == MODE_WRONG) {
		buf_text(problem,
			mode == MODE_WRONG
				? "LISTEN_FDS must be 1, and descriptor 3 a listening socket"
				: "this program is run by a web server, as FastCGI or CGI; to "
				  "open a "
				  "FastCGI socket yourself say --listen PATH");
		return STATUS_USAGE;
	}
	struct reload *reload = reload_new(
		config_path(options), mode == MODE_CGI ? CONFIG_SERVE : CONFIG_CHECK);

	if (reload == NULL)
		buf_text(problem, reason_info(REASON_MEMORY)->name);
	else if (mode == MODE_CGI)
		status = serve_cgi(reload, problem);
	else
		status = serve_fastcgi(options, mode, reload, problem);
	reload_free(reload);
	return status;
}

/* What could not be done is left in the text. */
static int print(struct buf *text)
{
	bool good = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;

	text->n = 0;
	if (good)
		return STATUS_DONE;
	buf_text(text, "oauth2.fcgi: standard output cannot be written: ");
	buf_text(text, strerror(errno));
	return STATUS_FAILED;
}

static int run(int argc, char **argv, struct buf *text)
{
	struct options options;

	buf_text(text, "oauth2.fcgi: ");
	argc = arguments_count(argc, argv, cgi_query());
	if (!options_parse(argc, argv, &options, text)) {
		buf_text(text, "\nTry 'oauth2.fcgi --help'.");
		return STATUS_USAGE;
	}
	text->n = 0;
	if (options.action == ACTION_SERVE)
		return serve(&options, text);
	if (options.action == ACTION_HELP)
		options_usage(text);
	else
		buf_text(text, "oauth2.fcgi " VERSION "\n");
	return print(text);
}

int main(int argc, char **argv)
{
	if (!open_standard_fds())
		return STATUS_FAILED;
	harden();
	char *memory = malloc(PROBLEM_SIZE);

	if (memory == NULL)
		return STATUS_FAILED;
	struct buf problem = buf_init(memory, PROBLEM_SIZE);
	int status = run(argc, argv, &problem);

	if (problem.n > 0)
		fprintf(stderr, "%.*s%s", (int)problem.n, problem.p,
			problem.p[problem.n - 1] == '\n' ? "" : "\n");
	free(memory);
	return status;
}
