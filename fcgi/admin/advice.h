/* SPDX-License-Identifier: MIT */
/* What to change in which file of which web server, for each fault that selftest can find. */
#ifndef ADMIN_ADVICE_H
#define ADMIN_ADVICE_H

#include "util/buf.h"

enum advice {
	ADVICE_NONE,
	ADVICE_CERTIFICATE,
	ADVICE_TLS_OFF,
	ADVICE_TLS_VERSION,
	ADVICE_PLAIN_HTTP,
	ADVICE_ROUTE,
	ADVICE_FORBIDDEN,
	ADVICE_START,
	ADVICE_PATH,
	ADVICE_METHOD,
	ADVICE_HTTPS,
	ADVICE_ISSUER,
	ADVICE_WELL_KNOWN_OAUTH,
	ADVICE_WELL_KNOWN_OPENID,
	ADVICE_DOCUMENT_TYPE,
	ADVICE_COMPRESSION,
	ADVICE_EXPIRES,
	ADVICE_CACHE_CONTROL,
	ADVICE_METHODS_LIMITED,
	ADVICE_REDIRECT,
	ADVICE_INTERCEPT,
	ADVICE_CONTENT_TYPE_ADDED,
	ADVICE_SERVER_AUTH,
	ADVICE_AUTHORIZATION,
	ADVICE_CONTENT_TYPE,
	ADVICE_CONTENT_LENGTH,
	ADVICE_QUERY,
	ADVICE_SIZE,
	ADVICE_SIZE_FCGID,
	ADVICE_REQUEST_ID_ADDED,
	ADVICE_REQUEST_ID_HIDDEN,
	ADVICE__MAX,
};

/*
 * advice_write - append "in FILE of SERVER add: `LINE`", for the web server that a Server
 * header names, or for all of them if it names none that is known.
 *
 * line  in the place of the table's own, no backquote in it; empty: that
 */
void advice_write(struct buf *buf, enum advice advice, struct str server, struct str line);

#endif
