/* SPDX-License-Identifier: MIT */
/* Tests of oauth/audit: the line of interface §5, read from a datagram socket. */
#include "support.h"
#include "oauth/audit.h"

#include <sys/socket.h>
#include <unistd.h>

/* The line for these facts as JSON, with `time` taken out; NULL if there is none. */
static json_t *line_of(const struct audit *audit, int64_t duration_us)
{
	static char line[16384];
	int ends[2];
	struct log log = { .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_JSON };
	ssize_t n;
	json_t *json;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	log.fd = ends[1];
	audit_log(&log, audit, duration_us);
	n = recv(ends[0], line, sizeof(line), 0);
	json = n > 0 ? json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	CHECK(recv(ends[0], line, sizeof(line), 0) < 0, "one line");
	close(ends[0]);
	close(ends[1]);
	CHECK(json_is_string(json_object_get(json, "time")), "time");
	json_object_del(json, "time");
	return json;
}

static void test_success(void **state)
{
	static const struct audit audit = {
		.event = "token.issued",
		.client_id = TEXT("TENANT"),
		.remote_addr = TEXT("192.0.2.7"),
		.method = AUTH_SECRET_BASIC,
		.scope = TEXT("a b"),
		.jti = TEXT("j"),
		.request_id = TEXT("r"),
		.secret_label = TEXT("old"),
		.reason = REASON_NONE,
		.status = 200,
	};
	json_t *json = line_of(&audit, 1234);
	json_t *wanted = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}",
		"level", "info", "event", "token.issued", "client_id", "TENANT", "remote_addr",
		"192.0.2.7", "auth_method", "client_secret_basic", "scope", "a b", "jti", "j",
		"request_id", "r", "secret_label", "old", "status", 200, "duration_us", 1234);

	(void)state;
	CHECK(json_equal(json, wanted), "success");
	json_decref(json);
	json_decref(wanted);
	check_end();
}

static void test_refusals(void **state)
{
	static const enum reason reasons[] = { REASON_SECRET_WRONG, REASON_CLIENT_UNKNOWN,
		REASON_SCOPE_UNKNOWN, REASON_NO_CREDENTIALS_APACHE, REASON_SIGNING,
		REASON_NOT_FOUND };

	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		const struct reason_info *info = reason_info(reasons[i]);
		struct audit audit = { .event = "token.denied",
			.method = AUTH_NONE,
			.reason = reasons[i],
			.request_id = STR("r"),
			.status = info->status };
		json_t *json = line_of(&audit, 0);

		CHECK_TEXT(support_member(json, "error"), str_of(info->error), info->name);
		CHECK_TEXT(support_member(json, "reason"), str_of(info->name), info->name);
		CHECK_NUMBER(json_integer_value(json_object_get(json, "status")), info->status,
			info->name);
		CHECK(json_is_integer(json_object_get(json, "duration_us")), info->name);
		CHECK(!json_object_get(json, "auth_method") &&
				!json_object_get(json, "client_id"),
			info->name);
		json_decref(json);
	}
	check_end();
}

/* The reason, and behind it what exactly is wrong with an assertion, a proof or a token. */
static void test_causes(void **state)
{
	static const struct {
		enum reason reason, cause;
		int status;
		const char *error;
	} cases[] = {
		{ REASON_ASSERTION, REASON_JWT_EXPIRED, 401, "invalid_client" },
		{ REASON_ASSERTION, REASON_JWS_KID, 401, "invalid_client" },
		{ REASON_DPOP, REASON_DPOP_HTU, 400, "invalid_dpop_proof" },
		{ REASON_NONE, REASON_JWS_SIGNATURE, 200, "" },
		{ REASON_NONE, REASON_REVOKE_FOREIGN, 200, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *cause = reason_info(cases[i].cause)->name;
		const struct audit audit = { .event = "x",
			.method = AUTH_NONE,
			.reason = cases[i].reason,
			.cause = cases[i].cause,
			.status = cases[i].status };
		json_t *json = line_of(&audit, 0);
		char wanted[512];

		snprintf(wanted, sizeof(wanted), "%s: %s", reason_info(cases[i].reason)->name,
			cause);
		CHECK_TEXT(support_member(json, "reason"),
			cases[i].reason == REASON_NONE ? str_of(cause) : str_of(wanted), cause);
		CHECK_TEXT(support_member(json, "error"), str_of(cases[i].error), cause);
		json_decref(json);
	}
	check_end();
}

/* None of the pairs that can occur is cut off. */
static void test_longest_reason(void **state)
{
	(void)state;
	for (unsigned reason = 1; reason < REASON__MAX; reason++) {
		for (unsigned cause = 1; cause < REASON__MAX; cause += 7) {
			struct audit audit = { .event = "x",
				.method = AUTH_NONE,
				.reason = (enum reason)reason,
				.cause = (enum reason)cause };
			const char *name = reason_info((enum reason)cause)->name;
			json_t *json;

			if (reason_info((enum reason)reason)->status == 0)
				continue;
			audit.status = reason_info((enum reason)reason)->status;
			json = line_of(&audit, 0);
			CHECK(str_ends(support_member(json, "reason"), str_of(name)), name);
			json_decref(json);
		}
	}
	check_end();
}

/* A cause that no answer is made of becomes the refusal; a fault of ours stays what it is. */
static void test_refuse(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REASON__MAX; i++) {
		const struct reason_info *info = reason_info((enum reason)i);
		struct audit audit = { .event = "x" };
		bool is_local = i != REASON_NONE && info->status == 0;

		CHECK_REASON(audit_refuse(&audit, (enum reason)i, REASON_ASSERTION),
			is_local ? REASON_ASSERTION : (enum reason)i, info->name);
		CHECK_REASON(audit.cause, is_local ? (enum reason)i : REASON_NONE, info->name);
	}
	check_end();
}

/* What a client sends stays inside its member. */
static void test_hostile(void **state)
{
	struct audit audit = { .event = "token.denied",
		.method = AUTH_SECRET_POST,
		.status = 401,
		.client_id = STR(
			"x\",\"event\":\"token.issued\"\n{\"event\":\"forged\"}\x1b[2J\xff"),
		.reason = REASON_CLIENT_UNKNOWN };
	json_t *json = line_of(&audit, 1);

	(void)state;
	CHECK_TEXT(support_member(json, "event"), STR("token.denied"), "event");
	CHECK(str_starts(support_member(json, "client_id"), STR("x\",\"event\"")), "client_id");
	json_decref(json);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_longest_reason),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
