/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/pool: answers that a peer takes at once, in parts, late, or never. */
#include "support.h"

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/pool.c"

#include <fcntl.h>
#include <malloc.h>

#define ANSWER_LEN 300000
#define PART_LEN 65560
#define KEPT_MAX (64 * 1024 * 1024)
#define MARK "a mark that no freed memory may have"

static char answer[ANSWER_LEN], taken[ANSWER_LEN + 1];
static struct pool *pool;
static int peer;
static unsigned leaks; /* blocks that were freed with the mark in them */

void *__wrap_malloc(size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

/* Nothing of it is undefined when it is looked at. */
void *__wrap_malloc(size_t size)
{
	return calloc(1, size);
}

void __wrap_free(void *p)
{
	if (p != NULL && memmem(p, malloc_usable_size(p), MARK, sizeof(MARK) - 1) != NULL)
		leaks++;
	__real_free(p);
}

/* An answer that is full of marks, and has another text at each place. */
static int fill_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i + 64 <= sizeof(answer); i += 64)
		snprintf(answer + i, 64, "%zu " MARK, i);
	return 0;
}

/* A connection for which the kernel keeps a few KB, and its peer. */
static struct connection *open_pool(void)
{
	const int size = 4096;
	int ends[2];

	pool = pool_new();
	assert_non_null(pool);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	struct connection *connection = pool_add(pool, ends[0], 0);

	assert_non_null(connection);
	peer = ends[1];
	leaks = 0;
	return connection;
}

static void close_pool(void)
{
	pool_free(pool);
	CHECK_NUMBER(leaks, 0, "freed as it was");
}

/* How many bytes the peer has, if it takes so many more at most. */
static size_t take(size_t n, size_t most)
{
	if (most > sizeof(taken) - n)
		most = sizeof(taken) - n;
	ssize_t got = recv(peer, taken + n, most, MSG_DONTWAIT);

	return got > 0 ? n + (size_t)got : n;
}

static enum reason send_answer(struct connection *connection)
{
	enum reason reason = REASON_NONE;

	for (struct str left = { answer, sizeof(answer) }; left.n > 0;) {
		struct str part = str_upto(left, PART_LEN);

		if (reason == REASON_NONE)
			reason = pool_send(pool, connection, part);
		left = str_from(left, part.n);
	}
	return reason;
}

static void test_taken_at_once(void **state)
{
	struct connection *connection = open_pool();

	(void)state;
	CHECK_REASON(pool_send(pool, connection, STR("answer")), REASON_NONE, "sent");
	CHECK(!pool_has_unsent(connection), "all of it");
	CHECK(connection->bytes == NULL, "nothing is kept");
	CHECK_NUMBER(take(0, sizeof(taken)), 6, "it is there");
	CHECK_TEXT(((struct str){ taken, 6 }), STR("answer"), "it is there");
	close(peer);
	close_pool();
	check_end();
}

/* Whatever the peer takes at a time, it gets all bytes in their order. */
static void test_taken_in_parts(void **state)
{
	static const size_t steps[] = { 100, 5000, sizeof(answer) };

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct connection *connection = open_pool();
		size_t n = 0;

		CHECK_REASON(send_answer(connection), REASON_NONE, "sent");
		CHECK(pool_has_unsent(connection), "some is kept");
		for (size_t call = 0; n < sizeof(answer) && call < sizeof(answer); call++) {
			n = take(n, steps[i]);
			CHECK_REASON(pool_send_kept(connection), REASON_NONE, "sent on");
		}
		CHECK(!pool_has_unsent(connection), "all of it");
		CHECK_NUMBER(take(n, 1), sizeof(answer), "as many bytes");
		CHECK(memcmp(taken, answer, sizeof(answer)) == 0, "the same bytes");
		pool_forget(pool, connection);
		CHECK(connection->bytes == NULL, "nothing is kept");
		CHECK_NUMBER(leaks, 0, "freed as it was");
		CHECK_REASON(pool_send(pool, connection, STR("next")), REASON_NONE, "next");
		CHECK_NUMBER(take(0, sizeof(taken)), 4, "the next answer");
		close(peer);
		close_pool();
	}
	check_end();
}

