/* SPDX-License-Identifier: MIT */
/* The worker's loop: wait, accept, look, lend, answer; nothing in it waits for a peer. */
#include "worker.h"
#include "exchange.h"
#include "fcgi_io.h"
#include "pool.h"
#include "scan.h"
#include "util/clock.h"
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define READ_SIZE 65536     /* bytes that are read at once */
#define REQUEST_MAX 1310720 /* bytes: variables, and a body of 1 MiB in its records */
#define EVENT_MAX 32
#define CONNECTION_MAX 4096
#define TICK_US SECOND_US /* how often an idle worker looks at its files */
#define REQUEST_LIMIT_US \
	(10 * SECOND_US) /* from the first byte to the last; also for draining */
#define ACCEPT_PAUSE_US (SECOND_US / 10) /* after descriptors or memory ran out */
#define STOP_NEW_US (SECOND_US / 5)      /* a peer that has just connected may begin to send */
#define STOP_PARTIAL_US (9 * SECOND_US / 10) /* a peer that has begun may end */
#define SEND_TIMEOUT_S 2                     /* for a peer that does not take its answer */

/* Why a request is not answered; for the log. */
#define BROKEN "not FastCGI or unsafe"
#define TOO_LARGE "too large"
#define TOO_SLOW "too slow"
#define NO_MEMORY "no memory"

struct worker {
	int epoll_fd;
	int signal_fd;
	struct listener *listener; /* borrowed; closed when told to stop */
	bool listening;
	bool stopping;
	int64_t resume_us; /* when to listen again; 0: not paused */
	struct reload *reload;
	struct exchange *exchange;
	struct fcgi_io *io;
	struct pool *pool;
	unsigned char *buffer;
};

static bool watch_fd(struct worker *worker, int fd, uint32_t events, void *tag)
{
	struct epoll_event event = { .events = events, .data.ptr = tag };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Close a connection with a request that is not answered. */
static void drop(struct worker *worker, struct connection *connection, const char *why)
{
	const struct log_field reason = { .name = "reason", .text = str_of(why) };

	log_write(
		reload_log(worker->reload), LOG_LEVEL_WARNING, "connection.closed", &reason, 1);
	pool_close(worker->pool, connection);
}

static void watch_connection(struct worker *worker, struct connection *connection)
{
	if (!connection->watched && !watch_fd(worker, connection->fd, EPOLLIN, connection))
		drop(worker, connection, NO_MEMORY);
	else
		connection->watched = true;
}

static void listen_pause(struct worker *worker)
{
	worker->resume_us = clock_steady_us() + ACCEPT_PAUSE_US;
}

/* Exclusive: one worker is woken for a new connection, not all. */
static void listen_on(struct worker *worker)
{
	const uint32_t events = EPOLLIN | EPOLLEXCLUSIVE;

	worker->resume_us = 0;
	if (watch_fd(worker, worker->listener->fd, events, worker->listener))
		worker->listening = true;
	else
		listen_pause(worker);
}

static void listen_off(struct worker *worker)
{
	if (worker->listening)
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->listener->fd, NULL);
	worker->listening = false;
}

