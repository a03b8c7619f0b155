/* SPDX-License-Identifier: MIT */
/* Every outcome that is not success, once: see reason.def. */
#ifndef UTIL_REASON_H
#define UTIL_REASON_H

#include <stdbool.h>

enum reason {
#define REASON(id, name, status, error, description) REASON_##id,
#include "util/reason.def"
#undef REASON
	REASON__MAX,
};

/* What is known of a reason.  All texts are constants; none is NULL but `error`. */
struct reason_info {
	const char *id;    /* as in reason.def */
	const char *name;  /* for the log: the precise cause */
	int status;        /* HTTP status; 0 if it never leaves the program */
	const char *error; /* RFC 6749 §5.2 code; NULL if it never leaves the program */
	const char
		*description; /* for the client: what to do; RFC 6749 §5.2's characters only */
};

/* reason_info - the row of reason.def. */
const struct reason_info *reason_info(enum reason reason);

/* reason_is_store - is it a failure of the state store? */
bool reason_is_store(enum reason reason);

#endif
