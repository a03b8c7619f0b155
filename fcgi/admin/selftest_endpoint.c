/* SPDX-License-Identifier: MIT */
/* The checks of selftest that look at how requests reach the program, and its answers a client.
 */
#include "jose/json.h"
#include "selftest.h"

#define CONTENT_TYPE STR("application/json;charset=utf-8")

static struct str description(const struct answer *answer)
{
	return json_text(answer->json, "error_description");
}

static bool is_anonymous(const struct answer *answer)
{
	return selftest_is_refusal(answer, REASON_NO_CREDENTIALS);
}

/* "Expires" is what web servers add beside a Cache-Control of their own. */
bool selftest_is_uncached(struct selftest *run, struct finding *finding, enum probe probe)
{
	const struct answer *answer = selftest_ask(run, probe);
	const struct web_answer *web = &answer->web;
	struct str control, pragma, expires;

	if (web->trouble != WEB_ANSWERED) {
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
		return false;
	}
	size_t controls = web_header(web, "Cache-Control", &control);
	size_t pragmas = web_header(web, "Pragma", &pragma);
	bool has_expires = web_header(web, "Expires", &expires) > 0;

	if (!has_expires && controls == 1 && str_eq(control, STR("no-store")) && pragmas == 1 &&
		str_eq(pragma, STR("no-cache")))
		return true;
	selftest_fail(finding,
		web_header(web, "Expires", &expires) > 0 ? ADVICE_EXPIRES
							 : ADVICE_CACHE_CONTROL,
		"an answer %d has Cache-Control %zu times, first %s, and Pragma %zu times, "
		"first %s; it should be once no-store and once no-cache",
		web->status, controls, selftest_quote_from(run, answer, control), pragmas,
		selftest_quote_from(run, answer, pragma));
	return false;
}

void check_not_found(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_NOT_FOUND);

	if (selftest_is_error(answer, 404, "not_found"))
		selftest_pass(finding, "404, and the program's own");
	else
		selftest_fail_answer(run, finding, answer, ADVICE_INTERCEPT);
}

/* GET is refused by the program itself, which POST must reach and not its next address. */
void check_methods(struct selftest *run, struct finding *finding)
{
	const struct answer *get = selftest_ask(run, PROBE_GET_TOKEN);
	const struct answer *post = selftest_ask(run, PROBE_ANONYMOUS);
	struct str allow;

	if (post->web.status >= 300 && post->web.status < 400) {
		selftest_fail_answer(run, finding, post, ADVICE_REDIRECT);
		return;
	}
	size_t count = web_header(&get->web, "Allow", &allow);

	if (!selftest_is_error(get, 405, "invalid_request")) {
		selftest_fail_answer(run, finding, get, ADVICE_METHODS_LIMITED);
		if (get->web.status == 403)
			finding->owner = CHECK_METHODS;
	} else if (count != 1 || !str_eq(allow, STR("POST"))) {
		selftest_fail(finding, ADVICE_NONE, "405, but Allow is %s",
			selftest_quote(run, allow));
	} else {
		selftest_pass(finding, "GET gets 405 with Allow: POST");
	}
}

/* Without regard to case and to spaces. */
static bool is_json_type(struct str type)
{
	char text[64];
	struct buf buf = buf_init(text, sizeof(text));

	for (size_t i = 0; i < type.n; i++) {
		if (type.p[i] != ' ')
			buf_char(&buf, type.p[i]);
	}
	return !buf.overflow && str_eq_nocase(buf_view(&buf), CONTENT_TYPE);
}

void check_errors(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_ANONYMOUS);
	struct str type;
	size_t count = web_header(&answer->web, "Content-Type", &type);

	if (!selftest_is_error(answer, 401, "invalid_client"))
		selftest_fail_answer(run, finding, answer, ADVICE_ROUTE);
	else if (count != 1 || !is_json_type(type))
		selftest_fail(finding, ADVICE_CONTENT_TYPE_ADDED,
			"401, but there are %zu headers Content-Type, the first is %s", count,
			selftest_quote(run, type));
	else
		selftest_pass(finding, "a request without credentials gets 401, and the "
				       "program's own JSON");
}

void check_challenge(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_ANONYMOUS);
	struct str challenge, issuer = selftest_issuer(run);
	size_t count = web_header(&answer->web, "WWW-Authenticate", &challenge);

	if (json_text(answer->json, "error").n == 0 || answer->web.status != 401) {
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
		return;
	}
	struct str rest = challenge, realm;
	bool is_basic = str_cut(&rest, '"', &realm) &&
			str_eq_nocase(str_trim(realm), STR("Basic realm="));

	str_cut(&rest, '"', &realm);
	if (count == 0)
		selftest_fail(finding, ADVICE_NONE, "401 without WWW-Authenticate");
	else if (count > 1)
		selftest_fail(finding, ADVICE_SERVER_AUTH,
			"there are %zu headers WWW-Authenticate, the first is %s", count,
			selftest_quote(run, challenge));
	else if (!is_basic || !str_eq(realm, issuer))
		selftest_fail(finding, ADVICE_SERVER_AUTH,
			"the realm of WWW-Authenticate is not the issuer %s: %s",
			selftest_quote(run, issuer), selftest_quote(run, challenge));
	else
		selftest_pass(finding, "the realm is the issuer");
}

