/* SPDX-License-Identifier: MIT */
/* The slow hashes of one process: one at a time, as the gate allows, and not in its way. */
#ifndef FCGI_HASHER_H
#define FCGI_HASHER_H

#include "domain/credential.h"
#include "hash_gate.h"
#include "reload.h"

#define HASHER_POLL_US INT64_C(10000) /* how often who waits asks the gate */

enum hasher_place {
	HASHER_HERE,  /* in this process, while it waits, also for the gate */
	HASHER_APART, /* in a child of lower priority; the same request is made again later.  If
			 there can be no child now, it waits until there can. */
};

/* What the request that is made now may do. */
struct hasher_turn {
	bool may_start; /* a slow hash: no other request has waited longer for that */
	bool may_wait;  /* if it cannot start: REASON_HASH_AWAITED, else REASON_HASH_BUSY */
};

struct hasher;

/*
 * hasher_new - nothing is hashed yet.
 *
 * gate    borrowed; left by hasher_end and hasher_free
 * reload  names the file for a gate of processes that know nothing of each other; borrowed
 *
 * Returns new (hasher_free, which ends the child), or NULL: out of memory.
 */
NODISCARD struct hasher *hasher_new(
	struct hash_gate *gate, const struct reload *reload, enum hasher_place place);
void hasher_free(struct hasher *hasher);

/* hasher_runner - for credential_use_runner. */
struct credential_runner hasher_runner(struct hasher *hasher);

/* hasher_take_turn - for the next request; without it, it may start and not wait. */
void hasher_take_turn(struct hasher *hasher, struct hasher_turn turn);

/* hasher_has_place - does the gate let the next request in?  It stays in until hasher_end. */
NODISCARD bool hasher_has_place(struct hasher *hasher);

/* hasher_patience_us - how long a request may wait until it is its turn; see
 * snapshot_patience_us. */
int64_t hasher_patience_us(const struct hasher *hasher);

/* hasher_learned - how many secrets were remembered so far: requests that wait may be answered
 * by them now. */
unsigned hasher_learned(const struct hasher *hasher);

/* hasher_fd - readable when the child is done, after REASON_HASH_AWAITED; -1: there is none. */
int hasher_fd(const struct hasher *hasher);

/* hasher_collect - take what the child has found, for the request that is made again now. */
void hasher_collect(struct hasher *hasher);

/* hasher_cancel - end the child; the request that it hashes for is not made again. */
void hasher_cancel(struct hasher *hasher);

/* hasher_end - a request is answered: if it was the one that hashes, the next one may. */
void hasher_end(struct hasher *hasher);

#endif
