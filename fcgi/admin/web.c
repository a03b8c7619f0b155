/* SPDX-License-Identifier: MIT */
/* Requests by HTTP, each bounded in time and size; the only user of libcurl. */
#include "web.h"
#include "jose/certificate.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/wiped.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#define BODY_MAX ((size_t)1 << 20)
#define HEADERS_MAX ((size_t)64 << 10)
#define REQUEST_LIMIT_MS 10000
#define RUN_LIMIT_US INT64_C(60000000)
#define CERTIFICATE_PREFIX "Cert:" /* as libcurl calls the PEM form */
#define DATE_SIZE 64

struct web {
	CURL *curl;
	const char *trust;
	struct arena *arena;
	struct buf headers, body; /* of the answer under way */
	int64_t deadline_us, certificate_end_s;
	char error[CURL_ERROR_SIZE];
};

/* What is said instead of libcurl's own words, and what it means. */
static const struct {
	CURLcode code;
	enum web_trouble trouble;
	const char *text; /* NULL: libcurl's */
} failures[] = {
	{ CURLE_PEER_FAILED_VERIFICATION, WEB_CERTIFICATE, NULL },
	{ CURLE_SSL_ISSUER_ERROR, WEB_CERTIFICATE, NULL },
	{ CURLE_SSL_CONNECT_ERROR, WEB_HANDSHAKE, NULL },
	{ CURLE_SSL_CIPHER, WEB_HANDSHAKE, NULL },
	{ CURLE_SSL_CACERT_BADFILE, WEB_TRUST, NULL },
	{ CURLE_OPERATION_TIMEDOUT, WEB_FAILED, "there is no whole answer in time" },
	/* So libcurl says of a header line that is too long too. */
	{ CURLE_OUT_OF_MEMORY, WEB_FAILED,
		"out of memory, or the answer has a header that is too long" },
	{ CURLE_GOT_NOTHING, WEB_FAILED, "the server closes the connection without an answer" },
};

/* Headers of an interim answer, such as 100, do not count. */
static size_t take_header(char *p, size_t size, size_t count, void *user)
{
	struct web *web = user;
	struct str line = { p, size * count };

	if (str_starts(line, STR("HTTP/")))
		web->headers.n = 0;
	buf_str(&web->headers, line);
	return web->headers.overflow ? 0 : line.n;
}

static size_t take_body(char *p, size_t size, size_t count, void *user)
{
	struct web *web = user;
	struct str part = { p, size * count };

	buf_str(&web->body, part);
	return web->body.overflow ? 0 : part.n;
}

static bool limit_protocols(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
	return curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
		       (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) == CURLE_OK;
#endif
}

static bool set_trust(CURL *curl, const char *trust)
{
	return trust == NULL ||
	       (curl_easy_setopt(curl, CURLOPT_CAINFO, trust) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static bool set_connection(struct web *web)
{
	CURL *curl = web->curl;

	return curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
	       limit_protocols(curl) && set_trust(curl, web->trust);
}

static bool set_answer(struct web *web)
{
	CURL *curl = web->curl;

	return curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HEADERDATA, web) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, web) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, web->error) == CURLE_OK;
}

static bool set_body(CURL *curl, const struct web_request *request)
{
	if (!request->is_post)
		return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	return curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.n) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p) == CURLE_OK;
}

static bool set_request(CURL *curl, const struct web_request *request,
	const struct curl_slist *headers, int64_t limit_ms)
{
	return curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "oauth2-admin/" VERSION) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)limit_ms) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       set_body(curl, request);
}

/* Without "Expect", for which some servers have a 417 of their own.  NULL: out of memory. */
static struct curl_slist *make_headers(const struct web_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; list != NULL && i < WEB_HEADER_COUNT; i++) {
		if (request->headers[i] == NULL)
			continue;
		struct curl_slist *longer = curl_slist_append(list, request->headers[i]);

		if (longer == NULL)
			curl_slist_free_all(list);
		list = longer;
	}
	return list;
}

/* The server's own certificate is the first one. */
static void read_certificate(struct web *web)
{
	struct curl_certinfo *info = NULL;
	struct certificate certificate;

	if (web->certificate_end_s != 0 ||
		curl_easy_getinfo(web->curl, CURLINFO_CERTINFO, &info) != CURLE_OK ||
		info == NULL || info->num_of_certs < 1)
		return;
	for (const struct curl_slist *i = info->certinfo[0]; i != NULL; i = i->next) {
		struct str text = str_of(i->data);

		if (!str_starts(text, STR(CERTIFICATE_PREFIX)) ||
			certificate_read(str_from(text, sizeof(CERTIFICATE_PREFIX) - 1),
				web->arena, &certificate) != REASON_NONE)
			continue;
		web->certificate_end_s = certificate_end_s(&certificate);
		certificate_clear(&certificate);
	}
}

