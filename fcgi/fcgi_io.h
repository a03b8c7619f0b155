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
 * fcgi_io_receive - lend a connection to libfcgi and read its request.
 *
 * fd       open connection; lent until fcgi_io_send gives it back
 * scan     what fcgi_scan said of its bytes: SCAN_COMPLETE or SCAN_LARGE.  No more of
 *          the body is read than is there, so nothing here waits for the peer
 * request  [out] variables and body, borrowed until fcgi_io_send
 *
 * Returns REASON_NONE, or REASON_INTERNAL: libfcgi refused the bytes and has closed fd.
 */
NODISCARD enum reason fcgi_io_receive(
	struct fcgi_io *io, int fd, const struct scan *scan, struct http_request *request);

/*
 * fcgi_io_send - answer the request, and take the connection back.
 *
 * answer  head and body (RFC 3875 §6)
 * keep    [out] the web server wants to use the connection again (FCGI_KEEP_CONN)
 *
 * Returns REASON_NONE, or REASON_INTERNAL: the peer is gone, and its descriptor is closed.
 */
NODISCARD enum reason fcgi_io_send(struct fcgi_io *io, struct str answer, bool *keep);

#endif
