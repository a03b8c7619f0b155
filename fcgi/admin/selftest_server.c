/* SPDX-License-Identifier: MIT */
/* The checks of selftest that look at the web server and the connection to it. */
#include "duration.h"
#include "jose/json.h"
#include "selftest.h"
#include "util/uri.h"

#include <stdlib.h>

#define SOON_S (INT64_C(14) * 86400)
#define CLOCK_OFF_MAX_S 5

static bool is_tls_trouble(const struct web_answer *web)
{
	return web->trouble == WEB_CERTIFICATE || web->trouble == WEB_HANDSHAKE ||
	       web->trouble == WEB_TRUST;
}

/* So OpenSSL says that it does not know who signed a certificate. */
static const char *authority_hint(struct str error)
{
	return str_contains(error, STR("local issuer")) ||
			       str_contains(error, STR("self-signed")) ||
			       str_contains(error, STR("self signed"))
		       ? " (if an authority of your own signed it: --ca FILE)"
		       : "";
}

static void fail_tls(
	struct selftest *run, struct finding *finding, const struct web_answer *web)
{
	static const enum advice advices[] = {
		[WEB_ANSWERED] = ADVICE_NONE,
		[WEB_CERTIFICATE] = ADVICE_CERTIFICATE,
		[WEB_HANDSHAKE] = ADVICE_TLS_VERSION,
		[WEB_TRUST] = ADVICE_NONE,
		[WEB_OVER] = ADVICE_NONE,
		[WEB_FAILED] = ADVICE_NONE,
	};
	enum advice advice = advices[web->trouble];

	/* So OpenSSL says that no TLS came back. */
	if (str_contains(web->error, STR("wrong version number")) ||
		str_contains(web->error, STR("packet length")))
		advice = ADVICE_TLS_OFF;
	selftest_fail(finding, advice, "%s%s", selftest_quote(run, web->error),
		authority_hint(web->error));
}

static void judge_certificate(struct selftest *run, struct finding *finding)
{
	char text[DURATION_SENTENCE_SIZE];
	struct buf buf = buf_init(text, sizeof(text));
	int64_t end_s = web_certificate_end_s(run->web);
	int64_t left_s = end_s > run->admin->now_s ? end_s - run->admin->now_s : 0;

	if (end_s == 0) {
		selftest_pass(finding, "TLS 1.2 or later, and the certificate verifies");
		return;
	}
	duration_write(&buf, left_s);
	if (left_s < SOON_S)
		selftest_warn(
			finding, "the certificate expires in %.*s: renew it", (int)buf.n, text);
	else
		selftest_pass(finding,
			"TLS 1.2 or later, and the certificate verifies; it expires in %.*s",
			(int)buf.n, text);
}

void check_tls(struct selftest *run, struct finding *finding)
{
	if (!run->is_tls) {
		selftest_skip(finding, "the URL is http, on this machine itself");
		return;
	}
	const struct web_answer *web = &selftest_ask(run, PROBE_HEALTH)->web;

	if (web->trouble == WEB_ANSWERED)
		judge_certificate(run, finding);
	else if (is_tls_trouble(web))
		fail_tls(run, finding, web);
	else
		selftest_skip(finding, "there is no connection to look at; see health");
}

void check_plain_http(struct selftest *run, struct finding *finding)
{
	struct uri uri;

	if (!run->is_tls || !uri_parse(run->base, &uri) ||
		!(uri.port.n == 0 || str_eq(uri.port, STR("443")))) {
		selftest_skip(finding, "only looked for where https is on port 443");
		return;
	}
	const struct web_answer *web = &selftest_ask(run, PROBE_PLAIN)->web;

	if (web->trouble != WEB_ANSWERED)
		selftest_pass(finding, "nothing answers on port 80");
	else if (web->status == 401 || web->status == 200)
		selftest_fail(finding, ADVICE_PLAIN_HTTP,
			"%d: the token endpoint answers by plain HTTP too, where secrets can "
			"be read",
			web->status);
	else
		selftest_pass(finding, "%d: the token endpoint is not served by plain HTTP",
			web->status);
}

/* The program's own words on how it is. */
static void judge_status(struct selftest *run, struct finding *finding, struct str status)
{
	if (str_eq(status, STR("degraded")))
		selftest_warn(finding,
			"degraded: the newest configuration does not load, and the last good "
			"one is served; run oauth2-admin check on the server");
	else if (str_eq(status, STR("ok")))
		selftest_pass(finding, "200, status ok");
	else
		selftest_fail(finding, ADVICE_NONE, "200, but the status is %s",
			selftest_quote(run, status));
}

void check_health(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_HEALTH);
	struct str status = json_text(answer->json, "status");

	if (answer->web.trouble == WEB_ANSWERED && answer->web.status == 200 && status.n > 0) {
		judge_status(run, finding, status);
		return;
	}
	if (selftest_is_error(answer, 503, NULL)) {
		selftest_fail(finding, ADVICE_NONE,
			"503: the program runs, but its configuration does not load; "
			"oauth2-admin check on the server says what is wrong in oauth2.yaml");
		return;
	}
	selftest_fail_answer(run, finding, answer, ADVICE_NONE);
	if (finding->advice == ADVICE_INTERCEPT)
		finding->advice = answer->web.status == 404 ? ADVICE_ROUTE : ADVICE_NONE;
	if (finding->advice == ADVICE_METHODS_LIMITED && answer->web.status == 403)
		finding->advice = ADVICE_FORBIDDEN;
	if (is_tls_trouble(&answer->web))
		finding->owner = CHECK_TLS;
	else if (finding->owner != CHECK_CHALLENGE)
		finding->owner = CHECK_HEALTH;
}

void check_https(struct selftest *run, struct finding *finding)
{
	bool refuses = selftest_is_refusal(
			       selftest_ask(run, PROBE_METADATA), REASON_PLAIN_HTTP) ||
		       selftest_is_refusal(
			       selftest_ask(run, PROBE_ANONYMOUS), REASON_PLAIN_HTTP);

	if (refuses && run->is_tls)
		selftest_fail(finding, ADVICE_HTTPS,
			"the program is not told that the request came by HTTPS (behind a "
			"proxy that ends TLS: it sends X-Forwarded-Proto, and trusted_proxies "
			"in oauth2.yaml names its address)");
	else if (refuses)
		selftest_fail(finding, ADVICE_NONE,
			"the program refuses plain HTTP (require_tls): test its https URL");
	else if (run->is_tls)
		selftest_pass(finding, "no answer complains of plain HTTP");
	else
		selftest_skip(finding, "the URL is http");
}

void check_clock(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_HEALTH);
	struct str date;

	web_header(&answer->web, "Date", &date);
	int64_t date_s = web_parse_date(date);
	int64_t off_s = llabs(date_s - answer->web.received_ms / 1000);

	if (date_s < 0)
		selftest_warn(finding, "there is no Date header that can be read: %s",
			selftest_quote(run, date));
	else if (off_s > CLOCK_OFF_MAX_S)
		selftest_warn(finding,
			"the server's clock and this machine's are %lld s apart; tokens and "
			"assertions need the right time (NTP)",
			(long long)off_s);
	else
		selftest_pass(finding, "the server's clock and this machine's agree");
}
