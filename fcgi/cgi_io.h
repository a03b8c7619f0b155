/* SPDX-License-Identifier: MIT */
/* One request by the CGI (RFC 3875): environment, standard input, standard output. */
#ifndef FCGI_CGI_IO_H
#define FCGI_CGI_IO_H

#include "reload.h"

/*
 * cgi_io_serve - answer the one request that this process was started for.
 *
 * reload    not started yet: what is loaded depends on the request
 * problems  [out] appended: why nothing could be loaded; then the answer is a 503
 *
 * Standard input is read to its end, also after the answer: a web server may wait
 * for that.  What has not come after ten seconds is not waited for.  Standard
 * output is closed.
 *
 * Returns REASON_NONE; REASON_MEMORY; REASON_INTERNAL, standard output is gone.
 */
NODISCARD enum reason cgi_io_serve(struct reload *reload, struct buf *problems);

#endif
