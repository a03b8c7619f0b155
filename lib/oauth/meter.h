/* SPDX-License-Identifier: MIT */
/*
 * What is counted of requests and loads: in the state store, for all that share it; without
 * one, and while it fails, in this process.
 */
#ifndef OAUTH_METER_H
#define OAUTH_METER_H

#include "oauth/audit.h"
#include "oauth/call.h"

#define METER_LABEL_MAX 2            /* of a family */
#define METER_BUCKETS 13             /* of request_duration_seconds */
#define METER_UNKNOWN STR("unknown") /* the client_id of those that are not configured */

/* In the order in which they are rendered; those by client, which may be many, are the last. */
enum meter_family {
	METER_REQUESTS,
	METER_DURATION,     /* of each bucket the requests that belong to it and no lower one */
	METER_DURATION_SUM, /* microseconds */
	METER_LOADS,
	METER_STORE_ERRORS,
	METER_THROTTLED,
	METER_ISSUED,
	METER_REFUSED,
	METER__FAMILIES,
};

/* A family of counters.  The name of a counter is the family's and its labels' values, with a
 * tab between them. */
struct meter_info {
	struct str name;
	const char *type; /* as Prometheus calls it; NULL: it is part of another's */
	const char *help;
	const char *labels[METER_LABEL_MAX]; /* NULL: fewer */
	bool is_by_client;                   /* the first label is the client_id */
};

/* A bucket: the requests that took no longer. */
struct meter_bucket {
	int64_t limit_us;
	struct str limit; /* in seconds, or "+Inf" */
};

struct meter;

/* With what, and when, something is counted; all borrowed. */
struct meter_turn {
	const struct services *services; /* with a meter */
	const struct client_table *clients;
	int64_t now_us; /* of a clock that never goes back */
};

/* meter_info - what is known of a family. */
const struct meter_info *meter_info(enum meter_family family);

/* meter_bucket - the buckets by their index, below METER_BUCKETS, the lowest limit first. */
const struct meter_bucket *meter_bucket(size_t index);

/* meter_new - nothing is counted yet.  Returns new (meter_free), or NULL: out of memory. */
NODISCARD struct meter *meter_new(void);

/* meter_free - and forget what no store has taken; NULL is accepted. */
void meter_free(struct meter *meter);

/*
 * meter_count_request - count a request that is finished.
 *
 * What the store does not take is kept, and sent along later, a share with each call.  After a
 * failure it is left alone for a second, so that one which hangs holds up nobody for longer.  A
 * share is what can be sent in 20 milliseconds, and what has been begun by then.
 *
 * Clients that are not configured are counted as METER_UNKNOWN, and so is one for which there
 * is no more room.
 */
void meter_count_request(
	const struct meter_turn *turn, const struct audit *audit, int64_t duration_us);

/* meter_count_loads - count loads of the configuration. */
void meter_count_loads(const struct meter_turn *turn, unsigned good, unsigned bad);

/* meter_catch_up - send a share of what the store has not taken, if it is time to try again. */
void meter_catch_up(const struct meter_turn *turn);

/* meter_finish - at the end of a process: send, for 150 milliseconds, what the store has not
 * taken, however short ago it failed. */
void meter_finish(const struct meter_turn *turn);

/* meter_each - visit what was kept in this process. */
void meter_each(const struct meter *meter, counter_visitor *visitor, void *context);

#endif
