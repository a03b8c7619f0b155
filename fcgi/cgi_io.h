/* SPDX-License-Identifier: MIT */
/* One request by the CGI (RFC 3875): environment, standard input, standard output. */
#ifndef FCGI_CGI_IO_H
#define FCGI_CGI_IO_H

#include "reload.h"

/*
 * cgi_io_serve - answer the one request that this process was started for.
 *
 * reload  started, also without success: then the answer is a 503
 *
 * Standard input is read to the announced length, also when it is too long to be
 * of use: a web server may wait for that.  After ten seconds it counts as cut off.
 *
 * Returns REASON_NONE; REASON_MEMORY; REASON_INTERNAL, standard output is gone.
 */
NODISCARD enum reason cgi_io_serve(const struct reload *reload);

#endif
