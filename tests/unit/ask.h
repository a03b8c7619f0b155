/* SPDX-License-Identifier: MIT */
/* Whole requests through dispatch to whole responses, and what holds for each of them. */
#ifndef TESTS_UNIT_ASK_H
#define TESTS_UNIT_ASK_H

#include "fixture.h"

#include "jose/jwt.h"
#include "oauth/dispatch.h"

#define JTI "00010203-0405-4607-8809-0a0b0c0d0e0f"
#define FORM "application/x-www-form-urlencoded"
#define GRANT "grant_type=client_credentials"
#define ID "client_id=TENANT_CLIENT_ID"
#define CREDENTIALS ID "&client_secret=" FIXTURE_SECRET
#define GOOD GRANT "&" CREDENTIALS
#define ASSERTION_TYPE                                                                     \
	"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-" \
	"bearer"

/* TENANT_CLIENT_ID:TENANT_CLIENT_SECRET */
#define BASIC "HTTP_AUTHORIZATION=Basic VEVOQU5UX0NMSUVOVF9JRDpURU5BTlRfQ0xJRU5UX1NFQ1JFVA=="

#define VARIABLE_MAX 24
#define MORE_MAX 6

/* A request: what is not said is that of a good token request over HTTPS. */
struct ask {
	const char *method;         /* NULL: POST */
	const char *path;           /* PATH_INFO behind SCRIPT_NAME=/oauth2; NULL: /token */
	struct str body;            /* its length becomes CONTENT_LENGTH */
	const char *more[MORE_MAX]; /* "NAME=VALUE" instead of the usual, or "NAME" to leave it
				       out */
	bool cut_off;
};

static struct fixture fixture;
static struct http_response response;
static struct audit audit;
static int64_t ask_now_s = NOW_S; /* when the request comes */
static struct process_facts ask_process = { .pid = 4711, .version = "1.2.3" };

static inline bool ask_same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* Fills in the variables of a request: the usual ones, unless `more` has them. */
static inline void ask_fill(
	const struct ask *ask, const char *const *usual, const char **variables)
{
	size_t count = 0;

	for (size_t i = 0; usual[i]; i++) {
		bool replaced = false;

		for (size_t j = 0; j < MORE_MAX && ask->more[j]; j++)
			replaced = replaced || ask_same_name(usual[i], ask->more[j]);
		if (!replaced)
			variables[count++] = usual[i];
	}
	for (size_t j = 0; j < MORE_MAX && ask->more[j]; j++) {
		if (strchr(ask->more[j], '='))
			variables[count++] = ask->more[j];
	}
	assert_true(count < VARIABLE_MAX);
	variables[count] = NULL;
}

static inline void ask_send_to(const struct ask *ask, const struct snapshot *snapshot)
{
	char method[32], path[256], length[32];
	const char *const usual[] = { method, "SCRIPT_NAME=/oauth2", path,
		"QUERY_STRING=", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=test", "HTTPS=on",
		"REMOTE_ADDR=192.0.2.7", "CONTENT_TYPE=" FORM, length, NULL };
	const char *variables[VARIABLE_MAX];
	struct http_request request = {
		.variables = variables, .body = ask->body, .body_is_whole = !ask->cut_off
	};
	struct dispatch_input input = { snapshot, &request, &fixture.services, fixture.arena,
		ask_now_s, &ask_process };

	snprintf(method, sizeof(method), "REQUEST_METHOD=%s",
		ask->method ? ask->method : "POST");
	snprintf(path, sizeof(path), "PATH_INFO=%s", ask->path ? ask->path : "/token");
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", ask->body.n);
	ask_fill(ask, usual, variables);
	arena_reset(fixture.arena);
	memset(&response, 0, sizeof(response));
	memset(&audit, 0, sizeof(audit));
	assert_int_equal(http_request_init(&request, fixture.arena), REASON_NONE);
	dispatch(&input, &response, &audit);
}

static inline void ask_send(const struct ask *ask)
{
	ask_send_to(ask, fixture.snapshot);
}

/* The value of a response header; empty if it is not there. */
static inline struct str ask_header(const char *name)
{
	for (size_t i = 0; i < response.header_count; i++) {
		if (str_eq_nocase(str_of(response.headers[i].name), str_of(name)))
			return response.headers[i].value;
	}
	return (struct str){ NULL, 0 };
}

