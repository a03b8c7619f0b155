/* SPDX-License-Identifier: MIT */
/* Texts from files inside messages: quoted, cut short, nothing in them can look like a message.
 */
#ifndef CONFIG_QUOTE_H
#define CONFIG_QUOTE_H

#include "util/str.h"

#define QUOTE_SIZE 512

/* By value, so that it can be made and used within one call. */
struct quote {
	char text[QUOTE_SIZE]; /* NUL-terminated */
};

/* quote_of - s in double quotes, control characters escaped; at most 64 bytes of it. */
struct quote quote_of(struct str s);

/* quote_suggestion - `; did you mean "x"?`, or the empty text if no name is close to word. */
struct quote quote_suggestion(struct str word, const struct str *names, size_t name_count);

#endif
