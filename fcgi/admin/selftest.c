/* SPDX-License-Identifier: MIT */
/* What the checks of selftest share: their requests, and how they say what they found. */
#include "selftest.h"
#include "jose/json.h"
#include "output.h"
#include "util/b64url.h"
#include "util/uri.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_MAX 160 /* bytes of the server's text that are shown */
#define PLAIN_LIMIT_MS 4000
#define FORM "Content-Type: application/x-www-form-urlencoded"
#define GRANT STR_CONST("grant_type=client_credentials")
#define ROOT_OAUTH "/.well-known/oauth-authorization-server"
#define ROOT_OPENID "/.well-known/openid-configuration"
#define BASE_TAIL STR("/oauth2")
#define TOKEN_TAIL STR("/token")

/* Completes a request.  Returns false: out of memory. */
typedef bool fill_function(struct selftest *run, struct web_request *request);

static struct str without_slash(struct str url)
{
	while (str_ends(url, STR("/")))
		url.n--;
	return url;
}

static bool add_header(struct web_request *request, const char *header)
{
	size_t i = 0;

	while (request->headers[i] != NULL)
		i++;
	request->headers[i] = header;
	return header != NULL;
}

/* The token endpoint by http, on the port that is http's own. */
static bool fill_plain(struct selftest *run, struct web_request *request)
{
	struct uri uri;

	if (!uri_parse(run->base, &uri))
		return false;
	struct str host = uri.authority;

	if (uri.port.n > 0)
		host.n -= uri.port.n + 1;
	request->limit_ms = PLAIN_LIMIT_MS;
	request->url = selftest_join(
		run, (struct str[]){ STR("http://"), host, uri.path, TOKEN_TAIL }, 4);
	return request->url != NULL;
}

/* RFC 8414 §3.1: between the host and the issuer's path. */
static const char *oauth_url(struct selftest *run, struct str issuer)
{
	struct uri uri;

	issuer = without_slash(issuer);
	if (!uri_parse(issuer, &uri))
		return NULL;
	return selftest_join(run,
		(struct str[]){
			str_upto(issuer, issuer.n - uri.path.n), STR(ROOT_OAUTH), uri.path },
		3);
}

static bool fill_issuer_oauth(struct selftest *run, struct web_request *request)
{
	request->url = oauth_url(run, selftest_issuer(run));
	return request->url != NULL;
}

/* OpenID Connect Discovery 1.0 §4: behind the issuer's path. */
static bool fill_issuer_openid(struct selftest *run, struct web_request *request)
{
	request->url = selftest_join(run,
		(struct str[]){ without_slash(selftest_issuer(run)), STR(ROOT_OPENID) }, 2);
	return request->url != NULL;
}

/* Where the metadata say that it is, or else where it is by default. */
static bool fill_jwks(struct selftest *run, struct web_request *request)
{
	struct str url = json_text(selftest_ask(run, PROBE_METADATA)->json, "jwks_uri");

	request->url = selftest_url_problem(run, url) == NULL
			       ? selftest_join(run, &url, 1)
			       : selftest_join(
					 run, (struct str[]){ run->base, STR("/jwks") }, 2);
	return request->url != NULL;
}

static bool add_etag(struct selftest *run, struct web_request *request, enum probe probe)
{
	struct str etag;

	web_header(&selftest_ask(run, probe)->web, "ETag", &etag);
	return add_header(
		request, selftest_join(run, (struct str[]){ STR("If-None-Match: "), etag }, 2));
}

static bool fill_jwks_known(struct selftest *run, struct web_request *request)
{
	return fill_jwks(run, request) && add_etag(run, request, PROBE_JWKS);
}

static bool fill_jwks_gzip(struct selftest *run, struct web_request *request)
{
	return fill_jwks(run, request) && add_header(request, "Accept-Encoding: gzip");
}

static bool fill_jwks_gzip_known(struct selftest *run, struct web_request *request)
{
	return fill_jwks_gzip(run, request) && add_etag(run, request, PROBE_JWKS_GZIP);
}

/* RFC 6749 §2.3.1 and appendix B: what is not letter or digit is percent-encoded. */
static void write_encoded(struct buf *buf, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			buf_char(buf, s.p[i]);
		else
			uri_escape(buf, c);
	}
}

