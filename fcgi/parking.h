/* SPDX-License-Identifier: MIT */
/* Requests that wait for slow hashes: who is next, how long they may wait, and for how many
 * there is room. */
#ifndef FCGI_PARKING_H
#define FCGI_PARKING_H

#include "hasher.h"
#include "pool.h"
#include "reload.h"

/* They are the pool's connections in POOL_PARKED, and the one in POOL_HASHING. */
struct parking {
	struct pool *pool;           /* borrowed, as the next two */
	struct hasher *hasher;       /* whose turns they wait for */
	const struct reload *reload; /* for its log */
	struct connection *hashing;  /* whose request awaits a hash; NULL: none */
	bool has_company;            /* there are others to serve while a request waits */
	int64_t turn_us;             /* when to ask the gate again */
	int64_t look_us;             /* when to look again who is next */
	int64_t sweep_us;            /* when to look again whose peers are gone */
};

/* parking_holds - does a connection in this state wait for a hash? */
bool parking_holds(enum pool_state state);

/*
 * parking_turn - first come, first served; whose hash is there has had its turn.
 *
 * begin_us  when its request came; steady clock
 */
struct hasher_turn parking_turn(
	const struct parking *parking, const struct connection *connection, int64_t begin_us);

/*
 * parking_next - the one that can be answered now, or have its hash.
 *
 * Closes connections that nobody waits at any more.  Sets look_us.  Returns NULL: none.
 */
struct connection *parking_next(struct parking *parking);

/* parking_rest - a hash is done: other processes come first. */
void parking_rest(struct parking *parking);

#endif
