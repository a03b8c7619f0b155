/* SPDX-License-Identifier: MIT */
/* One run of selftest: its checks, the requests that they share, and what they find. */
#ifndef ADMIN_SELFTEST_H
#define ADMIN_SELFTEST_H

#include "admin.h"
#include "advice.h"
#include "web.h"

#include <jansson.h>

/* In the order in which they are printed. */
enum check {
	CHECK_TLS,
	CHECK_PLAIN_HTTP,
	CHECK_HEALTH,
	CHECK_HTTPS,
	CHECK_METADATA,
	CHECK_WELL_KNOWN,
	CHECK_JWKS,
	CHECK_CACHING,
	CHECK_NOT_FOUND,
	CHECK_METHODS,
	CHECK_ERRORS,
	CHECK_CHALLENGE,
	CHECK_NO_STORE,
	CHECK_AUTHORIZATION,
	CHECK_BODY,
	CHECK_CONTENT_TYPE,
	CHECK_QUERY,
	CHECK_SIZE,
	CHECK_REQUEST_ID,
	CHECK_CLOCK,
	CHECK_TOKEN,
	CHECK_SIGNATURE,
	CHECK__MAX,
};

enum result {
	RESULT_OK,
	RESULT_FAIL,
	RESULT_WARNING,
	RESULT_SKIPPED,
	RESULT__MAX,
};

/* The requests; each is sent when a check first asks for it, and never again. */
enum probe {
	PROBE_PLAIN, /* the token endpoint by http on port 80 */
	PROBE_HEALTH,
	PROBE_METADATA,
	PROBE_ISSUER_OAUTH,  /* the metadata at the issuer's path of RFC 8414 §3.1 */
	PROBE_ISSUER_OPENID, /* and at that of OpenID Connect Discovery §4 */
	PROBE_JWKS,
	PROBE_JWKS_KNOWN, /* with the ETag of PROBE_JWKS */
	PROBE_JWKS_GZIP,
	PROBE_JWKS_GZIP_KNOWN, /* with the ETag of PROBE_JWKS_GZIP */
	PROBE_NOT_FOUND,
	PROBE_GET_TOKEN,
	PROBE_ANONYMOUS,
	PROBE_BASIC, /* of a client that does not exist; the next one too */
	PROBE_BODY,
	PROBE_TEXT,
	PROBE_QUERY,
	PROBE_SIZE_MOST,
	PROBE_SIZE_ABOVE,
	PROBE_TOKEN, /* with the client's own secret; the last, so no other can repeat that */
	PROBE__MAX,
};

struct answer {
	bool asked;
	struct web_answer web;
	json_t *json; /* new; NULL: the body is no JSON object */
};

#define FINDING_SIZE 1024 /* bytes of text */

/* What a check found. */
struct finding {
	enum result result;
	/* The check that this fault belongs to: where it fails too, this one has nothing to
	 * add. */
	enum check owner;
	bool is_symptom; /* an answer that nobody wanted; the fault may be that of health */
	enum advice advice;
	struct str line; /* instead of the advice's own; empty: none */
	struct buf text;
};

#define SELFTEST_SIZE_MOST 65536 /* bytes of the largest body that the program reads */

struct selftest {
	const struct admin *admin;
	struct arena *arena;
	struct web *web;
	struct str url;                /* as the user named it */
	struct str base;               /* the base_url that is tested; no slash at its end */
	struct str client_id, secret;  /* empty: none */
	struct str scope;              /* likewise */
	struct str made_up;            /* the random id of a client that does not exist */
	bool is_tls, is_out_of_memory; /* once true, answers may be missing */
	struct answer answers[PROBE__MAX];
	struct finding findings[CHECK__MAX];
};

/* A check; finding is its own, RESULT_OK so far. */
typedef void selftest_check(struct selftest *run, struct finding *finding);

selftest_check check_tls;
selftest_check check_plain_http;
selftest_check check_health;
selftest_check check_https;
selftest_check check_metadata;
selftest_check check_well_known;
selftest_check check_jwks;
selftest_check check_caching;
selftest_check check_not_found;
selftest_check check_methods;
selftest_check check_errors;
selftest_check check_challenge;
selftest_check check_no_store;
selftest_check check_authorization;
selftest_check check_body;
selftest_check check_content_type;
selftest_check check_query;
selftest_check check_size;
selftest_check check_request_id;
selftest_check check_clock;
selftest_check check_token;
selftest_check check_signature;

/* selftest_ask - the answer to a request, which is sent if it was not yet; borrowed. */
const struct answer *selftest_ask(struct selftest *run, enum probe probe);

/*
 * selftest_base - set the base_url by what the user named: it, or the issuer.
 *
 * url  allowed by uri_server_problem; borrowed
 *
 * Returns REASON_NONE; REASON_MEMORY.
 */
NODISCARD enum reason selftest_base(struct selftest *run, struct str url);

/*
 * selftest_url_problem - why a URL that a document names is not asked: it must be one of a
 * server, and on the host that the user named.
 *
 * Returns NULL if nothing is wrong, else the end of a sentence that starts with the URL.
 */
const char *selftest_url_problem(struct selftest *run, struct str url);

/* selftest_join - the parts as one text in the arena, with a NUL behind it; NULL: out of
 * memory. */
const char *selftest_join(struct selftest *run, const struct str *parts, size_t part_count);

/* selftest_is_uncached - does an answer forbid caches to keep it?  If not, the finding fails.
 */
bool selftest_is_uncached(struct selftest *run, struct finding *finding, enum probe probe);

/* selftest_issuer - the issuer of the metadata, or what it is by default; borrowed. */
struct str selftest_issuer(struct selftest *run);

/*
 * The ways to say what was found; the format is printf's.  Bytes of the server go through
 * selftest_quote, so that none reaches a terminal as it is.
 */
void selftest_pass(struct finding *finding, const char *format, ...) PRINTF(2, 3);
void selftest_warn(struct finding *finding, const char *format, ...) PRINTF(2, 3);
void selftest_skip(struct finding *finding, const char *format, ...) PRINTF(2, 3);
void selftest_fail(struct finding *finding, enum advice advice, const char *format, ...)
	PRINTF(3, 4);

/* selftest_quote - s in quotes, its start only, with what is no visible character escaped; in
 * the arena. */
const char *selftest_quote(struct selftest *run, struct str s);

/* selftest_quote_from - likewise; of the answer to the client's secret, which it may repeat in
 * any form, only what the program itself says of errors. */
const char *selftest_quote_from(
	struct selftest *run, const struct answer *answer, struct str s);

/* selftest_is_error - the program's own error answer, of this status; error NULL: any code. */
bool selftest_is_error(const struct answer *answer, int status, const char *error);

/* selftest_is_refusal - the program's own answer for this reason. */
bool selftest_is_refusal(const struct answer *answer, enum reason reason);

/*
 * selftest_fail_answer - fail with an answer that is not the one wanted, or that did not come.
 *
 * The finding gets the owner and the advice that such an answer stands for, or the owner of its
 * own, and `advice`, if it stands for none.
 */
void selftest_fail_answer(struct selftest *run, struct finding *finding,
	const struct answer *answer, enum advice advice);

#endif