/* Take what the peer still sends, so that it can read its answer before it sees the end. */
static void drain(struct worker *worker, struct connection *connection)
{
	ssize_t n = recv(connection->fd, worker->buffer, READ_SIZE, MSG_DONTWAIT);

	if (n > 0)
		secret_wipe(worker->buffer, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		pool_close(worker->pool, connection);
}

/* An answered connection: to the next request, to its end, or closed. */
static void go_on(struct worker *worker, struct connection *connection, bool keep)
{
	bool large = connection->scan.verdict == SCAN_LARGE;

	if (!large && (!keep || worker->stopping)) {
		pool_close(worker->pool, connection);
		return;
	}
	if (large)
		shutdown(connection->fd, SHUT_WR);
	pool_forget(worker->pool, connection);
	pool_move(
		worker->pool, connection, large ? POOL_DRAINING : POOL_KEPT, clock_steady_us());
	watch_connection(worker, connection);
}

static void serve(struct worker *worker, struct connection *connection, struct str bytes)
{
	struct http_request request;
	bool keep = false;

	reload_check(worker->reload);
	enum reason reason = fcgi_io_receive(worker->io, bytes, &connection->scan, &request);

	if (reason != REASON_NONE) {
		drop(worker, connection, reason == REASON_MEMORY ? NO_MEMORY : BROKEN);
		return;
	}
	struct str answer = exchange_answer(worker->exchange, &request);

	if (fcgi_io_send(worker->io, connection->fd, answer, &keep) == REASON_NONE) {
		go_on(worker, connection, keep);
	} else {
		connection->fd = -1;
		pool_close(worker->pool, connection);
	}
	exchange_forget(worker->exchange);
}

/* Not whole yet: what is in the worker's own buffer goes to the connection. */
static void await_rest(
	struct worker *worker, struct connection *connection, const unsigned char *p, size_t n)
{
	bool kept = p == connection->bytes;

	if (n >= REQUEST_MAX) {
		drop(worker, connection, TOO_LARGE);
		return;
	}
	if (!kept && !pool_reserve(worker->pool, connection, n)) {
		drop(worker, connection, NO_MEMORY);
		return;
	}
	if (!kept) {
		memcpy(connection->bytes, p, n);
		connection->bytes_len = n;
		pool_move(worker->pool, connection, POOL_PARTIAL, clock_steady_us());
	}
	watch_connection(worker, connection);
}

static void judge(
	struct worker *worker, struct connection *connection, const unsigned char *p, size_t n)
{
	fcgi_scan(&connection->scan, p, n, HTTP_BODY_MAX);
	if (connection->scan.verdict == SCAN_BROKEN)
		drop(worker, connection, BROKEN);
	else if (connection->scan.verdict == SCAN_INCOMPLETE)
		await_rest(worker, connection, p, n);
	else
		serve(worker, connection, (struct str){ (const char *)p, n });
}

/* Nothing came: later, or never. */
static void await_bytes(struct worker *worker, struct connection *connection, ssize_t n)
{
	if (n < 0 && errno == EAGAIN)
		watch_connection(worker, connection);
	else
		pool_close(worker->pool, connection);
}

/* The start of a request, which is mostly all of it: served from the worker's own buffer. */
static void look_at_start(struct worker *worker, struct connection *connection)
{
	ssize_t n = recv(connection->fd, worker->buffer, READ_SIZE, MSG_DONTWAIT);

	if (n <= 0) {
		await_bytes(worker, connection, n);
		return;
	}
	judge(worker, connection, worker->buffer, (size_t)n);
	secret_wipe(worker->buffer, (size_t)n);
}

static void look_at_rest(struct worker *worker, struct connection *connection)
{
	if (!pool_reserve(worker->pool, connection, 1)) {
		drop(worker, connection, NO_MEMORY);
		return;
	}
	ssize_t n = recv(connection->fd, connection->bytes + connection->bytes_len,
		connection->bytes_size - connection->bytes_len, MSG_DONTWAIT);

	if (n <= 0) {
		await_bytes(worker, connection, n);
		return;
	}
	connection->bytes_len += (size_t)n;
	judge(worker, connection, connection->bytes, connection->bytes_len);
}

static void look(struct worker *worker, struct connection *connection)
{
	if (connection->bytes_len > 0)
		look_at_rest(worker, connection);
	else
		look_at_start(worker, connection);
}

static void set_timeout(int fd)
{
	const struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

static void make_room(struct worker *worker)
{
	struct connection *victim = pool_oldest_idle(worker->pool);

	if (victim == NULL)
		victim = pool_oldest(worker->pool, POOL_DRAINING);
	if (victim != NULL)
		pool_close(worker->pool, victim);
	else if (pool_oldest(worker->pool, POOL_PARTIAL) != NULL)
		drop(worker, pool_oldest(worker->pool, POOL_PARTIAL), NO_MEMORY);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The next connection of the backlog, or -1, with the listener set aside if that helps. */
static int take(struct worker *worker)
{
	int fd = accept4(worker->listener->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && is_shortage(errno) && pool_oldest_idle(worker->pool) != NULL) {
		pool_close(worker->pool, pool_oldest_idle(worker->pool));
		fd = accept4(worker->listener->fd, NULL, NULL, SOCK_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	if (errno == EINVAL) {
		/* Shut down: the supervisor is about to stop us. */
		listen_off(worker);
	} else if (is_shortage(errno)) {
		listen_off(worker);
		listen_pause(worker);
	}
	return fd;
}

/* Accept one connection, not all that wait: the others are for the other workers. */
static bool accept_one(struct worker *worker)
{
	if (pool_count(worker->pool) >= CONNECTION_MAX)
		make_room(worker);
	int fd = take(worker);

	if (fd < 0)
		return false;
	set_timeout(fd);
	struct connection *connection = pool_add(worker->pool, fd, clock_steady_us());

	if (connection != NULL)
		look(worker, connection);
	return true;
}

/* A request may have come on one of them that epoll has not told of yet. */
static void close_kept(struct worker *worker)
{
	struct connection *next;

	for (struct connection *c = pool_oldest(worker->pool, POOL_KEPT); c != NULL; c = next) {
		next = c->newer;
		look(worker, c);
	}
	while (pool_oldest(worker->pool, POOL_KEPT) != NULL)
		pool_close(worker->pool, pool_oldest(worker->pool, POOL_KEPT));
}

static void stop(struct worker *worker)
{
	if (worker->stopping)
		return;
	worker->stopping = true;
	for (unsigned i = 0; i < CONNECTION_MAX && accept_one(worker); i++)
		;
	listen_off(worker);
	/* While one of us has it open, the kernel takes connections that nobody will serve. */
	listener_close(worker->listener);
	worker->resume_us = 0;
	close_kept(worker);
	/* From here on the limits count from now. */
	for (enum pool_state state = POOL_NEW; state < POOL__MAX; state++) {
		for (struct connection *c = pool_oldest(worker->pool, state); c != NULL;
			c = c->newer)
			c->since_us = clock_steady_us();
	}
}

static void take_signals(struct worker *worker)
{
	struct signalfd_siginfo info;

	while (read(worker->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_force(worker->reload);
		else
			stop(worker);
	}
}

/* How long a connection may be in this state; 0: as long as it likes. */
static int64_t limit_us(const struct worker *worker, enum pool_state state)
{
	if (state == POOL_NEW || state == POOL_KEPT)
		return worker->stopping ? STOP_NEW_US : 0;
	return worker->stopping ? STOP_PARTIAL_US : REQUEST_LIMIT_US;
}

static void close_late(struct worker *worker, struct connection *connection)
{
	if (connection->state == POOL_PARTIAL)
		drop(worker, connection, TOO_SLOW);
	else
		pool_close(worker->pool, connection);
}

/* Close what is over its limit.  Returns when the next one will be. */
static int64_t expire(struct worker *worker, int64_t now_us)
{
	int64_t next_us = now_us + TICK_US;

	for (enum pool_state state = POOL_NEW; state < POOL__MAX; state++) {
		int64_t limit = limit_us(worker, state);
		struct connection *oldest = pool_oldest(worker->pool, state);

		while (limit > 0 && oldest != NULL && now_us - oldest->since_us >= limit) {
			close_late(worker, oldest);
			oldest = pool_oldest(worker->pool, state);
		}
		if (limit > 0 && oldest != NULL && oldest->since_us + limit < next_us)
			next_us = oldest->since_us + limit;
	}
	return next_us;
}

static int wait_ms(struct worker *worker)
{
	int64_t now_us = clock_steady_us();

	if (worker->resume_us != 0 && now_us >= worker->resume_us)
		listen_on(worker);
	int64_t next_us = expire(worker, now_us);

	if (worker->resume_us != 0 && worker->resume_us < next_us)
		next_us = worker->resume_us;
	return (int)((next_us - now_us) / 1000 + 1);
}

/*
 * Connections first, then one new one, then signals: the latter two may close
 * other connections, which must not have an event that is still to be handled.
 */
static void handle(struct worker *worker, const struct epoll_event *events, int count)
{
	bool has_new = false, has_signal = false;

	for (int i = 0; i < count; i++) {
		void *tag = events[i].data.ptr;

		if (tag == worker->listener) {
			has_new = true;
		} else if (tag == &worker->signal_fd) {
			has_signal = true;
		} else {
			struct connection *connection = tag;

			if (connection->state == POOL_DRAINING)
				drain(worker, connection);
			else
				look(worker, connection);
		}
	}
	if (has_new && worker->listening)
		accept_one(worker);
	if (has_signal)
		take_signals(worker);
}

static bool block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	return sigprocmask(SIG_BLOCK, set, NULL) == 0;
}

/* Signals are read like bytes: none ever interrupts a request, and none needs a handler. */
static enum reason open_worker(struct worker *worker)
{
	sigset_t signals;

	if (!block_signals(&signals))
		return REASON_INTERNAL;
	worker->io = fcgi_io_new();
	worker->exchange = exchange_new(worker->reload);
	worker->pool = pool_new();
	worker->buffer = malloc(READ_SIZE);
	if (worker->io == NULL || worker->exchange == NULL || worker->pool == NULL ||
		worker->buffer == NULL)
		return REASON_MEMORY;
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (worker->epoll_fd < 0 || worker->signal_fd < 0)
		return REASON_INTERNAL;
	if (fcntl(worker->listener->fd, F_SETFL, O_NONBLOCK) != 0)
		return REASON_INTERNAL;
	if (!watch_fd(worker, worker->signal_fd, EPOLLIN, &worker->signal_fd))
		return REASON_INTERNAL;
	listen_on(worker);
	return REASON_NONE;
}

static void close_worker(struct worker *worker)
{
	pool_free(worker->pool);
	exchange_free(worker->exchange);
	fcgi_io_free(worker->io);
	free(worker->buffer);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->signal_fd >= 0)
		close(worker->signal_fd);
}

enum reason worker_run(struct listener *listener, struct reload *reload)
{
	struct worker worker = {
		.epoll_fd = -1,
		.signal_fd = -1,
		.listener = listener,
		.reload = reload,
	};
	struct epoll_event events[EVENT_MAX];
	enum reason reason = open_worker(&worker);

	while (reason == REASON_NONE) {
		exchange_tick(worker.exchange);
		int timeout_ms = wait_ms(&worker);

		if (worker.stopping && pool_count(worker.pool) == 0)
			break;
		int count = epoll_wait(worker.epoll_fd, events, EVENT_MAX, timeout_ms);

		reload_check(reload);
		handle(&worker, events, count);
	}
	if (reason == REASON_NONE)
		exchange_finish(worker.exchange);
	close_worker(&worker);
	return reason;
}
