/* SPDX-License-Identifier: MIT */
/* Which fault an answer stands for that is not the one that a check of selftest wanted. */
#include "selftest.h"
#include "jose/json.h"

#include <limits.h>

/* The program's own refusals that tell what did not reach it. */
static const struct {
	enum reason reason;
	enum check owner;
	enum advice advice;
} refusals[] = {
	{ REASON_PLAIN_HTTP, CHECK_HTTPS, ADVICE_HTTPS },
	{ REASON_MEDIA_TYPE, CHECK_BODY, ADVICE_CONTENT_TYPE },
	{ REASON_LENGTH_MISSING, CHECK_BODY, ADVICE_CONTENT_LENGTH },
	{ REASON_LENGTH_INVALID, CHECK_BODY, ADVICE_CONTENT_LENGTH },
	{ REASON_BODY_LENGTH, CHECK_BODY, ADVICE_CONTENT_LENGTH },
	{ REASON_NOT_FOUND, CHECK_HEALTH, ADVICE_PATH },
	{ REASON_METHOD, CHECK_HEALTH, ADVICE_METHOD },
	{ REASON_NO_CREDENTIALS, CHECK_AUTHORIZATION, ADVICE_AUTHORIZATION },
};

/* Answers that the web server makes by itself; the first row that fits. */
static const struct {
	int first, last; /* status */
	enum check owner;
	enum advice advice;
} pages[] = {
	{ 200, 299, CHECK_HEALTH, ADVICE_ROUTE },
	{ 300, 399, CHECK_METHODS, ADVICE_REDIRECT },
	{ 403, 403, CHECK_ERRORS, ADVICE_METHODS_LIMITED },
	{ 405, 405, CHECK_ERRORS, ADVICE_METHODS_LIMITED },
	{ 413, 413, CHECK_SIZE, ADVICE_SIZE },
	{ 500, 500, CHECK_HEALTH, ADVICE_START },
	{ 501, 501, CHECK_ERRORS, ADVICE_METHODS_LIMITED },
	{ 502, 504, CHECK_HEALTH, ADVICE_START },
	{ 0, INT_MAX, CHECK_ERRORS, ADVICE_INTERCEPT },
};

/* The first sentence says what it is; what to do may be said in other words. */
static bool is_refusal(struct str text, enum reason reason)
{
	struct str wanted = str_of(reason_info(reason)->description), sentence;

	str_cut(&wanted, '.', &sentence);
	return sentence.n > 0 && str_starts(text, sentence);
}

static void assign(struct finding *finding, enum check owner, enum advice advice)
{
	finding->owner = owner;
	finding->advice = advice;
}

static void fail_refusal(struct selftest *run, struct finding *finding,
	const struct answer *answer, enum advice advice)
{
	struct str text = json_text(answer->json, "error_description");
	const char *error = selftest_quote_from(run, answer, json_text(answer->json, "error"));

	if (text.n > 0)
		selftest_fail(finding, advice, "%d %s: %s", answer->web.status, error,
			selftest_quote_from(run, answer, text));
	else
		selftest_fail(finding, advice, "%d %s", answer->web.status, error);
	/* Only its log knows why. */
	if (answer->web.status >= 500)
		finding->advice = ADVICE_NONE;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (is_refusal(text, refusals[i].reason)) {
			assign(finding, refusals[i].owner, refusals[i].advice);
			return;
		}
	}
}

/* Does the web server ask for a password of its own?  Its page may have another status. */
static bool is_server_challenge(struct selftest *run, const struct answer *answer)
{
	struct str challenge;

	return web_header(&answer->web, "WWW-Authenticate", &challenge) > 0 &&
	       !str_contains(challenge, selftest_issuer(run));
}

static void fail_page(
	struct selftest *run, struct finding *finding, const struct answer *answer)
{
	struct str type;
	size_t i = 0;

	web_header(&answer->web, "Content-Type", &type);
	selftest_fail(finding, ADVICE_NONE,
		"%d %s is the web server's own answer, not the program's", answer->web.status,
		selftest_quote_from(run, answer, type));
	if (is_server_challenge(run, answer)) {
		assign(finding, CHECK_CHALLENGE, ADVICE_SERVER_AUTH);
		return;
	}
	while (answer->web.status < pages[i].first || answer->web.status > pages[i].last)
		i++;
	assign(finding, pages[i].owner, pages[i].advice);
}

bool selftest_is_refusal(const struct answer *answer, enum reason reason)
{
	return selftest_is_error(answer, reason_info(reason)->status, NULL) &&
	       is_refusal(json_text(answer->json, "error_description"), reason);
}

void selftest_fail_answer(struct selftest *run, struct finding *finding,
	const struct answer *answer, enum advice advice)
{
	finding->is_symptom = true;
	if (answer->web.trouble != WEB_ANSWERED)
		selftest_fail(finding, ADVICE_NONE, "no answer: %s",
			selftest_quote(run, answer->web.error));
	else if (selftest_is_error(answer, 429, NULL))
		selftest_skip(finding, "429: too many failed attempts came from this address "
				       "(throttle); try again later");
	else if (json_text(answer->json, "error").n > 0)
		fail_refusal(run, finding, answer, advice);
	else
		fail_page(run, finding, answer);
}
