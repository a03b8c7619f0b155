/* SPDX-License-Identifier: MIT */
/* The syntax of the request headers that matter here. */
#ifndef HTTP_HEADER_H
#define HTTP_HEADER_H

#include "util/arena.h"
#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

/* header_is_form - is the media type application/x-www-form-urlencoded, with or without
 * parameters? */
bool header_is_form(struct str content_type);

/* header_scheme_is - does the Authorization value use this scheme, in any case (RFC 9110
 * §11.1)? */
bool header_scheme_is(struct str authorization, struct str scheme);

/* header_is_repeated - does the Authorization value look like several, joined by a comma? */
bool header_is_repeated(struct str authorization);

/*
 * header_basic - the two halves of Basic credentials (RFC 7617 §2), not form-decoded.
 *
 * authorization  a value for which header_scheme_is says "Basic"
 * user, password [out] in the arena; empty on failure
 *
 * Returns REASON_NONE; REASON_BASIC_SYNTAX if they do not decode: base64 is strict, there must
 * be a colon; REASON_MEMORY.
 */
NODISCARD enum reason header_basic(
	struct str authorization, struct arena *arena, struct str *user, struct str *password);

/* header_etag_matches - does If-None-Match match, by weak comparison (RFC 9110 §13.1.2)? */
bool header_etag_matches(struct str if_none_match, struct str etag);

#endif
