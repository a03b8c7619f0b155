/* SPDX-License-Identifier: MIT */
/* Tests of util/reason: what the table promises to clients and to the log. */
#include "support.h"
#include "util/reason.h"

static const char *const ids[] = {
#define REASON(id, name, status, error, description) #id,
#include "util/reason.def"
#undef REASON
};

/* The codes of RFC 6749 §5.2, RFC 8707, RFC 9449, and the interface's own. */
static const struct {
	const char *error;
	int statuses[5];
} codes[] = {
	{ "invalid_request", { 400, 405, 411, 413 } },
	{ "invalid_client", { 401, 429 } },
	{ "access_denied", { 403 } },
	{ "unauthorized_client", { 400 } },
	{ "unsupported_grant_type", { 400 } },
	{ "invalid_scope", { 400 } },
	{ "invalid_target", { 400 } },
	{ "invalid_dpop_proof", { 400 } },
	{ "not_found", { 404 } },
	{ "server_error", { 500 } },
	{ "temporarily_unavailable", { 429, 503 } },
};

static bool code_has_status(const char *error, int status)
{
	for (size_t i = 0; i < COUNT(codes); i++) {
		if (strcmp(codes[i].error, error) != 0)
			continue;
		for (size_t j = 0; j < COUNT(codes[i].statuses); j++) {
			if (codes[i].statuses[j] == status)
				return true;
		}
	}
	return false;
}

/* RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E */
static bool is_description(struct str s)
{
	return str_is_visible(s) && !str_has(s, '"') && !str_has(s, '\\');
}

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(COUNT(ids), REASON__MAX);
	CHECK_NUMBER(REASON_NONE, 0, "no reason to refuse is 0");
	for (unsigned i = 0; i < REASON__MAX; i++) {
		const struct reason_info *info = reason_info((enum reason)i);

		assert_non_null(info);
		assert_non_null(info->name);
		assert_non_null(info->description);
		CHECK(info->name[0] != '\0', ids[i]);
		CHECK(strcmp(info->id, ids[i]) == 0, ids[i]);
		CHECK(strspn(info->id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
				strlen(info->id),
			ids[i]);
		CHECK(reason_is_store((enum reason)i) == (strncmp(ids[i], "STORE", 5) == 0),
			ids[i]);
		CHECK(str_is_visible(str_of(info->name)), ids[i]);
		CHECK(is_description(str_of(info->description)), ids[i]);
		if (i == REASON_NONE)
			continue;
		CHECK((info->status == 0) == (info->error == NULL), ids[i]);
		CHECK((info->status == 0) == (info->description[0] == '\0'), ids[i]);
		CHECK(!info->error || code_has_status(info->error, info->status), ids[i]);
	}
	check_end();
}

static void test_names_differ(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REASON__MAX; i++) {
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(reason_info((enum reason)i)->name,
				      reason_info((enum reason)j)->name) != 0,
				ids[i]);
	}
	check_end();
}

/* What a client must not tell apart (interface §3.2). */
static void test_denials_are_alike(void **state)
{
	static const enum reason denied[] = { REASON_BASIC_SYNTAX, REASON_AUTH_SCHEME,
		REASON_CLIENT_UNKNOWN, REASON_CLIENT_DISABLED, REASON_SECRET_WRONG,
		REASON_SECRET_EXPIRED, REASON_SECRET_EARLY, REASON_AUTH_METHOD,
		REASON_AUTH_ADDRESS, REASON_ASSERTION, REASON_CERTIFICATE_VERIFY,
		REASON_CERTIFICATE_SYNTAX, REASON_CERTIFICATE_TIME, REASON_CERTIFICATE_SUBJECT,
		REASON_CERTIFICATE_KEY };
	const struct reason_info *first = reason_info(denied[0]);

	(void)state;
	CHECK_NUMBER(first->status, 401, "denied");
	CHECK_TEXT(str_of(first->error), STR("invalid_client"), "denied");
	for (size_t i = 1; i < COUNT(denied); i++) {
		const struct reason_info *info = reason_info(denied[i]);

		CHECK_NUMBER(info->status, first->status, info->name);
		CHECK_TEXT(str_of(info->error), str_of(first->error), info->name);
		CHECK_TEXT(str_of(info->description), str_of(first->description), info->name);
	}
	check_end();
}

/* A line of the log that is longer takes longer. */
static void test_guesses_are_as_long(void **state)
{
	(void)state;
	assert_int_equal(strlen(reason_info(REASON_CLIENT_UNKNOWN)->name),
		strlen(reason_info(REASON_SECRET_WRONG)->name));
}

/* Whether a scope exists is nobody's business who may not use it; the same for the absence of
 * credentials, which must depend neither on the web server nor on the client. */
