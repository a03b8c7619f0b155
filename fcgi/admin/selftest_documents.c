/* SPDX-License-Identifier: MIT */
/* The checks of selftest that look at the published documents: metadata and keys. */
#include "jose/json.h"
#include "jose/jwk.h"
#include "oauth/answer.h"
#include "selftest.h"
#include "util/uri.h"

/* RFC 7518 §6: what only the owner of a key may know. */
static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };

static bool is_document(const struct answer *answer)
{
	return answer->web.trouble == WEB_ANSWERED && answer->web.status == 200 &&
	       answer->json != NULL && json_object_get(answer->json, "error") == NULL;
}

/* Another answer than the document that should be there. */
static void fail_document(struct selftest *run, struct finding *finding, enum check check,
	const struct answer *answer, enum advice advice)
{
	selftest_fail_answer(run, finding, answer, advice);
	/* A page in its place tells nothing of error answers. */
	if (finding->owner == CHECK_ERRORS)
		finding->owner = check;
	if (finding->owner == check && finding->advice == ADVICE_INTERCEPT)
		finding->advice = advice;
}

/* Do two URLs mean the same? */
static bool is_same_url(struct selftest *run, struct str a, struct str b)
{
	struct str first, second;

	return uri_normalize(a, run->arena, &first) == REASON_NONE &&
	       uri_normalize(b, run->arena, &second) == REASON_NONE && str_eq(first, second);
}

static struct str concat(struct selftest *run, struct str a, struct str b)
{
	return str_of(selftest_join(run, (struct str[]){ a, b }, 2));
}

/* The line of the configuration that makes the documents name the URL that was tested. */
static struct str url_line(struct selftest *run, struct str issuer, struct str endpoint)
{
	static const struct str tail = STR_CONST("/oauth2");

	if (str_ends(run->base, tail) &&
		str_eq(endpoint, concat(run, issuer, STR("/oauth2/token"))))
		return concat(run, STR("issuer: "), str_upto(run->base, run->base.n - tail.n));
	return concat(run, STR("base_url: "), run->base);
}

void check_metadata(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_METADATA);
	struct str issuer = json_text(answer->json, "issuer");
	struct str endpoint = json_text(answer->json, "token_endpoint");
	const char *problem = selftest_url_problem(run, issuer);

	if (!is_document(answer)) {
		fail_document(run, finding, CHECK_METADATA, answer, ADVICE_ROUTE);
		return;
	}
	if (!is_same_url(run, endpoint, concat(run, run->base, STR("/token")))) {
		selftest_fail(finding, ADVICE_ISSUER,
			"token_endpoint is %s, which is not below the URL that was tested",
			selftest_quote(run, endpoint));
		finding->line = url_line(run, issuer, endpoint);
	} else if (problem != NULL) {
		selftest_fail(finding, ADVICE_NONE, "issuer %s %s", selftest_quote(run, issuer),
			problem);
	} else {
		selftest_pass(finding, "the issuer is %s", selftest_quote(run, issuer));
	}
}

/* The same document as at the base_url; where that is missing, any with an issuer will do. */
static bool is_same_document(struct selftest *run, const struct answer *answer)
{
	const struct answer *first = selftest_ask(run, PROBE_METADATA);

	if (!is_document(answer))
		return false;
	return is_document(first) ? json_equal(first->json, answer->json) == 1
				  : json_text(answer->json, "issuer").n > 0;
}

void check_well_known(struct selftest *run, struct finding *finding)
{
	static const struct {
		enum probe probe;
		const char *name;
		enum advice advice;
	} documents[] = {
		{ PROBE_ISSUER_OAUTH, "oauth-authorization-server", ADVICE_WELL_KNOWN_OAUTH },
		{ PROBE_ISSUER_OPENID, "openid-configuration", ADVICE_WELL_KNOWN_OPENID },
	};
	struct str issuer = json_text(selftest_ask(run, PROBE_METADATA)->json, "issuer");
	const char *problem = selftest_url_problem(run, issuer);

	if (issuer.n > 0 && problem != NULL) {
		selftest_skip(finding, "issuer %s %s, and so it is not asked",
			selftest_quote(run, issuer), problem);
		return;
	}
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		const struct answer *answer = selftest_ask(run, documents[i].probe);

		if (is_same_document(run, answer))
			continue;
		if (is_document(answer))
			selftest_fail(finding, documents[i].advice,
				"%s of the issuer is another document than below the base_url",
				documents[i].name);
		else
			fail_document(
				run, finding, CHECK_WELL_KNOWN, answer, documents[i].advice);
		return;
	}
	selftest_pass(finding, "both documents are at the issuer's paths");
}

