/* SPDX-License-Identifier: MIT */
/* Is this the client's secret?  At the same price for a client that does not exist. */
#ifndef DOMAIN_CREDENTIAL_H
#define DOMAIN_CREDENTIAL_H

#include "domain/client.h"
#include "util/reason.h"

#define CREDENTIAL_BCRYPT_MAX 72 /* bytes of a secret that bcrypt looks at */

/*
 * What one process needs to check secrets: crypt(3)'s work space, and a memory of secrets that
 * matched a slow hash, so that each is paid once.
 *
 * What is remembered is a digest of client_id, stored hash and secret, under a key that only
 * this process has.  It is looked up by the client_id and the stored hash of the configuration
 * in use: so it outlives a reload, and says only what crypt(3) would say again.  What belongs
 * to a hash or a client that is gone is never found.  Whether the client is enabled and the
 * secret live is no part of it, and decided each time.
 *
 * It has room for twice as many secrets as the configuration has slow hashes, for 1024 at
 * least and 65,536 at most, of which those are wiped that were not used for two hours.  40
 * bytes each, and only what is used takes memory.  It grows, with what it holds, when a secret
 * is to be remembered; without memory for that it goes on with what it has.
 */
struct credential_checker;

/* credential_checker_new - Returns new (credential_checker_free), or NULL: no memory.  Without
 * random bytes nothing is remembered, and no slow hash can be put off. */
NODISCARD struct credential_checker *credential_checker_new(void);
void credential_checker_free(struct credential_checker *checker);

/* credential_tidy - wipe the remembered secrets that were not used for two hours; to be called
 * now and then, also of an idle process. */
void credential_tidy(struct credential_checker *checker, int64_t now_s);

/*
 * What a failed authentication costs, whoever the client is said to be.  The costs are
 * estimates, in microseconds of one processor, by the parameters of the hashes.
 */
struct failure_price {
	struct str hash; /* the costliest hash in use, NUL-terminated; empty: there is none */
	int64_t hash_us;
	int64_t total_us;  /* the most that the hashes of one client cost together */
	size_t hash_count; /* slow hashes of all clients: so many may have to be remembered */
};

/* failure_price_add - take one more client's hashes into account; they are borrowed. */
void failure_price_add(struct failure_price *price, const struct client *client);

/* Who somebody claims to be. */
struct credential_claim {
	/* Borrowed; any other in place of an unknown one, is_refused then; NULL: there is none.
	 */
	const struct client *client;
	struct str secret; /* any content; borrowed */
	int64_t now_s;
	bool is_refused; /* will be, whatever the secret: a right one costs what a wrong one
			    does */
};

/* The part of a check that runs slow hashes; all borrowed. */
struct credential_work {
	struct credential_checker *checker;
	const struct failure_price *price;
	const struct credential_claim *claim;
	unsigned char digest[SECRET_DIGEST_SIZE]; /* SHA-256 of the claim's secret */
};

/* What came of it; without pointers, so that another process may have found it. */
struct credential_verdict {
	bool matches;
	size_t matched; /* which of the client's secrets, if it matches */
	bool failed;    /* crypt(3) could not do its work */
};

/*
 * credential_work_id - a keyed digest of all that decides what the slow hashes say: the secret,
 * the client, its slow hashes and their dates.  What came of work with the same id counts, also
 * if the configuration was loaded anew meanwhile.
 *
 * id  [out] zeros on failure
 *
 * Returns false when OpenSSL fails.
 */
NODISCARD bool credential_work_id(
	const struct credential_work *work, unsigned char id[static SECRET_DIGEST_SIZE]);

/* credential_work_run - run the slow hashes, here and now; all that a failure has to cost, too.
 */
void credential_work_run(
	const struct credential_work *work, struct credential_verdict *verdict);

/*
 * Who runs the slow hashes of a check, when, and whether: a flood of wrong secrets must not
 * take all processors.  It is asked alike for every claim that has not succeeded without them.
 *
 * run  returns REASON_NONE and the verdict, or what credential_check is to return:
 *      REASON_HASH_BUSY; REASON_HASH_AWAITED, the same check is to be made again later
 */
struct credential_runner {
	enum reason (*run)(void *context, const struct credential_work *work,
		struct credential_verdict *verdict);
	void *context;
};

/* credential_use_runner - from now on; runner is copied, its context borrowed.  Without one,
 * hashes are run at once. */
void credential_use_runner(
	struct credential_checker *checker, const struct credential_runner *runner);

/*
 * credential_is_right - is the secret one that credential_check would let in without a slow
 * hash?  For a look at several secrets before any of them is hashed.
 *
 * matched  [out] the secret that matched; NULL if the answer is no, which says nothing
 */
NODISCARD bool credential_is_right(struct credential_checker *checker,
	const struct credential_claim *claim, const struct secret **matched);

/*
 * credential_check - does the secret match one of the client's?
 *
 * A failure, and a claim that is refused, costs the price within half of its costliest hash.
 * A secret that is right by its digest, or remembered, costs no slow hash.
 *
 * matched  [out] the secret that matched, also an expired one; NULL if none did
 *
 * Returns REASON_NONE; REASON_CLIENT_UNKNOWN, REASON_SECRET_WRONG,
 * REASON_SECRET_EXPIRED, REASON_SECRET_EARLY; REASON_HASHING: crypt(3) or
 * the digest of the secret failed, told alike of every claim that is not let in;
 * REASON_HASH_BUSY, REASON_HASH_AWAITED: the runner says so, and nothing was found out.
 */
NODISCARD enum reason credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched);

/* credential_hash_is_supported - a crypt(3) hash of bcrypt, yescrypt, SHA-512 or SHA-256 crypt,
 * whole. */
bool credential_hash_is_supported(struct str hash);

/*
 * credential_hash - hash a secret with yescrypt at crypt(3)'s default cost.
 *
 * hash  [out] appended to
 *
 * Returns REASON_NONE, REASON_HASHING.
 */
NODISCARD enum reason credential_hash(
	struct credential_checker *checker, struct str secret, struct buf *hash);

#endif
