/* SPDX-License-Identifier: MIT */
/*
 * What must be remembered between requests, and shared by all processes.
 *
 * A store holds small records under keys that are hashes.  Each record has a kind and a time
 * when it expires; from then on it is as if it were not there, and is removed as the store is
 * used.  Every function is atomic over all processes and machines that use the store, and what
 * one has reported as done is kept even if the process or machine stops the next moment.
 *
 * Times are seconds since the epoch; now_s is the caller's.
 */
#ifndef STATE_STORE_H
#define STATE_STORE_H

#include "state/counters.h"
#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

enum store_kind {
	STORE_REPLAY,
	STORE_REVOCATION,
	STORE_THROTTLE,
	STORE__KINDS,
};

#define STORE_CLOCK_SLACK_S 5 /* by which two callers' clocks may differ */
#define STORE_KEY_SIZE 33     /* the kind, and a SHA-256 */

struct store_key {
	unsigned char bytes[STORE_KEY_SIZE];
};

/* A counter; zero if there is none. */
struct store_counter {
	int64_t count;
	int64_t expires_s;
};

/* Live records by kind. */
struct store_tally {
	int64_t counts[STORE__KINDS];
};

struct store;

/*
 * The functions of a kind of store.  Each returns REASON_NONE, or REASON_STORE or another of
 * its block in reason.def; then nothing can be said about the record, and nothing may be
 * granted.
 *
 * add        make a record; *added is false if there was a live one.  Also false if a record
 *            that expires at expires_s may have been removed already, because the clock has
 *            been set back since.
 *
 * has        is there a live record?  *found is true also where add would report false.
 *
 * read       the counter; zero if there is no live one.
 *
 * increment  add one to the counter; the first time, it is made to expire at expires_s.  One
 *            that would expire later, slack and all, was begun by a clock that was ahead: it
 *            is begun anew.
 *
 * tally      count the live records.
 *
 * prune      remove all expired records; *removed counts them (0 where Redis does that).
 *
 * count      add to named counters (counters_add_all).  They are the exception to what was said
 *            above: they may be lost when the machine stops, and be counted twice if the answer
 *            of a remote store is lost.  Redis: one that is no number, or too large for another
 *            step, begins anew.  No steps at all change nothing: that asks whether it works.
 *
 * each_count
 *            visit the named counters.  A name may be visited twice, and some before a
 *            failure.  Neither this nor `count`, when it fails, keeps a store from being asked
 *            for anything else.
 *
 * report     list this process (counters_report), also later, if it cannot be listed now; not
 *            where the store may be on another machine.
 *
 * each_process
 *            visit the processes that are listed.
 *
 * close      free the store and all it has open.
 */
struct store_ops {
	enum reason (*add)(struct store *store, const struct store_key *key, int64_t expires_s,
		int64_t now_s, bool *added);
	enum reason (*has)(struct store *store, const struct store_key *key, int64_t expires_s,
		int64_t now_s, bool *found);
	enum reason (*read)(struct store *store, const struct store_key *key, int64_t now_s,
		struct store_counter *counter);
	enum reason (*increment)(struct store *store, const struct store_key *key,
		int64_t expires_s, int64_t now_s, struct store_counter *counter);
	enum reason (*tally)(struct store *store, int64_t now_s, struct store_tally *tally);
	enum reason (*prune)(struct store *store, int64_t now_s, int64_t *removed);
	enum reason (*count)(
		struct store *store, const struct counter_step *steps, size_t step_count);
	enum reason (*each_count)(struct store *store, counter_visitor *visitor, void *context);
	void (*report)(struct store *store, const struct process_facts *facts);
	void (*each_process)(struct store *store, process_visitor *visitor, void *context);
	void (*close)(struct store *store);
};

/* The first member of every kind of store. */
struct store {
	const struct store_ops *ops;
	bool lacks_count; /* throttle: a failure could not be counted */
};

/*
 * store_new - a store that is not open yet: the first use opens it, and so does each use after
 * a failure.  Nothing is read, written or connected before.
 *
 * url  "lmdb:DIRECTORY" or "redis://HOST:PORT/DATABASE"; copied
 *
 * To be made after the last fork.  Returns new (store_free), or NULL: out of memory, or
 * another url.
 */
NODISCARD struct store *store_new(struct str url);

/* store_free - close and free; NULL is accepted. */
void store_free(struct store *store);

/*
 * store_key_make - the key of a record.
 *
 * parts  what it is about, in this order; of any length, hashed with their lengths
 *
 * Returns REASON_NONE, REASON_STORE (OpenSSL failed).
 */
NODISCARD enum reason store_key_make(enum store_kind kind, const struct str *parts,
	size_t part_count, struct store_key *key);

/* store_tally, store_prune - as in struct store_ops; *tally and *removed are 0 on failure. */
NODISCARD enum reason store_tally(
	struct store *store, int64_t now_s, struct store_tally *tally);
NODISCARD enum reason store_prune(struct store *store, int64_t now_s, int64_t *removed);

#endif