/* One that has not even room for a byte costs no time, and no answer is cut. */
static void test_not_taken(void **state)
{
	struct connection *connection = open_pool();
	size_t kept, n = 0;

	(void)state;
	CHECK_REASON(send_answer(connection), REASON_NONE, "sent");
	kept = connection->sent_len;
	CHECK_REASON(pool_send_kept(connection), REASON_NONE, "nothing is taken");
	CHECK_NUMBER(connection->sent_len, kept, "nothing is taken");
	pool_clear(pool, connection);
	CHECK(!pool_has_unsent(connection), "given up");
	CHECK_NUMBER(leaks, 0, "freed as it was");
	/* The kernel is still full of the first one. */
	CHECK_REASON(pool_send(pool, connection, STR("answer")), REASON_NONE, "kept");
	CHECK_NUMBER(connection->bytes_len, 6, "all of it");
	CHECK_NUMBER(connection->sent_len, 0, "none of it is sent");
	n = take(0, sizeof(taken));
	CHECK_REASON(pool_send_kept(connection), REASON_NONE, "sent on");
	CHECK(!pool_has_unsent(connection), "all of it");
	CHECK_NUMBER(take(n, sizeof(taken)), n + 6, "it is there");
	CHECK_TEXT(((struct str){ taken + n, 6 }), STR("answer"), "it is there");
	close(peer);
	close_pool();
	check_end();
}

static void test_peer_is_gone(void **state)
{
	struct connection *connection = open_pool();

	(void)state;
	CHECK_REASON(send_answer(connection), REASON_NONE, "sent");
	close(peer);
	CHECK_REASON(pool_send_kept(connection), REASON_INTERNAL, "gone later");
	CHECK(fcntl(connection->fd, F_GETFD) >= 0, "still open");
	pool_clear(pool, connection);
	CHECK_REASON(pool_send(pool, connection, STR("answer")), REASON_INTERNAL, "gone");
	CHECK(connection->bytes == NULL, "nothing is kept");
	close_pool();
	check_end();
}

/* However many peers take nothing. */
static void test_memory_is_limited(void **state)
{
	struct connection *first = open_pool(), *second;
	enum reason reason = REASON_NONE;
	size_t kept = 0;
	int copy = fcntl(first->fd, F_DUPFD_CLOEXEC, 0);

	(void)state;
	assert_true(copy >= 0);
	second = pool_add(pool, copy, 0);
	assert_non_null(second);
	while (reason == REASON_NONE && kept <= KEPT_MAX) {
		reason = send_answer(first);
		kept = first->bytes_len;
	}
	CHECK_REASON(reason, REASON_MEMORY, "the first");
	CHECK(kept >= KEPT_MAX / 4 && kept <= KEPT_MAX, "what it keeps");
	for (reason = REASON_NONE; reason == REASON_NONE && kept <= KEPT_MAX;) {
		reason = send_answer(second);
		kept = first->bytes_len + second->bytes_len;
	}
	CHECK_REASON(reason, REASON_MEMORY, "the second");
	CHECK(kept <= KEPT_MAX, "what both keep");
	pool_close(pool, first);
	CHECK_REASON(send_answer(second), REASON_NONE, "there is room again");
	close(peer);
	close_pool();
	check_end();
}

/* It has sent, and waits or not; what it sent was read, or not. */
static void test_peer_that_leaves(void **state)
{
	struct connection *connection = open_pool();
	char byte;

	(void)state;
	CHECK(!pool_peer_is_gone(connection), "silent");
	assert_int_equal(send(peer, "x", 1, 0), 1);
	CHECK(!pool_peer_is_gone(connection), "it has sent");
	assert_int_equal(recv(connection->fd, &byte, 1, 0), 1);
	CHECK(byte == 'x', "what it sent is still there");
	CHECK(!pool_peer_is_gone(connection), "it waits");
	close(peer);
	CHECK(pool_peer_is_gone(connection), "it is gone");
	close_pool();
	/* A peer that never reads what it got: its end is an error. */
	connection = open_pool();
	assert_int_equal(send(connection->fd, "y", 1, 0), 1);
	close(peer);
	CHECK(pool_peer_is_gone(connection), "it is gone, with an error");
	close_pool();
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_at_once),
		cmocka_unit_test(test_taken_in_parts),
		cmocka_unit_test(test_not_taken),
		cmocka_unit_test(test_peer_is_gone),
		cmocka_unit_test(test_peer_that_leaves),
		cmocka_unit_test(test_memory_is_limited),
	};

	return cmocka_run_group_tests_name("pool", tests, fill_answer, NULL);
}
