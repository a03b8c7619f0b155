/* SPDX-License-Identifier: MIT */
/* DPoP proofs at the token endpoint (interface §3.3, RFC 9449 §4.3, §5). */
#include "ask.h"
#include "makers.h"

#define ANY REASON__MAX
#define TOKEN_URL FIXTURE_ISSUER "/oauth2/token"

/* RFC 7638 thumbprints of the three keys, made by jwcrypto. */
#define JKT_EC "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
#define JKT_OKP "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define JKT_RSA "IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8"

#define HEAD(alg, members) "{\"typ\":\"dpop+jwt\",\"alg\":\"" alg "\",\"jwk\":{" members "}}"

enum signer {
	BY_EC,
	BY_OKP,
	BY_PS,
	BY_RSA,
	BY_STRANGER, /* an EC key that is not the one in the header */
	BY_SECRET,
	BY_NOBODY,
	SIGNER__MAX,
};

static const char *const heads[SIGNER__MAX] = {
	[BY_EC] = HEAD("ES256", JWK_EC_MEMBERS),
	[BY_OKP] = HEAD("EdDSA", JWK_OKP_MEMBERS),
	[BY_PS] = HEAD("PS256", JWK_RSA_MEMBERS),
	[BY_RSA] = HEAD("RS256", JWK_RSA_MEMBERS),
	[BY_STRANGER] = HEAD("ES256", JWK_EC_MEMBERS),
	[BY_SECRET] = HEAD("HS256", "\"kty\":\"oct\",\"k\":\"AAECAw\""),
	[BY_NOBODY] = HEAD("none", JWK_EC_MEMBERS),
};

static struct maker makers[SIGNER__MAX];
static unsigned serial; /* makes each jti another one */

static int open_fixture(void **state)
{
	(void)state;
	serial = 0;
	ask_now_s = NOW_S;
	makers[BY_EC] = (struct maker){ support_key(KEY_EC), JOSE_ALG_ES256, STR("") };
	makers[BY_OKP] = (struct maker){ support_key(KEY_OKP), JOSE_ALG_EDDSA, STR("") };
	makers[BY_PS] = (struct maker){ support_key(KEY_RSA), JOSE_ALG_PS256, STR("") };
	makers[BY_RSA] = (struct maker){ makers[BY_PS].pkey, JOSE_ALG_RS256, STR("") };
	makers[BY_STRANGER] = (struct maker){ make_key(), JOSE_ALG_ES256, STR("") };
	makers[BY_SECRET] = (struct maker){ NULL, JOSE_ALG_HS256, STR("\0\1\2\3") };
	makers[BY_NOBODY] = (struct maker){ NULL, JOSE_ALG_NONE, STR("") };
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture_add(&fixture, "TENANT_CLIENT_ID");
	fixture_add(&fixture, "BOUND")->dpop_bound = true;
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	for (int i = 0; i < SIGNER__MAX; i++) {
		if (i != BY_RSA)
			EVP_PKEY_free(makers[i].pkey);
	}
	return 0;
}

/* A proof with changes to its header and claims, for free(). */
static char *proof_by(enum signer signer, const char *head_patch, const char *patch)
{
	char base[512];
	char *head = make_json(heads[signer], head_patch), *claims, *jwt;

	snprintf(base, sizeof(base),
		"{\"jti\":\"jti-%u\",\"htm\":\"POST\",\"htu\":\"" TOKEN_URL "\",\"iat\":%lld}",
		serial++, (long long)ask_now_s);
	claims = make_json(base, patch);
	jwt = make_jws(&makers[signer], head, claims);
	free(head);
	free(claims);
	return jwt;
}

