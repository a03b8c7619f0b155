/* SPDX-License-Identifier: MIT */
/* The clocks, and the two directions of RFC 3339. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include "util/attr.h"
#include "util/buf.h"

/* clock_wall_ms - milliseconds since 1970-01-01T00:00:00Z; may jump. */
int64_t clock_wall_ms(void);

/* clock_steady_us - microseconds of a clock that never goes back. */
int64_t clock_steady_us(void);

/* clock_format - append a time as RFC 3339 in UTC, with milliseconds if asked for. */
void clock_format(struct buf *buf, int64_t wall_ms, bool with_ms);

/*
 * clock_parse - read an RFC 3339 time, or a date alone (its midnight, UTC).
 *
 * Returns false, with *wall_s 0, if s is neither or names no real day.
 */
NODISCARD bool clock_parse(struct str s, int64_t *wall_s);

#endif