static const char *explain(const struct web *web, CURLcode code, enum web_trouble *trouble)
{
	const char *text = web->error[0] != '\0' ? web->error : curl_easy_strerror(code);

	*trouble = WEB_FAILED;
	if (web->headers.overflow)
		return "the headers of the answer are larger than 64 KiB";
	if (web->body.overflow)
		return "the answer is larger than 1 MiB";
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].code != code)
			continue;
		*trouble = failures[i].trouble;
		return failures[i].text != NULL ? failures[i].text : text;
	}
	return text;
}

static enum reason keep_answer(struct web *web, struct web_answer *answer)
{
	long status = 0;

	read_certificate(web);
	answer->received_ms = clock_wall_ms();
	if (curl_easy_getinfo(web->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
		!arena_copy(web->arena, buf_view(&web->headers), &answer->headers) ||
		!arena_copy(web->arena, buf_view(&web->body), &answer->body))
		return REASON_MEMORY;
	answer->status = (int)status;
	answer->trouble = WEB_ANSWERED;
	return REASON_NONE;
}

static enum reason perform(struct web *web, struct web_answer *answer)
{
	CURLcode code = curl_easy_perform(web->curl);

	if (code == CURLE_OK)
		return keep_answer(web, answer);
	const char *text = explain(web, code, &answer->trouble);

	return arena_copy(web->arena, str_of(text), &answer->error) ? REASON_NONE
								    : REASON_MEMORY;
}

static void begin(struct web *web)
{
	curl_easy_reset(web->curl);
	web->headers.n = web->body.n = 0;
	web->headers.overflow = web->body.overflow = false;
	web->error[0] = '\0';
}

enum reason web_send(
	struct web *web, const struct web_request *request, struct web_answer *answer)
{
	int64_t left_ms = (web->deadline_us - clock_steady_us()) / 1000;
	int64_t limit_ms = request->limit_ms > 0 ? request->limit_ms : REQUEST_LIMIT_MS;
	enum reason reason = REASON_MEMORY;

	*answer = (struct web_answer){ .trouble = WEB_OVER };
	answer->error = STR("the 60 seconds that a run may take are over");
	if (left_ms <= 0)
		return REASON_NONE;
	begin(web);
	struct curl_slist *headers = make_headers(request);

	if (headers != NULL && set_connection(web) && set_answer(web) &&
		set_request(
			web->curl, request, headers, limit_ms < left_ms ? limit_ms : left_ms))
		reason = perform(web, answer);
	/* It keeps pointers to what the caller and this function are about to drop. */
	curl_easy_reset(web->curl);
	curl_slist_free_all(headers);
	return reason;
}

struct web *web_new(const char *trust, struct arena *arena)
{
	struct web *web = arena_alloc(arena, sizeof(*web));
	char *headers = arena_alloc(arena, HEADERS_MAX), *body = arena_alloc(arena, BODY_MAX);

	/* OpenSSL that could not start for want of memory crashes when it is used. */
	if (web == NULL || headers == NULL || body == NULL ||
		OSSL_LIB_CTX_get0_global_default() == NULL ||
		curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiped_free, wiped_realloc,
			strdup, calloc) != CURLE_OK)
		return NULL;
	*web = (struct web){
		.curl = curl_easy_init(),
		.trust = trust,
		.arena = arena,
		.headers = buf_init(headers, HEADERS_MAX),
		.body = buf_init(body, BODY_MAX),
		.deadline_us = clock_steady_us() + RUN_LIMIT_US,
	};
	if (web->curl != NULL)
		return web;
	curl_global_cleanup();
	return NULL;
}

void web_free(struct web *web)
{
	if (web == NULL)
		return;
	curl_easy_cleanup(web->curl);
	curl_global_cleanup();
}

int64_t web_certificate_end_s(const struct web *web)
{
	return web->certificate_end_s;
}

size_t web_header(const struct web_answer *answer, const char *name, struct str *value)
{
	struct str rest = answer->headers, line;
	size_t count = 0;

	*value = STR("");
	while (rest.n > 0) {
		str_cut(&rest, '\n', &line);
		struct str text = line, key;

		if (!str_cut(&text, ':', &key) || !str_eq_nocase(key, str_of(name)))
			continue;
		if (str_ends(text, STR("\r")))
			text.n--;
		if (count++ == 0)
			*value = str_trim(text);
	}
	return count;
}

int64_t web_parse_date(struct str date)
{
	char text[DATE_SIZE];
	struct buf buf = buf_init(text, sizeof(text) - 1);

	buf_str(&buf, date);
	text[buf.n] = '\0';
	return buf.overflow || buf.n == 0 ? INT64_C(-1) : (int64_t)curl_getdate(text, NULL);
}
