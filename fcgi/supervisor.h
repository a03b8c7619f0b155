/* SPDX-License-Identifier: MIT */
/* Keeps a number of worker processes alive. */
#ifndef FCGI_SUPERVISOR_H
#define FCGI_SUPERVISOR_H

#include "listener.h"
#include "reload.h"
#include "sandbox.h"

/*
 * supervisor_run - fork workers, replace those that end, pass signals on.
 *
 * SIGTERM, SIGUSR1 and SIGINT stop, SIGHUP reloads.  It loads the
 * configuration as its workers do and never gives up the last good one, so
 * that a new worker starts with it while the file is broken; it alone logs
 * what came of loading.
 *
 * listener  borrowed; retired when it stops
 * workers   how many, at least one
 * reload    started; borrowed
 * sandbox   what its workers are put into; borrowed
 *
 * Returns REASON_NONE when it was told to stop and all workers have ended;
 * REASON_MEMORY, REASON_INTERNAL if it cannot start.
 */
NODISCARD enum reason supervisor_run(struct listener *listener, size_t workers,
	struct reload *reload, const struct sandbox *sandbox);

#endif