static void test_pairs_are_alike(void **state)
{
	static const enum reason pairs[][2] = {
		{ REASON_SCOPE_UNKNOWN, REASON_SCOPE_DENIED },
		{ REASON_NO_CREDENTIALS, REASON_NO_CREDENTIALS_APACHE },
		{ REASON_NO_CREDENTIALS, REASON_NO_CERTIFICATE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct reason_info *a = reason_info(pairs[i][0]);
		const struct reason_info *b = reason_info(pairs[i][1]);

		CHECK_NUMBER(a->status, b->status, a->name);
		CHECK_TEXT(str_of(a->error), str_of(b->error), a->name);
		CHECK_TEXT(str_of(a->description), str_of(b->description), a->name);
	}
	check_end();
}

/* Status and code by interface §3.1 to §3.3. */
static void test_interface(void **state)
{
	static const struct {
		enum reason reason;
		int status;
		const char *error;
	} cases[] = {
		{ REASON_NOT_FOUND, 404, "not_found" },
		{ REASON_METHOD, 405, "invalid_request" },
		{ REASON_PLAIN_HTTP, 400, "invalid_request" },
		{ REASON_MEDIA_TYPE, 400, "invalid_request" },
		{ REASON_LENGTH_MISSING, 411, "invalid_request" },
		{ REASON_LENGTH_INVALID, 400, "invalid_request" },
		{ REASON_BODY_TOO_LARGE, 413, "invalid_request" },
		{ REASON_BODY_LENGTH, 400, "invalid_request" },
		{ REASON_FORM_PERCENT, 400, "invalid_request" },
		{ REASON_FORM_NUL, 400, "invalid_request" },
		{ REASON_FORM_UTF8, 400, "invalid_request" },
		{ REASON_FORM_REPEATED, 400, "invalid_request" },
		{ REASON_QUERY_CREDENTIALS, 400, "invalid_request" },
		{ REASON_NO_CREDENTIALS, 401, "invalid_client" },
		{ REASON_AUTH_MULTIPLE, 400, "invalid_request" },
		{ REASON_AUTH_REPEATED, 400, "invalid_request" },
		{ REASON_AUTH_CLIENT_ID, 400, "invalid_request" },
		{ REASON_ASSERTION_TYPE, 400, "invalid_request" },
		{ REASON_CERTIFICATE_MISSING, 400, "invalid_request" },
		{ REASON_GRANT_TYPE_MISSING, 400, "invalid_request" },
		{ REASON_GRANT_TYPE_UNSUPPORTED, 400, "unsupported_grant_type" },
		{ REASON_GRANT_DENIED, 400, "unauthorized_client" },
		{ REASON_SCOPE_SYNTAX, 400, "invalid_scope" },
		{ REASON_SCOPE_UNKNOWN, 400, "invalid_scope" },
		{ REASON_SCOPE_AUDIENCES, 400, "invalid_scope" },
		{ REASON_TARGET_SYNTAX, 400, "invalid_target" },
		{ REASON_TARGET_DENIED, 400, "invalid_target" },
		{ REASON_DPOP_MISSING, 400, "invalid_dpop_proof" },
		{ REASON_DPOP, 400, "invalid_dpop_proof" },
		{ REASON_ASSERTION, 401, "invalid_client" },
		{ REASON_THROTTLED, 429, "invalid_client" },
		{ REASON_HASH_BUSY, 429, "temporarily_unavailable" },
		{ REASON_INTROSPECT_DENIED, 403, "access_denied" },
		{ REASON_TOKEN_MISSING, 400, "invalid_request" },
		{ REASON_STORE, 503, "temporarily_unavailable" },
		{ REASON_STORE_OPEN, 503, "temporarily_unavailable" },
		{ REASON_STORE_FULL, 503, "temporarily_unavailable" },
		{ REASON_STORE_DAMAGED, 503, "temporarily_unavailable" },
		{ REASON_STORE_UNREACHABLE, 503, "temporarily_unavailable" },
		{ REASON_STORE_NETWORK, 503, "temporarily_unavailable" },
		{ REASON_MEMORY, 503, "temporarily_unavailable" },
		{ REASON_CONFIG, 503, "temporarily_unavailable" },
		{ REASON_RANDOM, 503, "temporarily_unavailable" },
		{ REASON_SIGNING, 503, "temporarily_unavailable" },
		{ REASON_HASHING, 503, "temporarily_unavailable" },
		{ REASON_INTERNAL, 500, "server_error" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct reason_info *info = reason_info(cases[i].reason);

		CHECK_NUMBER(info->status, cases[i].status, info->name);
		CHECK_TEXT(str_of(info->error), str_of(cases[i].error), info->name);
	}
	CHECK(strstr(reason_info(REASON_NO_CREDENTIALS_APACHE)->name, "CGIPassAuth") != NULL,
		"the log names the directive");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names_differ),
		cmocka_unit_test(test_denials_are_alike),
		cmocka_unit_test(test_guesses_are_as_long),
		cmocka_unit_test(test_pairs_are_alike),
		cmocka_unit_test(test_interface),
	};

	return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