/* Of a key of the JWKS: why it must not be published so; NULL: it is good. */
static const char *key_problem(const json_t *key)
{
	struct jwk jwk;

	for (size_t i = 0; i < sizeof(private_members) / sizeof(private_members[0]); i++) {
		if (json_object_get(key, private_members[i]) != NULL)
			return "it has private members; replace it, everybody can know it now";
	}
	enum reason reason = jwk_parse(key, &jwk);

	if (reason != REASON_NONE)
		return reason_info(reason)->name;
	bool has_kid = jwk.kid != NULL;

	jwk_clear(&jwk);
	return has_kid ? NULL : "it has no kid";
}

static void judge_keys(struct selftest *run, struct finding *finding, const json_t *keys)
{
	size_t count = json_array_size(keys);

	for (size_t i = 0; i < count; i++) {
		const json_t *key = json_array_get(keys, i);
		const char *problem = key_problem(key);

		if (problem == NULL)
			continue;
		selftest_fail(finding, ADVICE_NONE, "key %zu, kid %s: %s", i + 1,
			selftest_quote(run, json_text(key, "kid")), problem);
		return;
	}
	if (count == 0)
		selftest_fail(finding, ADVICE_NONE, "there are no keys");
	else
		selftest_pass(finding, "%zu public key%s", count, count == 1 ? "" : "s");
}

void check_jwks(struct selftest *run, struct finding *finding)
{
	struct str url = json_text(selftest_ask(run, PROBE_METADATA)->json, "jwks_uri");
	const struct answer *answer = selftest_ask(run, PROBE_JWKS);
	const char *problem = selftest_url_problem(run, url);
	struct str type, rest, media_type;

	if (url.n > 0 && problem != NULL) {
		selftest_fail(finding, ADVICE_NONE, "jwks_uri %s %s, and so it is not asked",
			selftest_quote(run, url), problem);
		finding->owner = CHECK_METADATA;
		return;
	}

	if (!is_document(answer)) {
		fail_document(run, finding, CHECK_JWKS, answer, ADVICE_ROUTE);
		return;
	}
	size_t count = web_header(&answer->web, "Content-Type", &type);

	rest = type;
	str_cut(&rest, ';', &media_type);
	if (count == 1 && str_eq_nocase(str_trim(media_type), STR("application/jwk-set+json")))
		judge_keys(run, finding, json_object_get(answer->json, "keys"));
	else
		selftest_fail(finding, ADVICE_DOCUMENT_TYPE,
			"the Content-Type is %s, not once \"application/jwk-set+json\"",
			selftest_quote(run, type));
}

static bool is_strong(struct str etag)
{
	return etag.n >= 2 && str_starts(etag, STR("\"")) && str_ends(etag, STR("\""));
}

/* The ETag of an answer that a client keeps, and what it gets when it asks again with that. */
static bool check_etag(
	struct selftest *run, struct finding *finding, enum probe first, enum probe again)
{
	const char *how = first == PROBE_JWKS_GZIP ? " to Accept-Encoding: gzip" : "";
	const struct answer *answer = selftest_ask(run, first);
	struct str etag;

	if (answer->web.trouble == WEB_ANSWERED) {
		web_header(&answer->web, "ETag", &etag);
		if (!is_strong(etag)) {
			selftest_fail(finding, ADVICE_COMPRESSION,
				"the answer%s has the ETag %s, which is not a strong one", how,
				selftest_quote(run, etag));
			return false;
		}
		answer = selftest_ask(run, again);
	}
	if (answer->web.trouble != WEB_ANSWERED) {
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
		return false;
	}
	if (answer->web.status == 304)
		return true;
	selftest_fail(finding, ADVICE_COMPRESSION,
		"asked again with the ETag of the answer%s, it answers %d, not 304", how,
		answer->web.status);
	return false;
}

void check_caching(struct selftest *run, struct finding *finding)
{
	const struct answer *answer = selftest_ask(run, PROBE_JWKS);
	struct str control, expires;

	if (!is_document(answer)) {
		selftest_skip(finding, "there is no JWKS; see jwks");
		return;
	}
	size_t count = web_header(&answer->web, "Cache-Control", &control);

	if (count != 1 || !str_eq(control, STR(ANSWER_PUBLIC_CACHE))) {
		bool has_expires = web_header(&answer->web, "Expires", &expires) > 0;

		selftest_fail(finding, has_expires ? ADVICE_EXPIRES : ADVICE_CACHE_CONTROL,
			"the program's Cache-Control does not arrive as it was sent: there are "
			"%zu, the first is %s",
			count, selftest_quote(run, control));
		return;
	}
	if (check_etag(run, finding, PROBE_JWKS, PROBE_JWKS_KNOWN) &&
		check_etag(run, finding, PROBE_JWKS_GZIP, PROBE_JWKS_GZIP_KNOWN))
		selftest_pass(finding, "a strong ETag, and 304 for it");
}
