/* SPDX-License-Identifier: MIT */
/* The kinds of store; only store_new, and tests, choose one. */
#ifndef STATE_STORES_H
#define STATE_STORES_H

#include "state/store.h"

/*
 * store_lmdb_new - a store in a directory of this machine (store_lmdb.c).
 *
 * directory  its parent must be there at the first use, it need not; copied
 *
 * Returns new (store_free), or NULL: out of memory, or no path (empty, too long, with a NUL).
 */
NODISCARD struct store *store_lmdb_new(struct str directory);

/*
 * store_redis_new - a store in a Redis server (store_redis.c).
 *
 * host      name or address, without brackets; copied
 * port      1 to 65535; copied
 * database  its number; copied
 *
 * Returns new (store_free), or NULL: out of memory, or one of them is none.
 */
NODISCARD struct store *store_redis_new(struct str host, struct str port, struct str database);

#endif