/* base64 with its padding (RFC 4648 §4), which RFC 7617 wants. */
static void write_base64(struct buf *buf, struct str s)
{
	size_t start = buf->n;

	b64url_encode(buf, s.p, s.n);
	for (size_t i = start; i < buf->n; i++) {
		if (buf->p[i] == '-')
			buf->p[i] = '+';
		else if (buf->p[i] == '_')
			buf->p[i] = '/';
	}
	while ((buf->n - start) % 4 != 0 && !buf->overflow)
		buf_char(buf, '=');
}

static bool add_basic(
	struct selftest *run, struct web_request *request, struct str id, struct str secret)
{
	size_t pair_size = 3 * (id.n + secret.n) + 2, size = 2 * pair_size + 64;
	char *pair_p = arena_alloc(run->arena, pair_size);
	char *header_p = arena_alloc(run->arena, size);

	if (pair_p == NULL || header_p == NULL)
		return false;
	struct buf pair = buf_init(pair_p, pair_size), header = buf_init(header_p, size);

	write_encoded(&pair, id);
	buf_char(&pair, ':');
	write_encoded(&pair, secret);
	buf_text(&header, "Authorization: Basic ");
	write_base64(&header, buf_view(&pair));
	return add_header(request, header_p);
}

static bool fill_basic(struct selftest *run, struct web_request *request)
{
	return add_basic(run, request, run->made_up, run->made_up);
}

static bool fill_body(struct selftest *run, struct web_request *request)
{
	request->body.p = selftest_join(run,
		(struct str[]){ GRANT, STR("&client_id="), run->made_up, STR("&client_secret="),
			run->made_up },
		5);
	request->body = str_of(request->body.p);
	return request->body.n > 0;
}

static bool fill_size(struct selftest *run, struct web_request *request, size_t size)
{
	static const struct str start = STR_CONST("fill=");
	char *p = arena_alloc(run->arena, size);

	if (p == NULL || !fill_body(run, request))
		return false;
	/* Credentials at its end: who reads less of it finds none. */
	memset(p, 'a', size);
	memcpy(p, start.p, start.n);
	memcpy(p + size - request->body.n, request->body.p, request->body.n);
	p[size - request->body.n - 1] = '&';
	request->body = (struct str){ p, size };
	return true;
}

static bool fill_size_most(struct selftest *run, struct web_request *request)
{
	return fill_size(run, request, SELFTEST_SIZE_MOST);
}

static bool fill_size_above(struct selftest *run, struct web_request *request)
{
	return fill_size(run, request, SELFTEST_SIZE_MOST + 1);
}

static bool fill_token(struct selftest *run, struct web_request *request)
{
	size_t size = 64 + 3 * run->scope.n;
	char *p = arena_alloc(run->arena, size);

	if (p == NULL)
		return false;
	struct buf body = buf_init(p, size);

	buf_str(&body, (struct str)GRANT);
	if (run->scope.n > 0) {
		buf_text(&body, "&scope=");
		write_encoded(&body, run->scope);
	}
	request->body = buf_view(&body);
	return add_basic(run, request, run->client_id, run->secret);
}

static const struct {
	const char *path; /* below the base_url; NULL: fill makes the URL */
	const char *type; /* of a POST; NULL: it is a GET */
	fill_function *fill;
} probes[PROBE__MAX] = {
	[PROBE_PLAIN] = { NULL, FORM, fill_plain },
	[PROBE_HEALTH] = { "/health", NULL, NULL },
	[PROBE_METADATA] = { ROOT_OAUTH, NULL, NULL },
	[PROBE_ISSUER_OAUTH] = { NULL, NULL, fill_issuer_oauth },
	[PROBE_ISSUER_OPENID] = { NULL, NULL, fill_issuer_openid },
	[PROBE_JWKS] = { NULL, NULL, fill_jwks },
	[PROBE_JWKS_KNOWN] = { NULL, NULL, fill_jwks_known },
	[PROBE_JWKS_GZIP] = { NULL, NULL, fill_jwks_gzip },
	[PROBE_JWKS_GZIP_KNOWN] = { NULL, NULL, fill_jwks_gzip_known },
	[PROBE_NOT_FOUND] = { "/no-such-endpoint", NULL, NULL },
	[PROBE_GET_TOKEN] = { "/token", NULL, NULL },
	[PROBE_ANONYMOUS] = { "/token", FORM, NULL },
	[PROBE_BASIC] = { "/token", FORM, fill_basic },
	[PROBE_BODY] = { "/token", FORM, fill_body },
	[PROBE_TEXT] = { "/token", "Content-Type: text/plain", NULL },
	[PROBE_QUERY] = { "/token?client_secret=x", FORM, NULL },
	[PROBE_SIZE_MOST] = { "/token", FORM, fill_size_most },
	[PROBE_SIZE_ABOVE] = { "/token", FORM, fill_size_above },
	[PROBE_TOKEN] = { "/token", FORM, fill_token },
};

