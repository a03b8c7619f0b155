/* SPDX-License-Identifier: MIT */
/* What a worker may ask of the kernel (seccomp). */
#ifndef FCGI_SANDBOX_H
#define FCGI_SANDBOX_H

#include "util/log.h"

#include <stdbool.h>
#include <stddef.h>

struct sock_filter;

/* A filter of system calls, for all processes that are going to be in it. */
struct sandbox {
	struct sock_filter *steps;
	size_t step_count;
	unsigned flags;      /* of seccomp(2) */
	const char *problem; /* why there is none; NULL: there is one */
};

/*
 * sandbox_is_available - can there be a sandbox?  Not on Linux before 4.14, and not in a
 * container that keeps seccomp(2) from its processes.
 */
bool sandbox_is_available(void);

/*
 * sandbox_make - have a child make the filter; it must not take two seconds.
 *
 * Call it before there are secrets in memory, and with SIGCHLD not ignored.
 *
 * Returns the filter, or the problem; sandbox_free for both.
 */
struct sandbox sandbox_make(void);
void sandbox_free(struct sandbox *sandbox);

/*
 * sandbox_announce - if there is none, warn the log why: once for all processes that are going
 * to call sandbox_enter.
 */
void sandbox_announce(const struct sandbox *sandbox, const struct log *log);

/*
 * sandbox_enter - from here on this process, and those that it forks, can make only the system
 * calls that a worker needs.
 *
 * All others fail with ENOSYS, as on a kernel that does not have them; what only foreign code
 * would call, such as execve(2), ends the process by SIGSYS.  The kernel's log tells of both.
 * Where all calls for sockets are one, as on 32-bit x86, there are no limits to its arguments.
 * There is no way back.  It takes no memory.  Without a sandbox nothing happens; if it fails,
 * the log is warned.
 */
void sandbox_enter(const struct sandbox *sandbox, const struct log *log);

#endif
