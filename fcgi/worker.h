/* SPDX-License-Identifier: MIT */
/* One process that answers FastCGI requests, one at a time. */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include "hash_gate.h"
#include "listener.h"
#include "reload.h"

/*
 * worker_run - serve until SIGTERM, SIGUSR1 or SIGINT.
 *
 * It owns all its connections and takes a request apart only when all of
 * it is there, and sends an answer as its peer takes it, so that no silent,
 * slow or broken peer stops the others.
 * SIGHUP reloads.  The four signals stay blocked in the calling process.
 *
 * listener  made non-blocking; borrowed, and closed when it is told to stop
 * reload    started
 * gate      for slow hashes; borrowed
 *
 * Returns REASON_NONE when it was told to stop and has answered what was
 * there; REASON_MEMORY or REASON_INTERNAL if it cannot start.
 */
NODISCARD enum reason worker_run(
	struct listener *listener, struct reload *reload, struct hash_gate *gate);

#endif