static enum reason send(
	struct selftest *run, const struct web_request *request, struct answer *answer)
{
	enum reason reason = web_send(run->web, request, &answer->web);

	if (reason != REASON_NONE || answer->web.trouble != WEB_ANSWERED)
		return reason;
	reason = json_parse_object(answer->web.body, REASON_JWS_SYNTAX, &answer->json);
	return reason == REASON_MEMORY ? reason : REASON_NONE;
}

static enum reason ask(struct selftest *run, enum probe probe, struct answer *answer)
{
	struct web_request request = { .is_post = probes[probe].type != NULL };

	if (request.is_post) {
		request.body = (struct str)GRANT;
		request.headers[0] = probes[probe].type;
	}
	if (probes[probe].path != NULL)
		request.url = selftest_join(
			run, (struct str[]){ run->base, str_of(probes[probe].path) }, 2);
	if (probes[probe].fill != NULL && !probes[probe].fill(run, &request))
		return REASON_MEMORY;
	return request.url == NULL ? REASON_MEMORY : send(run, &request, answer);
}

const struct answer *selftest_ask(struct selftest *run, enum probe probe)
{
	struct answer *answer = &run->answers[probe];

	if (answer->asked)
		return answer;
	answer->asked = true;
	if (ask(run, probe, answer) != REASON_NONE) {
		run->is_out_of_memory = true;
		answer->web = (struct web_answer){ .trouble = WEB_FAILED };
		answer->web.error = str_of(reason_info(REASON_MEMORY)->name);
	}
	return answer;
}

/* Scheme, host and port in a form that can be compared; empty: there is no host. */
static struct str server_of(struct selftest *run, struct str url)
{
	struct str normal;
	struct uri uri;

	if (uri_normalize(url, run->arena, &normal) == REASON_MEMORY)
		run->is_out_of_memory = true;
	return uri_parse(normal, &uri) ? str_upto(normal, normal.n - uri.path.n) : STR("");
}

/* Is it a text that the program itself has for errors? */
static bool is_own_text(struct str s)
{
	for (enum reason reason = 0; reason < REASON__MAX; reason++) {
		const struct reason_info *info = reason_info(reason);

		if (str_eq(s, str_of(info->error)) || str_eq(s, str_of(info->description)))
			return true;
	}
	return false;
}

/* The token endpoint's URL without its end, if these are the metadata of the issuer; or empty.
 */
static struct str base_in(struct selftest *run, const json_t *metadata, struct str issuer)
{
	struct str endpoint = json_text(metadata, "token_endpoint");

	if (!str_eq(without_slash(json_text(metadata, "issuer")), issuer) ||
		!str_ends(endpoint, TOKEN_TAIL) || selftest_url_problem(run, endpoint) != NULL)
		return STR("");
	return str_upto(endpoint, endpoint.n - TOKEN_TAIL.n);
}

/* What the metadata of this issuer say; if nothing answers, the URL as it is; else empty. */
static enum reason find_by_metadata(struct selftest *run, struct str url, struct str *base)
{
	struct answer answer = { 0 };
	struct web_request request = { .url = oauth_url(run, url) };

	*base = STR("");
	if (request.url == NULL || send(run, &request, &answer) != REASON_NONE)
		return REASON_MEMORY;
	struct str found = answer.web.trouble == WEB_ANSWERED ? base_in(run, answer.json, url)
							      : url;
	bool has_memory = arena_copy(run->arena, found, base);

	/* Nothing would answer the next request either. */
	if (answer.web.trouble != WEB_ANSWERED) {
		run->answers[PROBE_HEALTH].web = answer.web;
		run->answers[PROBE_HEALTH].asked = true;
	}

	json_decref(answer.json);
	return has_memory ? REASON_NONE : REASON_MEMORY;
}

/* The URL, if the health endpoint of this program answers below it; else empty. */
static enum reason find_by_health(struct selftest *run, struct str url, struct str *base)
{
	struct answer answer = { 0 };
	struct web_request request = {
		.url = selftest_join(run, (struct str[]){ url, STR("/health") }, 2),
	};

