/* SPDX-License-Identifier: MIT */
/* One list per state; a connection joins at the end, so the first is the oldest.  What is kept
 * is wiped when it is not needed any more. */
#include "pool.h"
#include "util/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MIN 4096
#define BYTES_MAX (64 * 1024 * 1024)

struct list {
	struct connection *oldest, *newest;
	size_t count;
};

struct pool {
	struct list lists[POOL__MAX];
	size_t bytes_size; /* of all connections */
};

static void list_append(struct list *list, struct connection *connection)
{
	connection->older = list->newest;
	connection->newer = NULL;
	if (list->newest != NULL)
		list->newest->newer = connection;
	else
		list->oldest = connection;
	list->newest = connection;
	list->count++;
}

static void list_remove(struct list *list, struct connection *connection)
{
	if (connection->older != NULL)
		connection->older->newer = connection->newer;
	else
		list->oldest = connection->newer;
	if (connection->newer != NULL)
		connection->newer->older = connection->older;
	else
		list->newest = connection->older;
	list->count--;
}

/* Of these bytes those stay that the peer does not take now; false: it is gone. */
static bool send_now(int fd, struct str *bytes)
{
	ssize_t n = send(fd, bytes->p, bytes->n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	*bytes = str_from(*bytes, n < 0 ? 0 : (size_t)n);
	return true;
}

struct pool *pool_new(void)
{
	return calloc(1, sizeof(struct pool));
}

void pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	for (size_t state = 0; state < POOL__MAX; state++) {
		struct connection *newer;

		for (struct connection *c = pool->lists[state].oldest; c != NULL; c = newer) {
			newer = c->newer;
			pool_close(pool, c);
		}
	}
	free(pool);
}

struct connection *pool_add(struct pool *pool, int fd, int64_t now_us)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL) {
		close(fd);
		return NULL;
	}
	connection->fd = fd;
	connection->since_us = now_us;
	list_append(&pool->lists[POOL_NEW], connection);
	return connection;
}

void pool_move(
	struct pool *pool, struct connection *connection, enum pool_state state, int64_t now_us)
{
	list_remove(&pool->lists[connection->state], connection);
	connection->state = state;
	connection->since_us = now_us;
	list_append(&pool->lists[state], connection);
}

bool pool_reserve(struct pool *pool, struct connection *connection, size_t size)
{
	size_t wanted = connection->bytes_size > 0 ? connection->bytes_size : BYTES_MIN;

	if (connection->bytes_size - connection->bytes_len >= size)
		return true;
	while (wanted - connection->bytes_len < size)
		wanted *= 2;
	if (wanted > BYTES_MAX - pool->bytes_size)
		return false;
	/* Not realloc, which would leave a copy behind. */
	unsigned char *bytes = malloc(wanted);

	if (bytes == NULL)
		return false;
	if (connection->bytes_len > 0) {
		memcpy(bytes, connection->bytes, connection->bytes_len);
		secret_wipe(connection->bytes, connection->bytes_len);
	}
	free(connection->bytes);
	pool->bytes_size += wanted - connection->bytes_size;
	connection->bytes = bytes;
	connection->bytes_size = wanted;
	return true;
}

void pool_clear(struct pool *pool, struct connection *connection)
{
	if (connection->bytes != NULL)
		secret_wipe(connection->bytes, connection->bytes_len);
	free(connection->bytes);
	pool->bytes_size -= connection->bytes_size;
	connection->bytes = NULL;
	connection->bytes_len = 0;
	connection->bytes_size = 0;
	connection->sent_len = 0;
}

enum reason pool_send(struct pool *pool, struct connection *connection, struct str bytes)
{
	if (connection->bytes_len == 0 && !send_now(connection->fd, &bytes))
		return REASON_INTERNAL;
	if (bytes.n == 0)
		return REASON_NONE;
	if (!pool_reserve(pool, connection, bytes.n))
		return REASON_MEMORY;
	memcpy(connection->bytes + connection->bytes_len, bytes.p, bytes.n);
	connection->bytes_len += bytes.n;
	return REASON_NONE;
}

enum reason pool_send_kept(struct connection *connection)
{
	struct str rest = str_from(
		(struct str){ (const char *)connection->bytes, connection->bytes_len },
		connection->sent_len);

	if (!send_now(connection->fd, &rest))
		return REASON_INTERNAL;
	connection->sent_len = connection->bytes_len - rest.n;
	return REASON_NONE;
}

bool pool_has_bytes(const struct connection *connection)
{
	char byte;

	return recv(connection->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool pool_peer_is_gone(const struct connection *connection)
{
	char byte;
	ssize_t n = recv(connection->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

bool pool_has_unsent(const struct connection *connection)
{
	return connection->sent_len < connection->bytes_len;
}

void pool_forget(struct pool *pool, struct connection *connection)
{
	pool_clear(pool, connection);
	connection->scan = (struct scan){ 0 };
}

void pool_close(struct pool *pool, struct connection *connection)
{
	pool_forget(pool, connection);
	list_remove(&pool->lists[connection->state], connection);
	close(connection->fd);
	free(connection);
}

void pool_drop(struct pool *pool, struct connection *connection, const struct log *log,
	const char *why)
{
	const struct log_field reason = { .name = "reason", .text = str_of(why) };

	log_write(log, LOG_LEVEL_WARNING, "connection.closed", &reason, 1);
	pool_close(pool, connection);
}

struct connection *pool_oldest(const struct pool *pool, enum pool_state state)
{
	return pool->lists[state].oldest;
}

struct connection *pool_oldest_idle(const struct pool *pool)
{
	struct connection *fresh = pool->lists[POOL_NEW].oldest;
	struct connection *kept = pool->lists[POOL_KEPT].oldest;

	if (fresh == NULL || kept == NULL)
		return fresh != NULL ? fresh : kept;
	return fresh->since_us <= kept->since_us ? fresh : kept;
}

size_t pool_count(const struct pool *pool)
{
	size_t count = 0;

	for (size_t state = 0; state < POOL__MAX; state++)
		count += pool->lists[state].count;
	return count;
}

size_t pool_count_in(const struct pool *pool, enum pool_state state)
{
	return pool->lists[state].count;
}
