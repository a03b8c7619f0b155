/* SPDX-License-Identifier: MIT */
/* At most half of the workers of one supervisor do a thing at once. */
#ifndef FCGI_QUOTA_H
#define FCGI_QUOTA_H

#include "util/attr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Slots, each behind a lock.  The kernel lets go of a lock when its process ends, in whatever
 * way.  A quota whose locks do not work, and one without slots, lets everybody in.
 */
struct quota {
	int fd; /* of the locks, or -1 */
	size_t slot_count;
	size_t slot; /* the one that is held */
	bool held;
	bool entered;
};

/*
 * quota_among - for workers that are going to be forked: slots for half of them, and one at
 * least.  Each thing has a quota of its own; quota_close closes it.
 */
struct quota quota_among(size_t workers);

/* quota_enter - true: this process may, until quota_leave; it may enter again.  Never waits. */
NODISCARD bool quota_enter(struct quota *quota);
void quota_leave(struct quota *quota);

/* quota_close - leave, and close the locks. */
void quota_close(struct quota *quota);

#endif
