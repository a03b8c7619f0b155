/* SPDX-License-Identifier: MIT */
/* A worker's connections, sorted by what is awaited of them and since when, and what is to be
 * kept for them. */
#ifndef FCGI_POOL_H
#define FCGI_POOL_H

#include "scan.h"
#include "util/attr.h"
#include "util/log.h"
#include "util/reason.h"
#include "util/str.h"

#include <stdint.h>

enum pool_state {
	POOL_NEW,      /* accepted, silent so far; may stay so as long as it likes */
	POOL_KEPT,     /* answered, and the web server may send another request */
	POOL_PARTIAL,  /* a part of a request is there */
	POOL_PARKED,   /* a request is there, which waits until it may have a slow hash */
	POOL_HASHING,  /* a request is there, and a slow hash is awaited for it */
	POOL_SENDING,  /* answered, and the peer has not taken all of the answer */
	POOL_DRAINING, /* answered; the rest of its body is read and thrown away */
	POOL__MAX,
};

struct connection {
	int fd; /* owned by the pool */
	enum pool_state state;
	int64_t since_us;     /* in this state; steady clock */
	bool watched;         /* known to epoll */
	unsigned learned;     /* POOL_PARKED: secrets that were known at the last try */
	struct scan scan;     /* of the request under way */
	unsigned char *bytes; /* of a request that waits, or of an answer; NULL: none */
	size_t bytes_len;
	size_t bytes_size;
	size_t sent_len;                  /* of the bytes of an answer */
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
 * Returns false: out of memory, or what is kept for all connections together
 * would be above 64 MiB.
 */
NODISCARD bool pool_reserve(struct pool *pool, struct connection *connection, size_t size);

/* pool_clear - wipe the bytes; what the scan has found of the request stays. */
void pool_clear(struct pool *pool, struct connection *connection);

/*
 * pool_send - send a part of an answer, and keep what the peer does not take at once.
 *
 * connection  cleared before the first part
 * bytes       borrowed; they leave after all that is kept
 *
 * Never waits.  Returns REASON_NONE; REASON_MEMORY, as pool_reserve; REASON_INTERNAL, the peer
 * is gone.
 */
NODISCARD enum reason pool_send(
	struct pool *pool, struct connection *connection, struct str bytes);

/*
 * pool_send_kept - send as much of what is kept as the peer takes now.
 *
 * Returns REASON_NONE, or REASON_INTERNAL: the peer is gone.
 */
NODISCARD enum reason pool_send_kept(struct connection *connection);

/* pool_peer_is_gone - is there nothing to read, and nobody who will send or take any more? */
bool pool_peer_is_gone(const struct connection *connection);

/* pool_has_bytes - is there something to read? */
bool pool_has_bytes(const struct connection *connection);

/* pool_has_unsent - is there some of an answer that the peer has not taken? */
bool pool_has_unsent(const struct connection *connection);

/* pool_forget - wipe the request under way; the next byte is the first of another. */
void pool_forget(struct pool *pool, struct connection *connection);

/* pool_close - close the descriptor and forget the connection. */
void pool_close(struct pool *pool, struct connection *connection);

/* pool_drop - close a connection with a request that is not answered, or not to the end; the
 * log is told why. */
void pool_drop(struct pool *pool, struct connection *connection, const struct log *log,
	const char *why);

/* pool_oldest - the one that is longest in this state; NULL if there is none. */
struct connection *pool_oldest(const struct pool *pool, enum pool_state state);

/* pool_oldest_idle - the longest silent of those in POOL_NEW and POOL_KEPT; NULL if there is
 * none. */
struct connection *pool_oldest_idle(const struct pool *pool);

size_t pool_count(const struct pool *pool);

/* pool_count_in - those in this state. */
size_t pool_count_in(const struct pool *pool, enum pool_state state);

#endif
