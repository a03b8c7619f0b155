/* SPDX-License-Identifier: MIT */
/* Looks at received FastCGI bytes before libfcgi does: is there one whole, sane request? */
#ifndef FCGI_SCAN_H
#define FCGI_SCAN_H

#include <stddef.h>

/*
 * Why it exists.  libfcgi reads with blocking calls, so a request that is lent
 * to it before it has arrived lets a silent or slow peer own the worker.  And
 * it trusts what it reads: lengths of a name-value pair that overflow an int
 * abort the process (what CVE-2025-23016's first correction left open),
 * management records do so too, and it does not skip the padding of a
 * BEGIN_REQUEST or of the record that ends a stream, so that it would take
 * that padding for records.  What passes here holds none of these.
 */

#define SCAN_PARAMS_MAX 65536 /* bytes of all name-value pairs, with their lengths */
#define SCAN_PAIR_MAX 512     /* name-value pairs */

enum scan_verdict {
	SCAN_INCOMPLETE, /* good so far */
	SCAN_COMPLETE,   /* exactly one request */
	SCAN_LARGE, /* all variables are there; the body is above the limit, if it ever comes */
	SCAN_BROKEN, /* never to be shown to libfcgi */
};

struct scan {
	enum scan_verdict verdict;
	size_t body_len; /* bytes of the body that are there */
};

/*
 * fcgi_scan - judge the first bytes that a connection has to be read.
 *
 * p         any content; borrowed
 * body_max  bytes; a body above it, announced by CONTENT_LENGTH or seen, is SCAN_LARGE
 *
 * Accepted is BEGIN_REQUEST for a responder, then PARAMS and STDIN, each to its
 * empty record, all of version 1 and of one request id, and nothing after them
 * (FastCGI specification §3.3, §5, §6.2).  Pure: the same bytes, the same verdict.
 */
struct scan fcgi_scan(const unsigned char *p, size_t n, size_t body_max);

#endif
