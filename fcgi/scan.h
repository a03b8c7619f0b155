/* SPDX-License-Identifier: MIT */
/* Looks at received FastCGI bytes before anything else does: is there one whole, sane request?
 */
#ifndef FCGI_SCAN_H
#define FCGI_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Why it exists.  A request is taken apart only when all of it is there, so that no silent or
 * slow peer owns the worker.  And what FastCGI's readers have stumbled over is known: lengths
 * of a name-value pair whose sum overflows (CVE-2025-23016), management records, padding of
 * records that have no content.  What passes here holds none of these.
 */

#define SCAN_PARAMS_MAX 65536 /* bytes of all name-value pairs, with their lengths */
#define SCAN_PAIR_MAX 512     /* name-value pairs */

enum scan_verdict {
	SCAN_INCOMPLETE, /* good so far */
	SCAN_COMPLETE,   /* one whole request */
	SCAN_LARGE, /* all variables are there; the body is above the limit, if it ever comes */
	SCAN_BROKEN, /* never to be taken apart */
};

/* Between the bytes of the name-value pairs. */
struct scan_pairs {
	unsigned state;
	unsigned length_bytes_left; /* of a length of four bytes */
	size_t length;
	size_t name_left;
	size_t value_left;
	size_t name_at; /* bytes of the name seen */
	size_t count;
	size_t total_len;
	bool is_content_length;    /* the pair under way may be it */
	bool found_content_length; /* the first one counts, as for whoever reads the variables
				    */
	size_t content_length;     /* 0 if it is no number */
};

/* Between two records. */
struct scan_walk {
	unsigned phase;
	unsigned id;
	bool keeps;
	size_t body_len;
	size_t body_max;
	struct scan_pairs pairs;
};

/* A request under examination; all zero before its first byte. */
struct scan {
	enum scan_verdict verdict;
	size_t body_len; /* bytes of the body that are there */
	bool keeps;      /* the peer wants to go on with the connection (FCGI_KEEP_CONN) */

	/* Private: what is known up to the last whole record, `at` bytes in. */
	struct scan_walk walk;
	size_t at;
};

/*
 * fcgi_scan - judge what has arrived of a request.
 *
 * scan      as the call before for this request has left it
 * p         the request's bytes, from its first one on; any content; borrowed
 * n         at least as many as before
 * body_max  bytes; a body above it, announced by CONTENT_LENGTH or seen, is SCAN_LARGE if the
 *           connection ends with this request.  On one that is kept the body must arrive: the
 *           peer would take an answer before its end for leave to send the next request.
 *
 * Accepted is BEGIN_REQUEST for a responder, then PARAMS and STDIN, each to its
 * empty record, all of version 1 and of one request id (FastCGI specification §3.3, §5, §6.2);
 * on a connection that is kept, nothing after them.  On one that ends with this request only an
 * ABORT_REQUEST of it (§5.4) matters, if it is there already: nobody awaits an answer to more,
 * and lighttpd sends a request twice in a row when it is the second process that it tries.  Up
 * to the request's end the verdict does not depend on how many calls the bytes came in.
 */
void fcgi_scan(struct scan *scan, const unsigned char *p, size_t n, size_t body_max);

#endif
