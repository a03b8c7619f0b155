/* SPDX-License-Identifier: MIT */
/* The worker's loop: wait, accept, look, lend, answer; nothing in it waits for a peer. */
#include "worker.h"
#include "exchange.h"
#include "fcgi_io.h"
#include "parking.h"
#include "scan.h"
#include "util/clock.h"
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define READ_SIZE 65536     /* bytes that are read at once */
#define REQUEST_MAX 1310720 /* bytes: variables, and a body of 1 MiB in its records */
#define EVENT_MAX 32
#define CONNECTION_MAX 4096
#define CROWD 64          /* connections; who has more lets others take new ones */
#define TICK_US SECOND_US /* how long a worker sleeps at most */
#define REQUEST_LIMIT_US                                                                     \
	(10 * SECOND_US) /* from the first byte to the last; also of an answer, and draining \
			  */
#define ACCEPT_PAUSE_US (SECOND_US / 10) /* after descriptors or memory ran out */
#define LONG_US 100                      /* an RSA signature takes longer, all else does not */
#define STOP_NEW_US (SECOND_US / 5)      /* a peer that has just connected may begin to send */
#define STOP_PARTIAL_US (9 * SECOND_US / 10) /* a peer that has begun may end */
#define STOP_SENDING_US (2 * SECOND_US)      /* a peer may take the rest of its answer */

/* Why a request is not answered, or not to the end; for the log. */
#define BROKEN "not FastCGI or unsafe"
#define TOO_LARGE "too large"
#define TOO_SLOW "too slow"
#define NOT_TAKEN "answer not taken"
#define NO_MEMORY "no memory"

struct worker {
	int epoll_fd;
	int signal_fd;
	struct listener *listener; /* borrowed; closed when told to stop */
	bool listening;
	bool stopping;
	int64_t resume_us; /* when to listen again; 0: not paused */
	int64_t full_us;   /* when it last let others take what waited */
	struct reload *reload;
	struct exchange *exchange;
	struct fcgi_io *io;
	struct hash_gate *gate; /* borrowed */
	struct hasher *hasher;
	struct parking parking;
	struct pool *pool;
	unsigned char *buffer;
};

