/* SPDX-License-Identifier: MIT */
/* Authorization server metadata (RFC 8414), served under both well-known names. */
#ifndef OAUTH_METADATA_H
#define OAUTH_METADATA_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/* metadata_size - bytes that suffice for metadata_write. */
size_t metadata_size(const struct snapshot *snapshot);

/*
 * metadata_write - append the metadata document (RFC 8414 §2): exactly what is on.
 *
 * Returns REASON_NONE, REASON_MEMORY (the buffer is too small).
 */
NODISCARD enum reason metadata_write(const struct snapshot *snapshot, struct buf *buf);

/* metadata_endpoint - answer with the document.  Returns REASON_NONE, _MEMORY, _INTERNAL. */
NODISCARD enum reason metadata_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
