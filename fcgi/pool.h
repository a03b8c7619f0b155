/* SPDX-License-Identifier: MIT */
/* A worker's connections, sorted by what is awaited of them and since when. */
#ifndef FCGI_POOL_H
#define FCGI_POOL_H

#include "scan.h"
#include "util/attr.h"

#include <stdint.h>

enum pool_state {
	POOL_NEW,      /* accepted, silent so far; may stay so as long as it likes */
	POOL_KEPT,     /* answered, and the web server may send another request */
	POOL_PARTIAL,  /* a part of a request is there */
	POOL_DRAINING, /* answered; the rest of its body is read and thrown away */
	POOL__MAX,
};

struct connection {
	int fd; /* owned by the pool; -1: closed already, by somebody else */
	enum pool_state state;
	int64_t since_us;     /* in this state; steady clock */
	bool watched;         /* known to epoll */
	struct scan scan;     /* of the request under way */
	unsigned char *bytes; /* of a request that is not whole yet; NULL: none */
	size_t bytes_len;
	size_t bytes_size;
	struct connection *older, *newer; /* of the same state */
};

struct pool;

/* pool_new - no connections.  Returns new (pool_free, which closes all), or NULL. */
NODISCARD struct pool *pool_new(void);
void pool_free(struct pool *pool);

/*
 * pool_add - take in a connection, POOL_NEW.
 *
 * fd  moved in
 *
 * Returns the connection, borrowed until pool_close; NULL, fd closed: out of memory.
 */
NODISCARD struct connection *pool_add(struct pool *pool, int fd, int64_t now_us);

/* pool_move - another state, from now on. */
void pool_move(struct pool *pool, struct connection *connection, enum pool_state state,
	int64_t now_us);

/*
 * pool_reserve - make room behind bytes_len for `size` bytes more.
 *
 * Returns false: out of memory, or the unfinished requests of all connections
 * together would be above 64 MiB.
 */
NODISCARD bool pool_reserve(struct pool *pool, struct connection *connection, size_t size);

/* pool_forget - wipe the request under way; the next byte is the first of another. */
void pool_forget(struct pool *pool, struct connection *connection);

/* pool_close - close the descriptor and forget the connection. */
void pool_close(struct pool *pool, struct connection *connection);

/* pool_oldest - the one that is longest in this state; NULL if there is none. */
struct connection *pool_oldest(const struct pool *pool, enum pool_state state);

/* pool_oldest_idle - the longest silent of those in POOL_NEW and POOL_KEPT; NULL if there is
 * none. */
struct connection *pool_oldest_idle(const struct pool *pool);

size_t pool_count(const struct pool *pool);

#endif