/* A token request with this DPoP header, and the second if there is one. */
static void ask_with(const char *body, const char *proof, const char *second)
{
	static char variables[2][MAKE_MAX + 16];
	struct ask ask = { .body = str_of(body), .more = { variables[0] } };

	snprintf(variables[0], sizeof(variables[0]), "HTTP_DPOP=%s", proof);
	if (second) {
		snprintf(variables[1], sizeof(variables[1]), "HTTP_DPOP=%s", second);
		ask.more[1] = variables[1];
	}
	ask_send(&ask);
}

static void send_proof(const char *proof)
{
	ask_with(GOOD, proof, NULL);
}

/* The cnf of the access token, whole, as JSON; NULL: none. */
static void check_confirmation(const char *wanted, const char *name)
{
	char *token = ask_token(name);
	json_t *cnf = wanted ? json_loads(wanted, JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct jws_parts parts;

	CHECK_REASON(jwt_split(str_of(token), fixture.arena, &parts), REASON_NONE, name);
	CHECK(wanted ? json_equal(json_object_get(parts.payload, "cnf"), cnf)
		     : !json_object_get(parts.payload, "cnf"),
		name);
	jws_parts_clear(&parts);
	json_decref(cnf);
	free(token);
}

static void check_bound(const char *jkt, const char *name)
{
	char cnf[128];

	snprintf(cnf, sizeof(cnf), "{\"jkt\":\"%s\"}", jkt);
	ask_check_token_of("DPoP", name);
	if (response.status == 200)
		check_confirmation(cnf, name);
}

static void check_refused(enum reason cause, const char *name)
{
	if (cause == ANY)
		ask_check_error(REASON_DPOP, name);
	else
		ask_check_refusal(REASON_DPOP, cause, name);
}

static void test_rows(void **state)
{
	static const struct {
		const char *name;
		enum signer signer;
		const char *head;
		const char *claims;
		enum reason cause; /* REASON_NONE: a bound token */
	} rows[] = {
		{ "ES256", BY_EC, NULL, NULL, REASON_NONE },
		{ "EdDSA", BY_OKP, NULL, NULL, REASON_NONE },
		{ "PS256", BY_PS, NULL, NULL, REASON_NONE },

		/* typ */
		{ "no typ", BY_EC, "{\"typ\":null}", NULL, REASON_JWT_TYPE },
		{ "typ JWT", BY_EC, "{\"typ\":\"JWT\"}", NULL, REASON_JWT_TYPE },
		{ "typ with more", BY_EC, "{\"typ\":\"dpop+jwt+wrongyousee\"}", NULL,
			REASON_JWT_TYPE },
		{ "typ is a list", BY_EC, "{\"typ\":[\"dpop+jwt\"]}", NULL, REASON_JWT_TYPE },
		{ "typ at+jwt", BY_EC, "{\"typ\":\"at+jwt\"}", NULL, REASON_JWT_TYPE },

		/* alg */
		{ "no alg", BY_EC, "{\"alg\":null}", NULL, REASON_DPOP_ALG },
		{ "RS256", BY_RSA, NULL, NULL, REASON_DPOP_ALG },
		{ "none", BY_NOBODY, NULL, NULL, REASON_DPOP_ALG },
		{ "none, signed", BY_EC, "{\"alg\":\"none\"}", NULL, REASON_DPOP_ALG },
		{ "HS256", BY_SECRET, NULL, NULL, REASON_DPOP_ALG },
		{ "HS256 with the public key", BY_SECRET, "{\"jwk\":{" JWK_EC_MEMBERS "}}",
			NULL, REASON_DPOP_ALG },
		{ "RS384", BY_PS, "{\"alg\":\"RS384\"}", NULL, REASON_DPOP_ALG },
		{ "alg of another kind of key", BY_EC, "{\"alg\":\"EdDSA\"}", NULL, ANY },
		{ "alg is a list", BY_EC, "{\"alg\":[\"ES256\"]}", NULL, REASON_DPOP_ALG },

		/* jwk */
		{ "no jwk", BY_EC, "{\"jwk\":null}", NULL, REASON_DPOP_KEY },
		{ "jwk is a text", BY_EC, "{\"jwk\":\"x\"}", NULL, REASON_JWK_SYNTAX },
		{ "jwk is empty", BY_EC, "{\"jwk\":{}}", NULL, REASON_JWK_SYNTAX },
		{ "private EC key", BY_EC, "{\"jwk\":{" JWK_EC_MEMBERS JWK_EC_PRIVATE "}}",
			NULL, REASON_JWK_PRIVATE },
		{ "private OKP key", BY_OKP, "{\"jwk\":{" JWK_OKP_MEMBERS JWK_OKP_PRIVATE "}}",
			NULL, REASON_JWK_PRIVATE },
		{ "private RSA member p", BY_PS, "{\"jwk\":{" JWK_RSA_MEMBERS ",\"p\":\"AQ\"}}",
			NULL, REASON_JWK_PRIVATE },
		{ "private RSA member q", BY_PS, "{\"jwk\":{" JWK_RSA_MEMBERS ",\"q\":\"AQ\"}}",
			NULL, REASON_JWK_PRIVATE },
		{ "k beside a public key", BY_EC, "{\"jwk\":{" JWK_EC_MEMBERS ",\"k\":\"AQ\"}}",
			NULL, REASON_JWK_PRIVATE },
		{ "symmetric key", BY_EC, "{\"jwk\":{\"kty\":\"oct\",\"k\":\"AAECAw\"}}", NULL,
			ANY },
		{ "RSA of 1024 bits", BY_PS,
			"{\"jwk\":{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"n4C3FurR80hijYr54mfsY"
			"rxl3s-2JvYYMuuwDSHDfPt40LSB3REdZNc2xfshb7eI6oY0a5mxy9J21JhImHDTg55me4S"
			"zpc1-tDjlF6pi3ogO2t26h-TakmjTTFZThgJuDUgvGpWI2ZzacUfCn0dYLONIBZACGJeOI"
			"bgJkjrtua8\"}}",
			NULL, REASON_KEY_WEAK },
		{ "another key's", BY_STRANGER, NULL, NULL, REASON_JWS_SIGNATURE },
		{ "point off the curve", BY_EC,
			"{\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9t"
			"Le1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikY"
			"jKIWI5a8\"}}",
			NULL, REASON_JWK_POINT },
		{ "jwk for encryption", BY_EC, "{\"jwk\":{" JWK_EC_MEMBERS ",\"use\":\"enc\"}}",
			NULL, REASON_JWK_USE },
		{ "jwk with more", BY_EC,
			"{\"jwk\":{" JWK_EC_MEMBERS ",\"kid\":\"k\",\"alg\":\"ES256\",\"use\":"
			"\"sig\",\"foo\":1}}",
			NULL, REASON_NONE },
		{ "jwk for another algorithm", BY_PS,
			"{\"jwk\":{" JWK_RSA_MEMBERS ",\"alg\":\"RS256\"}}", NULL,
			REASON_JWS_ALG },
		{ "jku instead of jwk", BY_EC,
			"{\"jwk\":null,\"jku\":\"https://127.0.0.1:1/jwks\"}", NULL,
			REASON_DPOP_KEY },
		{ "crit", BY_EC, "{\"crit\":[\"jwk\"]}", NULL, REASON_JWS_CRIT },
		{ "no signature", BY_NOBODY, "{\"alg\":\"ES256\"}", NULL,
			REASON_JWS_SIGNATURE },
		{ "an extra header", BY_EC, "{\"foo\":\"bar\",\"kid\":\"x\"}", NULL,
			REASON_NONE },

		/* claims */
		{ "no jti", BY_EC, NULL, "{\"jti\":null}", REASON_JWT_ID },
		{ "empty jti", BY_EC, NULL, "{\"jti\":\"\"}", REASON_JWT_ID },
		{ "jti is a number", BY_EC, NULL, "{\"jti\":1}", REASON_JWT_ID },
		{ "no htm", BY_EC, NULL, "{\"htm\":null}", REASON_DPOP_HTM },
		{ "htm PUT", BY_EC, NULL, "{\"htm\":\"PUT\"}", REASON_DPOP_HTM },
		{ "htm GET", BY_EC, NULL, "{\"htm\":\"GET\"}", REASON_DPOP_HTM },
		{ "htm post", BY_EC, NULL, "{\"htm\":\"post\"}", REASON_DPOP_HTM },
		{ "htm is a list", BY_EC, NULL, "{\"htm\":[\"POST\"]}", REASON_DPOP_HTM },
		{ "no htu", BY_EC, NULL, "{\"htu\":null}", REASON_DPOP_HTU },
		{ "htu is a list", BY_EC, NULL, "{\"htu\":[\"" TOKEN_URL "\"]}",
			REASON_DPOP_HTU },
		{ "no iat", BY_EC, NULL, "{\"iat\":null}", REASON_JWT_AGE },
		{ "iat is a text", BY_EC, NULL, "{\"iat\":\"1640588828\"}", REASON_JWT_AGE },
		{ "iat is 1e300", BY_EC, NULL, "{\"iat\":1e300}", REASON_JWT_AGE },
		{ "iat is negative", BY_EC, NULL, "{\"iat\":-1}", REASON_JWT_AGE },
		{ "iat with a fraction", BY_EC, NULL, "{\"iat\":1640588828.25}", REASON_NONE },
		{ "nbf and exp", BY_EC, NULL, "{\"nbf\":1640588828,\"exp\":1640589128}",
			REASON_NONE },
		{ "ath", BY_EC, NULL, "{\"ath\":\"AAAA\"}", REASON_NONE },
		{ "nonce", BY_EC, NULL, "{\"nonce\":\"AAAA\"}", REASON_NONE },
		{ "unknown members", BY_EC, NULL, "{\"foo\":[{}],\"iss\":\"x\"}", REASON_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static const char *const jkts[SIGNER__MAX] = {
			[BY_EC] = JKT_EC, [BY_OKP] = JKT_OKP, [BY_PS] = JKT_RSA
		};
		char *proof = proof_by(rows[i].signer, rows[i].head, rows[i].claims);

		send_proof(proof);
		if (rows[i].cause == REASON_NONE)
			check_bound(jkts[rows[i].signer], rows[i].name);
		else
			check_refused(rows[i].cause, rows[i].name);
		free(proof);
	}
	check_end();
}

/* iat at most 60 s ago and 10 s ahead. */
static void test_times(void **state)
{
	static const struct {
		int64_t offset_s;
		bool good;
	} rows[] = { { 0, true }, { -10, true }, { -59, true }, { -60, true }, { -61, false },
		{ -3600, false }, { 8, true }, { 10, true }, { 11, false }, { 61, false },
		{ 3600, false } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[32], patch[64];
		char *proof;

		snprintf(name, sizeof(name), "iat = now %+lld", (long long)rows[i].offset_s);
		snprintf(patch, sizeof(patch), "{\"iat\":%lld}",
			(long long)(NOW_S + rows[i].offset_s));
		proof = proof_by(BY_EC, NULL, patch);
		send_proof(proof);
		if (rows[i].good)
			check_bound(JKT_EC, name);
		else
			check_refused(REASON_JWT_AGE, name);
		free(proof);
	}
	check_end();
}

static void check_htu(const char *htu, bool good)
{
	json_t *claim = json_pack("{s:s}", "htu", htu);
	char *patch = json_dumps(claim, 0);
	char *proof = proof_by(BY_EC, NULL, patch);

	assert_non_null(patch);
	send_proof(proof);
	if (good)
		check_bound(JKT_EC, htu);
	else
		check_refused(REASON_DPOP_HTU, htu);
	free(proof);
	free(patch);
	json_decref(claim);
}

/* htu: the token URL after RFC 3986's normalisation, query and fragment ignored. */
static void test_url(void **state)
{
	static const char *const good[] = {
		TOKEN_URL,
		TOKEN_URL "?query",
		TOKEN_URL "#fragment",
		TOKEN_URL "?query=1#fragment",
		TOKEN_URL "?",
		TOKEN_URL "?a/../b",
		"HTTPS://AUTH.EXAMPLE.COM/oauth2/token",
		"hTTps://Auth.Example.com/oauth2/token",
		"https://auth.example.com:443/oauth2/token",
		"https://auth.example.com:/oauth2/token",
		"https://auth.example.com/%6fauth2/%74oken",
		"https://auth.example.com/oauth2/x/../token",
		"https://auth.example.com/./oauth2/./token",
		"https://auth.example.com/../oauth2/token",
		"https://auth.example.com/%2e%2E/oauth2/token",
		"https://%61uth.example.com/oauth2/token",
	};
	static const char *const bad[] = {
		"",
		"token",
		"/oauth2/token",
		"//auth.example.com/oauth2/token",
		FIXTURE_ISSUER,
		FIXTURE_ISSUER "/",
		FIXTURE_ISSUER "/oauth2",
		FIXTURE_ISSUER "/oauth2/token/",
		FIXTURE_ISSUER "/oauth2/Token",
		FIXTURE_ISSUER "/OAUTH2/token",
		FIXTURE_ISSUER "//oauth2/token",
		FIXTURE_ISSUER "/oauth2//token",
		FIXTURE_ISSUER "/oauth2%2Ftoken",
		FIXTURE_ISSUER "/oauth2%2ftoken",
		FIXTURE_ISSUER "/oauth2/token/.",
		FIXTURE_ISSUER "/oauth2/token/..",
		FIXTURE_ISSUER "/oauth2/introspect",
		FIXTURE_ISSUER "/token",
		"http://auth.example.com/oauth2/token",
		"https://auth.example.com:80/oauth2/token",
		"https://auth.example.com:8443/oauth2/token",
		"https://auth.example.com:4430/oauth2/token",
		"https://auth.example.com.evil.org/oauth2/token",
		"https://evil.org/oauth2/token",
		"https://evil.org/https://auth.example.com/oauth2/token",
		"https://evil.org?https://auth.example.com/oauth2/token",
		"https://user@auth.example.com/oauth2/token",
		"https://auth.example.com@evil.org/oauth2/token",
		"https:/auth.example.com/oauth2/token",
		"https:auth.example.com/oauth2/token",
		" " TOKEN_URL,
		TOKEN_URL " ",
		TOKEN_URL "\n",
		TOKEN_URL "%",
		TOKEN_URL "%zz",
		"https://auth.example.com/oauth2/tok\xc3\xa9n",
		"https://auth.example.com\\oauth2\\token",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		check_htu(good[i], true);
	for (size_t i = 0; i < COUNT(bad); i++)
		check_htu(bad[i], false);
	check_end();
}

/* The token URL is that of the configuration, whatever its form and the request's path. */
static void test_base_url(void **state)
{
	static const struct {
		struct str base_url;
		const char *htu;
	} rows[] = {
		{ TEXT("https://auth.example.com:443/oauth2"),
			"https://auth.example.com/oauth2/token" },
		{ TEXT("https://Auth.Example.com:8443/a"),
			"https://auth.example.com:8443/a/token" },
		{ TEXT("https://auth.example.com"), "https://auth.example.com/token" },
		{ TEXT("http://[::1]:8080/o"), "http://[::1]:8080/o/token" },
		{ TEXT("http://127.0.0.1:80"), "http://127.0.0.1/token" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		fixture.snapshot->base_url = rows[i].base_url;
		assert_int_equal(snapshot_seal(fixture.snapshot), REASON_NONE);
		check_htu(rows[i].htu, true);
		check_htu("https://auth.example.com/oauth2/x", false);
	}
	check_end();
}

/* One header, and nothing beside one proof in it. */
static void test_headers(void **state)
{
	static char joined[MAKE_MAX];
	char *first = proof_by(BY_EC, NULL, NULL), *second = proof_by(BY_EC, NULL, NULL);
	static const char *const forms[] = { "%s,%s", "%s, %s", "%s %s", "%s\t%s", ",%s", "%s,",
		" %s", "%s " };

	(void)state;
	ask_with(GOOD, first, second);
	check_refused(REASON_DPOP_HEADER, "two headers");
	ask_with(GOOD, first, first);
	check_refused(REASON_DPOP_HEADER, "one twice");
	ask_with(GOOD, first, "");
	check_refused(REASON_DPOP_HEADER, "one, and an empty one");
	ask_with(GOOD, "", first);
	check_refused(REASON_DPOP_HEADER, "an empty one, and one");
	ask_with(GOOD, "", "");
	check_refused(REASON_DPOP_HEADER, "two empty ones");
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct str rest = str_of(forms[i]), part;
		struct buf buf = buf_init(joined, sizeof(joined) - 1);
		const char *next = first;

		while (rest.n > 0) {
			str_cut(&rest, '%', &part);
			if (str_starts(part, STR("s")) && part.p != forms[i]) {
				buf_text(&buf, next);
				next = second;
				part = str_from(part, 1);
			}
			buf_str(&buf, part);
		}
		joined[buf.n] = '\0';
		send_proof(joined);
		check_refused(REASON_DPOP_HEADER, forms[i]);
	}
	send_proof(second);
	check_bound(JKT_EC, "none of them was used up");
	free(first);
	free(second);
	check_end();
}

static void test_syntax(void **state)
{
	static char text[MAKE_MAX];
	char *good = proof_by(BY_EC, NULL, NULL);
	const size_t n = strlen(good);
	const size_t head_n = (size_t)(strchr(good, '.') - good);
	const size_t last_n = (size_t)(strrchr(good, '.') - good);
	const struct {
		const char *name;
		size_t upto;
		const char *behind;
		enum reason cause;
	} rows[] = {
		{ "one part", head_n, "", REASON_JWS_SYNTAX },
		{ "two parts", last_n, "", REASON_JWS_SYNTAX },
		{ "four parts", n, ".AA", REASON_JWS_SYNTAX },
		{ "five parts", n, ".AA.AA", REASON_JWS_SYNTAX },
		{ "padding", n, "==", REASON_JWS_SYNTAX },
		{ "text", 0, "garbage", REASON_JWS_SYNTAX },
		{ "dots", 0, "..", ANY },
		{ "claims are no object", 0, "e30.W10.AA", ANY },
		{ "a signature of nothing", last_n + 1, "", ANY },
		{ "a short signature", n - 4, "", ANY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), "%.*s%s", (int)rows[i].upto, good, rows[i].behind);
		send_proof(text);
		check_refused(rows[i].cause, rows[i].name);
	}
	send_proof(good);
	check_bound(JKT_EC, "good as it was");
	free(good);
	check_end();
}

/* 8,192 bytes and not one more. */
static void test_size(void **state)
{
	static char patch[12000];
	unsigned sent = 0;

	(void)state;
	for (size_t jti_len = 5200; jti_len < 6500; jti_len++) {
		char *proof;
		size_t n;

		memset(patch, 'x', sizeof(patch));
		memcpy(patch, "{\"jti\":\"", 8);
		snprintf(patch + 8 + jti_len, 3, "\"}");
		proof = proof_by(BY_EC, NULL, patch);
		n = strlen(proof);
		if (n >= 8188 && n <= 8196) {
			sent++;
			send_proof(proof);
			if (n <= 8192)
				check_bound(JKT_EC, "not too large");
			else
				check_refused(REASON_JWT_SIZE, "too large");
		}
		free(proof);
		if (n > 8196)
			break;
	}
	CHECK(sent >= 4, "some on both sides");
	check_end();
}

static void test_replay(void **state)
{
	char *first = proof_by(BY_EC, NULL, "{\"jti\":\"same\"}");
	char *malleated = make_malleated(first);
	char *later = proof_by(BY_EC, NULL, "{\"jti\":\"same\",\"iat\":1640588830}");
	char *other = proof_by(BY_OKP, NULL, "{\"jti\":\"same\"}");

	(void)state;
	send_proof(malleated);
	check_bound(JKT_EC, "as good as the first");
	send_proof(first);
	check_refused(REASON_JWT_REPLAYED, "the other signature");
	send_proof(malleated);
	check_refused(REASON_JWT_REPLAYED, "again");
	send_proof(later);
	check_refused(REASON_JWT_REPLAYED, "the same jti, another iat");
	ask_with(GRANT "&client_id=BOUND&client_secret=" FIXTURE_SECRET, first, NULL);
	check_refused(REASON_JWT_REPLAYED, "by another client");
	send_proof(other);
	check_bound(JKT_OKP, "the same jti by another key");
	free(first);
	free(malleated);
	free(later);
	free(other);
	check_end();
}

/* A jti is remembered as long as its proof could be used, also one from the future. */
static void test_replay_until_the_end(void **state)
{
	static const int64_t offsets_s[] = { -60, -1, 0, 10 };

	(void)state;
	for (size_t i = 0; i < COUNT(offsets_s); i++) {
		char patch[64];
		char *proof;

		ask_now_s = NOW_S + 1000 * (int64_t)i;
		int64_t issued_s = ask_now_s + offsets_s[i];

		snprintf(patch, sizeof(patch), "{\"iat\":%lld}", (long long)issued_s);
		proof = proof_by(BY_EC, NULL, patch);
		send_proof(proof);
		check_bound(JKT_EC, "first");
		for (; ask_now_s <= issued_s + 60; ask_now_s++) {
			int64_t removed;

			assert_int_equal(
				store_prune(fixture.services.store, ask_now_s, &removed),
				REASON_NONE);
			send_proof(proof);
			check_refused(REASON_JWT_REPLAYED, "while it holds");
		}
		send_proof(proof);
		check_refused(REASON_JWT_AGE, "then it is too old");
		free(proof);
	}
	check_end();
}

/* Required, absent, and for a client that need not have one. */
static void test_who(void **state)
{
	struct ask ask = { .body = TEXT(
				   GRANT "&client_id=BOUND&client_secret=" FIXTURE_SECRET) };
	char *proof = proof_by(BY_EC, NULL, NULL), *bad = proof_by(BY_STRANGER, NULL, NULL);

	(void)state;
	ask_send(&ask);
	ask_check_error(REASON_DPOP_MISSING, "required, and none");
	ask_with(GRANT "&client_id=BOUND&client_secret=" FIXTURE_SECRET, bad, NULL);
	check_refused(REASON_JWS_SIGNATURE, "required, and bad");
	ask_with(GRANT "&client_id=BOUND&client_secret=" FIXTURE_SECRET, proof, NULL);
	check_bound(JKT_EC, "required, and good");
	ask.body = STR(GOOD);
	ask_send(&ask);
	ask_check_token("not required, and none");
	check_confirmation(NULL, "not required, and none");
	send_proof(bad);
	check_refused(REASON_JWS_SIGNATURE, "not required, and bad");
	free(proof);
	free(bad);
	check_end();
}

/* Web servers hand it on for a header that is not there: it is as no proof. */
static void test_empty(void **state)
{
	(void)state;
	send_proof("");
	ask_check_token("not required");
	check_confirmation(NULL, "not required");
	ask_with(GRANT "&client_id=BOUND&client_secret=" FIXTURE_SECRET, "", NULL);
	ask_check_refusal(REASON_DPOP_MISSING, REASON_NONE, "required");
	CHECK_NUMBER(fixture.store->call_count, 0, "nothing is remembered");
	check_end();
}

/* The client authenticates first, and uses nobody's proof up when it fails. */
static void test_order(void **state)
{
	char *proof = proof_by(BY_EC, NULL, NULL);

	(void)state;
	ask_with(GRANT "&" ID "&client_secret=wrong", "garbage", NULL);
	ask_check_error(REASON_SECRET_WRONG, "wrong secret, bad proof");
	ask_with(GRANT "&" ID "&client_secret=wrong", proof, NULL);
	ask_check_error(REASON_SECRET_WRONG, "wrong secret, good proof");
	ask_with("grant_type=password&" CREDENTIALS, proof, NULL);
	ask_check_error(REASON_GRANT_TYPE_UNSUPPORTED, "another grant");
	CHECK_NUMBER(fixture.store->call_count, 0, "not used up");
	send_proof(proof);
	check_bound(JKT_EC, "still good");
	free(proof);
	check_end();
}

static void test_store_fails(void **state)
{
	static const enum reason failures[] = { REASON_STORE, REASON_STORE_OPEN,
		REASON_STORE_FULL, REASON_STORE_DAMAGED, REASON_STORE_UNREACHABLE,
		REASON_STORE_NETWORK };
	char *proof = proof_by(BY_EC, NULL, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(failures); i++) {
		fixture.store->failure = failures[i];
		send_proof(proof);
		ask_check_error(failures[i], "the store fails");
	}
	send_proof("garbage");
	check_refused(REASON_JWS_SYNTAX, "no store is needed to refuse");
	ask_send(&(struct ask){ .body = TEXT(GOOD) });
	ask_check_token("no store is needed without a proof");
	fixture.store->failure = REASON_NONE;
	send_proof(proof);
	check_bound(JKT_EC, "and when it is back, it works");
	free(proof);
	check_end();
}

/* Without state DPoP is not offered: the header is ignored as any other. */
static void test_no_state(void **state)
{
	static const char *const headers[] = { "garbage", "", "a,b" };
	char *proof = proof_by(BY_EC, NULL, NULL);

	(void)state;
	fixture.snapshot->state = STR("");
	fixture.services.store = NULL;
	for (size_t i = 0; i < COUNT(headers); i++) {
		send_proof(headers[i]);
		ask_check_token(headers[i]);
	}
	ask_with(GOOD, proof, proof);
	ask_check_token("twice");
	send_proof(proof);
	ask_check_token("a good proof");
	check_confirmation(NULL, "a good proof");
	fixture.services.store = &fixture.store->store;
	free(proof);
	check_end();
}

/* The proof is in no text that the log gets. */
static void test_audit(void **state)
{
	char *proof = proof_by(BY_EC, NULL, NULL);

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct str signature = str_of(strrchr(proof, '.') + 1);

		send_proof(proof);
		CHECK_TEXT(audit.client_id, STR("TENANT_CLIENT_ID"), "client_id");
		CHECK_NUMBER(audit.method, AUTH_SECRET_POST, "method");
		CHECK_TEXT(str_of(audit.event),
			round == 0 ? STR("token.issued") : STR("token.denied"), "event");
		CHECK(!str_contains(audit.jti, signature) &&
				!str_contains(audit.scope, signature) &&
				!str_contains(response.body, signature),
			"no proof");
	}
	free(proof);
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_times),
		TEST(test_url),
		TEST(test_base_url),
		TEST(test_headers),
		TEST(test_syntax),
		TEST(test_size),
		TEST(test_replay),
		TEST(test_replay_until_the_end),
		TEST(test_who),
		TEST(test_empty),
		TEST(test_order),
		TEST(test_store_fails),
		TEST(test_no_state),
		TEST(test_audit),
	};

	return cmocka_run_group_tests_name("dpop", tests, NULL, NULL);
}
