/* SPDX-License-Identifier: MIT */
/* A FastCGI connection on one side, a request and the bytes of its answer on the other. */
#ifndef FCGI_FCGI_IO_H
#define FCGI_FCGI_IO_H

#include "http/request.h"
#include "scan.h"
#include "util/attr.h"

struct fcgi_io;

/*
 * fcgi_io_new - prepare libfcgi.  Returns new (fcgi_io_free), or NULL.
 *
 * libfcgi sets handlers for SIGPIPE, SIGTERM and SIGUSR1 where there are none:
 * the caller ignores or blocks these signals before.
 */
NODISCARD struct fcgi_io *fcgi_io_new(void);
void fcgi_io_free(struct fcgi_io *io);

/*
 * fcgi_io_receive - have libfcgi take a request apart.
 *
 * bytes    the request as it came; borrowed for the call
 * scan     what fcgi_scan said of them: SCAN_COMPLETE or SCAN_LARGE
 * request  [out] variables and body, borrowed until fcgi_io_send
 *
 * libfcgi reads from a file in memory, never from the connection: it can neither
 * wait for a peer, nor take bytes that belong to the next request.
 *
 * Returns REASON_NONE; REASON_INTERNAL, libfcgi refused the bytes;
 * REASON_MEMORY.  Only after REASON_NONE may fcgi_io_send follow, and must.
 */
NODISCARD enum reason fcgi_io_receive(struct fcgi_io *io, struct str bytes,
	const struct scan *scan, struct http_request *request);

/*
 * fcgi_io_send - answer the request.
 *
 * fd      the connection; stays the caller's, but for REASON_INTERNAL
 * answer  head and body (RFC 3875 §6); borrowed
 * keep    [out] the web server wants to use the connection again (FCGI_KEEP_CONN)
 *
 * Returns REASON_NONE, or REASON_INTERNAL: the peer does not take the answer,
 * and libfcgi has closed fd.
 */
NODISCARD enum reason fcgi_io_send(struct fcgi_io *io, int fd, struct str answer, bool *keep);

#endif
