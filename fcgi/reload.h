/* SPDX-License-Identifier: MIT */
/* The configuration in use: replaced between two requests when its files change, kept when they
 * break. */
#ifndef FCGI_RELOAD_H
#define FCGI_RELOAD_H

#include "config/load.h"
#include "quota.h"
#include "util/log.h"

struct reload;

/*
 * reload_new - nothing is loaded yet; the log goes to standard error.
 *
 * path   of the main configuration file; copied
 * depth  what a load looks at
 *
 * Returns new (reload_free), or NULL: out of memory.
 */
NODISCARD struct reload *reload_new(const char *path, enum config_depth depth);
void reload_free(struct reload *reload);

/*
 * reload_start - load for the first time, and open the log.
 *
 * problems  [out] appended: what is wrong, one line each
 *
 * Returns REASON_NONE; REASON_CONFIG; REASON_FILE_OPEN, the log cannot be
 * opened; REASON_MEMORY.  On failure there is nothing to serve.
 */
NODISCARD enum reason reload_start(struct reload *reload, struct buf *problems);

/* reload_start_part - the same for one token request of one of these clients: see
 * config_load_part. */
NODISCARD enum reason reload_start_part(
	struct reload *reload, const struct str_list *clients, struct buf *problems);

/*
 * reload_check - load again if a file has changed; looks at most once a second.
 *
 * While the quota is used up, the configuration in use stays, and each check asks again that
 * comes 50 ms after the last.
 *
 * A configuration that does not load is logged once, and the one in use stays
 * until the files change again; what failed for a moment's lack of descriptors
 * or memory is tried again at each look.  Whatever reload_snapshot gave before is gone
 * after a good load: call it between two requests only.
 *
 * A log file that was renamed or removed is opened anew at the same look.  If that
 * fails, the log goes on as it was, says so once, and each look tries again.
 */
void reload_check(struct reload *reload);

/* reload_force - load now, or as soon as the quota lets, whether something has changed or not,
 * and then open the log's file anew, also when the load is no good. */
void reload_force(struct reload *reload);

/* reload_due_us - when, by the steady clock, reload_check has something to do. */
int64_t reload_due_us(const struct reload *reload);

/* reload_announce - log "config.loaded" for what reload_start has loaded. */
void reload_announce(const struct reload *reload);

/* reload_share - how many processes may load at once from now on; borrowed.  Without it, and
 * for the first load, there is no limit. */
void reload_share(struct reload *reload, struct quota *quota);

/* reload_be_quiet - from now on log nothing about loading: another process does. */
void reload_be_quiet(struct reload *reload);

/* reload_snapshot - borrowed until the next check; NULL if nothing could be loaded yet. */
const struct snapshot *reload_snapshot(const struct reload *reload);

/* reload_is_degraded - is the configuration in use an older one, because the newest was
 * rejected? */
bool reload_is_degraded(const struct reload *reload);

/* reload_generation - another number for each configuration: how many have been loaded. */
unsigned reload_generation(const struct reload *reload);

/* reload_rejections - how many loads were no good. */
unsigned reload_rejections(const struct reload *reload);

/* reload_loaded_s - when the configuration in use was loaded; 0 if there is none. */
int64_t reload_loaded_s(const struct reload *reload);

/* reload_log - where to log now; borrowed as reload_snapshot's. */
const struct log *reload_log(const struct reload *reload);

#endif
