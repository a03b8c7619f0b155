/* SPDX-License-Identifier: MIT */
/* The bytes of FastCGI on one side, a request and its answer on the other. */
#ifndef FCGI_FCGI_IO_H
#define FCGI_FCGI_IO_H

#include "http/request.h"
#include "scan.h"
#include "util/attr.h"

struct fcgi_io;

/* fcgi_io_new - room for one request.  Returns new (fcgi_io_free, which wipes it), or NULL. */
NODISCARD struct fcgi_io *fcgi_io_new(void);
void fcgi_io_free(struct fcgi_io *io);

/*
 * fcgi_io_receive - take a request apart.
 *
 * bytes    the request as it came; borrowed for the call.  What the scan has not judged of
 *          them is not looked at: behind SCAN_LARGE there may be anything.
 * scan     what fcgi_scan said of them: SCAN_COMPLETE or SCAN_LARGE
 * request  [out] variables and body, borrowed until fcgi_io_forget
 *
 * Nothing is read from the connection: it can neither wait for a peer, nor take bytes that
 * belong to the next request; and what the scan has found good is checked again.
 *
 * Returns REASON_NONE, and fcgi_io_forget must follow; REASON_INTERNAL, these are not bytes
 * that the scan has found good.
 */
NODISCARD enum reason fcgi_io_receive(struct fcgi_io *io, struct str bytes,
	const struct scan *scan, struct http_request *request);

/*
 * fcgi_io_frame - the next part of the answer to the request, in its records.
 *
 * answer  [in, out] what is left of head and body (RFC 3875 §6); up to 64 KiB of it are taken.
 *         Nothing is left after the last part, which ends the answer.
 *
 * Returns bytes that are borrowed until the next call.
 */
struct str fcgi_io_frame(struct fcgi_io *io, struct str *answer);

/* fcgi_io_forget - wipe the request and its answer. */
void fcgi_io_forget(struct fcgi_io *io);

#endif
