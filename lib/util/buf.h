/* SPDX-License-Identifier: MIT */
/* Append-only output buffer, bounded from birth; overflow sticks and is asked for once. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include "util/str.h"

struct buf {
	char *p;       /* borrowed from whoever gave it to buf_init */
	size_t n;      /* bytes used */
	size_t size;   /* capacity */
	bool overflow; /* something did not fit; the content is cut off */
};

/* buf_init - an empty buffer over `size` bytes at p (borrowed for the buffer's life). */
struct buf buf_init(char *p, size_t size);

/* The appending functions leave the buffer as it is, but for `overflow`, when it is full. */
void buf_char(struct buf *buf, char c);
void buf_str(struct buf *buf, struct str s);
void buf_text(struct buf *buf, const char *text);
void buf_number(struct buf *buf, int64_t number);

/* buf_room - append n bytes that the caller writes.  Returns them, or NULL: it is full. */
char *buf_room(struct buf *buf, size_t n);

/* buf_padded - a number that is not negative, with zeros before it up to `digits`. */
void buf_padded(struct buf *buf, int64_t number, unsigned digits);

/*
 * buf_json - s as a JSON string with its quotes (RFC 8259 §7).
 *
 * Control characters, those that end a line and those that turn its direction
 * are escaped, and bytes that are not UTF-8 become U+FFFD, so that the result is
 * always valid JSON of printable characters.
 */
void buf_json(struct buf *buf, struct str s);

/* buf_view - what was written so far; borrowed from the buffer. */
struct str buf_view(const struct buf *buf);

#endif