static bool watch_fd(struct worker *worker, int fd, uint32_t events, void *tag)
{
	struct epoll_event event = { .events = events, .data.ptr = tag };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Close a connection with a request that is not answered, or not to the end. */
static void drop(struct worker *worker, struct connection *connection, const char *why)
{
	pool_drop(worker->pool, connection, reload_log(worker->reload), why);
}

static void watch_connection(struct worker *worker, struct connection *connection)
{
	const uint32_t events = connection->state == POOL_SENDING ? EPOLLOUT : EPOLLIN;

	if (!connection->watched && !watch_fd(worker, connection->fd, events, connection))
		drop(worker, connection, NO_MEMORY);
	else
		connection->watched = true;
}

static void unwatch_connection(struct worker *worker, struct connection *connection)
{
	if (connection->watched)
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
	connection->watched = false;
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

/* The kernel wakes first who has listened longest: begin again, as the last. */
static void listen_last(struct worker *worker)
{
	if (!worker->listening || worker->stopping)
		return;
	listen_off(worker);
	listen_on(worker);
}

/* After a pause; who has a hash under way then listens when it is done. */
static void listen_again(struct worker *worker)
{
	worker->resume_us = 0;
	if (worker->parking.hashing == NULL || !worker->gate->has_others)
		listen_on(worker);
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
static void go_on(struct worker *worker, struct connection *connection)
{
	bool large = connection->scan.verdict == SCAN_LARGE;

	if (!large && (!connection->scan.keeps || worker->stopping)) {
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

/* A peer that takes its answer in parts, or not at all: others are served meanwhile. */
static void await_taking(struct worker *worker, struct connection *connection)
{
	unwatch_connection(worker, connection);
	pool_move(worker->pool, connection, POOL_SENDING, clock_steady_us());
	watch_connection(worker, connection);
}

static void send_answer(struct worker *worker, struct connection *connection, struct str answer)
{
	enum reason reason;

	pool_clear(worker->pool, connection);
	do {
		reason = pool_send(
			worker->pool, connection, fcgi_io_frame(worker->io, &answer));
	} while (reason == REASON_NONE && answer.n > 0);
	if (reason == REASON_MEMORY)
		drop(worker, connection, NO_MEMORY);
	else if (reason != REASON_NONE)
		pool_close(worker->pool, connection);
	else if (pool_has_unsent(connection))
		await_taking(worker, connection);
	else
		go_on(worker, connection);
}

/* The peer takes some more. */
static void send_rest(struct worker *worker, struct connection *connection)
{
	if (pool_send_kept(connection) != REASON_NONE) {
		pool_close(worker->pool, connection);
	} else if (!pool_has_unsent(connection)) {
		unwatch_connection(worker, connection);
		go_on(worker, connection);
	}
}

/* The connection's bytes are those of its request; false: out of memory. */
static bool keep_bytes(
	struct worker *worker, struct connection *connection, const void *p, size_t n)
{
	if (p == connection->bytes)
		return true;
	if (!pool_reserve(worker->pool, connection, n))
		return false;
	memcpy(connection->bytes, p, n);
	connection->bytes_len = n;
	return true;
}

/* Do not look at what the peer does until it is served; whoever is parked keeps its place. */
static void set_aside(struct worker *worker, struct connection *connection,
	enum pool_state state, int64_t begin_us)
{
	unwatch_connection(worker, connection);
	connection->learned = hasher_learned(worker->hasher);
	if (connection->state != state)
		pool_move(worker->pool, connection, state, begin_us);
}

/* Serve others until the hash is there. */
static void await_hash(struct worker *worker, struct connection *connection, int64_t begin_us)
{
	if (!watch_fd(worker, hasher_fd(worker->hasher), EPOLLIN, worker->hasher)) {
		hasher_cancel(worker->hasher);
		drop(worker, connection, NO_MEMORY);
		return;
	}
	set_aside(worker, connection, POOL_HASHING, begin_us);
	worker->parking.hashing = connection;
	/* What comes now may need a hash, too: others take it, who have none under way. */
	if (worker->gate->has_others)
		listen_off(worker);
}

/* Serve others until there is its hash, or a place for one. */
static void put_off(struct worker *worker, struct connection *connection, struct str bytes,
	int64_t begin_us)
{
	bool is_hashing = worker->parking.hashing == NULL && hasher_fd(worker->hasher) >= 0;

	if (!keep_bytes(worker, connection, bytes.p, bytes.n)) {
		if (is_hashing)
			hasher_cancel(worker->hasher);
		drop(worker, connection, NO_MEMORY);
	} else if (is_hashing) {
		await_hash(worker, connection, begin_us);
	} else {
		set_aside(worker, connection, POOL_PARKED, begin_us);
	}
}

/*
 * Who has computed for long lets those go first that waited meanwhile: the web server with this
 * answer, and the workers whose requests are older than our next one. The slowest answers come
 * twice as fast for it.
 */
static void give_way(int64_t since_us)
{
	if (clock_steady_us() - since_us >= LONG_US)
		sched_yield();
}

static void serve(struct worker *worker, struct connection *connection, struct str bytes)
{
	bool again = parking_holds(connection->state);
	int64_t now_us = clock_steady_us();
	int64_t begin_us = again ? connection->since_us : now_us;
	struct http_request request;

	reload_check(worker->reload);
	hasher_take_turn(worker->hasher, parking_turn(&worker->parking, connection, begin_us));
	enum reason reason = fcgi_io_receive(worker->io, bytes, &connection->scan, &request);

	if (reason != REASON_NONE) {
		drop(worker, connection, BROKEN);
		return;
	}
	struct str answer = exchange_answer(worker->exchange, &request, begin_us);

	if (answer.n == 0)
		put_off(worker, connection, bytes, begin_us);
	else
		send_answer(worker, connection, answer);
	fcgi_io_forget(worker->io);
	exchange_forget(worker->exchange);
	hasher_end(worker->hasher);
	give_way(now_us);
}

/* The same request again. */
static void serve_again(struct worker *worker, struct connection *connection)
{
	serve(worker, connection,
		(struct str){ (const char *)connection->bytes, connection->bytes_len });
}

/* The one whose hash is known now. */
static void serve_hashed(struct worker *worker)
{
	struct connection *connection = worker->parking.hashing;

	if (connection == NULL)
		return;
	worker->parking.hashing = NULL;
	hasher_collect(worker->hasher);
	serve_again(worker, connection);
	hasher_end(worker->hasher);
	if (worker->parking.hashing != NULL)
		return;
	parking_rest(&worker->parking);
	if (!worker->listening && !worker->stopping && worker->resume_us == 0)
		listen_on(worker);
}

/* One at a time: others are served in between. */
static void serve_parked(struct worker *worker)
{
	struct connection *connection = parking_next(&worker->parking);

	if (connection == NULL)
		return;
	serve_again(worker, connection);
	hasher_end(worker->hasher);
}

/* Not whole yet: what is in the worker's own buffer goes to the connection. */
static void await_rest(
	struct worker *worker, struct connection *connection, const unsigned char *p, size_t n)
{
	if (n >= REQUEST_MAX) {
		drop(worker, connection, TOO_LARGE);
		return;
	}
	if (!keep_bytes(worker, connection, p, n)) {
		drop(worker, connection, NO_MEMORY);
		return;
	}
	if (connection->state != POOL_PARTIAL)
		pool_move(worker->pool, connection, POOL_PARTIAL, clock_steady_us());
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

/* Whatever is awaited of it has come, or its end. */
static void attend(struct worker *worker, struct connection *connection)
{
	if (connection->state == POOL_DRAINING)
		drain(worker, connection);
	else if (connection->state == POOL_SENDING)
		send_rest(worker, connection);
	else
		look(worker, connection);
}

static void make_room(struct worker *worker)
{
	struct connection *victim = pool_oldest_idle(worker->pool);

	if (victim == NULL)
		victim = pool_oldest(worker->pool, POOL_DRAINING);
	if (victim != NULL)
		pool_close(worker->pool, victim);
	else if (pool_oldest(worker->pool, POOL_SENDING) != NULL)
		drop(worker, pool_oldest(worker->pool, POOL_SENDING), NO_MEMORY);
	else if (pool_oldest(worker->pool, POOL_PARTIAL) != NULL)
		drop(worker, pool_oldest(worker->pool, POOL_PARTIAL), NO_MEMORY);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Full: what waits is for others, for a moment, before somebody is sent away for it. */
static bool leave_to_others(struct worker *worker)
{
	int64_t now_us = clock_steady_us();

	if (!worker->gate->has_others || worker->stopping ||
		now_us - worker->full_us < SECOND_US)
		return false;
	worker->full_us = now_us;
	listen_off(worker);
	listen_pause(worker);
	return true;
}

/* Nobody there any more, or another worker was faster. */
static bool is_harmless(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

/* The next connection of the backlog, or -1, with the listener set aside if that helps. */
static int take(struct worker *worker)
{
	int fd = accept4(worker->listener->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && is_shortage(errno) && pool_oldest_idle(worker->pool) != NULL) {
		if (leave_to_others(worker))
			return fd;
		pool_close(worker->pool, pool_oldest_idle(worker->pool));
		fd = accept4(worker->listener->fd, NULL, NULL, SOCK_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	if (errno == EINVAL) {
		/* Shut down: the supervisor is about to stop us. */
		listen_off(worker);
	} else if (!is_harmless(errno)) {
		listen_off(worker);
		listen_pause(worker);
	}
	return fd;
}

/* Accept one connection, not all that wait: the others are for the other workers. */
static bool accept_one(struct worker *worker)
{
	if (pool_count(worker->pool) >= CONNECTION_MAX) {
		if (leave_to_others(worker))
			return false;
		make_room(worker);
	}
	int fd = take(worker);

	if (fd < 0)
		return false;
	struct connection *connection = pool_add(worker->pool, fd, clock_steady_us());

	if (pool_count(worker->pool) > 1)
		worker->parking.has_company = true;
	if (connection != NULL)
		look(worker, connection);
	if (pool_count(worker->pool) > CROWD)
		listen_last(worker);
	return true;
}

/*
 * Is there a connection to accept?  While one of us has the socket open, the kernel takes some
 * that nobody will serve: if we are the last, none may come between the last look and the end.
 * The way back from an accept4 that finds nothing is ten times as long as from here.
 */
static bool has_waiting(const struct worker *worker)
{
	struct pollfd listener = { .fd = worker->listener->fd, .events = POLLIN };

	return poll(&listener, 1, 0) > 0;
}

static void stop(struct worker *worker)
{
	if (worker->stopping)
		return;
	worker->stopping = true;
	listen_off(worker);
	for (unsigned i = 0; i < CONNECTION_MAX && has_waiting(worker) && accept_one(worker);
		i++)
		;
	listener_close(worker->listener);
	worker->resume_us = 0;
	/*
	 * From here on the limits count from now.  Kept connections go on for a while: who is
	 * about to use one would lose a request, and sees the end behind the next answer.
	 */
	for (enum pool_state state = POOL_NEW; state < POOL__MAX; state++) {
		for (struct connection *c = pool_oldest(worker->pool, state); c != NULL;
			c = c->newer) {
			if (!parking_holds(state))
				c->since_us = clock_steady_us();
		}
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
	if (parking_holds(state))
		return 0;
	if (state == POOL_SENDING && worker->stopping)
		return STOP_SENDING_US;
	if (state == POOL_NEW || state == POOL_KEPT)
		return worker->stopping ? STOP_NEW_US : 0;
	return worker->stopping ? STOP_PARTIAL_US : REQUEST_LIMIT_US;
}

/* Who has sent in time is not late, but we are. */
static bool has_sent(const struct connection *connection)
{
	return (connection->state == POOL_NEW || connection->state == POOL_KEPT ||
		       connection->state == POOL_PARTIAL) &&
	       pool_has_bytes(connection);
}

static void close_late(struct worker *worker, struct connection *connection)
{
	if (has_sent(connection))
		look(worker, connection);
	else if (connection->state == POOL_PARTIAL)
		drop(worker, connection, TOO_SLOW);
	else if (connection->state == POOL_SENDING)
		drop(worker, connection, NOT_TAKEN);
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
		listen_again(worker);
	int64_t next_us = expire(worker, now_us);

	if (worker->resume_us != 0 && worker->resume_us < next_us)
		next_us = worker->resume_us;
	if (reload_due_us(worker->reload) < next_us)
		next_us = reload_due_us(worker->reload);
	if (pool_oldest(worker->pool, POOL_PARKED) != NULL && worker->parking.look_us < next_us)
		next_us = worker->parking.look_us;
	now_us = clock_steady_us();
	return next_us <= now_us ? 0 : (int)((next_us - now_us) / 1000 + 1);
}

/*
 * Connections first, then one new one, then signals: all but the first may close
 * other connections, which must not have an event that is still to be handled.
 */
static void handle(struct worker *worker, const struct epoll_event *events, int count)
{
	bool has_new = false, has_signal = false;
	bool listened = worker->listening;

	for (int i = 0; i < count; i++) {
		void *tag = events[i].data.ptr;

		if (tag == worker->listener) {
			has_new = true;
		} else if (tag == &worker->signal_fd) {
			has_signal = true;
		} else if (tag == worker->hasher) {
			serve_hashed(worker);
		} else {
			attend(worker, tag);
		}
	}
	serve_parked(worker);
	/*
	 * Nobody else was woken for a connection that this one was woken for, also if a hash
	 * has begun meanwhile, and the event is one of those that were left for the next round.
	 */
	if (!worker->stopping && (has_new || (listened && !worker->listening)))
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
	worker->hasher = hasher_new(worker->gate, worker->reload, HASHER_APART);
	worker->pool = pool_new();
	worker->buffer = malloc(READ_SIZE);
	if (worker->io == NULL || worker->exchange == NULL || worker->hasher == NULL ||
		worker->pool == NULL || worker->buffer == NULL)
		return REASON_MEMORY;
	worker->parking = (struct parking){
		.pool = worker->pool,
		.hasher = worker->hasher,
		.reload = worker->reload,
		.has_company = worker->gate->has_others,
	};
	const struct credential_runner runner = hasher_runner(worker->hasher);

	exchange_use_runner(worker->exchange, &runner);
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
	hasher_free(worker->hasher);
	fcgi_io_free(worker->io);
	free(worker->buffer);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->signal_fd >= 0)
		close(worker->signal_fd);
}

enum reason worker_run(struct listener *listener, struct reload *reload, struct hash_gate *gate)
{
	struct worker worker = {
		.epoll_fd = -1,
		.signal_fd = -1,
		.listener = listener,
		.reload = reload,
		.gate = gate,
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
