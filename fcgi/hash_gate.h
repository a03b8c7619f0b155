/* SPDX-License-Identifier: MIT */
/* How many processes may run slow hashes at once: never so many that nobody signs. */
#ifndef FCGI_HASH_GATE_H
#define FCGI_HASH_GATE_H

#include "quota.h"

/*
 * The kernel lets go of a lock when its process ends, in whatever way.  A gate whose locks do
 * not work is open.
 */
struct hash_gate {
	struct quota quota; /* without slots: one for all processes that lock the same file */
	int fd;             /* of that file while it is locked, or -1 */
	bool has_others;    /* workers that cannot be hashing now take what comes */
	bool entered;
};

/*
 * hash_gate_among - a gate for workers that are going to be forked: for half of them, and for
 * one at least.
 */
struct hash_gate hash_gate_among(size_t workers);

/* hash_gate_alone - a gate for one of several processes that know nothing of each other. */
struct hash_gate hash_gate_alone(void);

/*
 * hash_gate_enter - true: this process may hash, until hash_gate_leave; it may enter again.
 *
 * file  what processes lock that know nothing of each other: one that all of them have
 */
NODISCARD bool hash_gate_enter(struct hash_gate *gate, const char *file);
void hash_gate_leave(struct hash_gate *gate);

/* hash_gate_close - leave, and close what hash_gate_among has opened. */
void hash_gate_close(struct hash_gate *gate);

#endif
