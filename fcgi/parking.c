/* SPDX-License-Identifier: MIT */
/* One queue: its first is the next, unless another one can be answered without a hash. */
#include "parking.h"
#include "util/clock.h"

#define PARKED_MAX 64                 /* requests that wait until they may have a hash */
#define LONELY_WAIT_US INT64_C(50000) /* in a process with one connection at a time */
/* After a hash, the other processes, which ask the gate now and then, are let in first. */
#define REST_US (2 * HASHER_POLL_US)

/*
 * How long a request may wait until it is its turn.  mod_fcgid gives a process one connection
 * at a time: while that waits, the process is lost for all others.
 */
static int64_t patience_us(const struct parking *parking)
{
	return parking->has_company ? hasher_patience_us(parking->hasher) : LONELY_WAIT_US;
}

static bool is_full(const struct parking *parking)
{
	return pool_count_in(parking->pool, POOL_PARKED) >= PARKED_MAX;
}

static void drop(struct parking *parking, struct connection *connection)
{
	pool_drop(parking->pool, connection, reload_log(parking->reload), "peer gone");
}

/* Whoever is gone takes no place from those that come, at least not for longer than a poll. */
static void sweep(struct parking *parking, int64_t now_us)
{
	struct connection *next;

	if (!is_full(parking) || now_us < parking->sweep_us)
		return;
	parking->sweep_us = now_us + HASHER_POLL_US;
	for (struct connection *c = pool_oldest(parking->pool, POOL_PARKED); c != NULL;
		c = next) {
		next = c->newer;
		if (pool_peer_is_gone(c))
			drop(parking, c);
	}
}

/* The first one that somebody waits for: nothing is hashed for nobody. */
static struct connection *find_first(struct parking *parking)
{
	struct connection *first = pool_oldest(parking->pool, POOL_PARKED);

	while (first != NULL && pool_peer_is_gone(first)) {
		drop(parking, first);
		first = pool_oldest(parking->pool, POOL_PARKED);
	}
	return first;
}

static struct connection *find_next(struct parking *parking, int64_t now_us)
{
	struct connection *first = pool_oldest(parking->pool, POOL_PARKED);

	for (struct connection *c = first; c != NULL; c = c->newer) {
		if (c->learned != hasher_learned(parking->hasher))
			return c;
	}
	if (first == NULL || now_us - first->since_us >= patience_us(parking))
		return first;
	if (parking->hashing != NULL || now_us < parking->turn_us)
		return NULL;
	first = find_first(parking);
	if (first != NULL && hasher_has_place(parking->hasher))
		return first;
	parking->turn_us = now_us + HASHER_POLL_US;
	return NULL;
}

bool parking_holds(enum pool_state state)
{
	return state == POOL_PARKED || state == POOL_HASHING;
}

struct hasher_turn parking_turn(
	const struct parking *parking, const struct connection *connection, int64_t begin_us)
{
	const struct connection *first = pool_oldest(parking->pool, POOL_PARKED);
	int64_t now_us = clock_steady_us();
	bool is_first = first == NULL || first == connection;
	bool has_room = connection->state == POOL_PARKED || !is_full(parking);

	return (struct hasher_turn){
		.may_start = connection->state == POOL_HASHING ||
			     (is_first && now_us >= parking->turn_us),
		.may_wait = has_room && now_us - begin_us < patience_us(parking),
	};
}

struct connection *parking_next(struct parking *parking)
{
	if (pool_oldest(parking->pool, POOL_PARKED) == NULL)
		return NULL;
	int64_t now_us = clock_steady_us();

	sweep(parking, now_us);
	struct connection *next = find_next(parking, now_us);

	parking->look_us = next != NULL ? now_us : now_us + HASHER_POLL_US;
	return next;
}

void parking_rest(struct parking *parking)
{
	parking->turn_us = clock_steady_us() + REST_US;
	parking->look_us = 0;
}