void check_no_store(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_ANONYMOUS);

	if (json_text(answer->json, "error").n == 0) {
		selftest_fail_answer(run, finding, answer, ADVICE_INTERCEPT);
		return;
	}
	/* Some servers change good answers only, which for strangers only health has. */
	bool has_health = json_text(selftest_ask(run, PROBE_HEALTH)->json, "status").n > 0;

	if (selftest_is_uncached(run, finding, PROBE_ANONYMOUS) &&
		(!has_health || selftest_is_uncached(run, finding, PROBE_HEALTH)))
		selftest_pass(finding, "no cache may keep the answers");
}

void check_authorization(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_BASIC);

	if (is_anonymous(answer))
		selftest_fail(finding, ADVICE_AUTHORIZATION,
			"the Authorization header does not reach the program");
	else if (selftest_is_error(answer, 401, "invalid_client"))
		selftest_pass(finding, "the Authorization header reaches the program");
	else
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
}

void check_body(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_BODY);

	if (is_anonymous(answer))
		selftest_fail(
			finding, ADVICE_CONTENT_LENGTH, "the body does not reach the program");
	else if (selftest_is_error(answer, 401, "invalid_client"))
		selftest_pass(finding, "the body reaches the program");
	else
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
}

/* Does it say that, as an answer to a POST without credentials, which is 401 otherwise? */
static void judge_refusal(struct selftest *run, struct finding *finding,
	const struct answer *answer, enum advice advice, const char *missing)
{
	if (is_anonymous(answer))
		selftest_fail(finding, advice, "%s does not reach the program", missing);
	else
		selftest_fail_answer(run, finding, answer, advice);
}

void check_content_type(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_TEXT);

	if (selftest_is_refusal(answer, REASON_MEDIA_TYPE))
		selftest_pass(finding, "another Content-Type than a form's is refused");
	else
		judge_refusal(run, finding, answer, ADVICE_CONTENT_TYPE, "the Content-Type");
}

void check_query(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_QUERY);

	if (selftest_is_error(answer, 400, "invalid_request") &&
		str_contains(description(answer), STR("URL")))
		selftest_pass(finding, "a secret in the URL is refused");
	else
		judge_refusal(run, finding, answer, ADVICE_QUERY, "the query of the URL");
}

static void fail_size(
	struct selftest *run, struct finding *finding, const struct answer *answer, int size)
{
	int status = answer->web.status;
	bool is_page = json_text(answer->json, "error").n == 0;

	selftest_fail_answer(run, finding, answer, ADVICE_SIZE);
	/* mod_fcgid drops the body that LimitRequestBody forbids, and has a limit of its own.
	 */
	if (is_page ? status != 413 && status != 500 : status != 401)
		return;
	selftest_fail(finding, status == 500 ? ADVICE_SIZE_FCGID : ADVICE_SIZE,
		"a body of %d bytes does not reach the program as it is: %d", size, status);
	finding->owner = CHECK_SIZE;
}

/* The program reads the first, and refuses the second by itself. */
void check_size(struct selftest *run, struct finding *finding)
{
	const struct answer *most = selftest_ask(run, PROBE_SIZE_MOST);

	if (!selftest_is_error(most, 401, "invalid_client") || is_anonymous(most)) {
		fail_size(run, finding, most, SELFTEST_SIZE_MOST);
		return;
	}
	const struct answer *above = selftest_ask(run, PROBE_SIZE_ABOVE);

	if (selftest_is_error(above, 413, "invalid_request"))
		selftest_pass(finding, "bodies of up to %d bytes are read", SELFTEST_SIZE_MOST);
	else
		fail_size(run, finding, above, SELFTEST_SIZE_MOST + 1);
}

void check_request_id(struct selftest *run, struct finding *finding)
{
	static const enum probe probes[] = { PROBE_HEALTH, PROBE_ANONYMOUS };

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct answer *answer = selftest_ask(run, probes[i]);
		struct str id;
		size_t count = web_header(&answer->web, "X-Request-Id", &id);

		if (count == 1 && id.n > 0)
			continue;
		if (answer->json == NULL)
			selftest_fail_answer(run, finding, answer, ADVICE_INTERCEPT);
		else
			selftest_fail(finding,
				count > 0 ? ADVICE_REQUEST_ID_ADDED : ADVICE_REQUEST_ID_HIDDEN,
				"an answer %d has %zu headers X-Request-Id, not one",
				answer->web.status, count);
		return;
	}
	selftest_pass(finding, "each answer has one");
}
