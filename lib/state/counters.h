/* SPDX-License-Identifier: MIT */
/*
 * Named counters, and the processes that count, in memory that processes may share: a file that
 * all of them have mapped.
 *
 * Counting takes no lock and no system call: a process that stops or is killed meanwhile holds
 * up nobody and breaks nothing.  Only who makes a file holds a lock.  If it stops then, each
 * other that opens the file gives up after 0.3 seconds; if it is killed, the next one makes it.
 *
 * A file that is removed, cut short, damaged, or of another version is given up for a new one,
 * and the counts begin again at zero, as after a restart.
 */
#ifndef STATE_COUNTERS_H
#define STATE_COUNTERS_H

#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#define COUNTERS_NAME_MAX 512       /* bytes */
#define COUNTERS_PROCESSES_MAX 256  /* that are listed; others count all the same */
#define COUNTERS_FILE_SIZE 4194304L /* bytes; room for about 25,000 names */

struct counters;

/* One thing to count. */
struct counter_step {
	struct str name; /* 1 to COUNTERS_NAME_MAX bytes, any but NUL */
	int64_t amount;  /* 0 or more */
};

/* What a process tells of itself. */
struct process_facts {
	int64_t pid;
	int64_t started_s; /* since the epoch */
	int64_t loaded_s;  /* when it took the configuration that it serves */
	bool degraded;     /* that is not the newest one, which was rejected */
	char version[16];  /* of the program; NUL-terminated */
};

typedef void counter_visitor(void *context, struct str name, int64_t value);
typedef void process_visitor(void *context, const struct process_facts *facts);

/* counters_new - of this process alone.  Returns new (counters_free), or NULL: out of memory.
 */
NODISCARD struct counters *counters_new(void);

/*
 * counters_open - those of all processes that open the same file.
 *
 * path      made, with the rights and the owner of its directory, if it is not there, by the
 *           name path.new; the directory must be there; copied
 * counters  [out] new (counters_free); NULL on failure
 *
 * All of the file's blocks are reserved, so that a disk that gets full later stops nobody.  To
 * be opened after the last fork.
 *
 * Returns REASON_NONE; REASON_MEMORY; REASON_STORE_OPEN; REASON_STORE_FULL, no room on the
 * disk.
 */
NODISCARD enum reason counters_open(const char *path, struct counters **counters);

/* counters_free - forget; what was counted stays in the file.  NULL is accepted. */
void counters_free(struct counters *counters);

/* counters_is_stale - is its file no longer the one that the path leads to, cut short, or was
 * damage seen?  Then it is to be freed, and opened anew.  One system call (lstat). */
bool counters_is_stale(const struct counters *counters);

/*
 * counters_add - add to a counter, which begins at zero.
 *
 * Returns REASON_NONE; REASON_STORE_FULL: no room for another name, nothing is counted;
 * REASON_STORE: a name of 0 or too many bytes, an amount below 0, or damage.
 */
NODISCARD enum reason counters_add(struct counters *counters, const struct counter_step *step);

/* counters_add_all - the same for several counters: all of them, or none.  If there was no room
 * for all, some of the new names may be there, with zero. */
NODISCARD enum reason counters_add_all(
	struct counters *counters, const struct counter_step *steps, size_t step_count);

/* counters_each - visit each name once, in no order; the name is borrowed for the visit. */
void counters_each(const struct counters *counters, counter_visitor *visitor, void *context);

/*
 * counters_take - take what was counted of one name, which is zero then.
 *
 * at    [in, out] where to look, and to go on; 0 at first
 * step  [out] a name that has a value; borrowed until counters_clear
 *
 * False if there is none from there on.
 */
bool counters_take(struct counters *counters, uint32_t *at, struct counter_step *step);

/* counters_clear - as new, without a name and without a process; of counters_new only. */
void counters_clear(struct counters *counters);

/* counters_report - list this process, or what it has to tell now; it is no more listed when it
 * has ended, however it ends. */
void counters_report(struct counters *counters, const struct process_facts *facts);

/* counters_each_process - visit the processes that are listed and run. */
void counters_each_process(
	const struct counters *counters, process_visitor *visitor, void *context);

#endif
