/* SPDX-License-Identifier: MIT */
/* A real redis-server for a test: on a free port of the loopback, without any persistence. */
#ifndef TESTS_UNIT_REDIS_SERVER_H
#define TESTS_UNIT_REDIS_SERVER_H

#include "support.h"

#include "util/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#define REDIS_SERVER_OPTIONS 16
#define REDIS_SERVER_START_US INT64_C(10000000)

struct redis_server {
	pid_t pid; /* 0: it does not run */
	int port;
	char port_text[8];
	char directory[64];
	const char *options[REDIS_SERVER_OPTIONS]; /* in addition, up to NULL */
};

static inline struct str redis_server_port(const struct redis_server *server)
{
	return str_of(server->port_text);
}

/* A listening socket on a free port of the loopback. */
static inline int redis_server_listen(int backlog, int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static inline void redis_server_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* In the child: become redis-server, that ends with the test at the latest. */
static inline void redis_server_exec(const struct redis_server *server)
{
	char log[sizeof(server->directory) + 8];
	const char *arguments[24 + REDIS_SERVER_OPTIONS] = { "redis-server", "--port",
		server->port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", server->directory, "--logfile", log };
	size_t count = 13;

	for (size_t i = 0; i < REDIS_SERVER_OPTIONS && server->options[i] != NULL; i++)
		arguments[count++] = server->options[i];
	snprintf(log, sizeof(log), "%s/log", server->directory);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* execvp takes the array as it is, only its type does not say so. */
	union {
		const char **in;
		char *const *out;
	} argv = { .in = arguments };

	execvp("redis-server", argv.out);
	_exit(127);
}

/* Does it answer, if only to refuse? */
static inline bool redis_server_answers(const struct redis_server *server)
{
	redisContext *context = redisConnect("127.0.0.1", server->port);
	redisReply *reply = NULL;

	if (context != NULL && context->err == 0)
		reply = redisCommand(context, "PING");
	bool answers = reply != NULL;

	freeReplyObject(reply);
	redisFree(context);
	return answers;
}

/* Start it on the port that it has; false if it ended at once. */
static inline bool redis_server_launch(struct redis_server *server)
{
	int64_t deadline_us = clock_steady_us() + REDIS_SERVER_START_US;

	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		redis_server_exec(server);
	while (!redis_server_answers(server)) {
		int status;

		if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
			server->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
				fail_msg("redis-server is not installed; type: make deps test");
			return false;
		}
		if (clock_steady_us() > deadline_us)
			fail_msg("redis-server does not answer on port %d", server->port);
		usleep(2000);
	}
	return true;
}

/*
 * Start a server; `options` are arguments of redis-server up to NULL, or NULL.  Another process
 * may take the port before the server does; then it is tried with another one.
 */
static inline void redis_server_start(struct redis_server *server, const char *const *options)
{
	*server = (struct redis_server){ .directory = "/tmp/oauth2-redis-XXXXXX" };
	for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
		assert_true(i + 1 < REDIS_SERVER_OPTIONS);
		server->options[i] = options[i];
	}
	assert_non_null(mkdtemp(server->directory));
	for (unsigned attempt = 0; attempt < 5; attempt++) {
		close(redis_server_listen(1, &server->port));
		snprintf(server->port_text, sizeof(server->port_text), "%d", server->port);
		if (redis_server_launch(server))
			return;
	}
	fail_msg("redis-server ends at once; see %s/log", server->directory);
}

/* End the process; redis_server_launch starts it again, with no data. */
static inline void redis_server_halt(struct redis_server *server)
{
	if (server->pid > 0)
		redis_server_kill(server->pid);
	server->pid = 0;
}

static inline void redis_server_stop(struct redis_server *server)
{
	char path[sizeof(server->directory) + 8];

	redis_server_halt(server);
	if (server->directory[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/log", server->directory);
	(void)unlink(path);
	(void)rmdir(server->directory);
}

/* One command over a connection of its own; the answer, for freeReplyObject. */
static inline redisReply *redis_server_command(
	const struct redis_server *server, const char *command, ...)
{
	redisContext *context = redisConnect("127.0.0.1", server->port);
	va_list arguments;

	assert_non_null(context);
	assert_int_equal(context->err, 0);
	va_start(arguments, command);
	redisReply *reply = redisvCommand(context, command, arguments);

	va_end(arguments);
	assert_non_null(reply);
	redisFree(context);
	return reply;
}

/* The same for a command that answers with a number. */
static inline int64_t redis_server_number(
	const struct redis_server *server, const char *command, const char *argument)
{
	redisReply *reply = redis_server_command(server, command, argument);

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	int64_t number = reply->integer;

	freeReplyObject(reply);
	return number;
}

#endif
