/* SPDX-License-Identifier: MIT */
/* Requests by HTTP, each bounded in time and size; the only user of libcurl. */
#ifndef ADMIN_WEB_H
#define ADMIN_WEB_H

#include "util/arena.h"
#include "util/reason.h"

#include <stdint.h>

#define WEB_HEADER_COUNT 4

struct web;

struct web_request {
	const char *url;                       /* http or https */
	const char *headers[WEB_HEADER_COUNT]; /* "Name: value"; those not in use are NULL */
	struct str body;
	bool is_post; /* else GET */
	int limit_ms; /* 0: as much as a request may take */
};

/* Why there is no answer. */
enum web_trouble {
	WEB_ANSWERED,
	WEB_CERTIFICATE, /* the server's certificate does not verify */
	WEB_HANDSHAKE,   /* no TLS, or none that both can do */
	WEB_TRUST,       /* the file of trusted certificates cannot be used */
	WEB_OVER,        /* the time of all requests is used up */
	WEB_FAILED,      /* anything else */
};

/* All texts are in the arena and may hold any byte. */
struct web_answer {
	enum web_trouble trouble;
	struct str error; /* what failed, if there was no answer */
	int status;
	struct str headers; /* the lines as they came, with the status line */
	struct str body;    /* not decoded */
	int64_t received_ms;
};

/*
 * web_new - prepare for requests.
 *
 * trust  PEM file of the certificates to trust; NULL: those of the system; borrowed
 * arena  for all that comes back; borrowed
 *
 * No proxy is used, also none that the environment names, no redirect is followed, and
 * certificates are always verified.  Call it once.  Returns new (web_free), or NULL: out of
 * memory, or libcurl cannot be used.
 */
NODISCARD struct web *web_new(const char *trust, struct arena *arena);
void web_free(struct web *web);

/*
 * web_send - send a request and wait for the whole answer.
 *
 * A request takes 10 seconds at most, all of them together 60.  An answer has at most 64 KiB of
 * headers and 1 MiB of body, or counts as none.
 *
 * Returns REASON_NONE, also without an answer; REASON_MEMORY.
 */
NODISCARD enum reason web_send(
	struct web *web, const struct web_request *request, struct web_answer *answer);

/* web_certificate_end_s - when the server's certificate ends, of the first connection by TLS;
 * 0: there was none, or it cannot be read. */
int64_t web_certificate_end_s(const struct web *web);

/*
 * web_header - the first header of this name, compared without case, trimmed.
 *
 * value  [out] empty if there is none
 *
 * Returns how many there are.
 */
size_t web_header(const struct web_answer *answer, const char *name, struct str *value);

/* web_parse_date - seconds since the epoch of a Date header; -1 if it is none. */
int64_t web_parse_date(struct str date);

#endif
