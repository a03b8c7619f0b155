/* SPDX-License-Identifier: MIT */
/* One process that answers FastCGI requests, one at a time. */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include "reload.h"

/*
 * worker_run - serve until SIGTERM, SIGUSR1 or SIGINT.
 *
 * It owns all its connections and shows a request to libfcgi only when all of
 * it is there, so that no silent, slow or broken peer stops the others.
 * SIGHUP reloads.  The four signals stay blocked in the calling process.
 *
 * listen_fd  listening socket, made non-blocking; borrowed
 * reload     started
 *
 * Returns REASON_NONE when it was told to stop and has answered what was
 * there; REASON_MEMORY or REASON_INTERNAL if it cannot start.
 */
NODISCARD enum reason worker_run(int listen_fd, struct reload *reload);

#endif
