/* SPDX-License-Identifier: MIT */
/* Which client is a token request of?  What it says, before anything is known or checked. */
#ifndef OAUTH_ASKED_H
#define OAUTH_ASKED_H

#include "http/request.h"

/*
 * asked_clients - all client_ids by which the token endpoint may look for a client.
 *
 * request  after http_request_init; borrowed
 * clients  [out] in the arena, or views of the request; none on failure
 *
 * Returns false: this is no token request, or there was no memory to look at all of it; then
 * any client may matter.
 */
NODISCARD bool asked_clients(
	const struct http_request *request, struct arena *arena, struct str_list *clients);

#endif
