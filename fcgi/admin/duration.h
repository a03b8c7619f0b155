/* SPDX-License-Identifier: MIT */
/* Spans of time as people write and read them. */
#ifndef ADMIN_DURATION_H
#define ADMIN_DURATION_H

#include "util/attr.h"
#include "util/buf.h"

#define DURATION_MAX INT64_C(3153600000) /* seconds: 100 years of 365 days */
#define DURATION_SENTENCE_SIZE 128       /* bytes that a sentence of ours fits in */

/*
 * duration_parse - read a number and its unit: "90s", "15m", "12h", "30d" or "4w".
 *
 * Returns false, with *duration_s 0, for anything else and above DURATION_MAX.
 */
NODISCARD bool duration_parse(struct str s, int64_t *duration_s);

/* duration_write - append it in the largest unit that fits and the next smaller one:
 * "4 min 59 s", "2 h". */
void duration_write(struct buf *buf, int64_t duration_s);

/* duration_sentence - append `sentence` with the duration in the place of its %s. */
void duration_sentence(struct buf *buf, const char *sentence, int64_t duration_s);

#endif
