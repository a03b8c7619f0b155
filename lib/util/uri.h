/* SPDX-License-Identifier: MIT */
/* Absolute URIs (RFC 3986), as far as their parts matter here. */
#ifndef UTIL_URI_H
#define UTIL_URI_H

#include "util/arena.h"
#include "util/buf.h"
#include "util/reason.h"
#include "util/str.h"

/* The parts as they stand in the text; views of it. */
struct uri {
	struct str scheme;
	struct str authority; /* host with port and all; empty if there is none */
	struct str host;      /* without brackets */
	struct str port;      /* digits; empty if there is none */
	struct str path;
	struct str query;
	bool has_query;
	bool has_fragment;
};

/*
 * uri_parse - take an absolute URI apart (RFC 3986 §3, appendix B).
 *
 * Returns false, with *uri cleared, if it has no scheme, nothing behind it, or
 * a character that no URI has.
 */
NODISCARD bool uri_parse(struct str text, struct uri *uri);

/* uri_is_absolute - a URI with a scheme and without a fragment (RFC 3986 §4.3, RFC 8707 §2). */
bool uri_is_absolute(struct str text);

/*
 * uri_normalize - the form by which two URIs with an authority are told to be the same (RFC
 * 3986 §6.2.2, §6.2.3), without query and fragment.
 *
 * Scheme and authority in lower case, without http's or https's own port; unreserved characters
 * not percent-encoded, other encodings in upper case; no dot segments; an empty path is "/".
 *
 * normal  [out] in the arena; empty on failure
 *
 * Returns REASON_NONE, REASON_URI_SYNTAX, REASON_MEMORY.
 */
NODISCARD enum reason uri_normalize(struct str text, struct arena *arena, struct str *normal);

/* uri_escape - append a byte as "%XX" (RFC 3986 §2.1). */
void uri_escape(struct buf *buf, unsigned char c);

/* uri_has_server - a host, or an IPv6 address in brackets, then at most a port; no user name.
 */
bool uri_has_server(const struct uri *uri);

/*
 * uri_server_problem - what is wrong with a URL under which the server is known.
 *
 * It has a host, and may have a port and a path; http is for a loopback host only.  Returns
 * NULL if nothing is wrong, else the end of a sentence that starts with the URL's name.
 */
const char *uri_server_problem(struct str text);

#endif