	*base = STR("");
	if (request.url == NULL || send(run, &request, &answer) != REASON_NONE)
		return REASON_MEMORY;
	if (json_text(answer.json, "status").n > 0 || selftest_is_error(&answer, 503, NULL))
		*base = url;
	json_decref(answer.json);
	return REASON_NONE;
}

enum reason selftest_base(struct selftest *run, struct str url)
{
	url = without_slash(url);
	run->url = url;
	run->is_tls = str_eq_nocase(str_upto(url, 6), STR("https:"));
	struct str below = str_of(selftest_join(run, (struct str[]){ url, BASE_TAIL }, 2));
	enum reason reason = below.n == 0 ? REASON_MEMORY
					  : find_by_metadata(run, url, &run->base);

	if (reason == REASON_NONE && run->base.n == 0)
		reason = find_by_health(run, url, &run->base);
	if (reason == REASON_NONE && run->base.n == 0 && !str_ends(url, BASE_TAIL))
		reason = find_by_health(run, below, &run->base);
	if (run->base.n == 0)
		run->base = url;
	return reason;
}

const char *selftest_join(struct selftest *run, const struct str *parts, size_t part_count)
{
	size_t size = 1;

	for (size_t i = 0; i < part_count; i++)
		size += parts[i].n;
	char *p = arena_alloc(run->arena, size);

	if (p == NULL)
		return NULL;
	struct buf buf = buf_init(p, size);

	for (size_t i = 0; i < part_count; i++)
		buf_str(&buf, parts[i]);
	return p;
}

const char *selftest_url_problem(struct selftest *run, struct str url)
{
	const char *problem = uri_server_problem(url);
	struct str asked = server_of(run, url);

	if (problem != NULL || (asked.n > 0 && str_eq(asked, server_of(run, run->url))))
		return problem;
	return "is not on the host that was tested";
}

struct str selftest_issuer(struct selftest *run)
{
	struct str issuer = json_text(run->answers[PROBE_METADATA].json, "issuer");

	if (issuer.n > 0)
		return issuer;
	return str_ends(run->base, BASE_TAIL) ? str_upto(run->base, run->base.n - BASE_TAIL.n)
					      : run->base;
}

static PRINTF(2, 0) void say(struct finding *finding, const char *format, va_list arguments)
{
	int n = vsnprintf(finding->text.p, finding->text.size, format, arguments);
	size_t len = n > 0 ? (size_t)n : 0;

	finding->text.n = len < finding->text.size ? len : finding->text.size - 1;
}

#define SAY(finding, format)                     \
	do {                                     \
		va_list arguments;               \
                                                 \
		va_start(arguments, format);     \
		say(finding, format, arguments); \
		va_end(arguments);               \
	} while (0)

void selftest_pass(struct finding *finding, const char *format, ...)
{
	finding->result = RESULT_OK;
	SAY(finding, format);
}

void selftest_warn(struct finding *finding, const char *format, ...)
{
	finding->result = RESULT_WARNING;
	SAY(finding, format);
}

void selftest_skip(struct finding *finding, const char *format, ...)
{
	finding->result = RESULT_SKIPPED;
	SAY(finding, format);
}

void selftest_fail(struct finding *finding, enum advice advice, const char *format, ...)
{
	finding->result = RESULT_FAIL;
	finding->advice = advice;
	SAY(finding, format);
}

const char *selftest_quote(struct selftest *run, struct str s)
{
	static const size_t size = 6 * QUOTE_MAX + 8;
	char *p = arena_alloc(run->arena, size);

	if (p == NULL)
		return "\"\"";
	struct buf buf = buf_init(p, size - 1);

	buf_json(&buf, str_upto(s, QUOTE_MAX));
	return p;
}

const char *selftest_quote_from(struct selftest *run, const struct answer *answer, struct str s)
{
	bool may_repeat = answer == &run->answers[PROBE_TOKEN];

	return may_repeat && !is_own_text(s) ? "(not shown)" : selftest_quote(run, s);
}

bool selftest_is_error(const struct answer *answer, int status, const char *error)
{
	struct str code = json_text(answer->json, "error");

	return answer->web.trouble == WEB_ANSWERED && answer->web.status == status &&
	       code.n > 0 && (error == NULL || str_eq(code, str_of(error)));
}