/* What holds for each answer: one of each header, and nothing that could break the head. */
static inline void ask_check_headers(const char *name)
{
	for (size_t i = 0; i < response.header_count; i++) {
		CHECK(str_is_visible(response.headers[i].value), name);
		for (size_t j = 0; j < i; j++)
			CHECK(!str_eq_nocase(str_of(response.headers[i].name),
				      str_of(response.headers[j].name)),
				name);
	}
	CHECK_TEXT(ask_header("X-Request-Id"), STR(JTI), name);
	CHECK_TEXT(audit.request_id, ask_header("X-Request-Id"), name);
	CHECK_NUMBER(audit.status, response.status, name);
}

static inline json_t *ask_json(const char *name)
{
	json_t *json = json_loadb(
		response.body.p, response.body.n, JSON_REJECT_DUPLICATES, NULL);

	CHECK(json_is_object(json), name);
	return json;
}

/* An error as RFC 6749 §5.2 wants it, and as the table of reasons has it. */
static inline void ask_check_error(enum reason wanted, const char *name)
{
	const struct reason_info *info = reason_info(wanted);
	json_t *json = ask_json(name);
	int64_t wait_s = 0;

	CHECK_REASON(audit.reason, wanted, name);
	CHECK_NUMBER(response.status, info->status, name);
	CHECK_TEXT(support_member(json, "error"), str_of(info->error), name);
	CHECK_TEXT(support_member(json, "error_description"), str_of(info->description), name);
	CHECK_NUMBER(json_object_size(json), 2, name);
	CHECK_TEXT(ask_header("Content-Type"), STR("application/json;charset=UTF-8"), name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), name);
	CHECK(ask_header("ETag").n == 0, name);
	CHECK_TEXT(ask_header("WWW-Authenticate"),
		info->status == 401
			? STR("Basic realm=\"" FIXTURE_ISSUER "\", charset=\"UTF-8\"")
			: STR(""),
		name);
	CHECK((info->status == 503 || info->status == 429) ==
			(str_to_number(ask_header("Retry-After"), 86400, &wait_s) &&
				wait_s > 0),
		name);
	CHECK(!str_contains(response.body, STR("access_token")), name);
	ask_check_headers(name);
	json_decref(json);
}

/* The same, and what the log is told of an assertion or a proof. */
static inline void ask_check_refusal(enum reason wanted, enum reason cause, const char *name)
{
	ask_check_error(wanted, name);
	CHECK_REASON(audit.cause, cause, name);
}

/* A token response that is whole: RFC 6749 §5.1, signed by the active key. */
static inline void ask_check_token_of(const char *type, const char *name)
{
	json_t *json = ask_json(name);
	struct jws_parts parts;

	CHECK_REASON(audit.reason, REASON_NONE, name);
	CHECK_NUMBER(response.status, 200, name);
	CHECK_TEXT(ask_header("Content-Type"), STR("application/json;charset=UTF-8"), name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), name);
	CHECK_TEXT(ask_header("Pragma"), STR("no-cache"), name);
	CHECK(ask_header("WWW-Authenticate").n == 0, name);
	ask_check_headers(name);
	CHECK_TEXT(support_member(json, "token_type"), str_of(type), name);
	CHECK(json_is_integer(json_object_get(json, "expires_in")), name);
	CHECK(!json_object_get(json, "refresh_token") && !json_object_get(json, "error"), name);
	CHECK_REASON(jwt_split(support_member(json, "access_token"), fixture.arena, &parts),
		REASON_NONE, name);
	if (parts.header)
		CHECK_REASON(jws_verify(&parts, fixture.snapshot->keyring.active->pkey,
				     fixture.snapshot->keyring.active->alg),
			REASON_NONE, name);
	CHECK_TEXT(str_of(audit.event), STR("token.issued"), name);
	CHECK_TEXT(audit.jti, STR(JTI), name);
	CHECK_REASON(audit.cause, REASON_NONE, name);
	jws_parts_clear(&parts);
	json_decref(json);
}

static inline void ask_check_token(const char *name)
{
	ask_check_token_of("Bearer", name);
}

/* A copy of the access token that was just issued, for free(); the empty text if there is none.
 */
static inline char *ask_token(const char *name)
{
	json_t *json = ask_json(name);
	struct str text = support_member(json, "access_token");
	char *token = strndup(text.n > 0 ? text.p : "", text.n);

	assert_non_null(token);
	json_decref(json);
	return token;
}

#endif
