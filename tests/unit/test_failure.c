/* SPDX-License-Identifier: MIT */
/*
 * What happens when the n-th call fails, for each n: allocations of the library, of jansson and
 * of OpenSSL, OpenSSL's functions, the generator.  Linked with --wrap, see test_failure.flags.
 */
#include "certificates.h"
#include "fixture.h"
#include "makers.h"

#include "jose/certificate.h"
#include "jose/failure.h"
#include "jose/jwt.h"
#include "oauth/dispatch.h"
#include "oauth/meter.h"
#include "oauth/mint.h"
#include "oauth/reuse.h"
#include "util/diag.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

enum source {
	FAIL_LIBRARY, /* malloc and its like, called by lib/ */
	FAIL_JANSSON,
	FAIL_OPENSSL, /* OpenSSL's allocations */
	FAIL_CRYPTO,  /* OpenSSL's functions, called by lib/ */
	FAIL__MAX,
};

static const char *const source_names[FAIL__MAX] = { "malloc of lib", "malloc of jansson",
	"malloc of OpenSSL", "functions of OpenSSL" };

/* The n-th call of a source fails, and with `from_then_on` all that follow. */
static struct {
	bool armed;
	enum source source;
	bool from_then_on;
	size_t n;
	size_t calls;
} plan;

static bool fails_now(enum source source)
{
	if (!plan.armed || plan.source != source)
		return false;
	plan.calls++;
	bool fails = plan.from_then_on ? plan.calls >= plan.n : plan.calls == plan.n;

	/* As malloc(3) does. */
	if (fails)
		errno = ENOMEM;
	return fails;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t size)
{
	return fails_now(FAIL_LIBRARY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now(FAIL_LIBRARY) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now(FAIL_LIBRARY) ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
	return fails_now(FAIL_LIBRARY) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails_now(FAIL_LIBRARY) ? NULL : __real_strndup(text, n);
}

static void *jansson_malloc(size_t size)
{
	return fails_now(FAIL_JANSSON) ? NULL : __real_malloc(size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 || fails_now(FAIL_OPENSSL) ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_now(FAIL_OPENSSL) ? NULL : __real_realloc(p, size);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* OpenSSL says why. */
static bool crypto_fails(void)
{
	if (!fails_now(FAIL_CRYPTO))
		return false;
	bool was_armed = plan.armed;

	plan.armed = false;
	ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
	plan.armed = was_armed;
	return true;
}

/* A function of OpenSSL that returns `failure` when its turn has come. */
#define WRAP(type, name, failure, parameters, arguments)                     \
	type __real_##name parameters;                                       \
	type __wrap_##name parameters;                                       \
	type __wrap_##name parameters                                        \
	{                                                                    \
		return crypto_fails() ? (failure) : __real_##name arguments; \
	}

WRAP(int, EVP_Digest, 0,
	(const void *data, size_t count, unsigned char *md, unsigned *size, const EVP_MD *type,
		ENGINE *impl),
	(data, count, md, size, type, impl))
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, NULL, (void), ())
WRAP(int, EVP_MD_CTX_copy_ex, 0, (EVP_MD_CTX * out, const EVP_MD_CTX *in), (out, in))
WRAP(int, EVP_DigestSignInit, 0,
	(EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	(c, p, t, e, k))
WRAP(int, EVP_DigestSignInit_ex, 0,
	(EVP_MD_CTX * c, EVP_PKEY_CTX **p, const char *m, OSSL_LIB_CTX *l, const char *q,
		EVP_PKEY *k, const OSSL_PARAM *r),
	(c, p, m, l, q, k, r))
WRAP(int, EVP_DigestSign, 0,
	(EVP_MD_CTX * c, unsigned char *s, size_t *n, const unsigned char *t, size_t m),
	(c, s, n, t, m))
WRAP(int, EVP_DigestVerifyInit, 0,
	(EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	(c, p, t, e, k))
WRAP(int, EVP_DigestVerifyInit_ex, 0,
	(EVP_MD_CTX * c, EVP_PKEY_CTX **p, const char *m, OSSL_LIB_CTX *l, const char *q,
		EVP_PKEY *k, const OSSL_PARAM *r),
	(c, p, m, l, q, k, r))
WRAP(int, EVP_DigestVerify, -1,
	(EVP_MD_CTX * c, const unsigned char *s, size_t n, const unsigned char *t, size_t m),
	(c, s, n, t, m))
WRAP(int, EVP_PKEY_CTX_set_rsa_padding, -2, (EVP_PKEY_CTX * c, int mode), (c, mode))
WRAP(int, EVP_PKEY_CTX_set_rsa_pss_saltlen, -2, (EVP_PKEY_CTX * c, int n), (c, n))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name, NULL,
	(OSSL_LIB_CTX * l, const char *name, const char *q), (l, name, q))
WRAP(int, EVP_PKEY_fromdata_init, 0, (EVP_PKEY_CTX * c), (c))
WRAP(int, EVP_PKEY_fromdata, 0, (EVP_PKEY_CTX * c, EVP_PKEY **k, int s, OSSL_PARAM *p),
	(c, k, s, p))
WRAP(int, EVP_PKEY_get_bn_param, 0, (const EVP_PKEY *k, const char *name, BIGNUM **n),
	(k, name, n))
WRAP(int, EVP_PKEY_get_raw_public_key, 0, (const EVP_PKEY *k, unsigned char *p, size_t *n),
	(k, p, n))
WRAP(int, EVP_PKEY_get_raw_private_key, 0, (const EVP_PKEY *k, unsigned char *p, size_t *n),
	(k, p, n))
WRAP(EVP_PKEY *, EVP_PKEY_new_raw_public_key, NULL,
	(int type, ENGINE *e, const unsigned char *p, size_t n), (type, e, p, n))
WRAP(unsigned char *, EVP_Q_mac, NULL,
	(OSSL_LIB_CTX * l, const char *name, const char *q, const char *sub,
		const OSSL_PARAM *r, const void *key, size_t keylen, const unsigned char *data,
		size_t n, unsigned char *out, size_t size, size_t *len),
	(l, name, q, sub, r, key, keylen, data, n, out, size, len))
WRAP(int, RAND_bytes, 0, (unsigned char *p, int n), (p, n))
WRAP(BIGNUM *, BN_bin2bn, NULL, (const unsigned char *p, int n, BIGNUM *r), (p, n, r))
WRAP(int, BN_bn2binpad, -1, (const BIGNUM *a, unsigned char *p, int n), (a, p, n))
WRAP(ECDSA_SIG *, ECDSA_SIG_new, NULL, (void), ())
ECDSA_SIG *__real_d2i_ECDSA_SIG(ECDSA_SIG **s, const unsigned char **p, long n);
ECDSA_SIG *__wrap_d2i_ECDSA_SIG(ECDSA_SIG **s, const unsigned char **p, long n);

/* OpenSSL 3.0 reports success with a length of 4294967295 if it has no memory for the DER form.
 */
static long der_len_max;

ECDSA_SIG *__wrap_d2i_ECDSA_SIG(ECDSA_SIG **s, const unsigned char **p, long n)
{
	if (n > der_len_max)
		der_len_max = n;
	return n > 128 || crypto_fails() ? NULL : __real_d2i_ECDSA_SIG(s, p, n);
}

WRAP(X509 *, d2i_X509, NULL, (X509 * *x, const unsigned char **p, long n), (x, p, n))
WRAP(void *, X509_get_ext_d2i, NULL, (const X509 *x, int nid, int *critical, int *index),
	(x, nid, critical, index))
WRAP(EVP_PKEY *, X509_get0_pubkey, NULL, (const X509 *x), (x))
WRAP(int, EVP_PKEY_eq, -2, (const EVP_PKEY *a, const EVP_PKEY *b), (a, b))
WRAP(int, ASN1_STRING_to_UTF8, -1, (unsigned char **p, const ASN1_STRING *s), (p, s))
WRAP(int, i2d_ASN1_PRINTABLE, -1, (const ASN1_STRING *s, unsigned char **p), (s, p))
WRAP(int, ASN1_TIME_cmp_time_t, -2, (const ASN1_TIME *s, time_t t), (s, t))
WRAP(int, OBJ_obj2txt, -1, (char *p, int n, const ASN1_OBJECT *a, int dotted),
	(p, n, a, dotted))
WRAP(int, EVP_PKEY_keygen_init, 0, (EVP_PKEY_CTX * c), (c))
WRAP(int, EVP_PKEY_CTX_set_rsa_keygen_bits, 0, (EVP_PKEY_CTX * c, int n), (c, n))
WRAP(int, EVP_PKEY_CTX_set_rsa_keygen_primes, -2, (EVP_PKEY_CTX * c, int n), (c, n))
WRAP(int, EVP_PKEY_generate, 0, (EVP_PKEY_CTX * c, EVP_PKEY **k), (c, k))
WRAP(BIO *, BIO_new, NULL, (const BIO_METHOD *m), (m))
WRAP(BIO *, BIO_new_mem_buf, NULL, (const void *p, int n), (p, n))
WRAP(int, PEM_write_bio_PKCS8PrivateKey, 0,
	(BIO * b, const EVP_PKEY *k, const EVP_CIPHER *e, const char *p, int n,
		pem_password_cb *f, void *u),
	(b, k, e, p, n, f, u))
WRAP(int, i2d_ECDSA_SIG, -1, (const ECDSA_SIG *s, unsigned char **p), (s, p))

static size_t failed_total;

/* Runs a scenario with the first, second, … call failing, until none is left to fail. */
static void walk(enum source source, void (*scenario)(void))
{
	for (unsigned mode = 0; mode < 2; mode++) {
		size_t failed = 0;

		/* Once without, so that what OpenSSL keeps for later is there. */
		plan.n = 0;
		scenario();
		for (size_t n = 1;; n++) {
			plan.source = source;
			plan.from_then_on = mode == 1;
			plan.n = n;
			plan.calls = 0;
			scenario();
			plan.armed = false;
			ERR_clear_error();
			if (plan.calls < n)
				break;
			failed++;
			assert_true(n < 100000);
		}
		CHECK(failed > 0, source_names[source]);
		failed_total += failed;
	}
	check_end();
}

/* There is so little memory for the request that it may fail without a call that does. */
static bool is_cramped;

/* Between these two, calls may fail. */
static void arm(void)
{
	plan.armed = plan.n > 0;
}

/* Did a call fail? */
static bool disarm(void)
{
	bool hit = is_cramped || (plan.armed && plan.calls >= plan.n);

	plan.armed = false;
	return hit;
}

static void walk_all(void (*scenario)(void), unsigned sources)
{
	for (int source = 0; source < FAIL__MAX; source++) {
		if (sources & 1U << source)
			walk((enum source)source, scenario);
	}
}

#define LIBRARY (1U << FAIL_LIBRARY)
#define JANSSON (1U << FAIL_JANSSON)
#define OPENSSL (1U << FAIL_OPENSSL)
#define CRYPTO (1U << FAIL_CRYPTO)

static json_t *vectors; /* jwk.json */
static size_t vector_at;

static void parse_jwk(void)
{
	const json_t *vector = json_array_get(vectors, vector_at);
	const char *name = support_member(vector, "name").p;
	struct jwk jwk;
	enum reason reason;
	bool hit;

	memset(&jwk, 0xff, sizeof(jwk));
	arm();
	reason = jwk_parse(json_object_get(vector, "jwk"), &jwk);
	hit = disarm();
	if (reason == REASON_NONE) {
		CHECK(jwk.pkey != NULL, name);
		CHECK_TEXT(str_of(jwk.kid), support_member(vector, "kid"), name);
		CHECK(jwk.has_certificate == (json_object_get(vector, "certificate") != NULL),
			name);
	} else {
		CHECK(hit, name);
		CHECK(!jwk.pkey && !jwk.kid && !jwk.has_certificate, name);
	}
	CHECK(!hit || plan.source != FAIL_LIBRARY || reason == REASON_MEMORY, name);
	jwk_clear(&jwk);
}

/* The good keys with most to copy: RSA with kid, RSA with x5c, EC, OKP. */
static void test_jwk_parse(void **state)
{
	static const size_t at[] = { 0, 2, 4, 5 };

	(void)state;
	vectors = support_vectors("jwk.json");
	for (size_t i = 0; i < COUNT(at); i++) {
		vector_at = at[i];
		walk_all(parse_jwk, OPENSSL | CRYPTO);
	}
	vector_at = 0;
	walk_all(parse_jwk, LIBRARY);
	vector_at = 2;
	walk_all(parse_jwk, LIBRARY);
	json_decref(vectors);
}

static const struct str jws_text = TEXT("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.AAEC_w");

static void split_jwt(void)
{
	struct jws_parts parts;
	struct arena *arena;
	enum reason reason;
	bool hit;

	memset(&parts, 0xff, sizeof(parts));
	arm();
	arena = arena_new(16, 4096);
	if (!arena) {
		CHECK(disarm(), "arena_new");
		return;
	}
	reason = jwt_split(jws_text, arena, &parts);
	hit = disarm();
	CHECK((reason != REASON_NONE) == hit, "jwt_split");
	CHECK(!hit || plan.source != FAIL_LIBRARY || reason == REASON_MEMORY, "jwt_split");
	CHECK(hit ? !parts.header && !parts.payload && !parts.signature.n &&
				!parts.payload_text.n && !parts.signing_input.n
		  : parts.header && parts.payload,
		"jwt_split");
	jws_parts_clear(&parts);
	arena_free(arena);
}

static void test_jwt_split(void **state)
{
	(void)state;
	walk_all(split_jwt, LIBRARY | JANSSON);
}

static EVP_PKEY *signing_key;
static enum jose_alg signing_alg;

static void make_signer(void)
{
	struct jws_signer *signer;
	char space[1024];
	struct buf buf = buf_init(space, sizeof(space));
	bool hit;

	arm();
	signer = jws_signer_new(signing_key, signing_alg);
	hit = disarm();
	CHECK(signer || hit, alg_info(signing_alg)->name);
	/* What it gives works, or it gives nothing. */
	if (signer)
		CHECK_REASON(jws_sign(signer, STR("{}"), STR("{}"), &buf), REASON_NONE,
			alg_info(signing_alg)->name);
	jws_signer_free(signer);
}

static void sign_and_verify(void)
{
	const char *name = alg_info(signing_alg)->name;
	struct jws_signer *signer = jws_signer_new(signing_key, signing_alg);
	struct arena *arena = arena_new(4096, 4096);
	char head[32], space[1024];
	struct buf buf = buf_init(space, sizeof(space));
	struct jws_parts parts;
	enum reason reason;

	assert_true(signer && arena);
	snprintf(head, sizeof(head), "{\"alg\":\"%s\"}", name);
	arm();
	reason = jws_sign(signer, str_of(head), STR("{}"), &buf);
	CHECK((reason == REASON_NONE) || disarm(), name);
	plan.armed = false;
	CHECK(reason == REASON_NONE || reason == REASON_SIGNING, name);
	if (reason == REASON_NONE) {
		assert_int_equal(jws_split(buf_view(&buf), arena, &parts), REASON_NONE);
		arm();
		reason = jws_verify(&parts, signing_key, signing_alg);
		CHECK(reason == REASON_NONE || disarm(), name);
		plan.armed = false;
		jws_parts_clear(&parts);
	}
	jws_signer_free(signer);
	arena_free(arena);
}

/* A forged signature stays forged, whatever fails. */
static void verify_forged(void)
{
	const char *name = alg_info(signing_alg)->name;
	static const char *const bytes[] = { "",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	struct jws_parts parts = { .signing_input = STR("e30.e30") };

	parts.header = json_pack("{s:s}", "alg", name);
	for (size_t i = 0; i < COUNT(bytes); i++) {
		parts.signature = str_of(bytes[i]);
		arm();
		CHECK(jws_verify(&parts, signing_key, signing_alg) != REASON_NONE, name);
		plan.armed = false;
	}
	json_decref(parts.header);
}

static void test_jws(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_PS256, JOSE_ALG_ES256,
		JOSE_ALG_EDDSA, JOSE_ALG_RS256 };
	/* NULL: RSA of three primes */
	static const char *const keys[] = { KEY_RSA, KEY_RSA, KEY_EC, KEY_OKP, NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		signing_alg = algs[i];
		if (keys[i])
			signing_key = support_key(keys[i]);
		else
			assert_int_equal(key_generate_rsa(2048, 3, &signing_key), REASON_NONE);
		walk_all(make_signer, LIBRARY | OPENSSL | CRYPTO);
		der_len_max = 0;
		walk_all(sign_and_verify, OPENSSL | CRYPTO);
		CHECK(der_len_max <= 72, "nothing behind the signature is read");
		walk_all(verify_forged, OPENSSL | CRYPTO);
		EVP_PKEY_free(signing_key);
	}
}

static void verify_secret(void)
{
	static const struct str jws = TEXT(
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGB"
		"kaGxwdHh8");
	static const struct str secret = TEXT("0123456789abcdef0123456789abcdef");
	struct arena *arena = arena_new(4096, 4096);
	unsigned char mac[32];
	struct jws_parts parts;

	assert_non_null(arena);
	assert_int_equal(jws_split(jws, arena, &parts), REASON_NONE);
	arm();
	enum reason reason = jws_verify_secret(&parts, secret);

	CHECK(reason == REASON_JWS_SIGNATURE || (disarm() && reason == REASON_MEMORY),
		"forged");
	plan.armed = false;
	assert_non_null(HMAC(EVP_sha256(), secret.p, (int)secret.n,
		(const unsigned char *)parts.signing_input.p, parts.signing_input.n, mac,
		NULL));
	parts.signature = (struct str){ (const char *)mac, sizeof(mac) };
	plan.calls = 0;
	arm();
	reason = jws_verify_secret(&parts, secret);
	CHECK(reason == REASON_NONE || (disarm() && reason == REASON_MEMORY), "right");
	plan.armed = false;
	jws_parts_clear(&parts);
	arena_free(arena);
}

static void test_jws_secret(void **state)
{
	(void)state;
	walk_all(verify_secret, OPENSSL | CRYPTO);
}

static void generate_key(void)
{
	EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1;

	arm();
	enum reason reason = key_generate(signing_alg, 2048, &pkey);
	bool hit = disarm();

	CHECK((pkey != NULL) == (reason == REASON_NONE), alg_info(signing_alg)->name);
	CHECK(reason == REASON_NONE || (hit && reason == REASON_RANDOM),
		alg_info(signing_alg)->name);
	CHECK(pkey == NULL || alg_fits(signing_alg, pkey), alg_info(signing_alg)->name);
	EVP_PKEY_free(pkey);
}

static void check_pair(void)
{
	/* A key of its own each time: OpenSSL 3.0 keeps RSA's blinding with it, be it damaged.
	 */
	EVP_PKEY *pkey = EVP_PKEY_dup(signing_key);

	assert_non_null(pkey);
	arm();
	enum reason reason = key_check_pair(pkey);

	CHECK(reason == REASON_NONE || (disarm() && reason == REASON_KEY_INCONSISTENT),
		alg_info(signing_alg)->name);
	plan.armed = false;
	CHECK_NUMBER(ERR_peek_error(), 0, "errors");
	EVP_PKEY_free(pkey);
}

static void write_key(void)
{
	char space[4096];
	struct buf buf = buf_init(space, sizeof(space));
	EVP_PKEY *again = NULL;

	arm();
	enum reason reason = key_write_pem(signing_key, &buf);
	bool hit = disarm();

	CHECK(reason == REASON_NONE || (hit && reason == REASON_INTERNAL), "written");
	if (reason != REASON_NONE)
		return;
	/* What it gives is the whole key, or it gives nothing. */
	CHECK_REASON(key_read_pem(buf_view(&buf), &again), REASON_NONE, "whole");
	CHECK(again != NULL && EVP_PKEY_eq(again, signing_key) == 1, "whole");
	EVP_PKEY_free(again);
}

static struct str key_pem;

static void read_key(void)
{
	EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1;

	arm();
	enum reason reason = key_read_pem(key_pem, &pkey);
	bool hit = disarm();

	CHECK((pkey != NULL) == (reason == REASON_NONE), "read");
	CHECK(reason == REASON_NONE || hit, "read");
	CHECK(pkey == NULL || EVP_PKEY_eq(pkey, signing_key) == 1, "the same key");
	EVP_PKEY_free(pkey);
}

static void test_keys(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_ES256, JOSE_ALG_EDDSA };
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		char space[4096];
		struct buf buf = buf_init(space, sizeof(space));

		signing_alg = algs[i];
		/* To look for primes takes long. */
		walk_all(generate_key, algs[i] == JOSE_ALG_RS256 ? CRYPTO : OPENSSL);
		signing_key = support_key(keys[i]);
		walk_all(check_pair, OPENSSL | CRYPTO);
		walk_all(write_key, OPENSSL | CRYPTO);
		assert_int_equal(key_write_pem(signing_key, &buf), REASON_NONE);
		key_pem = buf_view(&buf);
		walk_all(read_key, OPENSSL | CRYPTO);
		EVP_PKEY_free(signing_key);
	}
	check_end();
}

/* A lack of memory, wherever in the queue it stands, is not the fault of what was read. */
static void test_failure_reason(void **state)
{
	static const struct {
		const char *name;
		int codes[3][2]; /* library and reason, from the oldest on; 0: no more */
		enum reason wanted;
		bool is_said; /* in so many words */
	} cases[] = {
		{ "nothing", { { 0, 0 } }, REASON_JWS_SIGNATURE, false },
		{ "memory", { { ERR_LIB_X509, ERR_R_MALLOC_FAILURE } }, REASON_MEMORY, true },
		{ "a number", { { ERR_LIB_BN, 1 } }, REASON_MEMORY, false },
		{ "a context", { { ERR_LIB_EVP, 1 } }, REASON_MEMORY, false },
		{ "the library itself", { { ERR_LIB_CRYPTO, 1 } }, REASON_MEMORY, false },
		{ "a signature", { { ERR_LIB_RSA, 1 } }, REASON_JWS_SIGNATURE, false },
		{ "a text", { { ERR_LIB_ASN1, 1 }, { ERR_LIB_X509, 1 } }, REASON_JWS_SIGNATURE,
			false },
		{ "memory, and then a text", { { ERR_LIB_CRYPTO, 1 }, { ERR_LIB_ASN1, 1 } },
			REASON_MEMORY, false },
		{ "a text, and then memory",
			{ { ERR_LIB_ASN1, 1 }, { ERR_LIB_ASN1, ERR_R_MALLOC_FAILURE } },
			REASON_MEMORY, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t k = 0; cases[i].codes[k][0] != 0; k++)
			ERR_raise(cases[i].codes[k][0], cases[i].codes[k][1]);
		CHECK_REASON(
			failure_reason(REASON_JWS_SIGNATURE), cases[i].wanted, cases[i].name);
		CHECK_NUMBER(ERR_peek_error(), 0, cases[i].name);
		for (size_t k = 0; cases[i].codes[k][0] != 0; k++)
			ERR_raise(cases[i].codes[k][0], cases[i].codes[k][1]);
		CHECK_REASON(failure_memory(REASON_KEY_TYPE),
			cases[i].is_said ? REASON_MEMORY : REASON_KEY_TYPE, cases[i].name);
		CHECK_NUMBER(ERR_peek_error(), 0, cases[i].name);
	}
	check_end();
}

static X509 *x509;
static char *pem;
static struct jwk registered, stranger;

static void read_certificate(void)
{
	struct certificate certificate;
	unsigned char digest[32];
	enum reason reason = REASON_MEMORY;
	struct arena *arena;
	bool hit;

	assert_int_equal(X509_digest(x509, EVP_sha256(), digest, NULL), 1);
	memset(&certificate, 0, sizeof(certificate));
	arm();
	arena = arena_new(16, 65536);
	if (arena)
		reason = certificate_read(str_of(pem), arena, &certificate);
	hit = disarm();
	CHECK(reason == REASON_NONE || hit, "certificate_read");
	CHECK(!hit || plan.source != FAIL_LIBRARY || reason == REASON_MEMORY,
		"certificate_read");
	CHECK((reason == REASON_NONE) == (certificate.x509 != NULL), "certificate_read");
	if (reason == REASON_NONE) {
		CHECK(secret_equal(certificate.digest, digest, sizeof(digest)), "digest");
		/* Its key may have been lost on the way; then it is nobody's. */
		CHECK(certificate_has_key(&certificate, &registered) || hit, "key");
		CHECK(!certificate_has_key(&certificate, &stranger), "key");
	}
	certificate_clear(&certificate);
	arena_free(arena);
}

static const struct certificate_subject right_subjects[] = {
	{ SUBJECT_DN, TEXT("CN=client") },
	{ SUBJECT_DN, TEXT("2.5.4.3=#0c06636c69656e74") },
	{ SUBJECT_SAN_DNS, TEXT("client.example.com") },
	{ SUBJECT_SAN_IP, TEXT("203.0.113.7") },
};

static const struct certificate_subject wrong_subjects[] = {
	{ SUBJECT_DN, TEXT("CN=other") },
	{ SUBJECT_DN, TEXT("CN=client,CN=client") },
	{ SUBJECT_DN, TEXT("1.2.3.4=client") },
	{ SUBJECT_DN, TEXT("CN=#0c06636c69656e75") },
	{ SUBJECT_SAN_DNS, TEXT("other.example.com") },
	{ SUBJECT_SAN_URI, TEXT("client.example.com") },
	{ SUBJECT_SAN_IP, TEXT("203.0.113.8") },
};

static const struct certificate_subject *subject;
static bool subject_is_right;

static void look_at_certificate(void)
{
	struct certificate certificate;
	bool is_match, has_key, has_other_key, is_current, was_current, hit;
	bool tells_subject, tells_key, tells_time;
	unsigned char *der = NULL;
	int len = i2d_X509(x509, &der);

	assert_true(len > 0);
	assert_int_equal(
		certificate_parse((struct str){ (const char *)der, (size_t)len }, &certificate),
		REASON_NONE);
	arm();
	is_match = certificate_has_subject(&certificate, subject);
	tells_subject = is_match || failure_memory(REASON_NONE) == REASON_MEMORY;
	has_key = certificate_has_key(&certificate, &registered);
	tells_key = has_key || failure_memory(REASON_NONE) == REASON_MEMORY;
	has_other_key = certificate_has_key(&certificate, &stranger);
	is_current = certificate_is_current(&certificate, NOW_S);
	tells_time = is_current || failure_memory(REASON_NONE) == REASON_MEMORY;
	was_current = certificate_is_current(&certificate, CERTIFICATE_BEGIN_S - 1);
	hit = disarm();
	CHECK(subject_is_right ? is_match || hit : !is_match, subject->value.p);
	CHECK(has_key || hit, "key");
	CHECK(is_current || hit, "current");
	CHECK(!has_other_key && !was_current, "never accepted");
	CHECK(plan.source != FAIL_CRYPTO || !subject_is_right || tells_subject, "the subject");
	CHECK(plan.source != FAIL_CRYPTO || tells_key, "the key");
	CHECK(plan.source != FAIL_CRYPTO || tells_time, "the time");
	certificate_clear(&certificate);
	OPENSSL_free(der);
}

static void test_certificate(void **state)
{
	static const struct test_alternative alternatives[] = {
		{ GEN_DNS, TEXT("client.example.com") },
		{ GEN_IPADD, TEXT("\xcb\0\x71\x07") },
	};

	(void)state;
	registered = (struct jwk){ .pkey = support_key(KEY_EC) };
	stranger = (struct jwk){ .pkey = support_key(KEY_RSA) };
	x509 = support_certificate(
		registered.pkey, "client", alternatives, COUNT(alternatives));
	pem = support_pem(x509);
	walk_all(read_certificate, LIBRARY | OPENSSL | CRYPTO);
	for (size_t i = 0; i < COUNT(right_subjects) + COUNT(wrong_subjects); i++) {
		subject_is_right = i < COUNT(right_subjects);
		subject = subject_is_right ? &right_subjects[i]
					   : &wrong_subjects[i - COUNT(right_subjects)];
		walk_all(look_at_certificate, OPENSSL | CRYPTO);
	}
	free(pem);
	X509_free(x509);
	jwk_clear(&registered);
	jwk_clear(&stranger);
}

static bool signature_is_right_or_refused(struct jws_signer *signer)
{
	char space[1024];
	struct buf buf = buf_init(space, sizeof(space));
	struct arena *arena = arena_new(4096, 4096);
	struct jws_parts parts;
	enum reason reason;

	assert_non_null(arena);
	arm();
	reason = jws_sign(signer, STR("{\"alg\":\"RS256\"}"), STR("{}"), &buf);
	plan.armed = false;
	CHECK(reason == REASON_NONE || reason == REASON_SIGNING, "signing");
	if (reason == REASON_NONE) {
		assert_int_equal(jws_split(buf_view(&buf), arena, &parts), REASON_NONE);
		reason = jws_verify(&parts, signing_key, signing_alg);
		jws_parts_clear(&parts);
	}
	arena_free(arena);
	return reason == REASON_NONE || reason == REASON_SIGNING;
}

/*
 * OpenSSL 3.0 refreshes RSA's blinding every 32 signatures; if it runs out of memory in the
 * middle of that, it reports success for wrong signatures, also after memory is back.
 */
static void test_rsa_after_no_memory(void **state)
{
	(void)state;
	signing_alg = JOSE_ALG_RS256;
	for (size_t n = 26; n < 56; n += 3) {
		unsigned wrong = 0;
		struct jws_signer *signer;

		/* A key of its own for each round: the blinding is kept with the key. */
		signing_key = support_key(KEY_RSA);
		signer = jws_signer_new(signing_key, signing_alg);
		assert_non_null(signer);
		for (unsigned round = 0; round < 70; round++) {
			plan.source = FAIL_OPENSSL;
			plan.from_then_on = true;
			plan.n = round > 0 && round < 36 ? n : 0;
			plan.calls = 0;
			wrong += !signature_is_right_or_refused(signer);
		}
		CHECK_NUMBER(wrong, 0, "signatures that do not verify");
		jws_signer_free(signer);
		EVP_PKEY_free(signing_key);
	}
	check_end();
}

static void use_arena(void)
{
	struct arena *arena;

	arm();
	arena = arena_new(64, 100000);
	CHECK(arena || plan.calls >= plan.n, "arena_new");
	for (size_t size = 1; arena && size < 20000; size *= 3) {
		size_t used = arena_used(arena);
		unsigned char *p = arena_alloc(arena, size);

		if (p)
			memset(p, 0xff, size);
		else
			CHECK(plan.calls >= plan.n && arena_used(arena) == used, "arena_alloc");
	}
	if (arena)
		arena_reset(arena);
	plan.armed = false;
	arena_free(arena);
}

static void test_arena(void **state)
{
	(void)state;
	walk_all(use_arena, LIBRARY);
}

static void fill_diag(void)
{
	struct diag *diag;
	char space[256];

	arm();
	diag = diag_new();
	CHECK(diag || plan.calls >= plan.n, "diag_new");
	for (unsigned i = 0; diag && i < 20; i++)
		diag_add(diag, i % 2 ? DIAG_WARNING : DIAG_ERROR,
			(struct place){ i % 3 ? "a" : "b", i, 1 }, "problem %u of '%s'", i,
			"x");
	if (diag)
		diag_sort(diag);
	plan.armed = false;
	if (!diag)
		return;
	/* No error may be lost: without one there would be a snapshot. */
	CHECK_NUMBER(diag_error_count(diag), 10, "errors are counted all the same");
	CHECK(diag_count(diag) <= 20, "kept");
	for (size_t i = 0; i < diag_count(diag); i++) {
		struct buf buf = buf_init(space, sizeof(space));

		diag_render(&buf, diag_get(diag, i));
		CHECK(str_contains(buf_view(&buf), STR("problem ")), "whole");
	}
	diag_free(diag);
}

static void test_diag(void **state)
{
	(void)state;
	walk_all(fill_diag, LIBRARY);
}

static void make_checker(void)
{
	struct credential_checker *checker;
	bool hit;

	arm();
	checker = credential_checker_new();
	hit = disarm();
	CHECK((checker == NULL) == hit, "credential_checker_new");
	credential_checker_free(checker);
}

static void test_checker(void **state)
{
	(void)state;
	walk_all(make_checker, LIBRARY);
}

static struct fixture fixture;

static void seal_snapshot(void)
{
	struct snapshot *snapshot;
	struct signing_key key = {
		.pkey = signing_key, .alg = signing_alg, .state = KEY_ACTIVE, .kid = STR("1")
	};
	enum reason reason;

	arm();
	snapshot = snapshot_new();
	CHECK(snapshot || plan.calls >= plan.n, "snapshot_new");
	if (!snapshot) {
		plan.armed = false;
		return;
	}
	snapshot->issuer = STR(FIXTURE_ISSUER);
	snapshot->base_url = STR(FIXTURE_ISSUER "/oauth2");
	snapshot->access_token.reuse_s = 60;
	snapshot->keyring = (struct keyring){ &key, 1, &key };
	reason = snapshot_seal(snapshot);
	CHECK(reason == REASON_NONE || disarm(), "snapshot_seal");
	plan.armed = false;
	CHECK(reason != REASON_NONE || snapshot->jwks.body.n > 0, "snapshot_seal");
	snapshot->keyring = (struct keyring){ 0 };
	snapshot_free(snapshot);
}

static void test_snapshot(void **state)
{
	static const char *const keys[] = { KEY_EC, KEY_OKP, KEY_RSA };
	static const enum jose_alg algs[] = { JOSE_ALG_ES256, JOSE_ALG_EDDSA, JOSE_ALG_RS256 };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		signing_key = support_key(keys[i]);
		signing_alg = algs[i];
		walk_all(seal_snapshot, LIBRARY | OPENSSL | CRYPTO);
		EVP_PKEY_free(signing_key);
	}
}

static const struct process_facts process = { .pid = 1, .version = "1.2.3" };

/* A request; all of it is set by the tests below. */
static const char *request_path;
static struct str request_body;
static const char *request_more[3]; /* "NAME=VALUE" */
static bool reuse_is_warm;          /* the token of this window is kept */
static bool request_is_signed;      /* what cannot be verified may look forged: 400 or 401 */

static void send_request(void)
{
	char path[128], length[32];
	const char *const variables[] = {
		request_body.n ? "REQUEST_METHOD=POST" : "REQUEST_METHOD=GET", path, "HTTPS=on",
		"REMOTE_ADDR=192.0.2.7", "CONTENT_TYPE=application/x-www-form-urlencoded",
		length, request_more[0], request_more[1], request_more[2], NULL
	};
	struct http_request request = {
		.variables = variables, .body = request_body, .body_is_whole = true
	};
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };
	struct jws_parts parts;
	bool hit, has_token;
	json_t *json;

	snprintf(path, sizeof(path), "PATH_INFO=%s", request_path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", request_body.n);
	credential_tidy(fixture.services.credentials, INT64_MAX);
	if (fixture.services.reuse && !reuse_is_warm)
		reuse_forget(fixture.services.reuse);
	arena_reset(fixture.arena);
	arm();
	if (http_request_init(&request, fixture.arena) != REASON_NONE) {
		CHECK(disarm(), "http_request_init");
		return;
	}
	dispatch(&input, &response, &audit);
	hit = disarm();

	has_token = str_contains(response.body, STR("access_token"));
	CHECK(response.status == 200 || (hit && response.status >= 500) ||
			(hit && request_is_signed && plan.source == FAIL_OPENSSL &&
				(response.status == 400 || response.status == 401)),
		"200, or a fault of the server");
	CHECK(has_token == (response.status == 200 && strcmp(request_path, "/token") == 0),
		"a token with 200 only");
	CHECK_NUMBER(audit.status, response.status, "the log tells the same");
	CHECK((audit.reason == REASON_NONE) == (response.status == 200),
		"the log tells the same");
	json = json_loadb(response.body.p, response.body.n, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(json) || (hit && response.body.n == 0), "JSON");
	if (has_token) {
		struct arena *arena = arena_new(16384, 16384);

		assert_non_null(arena);
		CHECK_REASON(jwt_split(support_member(json, "access_token"), arena, &parts),
			REASON_NONE, "whole");
		CHECK_REASON(jws_verify(&parts, fixture.snapshot->keyring.active->pkey,
				     fixture.snapshot->keyring.active->alg),
			REASON_NONE, "signed");
		jws_parts_clear(&parts);
		arena_free(arena);
	}
	json_decref(json);
}

/* What is wrong stays wrong, whatever fails. */
static void send_wrong_secret(void)
{
	const char *const variables[] = { "REQUEST_METHOD=POST", "PATH_INFO=/token", "HTTPS=on",
		"CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH=64", NULL };
	struct http_request request = { .variables = variables,
		.body_is_whole = true,
		.body = STR(
			"grant_type=client_credentials&client_id=SLOW&client_secret=wrong") };
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };

	assert_int_equal(request.body.n, 64);
	arena_reset(fixture.arena);
	arm();
	if (http_request_init(&request, fixture.arena) == REASON_NONE)
		dispatch(&input, &response, &audit);
	plan.armed = false;
	CHECK(response.status == 401 || response.status >= 500 || response.status == 0,
		"refused");
	CHECK(!str_contains(response.body, STR("access_token")), "no token");
}

static void test_dispatch(void **state)
{
	static const struct {
		const char *path;
		struct str body;
	} requests[] = {
		{ "/token", TEXT("grant_type=client_credentials&client_id=FAST&client_"
				 "secret=" FIXTURE_SECRET) },
		{ "/token", TEXT("grant_type=client_credentials&client_id=SLOW&client_secret=U*"
				 "U&scope=stock") },
		{ "/jwks", TEXT("") },
		{ "/.well-known/oauth-authorization-server", TEXT("") },
	};
	static const enum jose_alg algs[] = { JOSE_ALG_ES256, JOSE_ALG_RS256, JOSE_ALG_EDDSA };

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		fixture_open(&fixture);
		fixture_use_key(&fixture, algs[i]);
		fixture_add(&fixture, "FAST");
		*fixture_secrets(
			&fixture, fixture_add(&fixture, "SLOW"), 1) = fixture_slow_secret();
		fixture_seal(&fixture);
		/* Small blocks, so that the arena has to ask for more. */
		arena_free(fixture.arena);
		fixture.arena = arena_new(16, 1048576);
		fixture.services.random = &random_system;
		for (size_t j = 0; j < COUNT(requests); j++) {
			request_path = requests[j].path;
			request_body = requests[j].body;
			walk_all(send_request, LIBRARY);
			if (j < 2)
				walk_all(send_request, OPENSSL | CRYPTO);
		}
		walk_all(send_wrong_secret, LIBRARY | OPENSSL | CRYPTO);
		fixture_close(&fixture);
	}
}

/* The first token that is to be kept: without memory for it it is issued all the same. */
static void send_with_new_cache(void)
{
	reuse_cache_free(fixture.services.reuse);
	fixture.services.reuse = reuse_cache_new();
	send_request();
}

/* With a cache that holds the token, and with one that has to get memory for it. */
static void test_dispatch_reuse(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_ES256, JOSE_ALG_EDDSA };

	(void)state;
	request_path = "/token";
	request_body = STR(
		"grant_type=client_credentials&client_id=FAST&client_secret=" FIXTURE_SECRET);
	for (size_t i = 0; i < 2 * COUNT(algs); i++) {
		fixture_open(&fixture);
		fixture_use_key(&fixture, algs[i / 2]);
		fixture.snapshot->access_token.reuse_s = 60;
		fixture_add(&fixture, "FAST");
		fixture_seal(&fixture);
		arena_free(fixture.arena);
		fixture.arena = arena_new(16, 1048576);
		fixture.services.reuse = reuse_cache_new();
		reuse_is_warm = i % 2 == 1;
		walk_all(send_with_new_cache, LIBRARY);
		walk_all(send_request, LIBRARY | CRYPTO);
		walk_all(send_request, OPENSSL);
		reuse_cache_free(fixture.services.reuse);
		fixture_close(&fixture);
	}
	reuse_is_warm = false;
}

/* So many that the cache has to get more memory on the way. */
static void send_many(void)
{
	reuse_cache_free(fixture.services.reuse);
	fixture.services.reuse = reuse_cache_new();
	for (unsigned i = 0; i < 40; i++) {
		fixture.snapshot->access_token.lifetime_s = 300 + i;
		send_request();
	}
}

static void test_dispatch_reuse_many(void **state)
{
	(void)state;
	request_path = "/token";
	request_body = STR(
		"grant_type=client_credentials&client_id=FAST&client_secret=" FIXTURE_SECRET);
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_EDDSA);
	fixture.snapshot->access_token.reuse_s = 60;
	fixture_add(&fixture, "FAST");
	fixture_seal(&fixture);
	reuse_is_warm = true;
	walk_all(send_many, LIBRARY);
	reuse_is_warm = false;
	reuse_cache_free(fixture.services.reuse);
	fixture_close(&fixture);
}

static void make_cache(void)
{
	struct reuse_cache *cache;
	bool hit;

	arm();
	cache = reuse_cache_new();
	hit = disarm();
	CHECK((cache == NULL) == hit, "reuse_cache_new");
	reuse_cache_free(cache);
}

static void make_meter(void)
{
	struct meter *meter;
	bool hit;

	arm();
	meter = meter_new();
	hit = disarm();
	CHECK((meter == NULL) == hit, "meter_new");
	meter_free(meter);
}

static void test_reuse_cache(void **state)
{
	(void)state;
	walk_all(make_cache, LIBRARY);
	walk_all(make_meter, LIBRARY);
}

/* Replays are none: what an earlier round left is taken away. */
static void send_signed(void)
{
	fixture.store->record_count = 0;
	fixture.store->removed_s = 0;
	send_request();
}

/* The same, but it must not succeed, whatever fails. */
static void send_forged(void)
{
	char path[128], length[32];
	const char *const variables[] = { "REQUEST_METHOD=POST", path, "HTTPS=on",
		"REMOTE_ADDR=192.0.2.7", "CONTENT_TYPE=application/x-www-form-urlencoded",
		length, request_more[0], request_more[1], request_more[2], NULL };
	struct http_request request = {
		.variables = variables, .body = request_body, .body_is_whole = true
	};
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };

	snprintf(path, sizeof(path), "PATH_INFO=%s", request_path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", request_body.n);
	arena_reset(fixture.arena);
	arm();
	if (http_request_init(&request, fixture.arena) == REASON_NONE)
		dispatch(&input, &response, &audit);
	plan.armed = false;
	CHECK(response.status != 200, "refused");
	CHECK(!str_contains(response.body, STR("access_token")), "no token");
	CHECK_NUMBER(fixture.store->record_count, 0, "nothing is used up");
}

/* The request with a little more memory each time, until there is plenty. */
static void cramp(void (*scenario)(void))
{
	plan.n = 0;
	plan.source = FAIL_LIBRARY;
	is_cramped = true;
	for (size_t limit = 64; limit < 32768; limit += 8 + limit / 64) {
		arena_free(fixture.arena);
		fixture.arena = arena_new(64, limit);
		assert_non_null(fixture.arena);
		scenario();
	}
	is_cramped = false;
	/* And now it is not for lack of memory. */
	scenario();
	check_end();
}

static EVP_PKEY *client_key, *other_key;

static void open_signed(void)
{
	static const struct str resources[] = { TEXT(FIXTURE_STOCK), TEXT(FIXTURE_ORDERS) };
	struct client *client;

	client_key = support_key(KEY_EC);
	other_key = support_key(KEY_OKP);
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	client = fixture_add(&fixture, "FAST");
	client->may_introspect = true;
	client->resources = (struct str_list){ resources, COUNT(resources) };
	fixture_add(&fixture, "BOUND")->certificate_bound = true;
	client = fixture_add(&fixture, "KEY");
	client->auth_methods = AUTH_BIT(AUTH_PRIVATE_KEY_JWT);
	fixture_register(&fixture, client, client_key, JOSE_ALG_ES256, NULL);
	client = fixture_add(&fixture, "TLS");
	client->auth_methods = AUTH_BIT(AUTH_TLS);
	client->subject = (struct certificate_subject){ SUBJECT_DN, STR("CN=client") };
	client->certificate_bound = true;
	fixture_seal(&fixture);
	arena_free(fixture.arena);
	fixture.arena = arena_new(16, 1048576);
	assert_non_null(fixture.arena);
	fixture.services.random = &random_system;
	request_path = "/token";
	request_is_signed = true;
}

static void close_signed(void)
{
	fixture_close(&fixture);
	EVP_PKEY_free(client_key);
	EVP_PKEY_free(other_key);
	memset(request_more, 0, sizeof(request_more));
	request_is_signed = false;
}

#define ALL (LIBRARY | JANSSON | OPENSSL | CRYPTO)

static void test_dispatch_assertion(void **state)
{
	static const char claims[] =
		"{\"iss\":\"KEY\",\"sub\":\"KEY\",\"aud\":\"" FIXTURE_ISSUER
		"\",\"jti\":\"j\",\"exp\":1640588888}";
	static char body[2048];

	(void)state;
	open_signed();
	for (unsigned forged = 0; forged < 2; forged++) {
		const struct maker maker = { client_key, JOSE_ALG_ES256, STR("") };
		const struct maker forger = { other_key, JOSE_ALG_EDDSA, STR("") };
		char *jwt = make_jws(forged ? &forger : &maker, "{\"alg\":\"ES256\"}", claims);

		snprintf(body, sizeof(body),
			"grant_type=client_credentials&client_assertion_type=urn:ietf:params:"
			"oauth:client-assertion-type:jwt-bearer&client_assertion=%s",
			jwt);
		request_body = str_of(body);
		walk_all(forged ? send_forged : send_signed, ALL);
		fixture.store->record_count = 0;
		free(jwt);
	}
	close_signed();
}

static void test_dispatch_dpop(void **state)
{
	static const char claims[] =
		"{\"jti\":\"j\",\"htm\":\"POST\",\"iat\":1640588828,\"htu\":"
		"\"" FIXTURE_ISSUER "/oauth2/%74oken\"}";
	static char variable[2048];

	(void)state;
	open_signed();
	request_body = STR(
		"grant_type=client_credentials&client_id=FAST&client_secret=" FIXTURE_SECRET);
	request_more[0] = variable;
	for (unsigned forged = 0; forged < 2; forged++) {
		const struct maker maker = { client_key, JOSE_ALG_ES256, STR("") };
		const struct maker forger = { other_key, JOSE_ALG_EDDSA, STR("") };
		char *jwt = make_jws(forged ? &forger : &maker,
			"{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{" JWK_EC_MEMBERS "}}",
			claims);

		snprintf(variable, sizeof(variable), "HTTP_DPOP=%s", jwt);
		walk_all(forged ? send_forged : send_signed, ALL);
		fixture.store->record_count = 0;
		free(jwt);
	}
	close_signed();
}

static void test_dispatch_certificate(void **state)
{
	static char variable[8192];
	const char *const names[] = { "CN=client", "CN=other" };

	(void)state;
	open_signed();
	request_body = STR("grant_type=client_credentials&client_id=TLS");
	request_more[0] = variable;
	request_more[1] = "SSL_CLIENT_VERIFY=SUCCESS";
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct certificate_plan wanted = { { names[i] }, NULL, client_key,
			NOW_S - 1, NOW_S + 1 };
		X509 *certificate = make_certificate(&wanted);
		char *text = make_pem(certificate);

		snprintf(variable, sizeof(variable), "SSL_CLIENT_CERT=%s", text);
		walk_all(i == 0 ? send_signed : send_forged, LIBRARY | OPENSSL | CRYPTO);
		free(text);
		X509_free(certificate);
	}
	close_signed();
}

/* A certificate beside a secret: the token is bound to it, or there is none. */
static void test_dispatch_bound(void **state)
{
	static char variable[8192];

	(void)state;
	open_signed();
	request_body = STR(
		"grant_type=client_credentials&client_id=BOUND&client_secret=" FIXTURE_SECRET);
	request_more[0] = variable;
	request_more[1] = "SSL_CLIENT_VERIFY=SUCCESS";
	const struct certificate_plan wanted = { { "CN=client" }, NULL, client_key, NOW_S - 1,
		NOW_S + 1 };
	X509 *certificate = make_certificate(&wanted);
	char *text = make_pem(certificate);

	snprintf(variable, sizeof(variable), "SSL_CLIENT_CERT=%s", text);
	walk_all(send_signed, LIBRARY | OPENSSL | CRYPTO);
	cramp(send_signed);
	free(text);
	X509_free(certificate);
	close_signed();
}

/* Each text of a grant, put in order and not, is kept whole, or there is no token. */
static void test_dispatch_cramped(void **state)
{
	static const struct str bodies[] = {
		TEXT("&scope=stock+identity_proofing"),
		TEXT("&scope=stock+orders:read&resource=https%3A%2F%2Fstock.example.com"
		     "&resource=https%3A%2F%2Forders.example.com"),
	};
	static const int64_t lengths[] = { 0, 60 };
	char body[512];

	(void)state;
	open_signed();
	for (size_t i = 0; i < COUNT(bodies) * COUNT(lengths); i++) {
		fixture.snapshot->access_token.reuse_s = lengths[i % 2];
		snprintf(body, sizeof(body),
			"grant_type=client_credentials&client_id=FAST&client_secret=%s%s",
			FIXTURE_SECRET, bodies[i / 2].p);
		request_body = str_of(body);
		cramp(send_signed);
	}
	fixture.snapshot->access_token.reuse_s = 0;
	close_signed();
}

/* Whoever is throttled is told so, and for how long, whatever memory there is. */
static void send_throttled(void)
{
	const char *const variables[] = { "REQUEST_METHOD=POST", "PATH_INFO=/token", "HTTPS=on",
		"CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH=64", NULL };
	struct http_request request = { .variables = variables,
		.body_is_whole = true,
		.body = STR(
			"grant_type=client_credentials&client_id=FAST&client_secret=wrong") };
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };

	fixture.store->record_count = 0;
	for (unsigned i = 0; i < 3; i++) {
		arena_reset(fixture.arena);
		if (http_request_init(&request, fixture.arena) != REASON_NONE)
			return;
		dispatch(&input, &response, &audit);
	}
	CHECK(response.status == 429 || response.status == 503, "throttled");
	bool is_told = false;

	for (size_t i = 0; i < response.header_count; i++) {
		int64_t wait_s = 0;

		if (str_eq(str_of(response.headers[i].name), STR("Retry-After")))
			is_told = str_to_number(response.headers[i].value, 60, &wait_s) &&
				  wait_s > 0;
	}
	CHECK(is_told, "how long");
}

static void test_dispatch_throttled(void **state)
{
	(void)state;
	open_signed();
	fixture.snapshot->throttle = (struct throttle_policy){ 2, 0, 60 };
	cramp(send_throttled);
	close_signed();
}

/* A token of ours to be introspected or revoked: the answer 200 is only given for the truth. */
static void send_token(void)
{
	const bool is_revocation = strcmp(request_path, "/revoke") == 0;
	char path[128], length[32];
	const char *const variables[] = { "REQUEST_METHOD=POST", path, "HTTPS=on",
		"REMOTE_ADDR=192.0.2.7", "CONTENT_TYPE=application/x-www-form-urlencoded",
		length, NULL };
	struct http_request request = {
		.variables = variables, .body = request_body, .body_is_whole = true
	};
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };
	bool hit;

	fixture.store->record_count = 0;
	snprintf(path, sizeof(path), "PATH_INFO=%s", request_path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", request_body.n);
	arena_reset(fixture.arena);
	arm();
	if (http_request_init(&request, fixture.arena) != REASON_NONE) {
		CHECK(disarm(), "http_request_init");
		return;
	}
	dispatch(&input, &response, &audit);
	hit = disarm();
	CHECK(response.status == 200 || (hit && response.status >= 500),
		"200, or a fault of the server");
	if (response.status != 200)
		return;
	if (is_revocation)
		CHECK_NUMBER(fixture.store->record_count, 1, "it is revoked");
	else
		CHECK(str_starts(response.body, STR("{\"active\":true,")), "it is active");
}

static void test_dispatch_token(void **state)
{
	static const char *const paths[] = { "/introspect", "/revoke" };
	static char body[4096];
	char *token;

	(void)state;
	open_signed();
	const struct maker maker = { fixture.snapshot->keyring.active->pkey, JOSE_ALG_ES256,
		STR("") };

	token = make_jws(&maker, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"2026-11\"}",
		"{\"iss\":\"" FIXTURE_ISSUER "\",\"sub\":\"FAST\",\"scope\":[\"a\",\"b\"],"
		"\"jti\":\"j\",\"exp\":1640589128}");
	snprintf(body, sizeof(body), "client_id=FAST&client_secret=" FIXTURE_SECRET "&token=%s",
		token);
	request_body = str_of(body);
	for (size_t i = 0; i < COUNT(paths); i++) {
		request_path = paths[i];
		walk_all(send_token, ALL);
		cramp(send_token);
	}
	free(token);
	close_signed();
}

static const struct netmask anybody = { .address.known = true };

/* The numbers of the store, as they are, or none of them. */
static void send_metrics(void)
{
	const char *const variables[] = { "REQUEST_METHOD=GET", "PATH_INFO=/metrics",
		"REMOTE_ADDR=127.0.0.1", NULL };
	struct http_request request = { .variables = variables, .body_is_whole = true };
	struct dispatch_input input = { fixture.snapshot, &request, &fixture.services,
		fixture.arena, NOW_S, &process };
	struct http_response response = { 0 };
	struct audit audit = { 0 };
	bool hit;

	/* Smaller than what is needed, so that it needs more. */
	arena_free(fixture.arena);
	input.arena = fixture.arena = arena_new(1024, 1048576);
	assert_non_null(fixture.arena);
	arm();
	if (http_request_init(&request, fixture.arena) != REASON_NONE) {
		CHECK(disarm(), "http_request_init");
		return;
	}
	dispatch(&input, &response, &audit);
	hit = disarm();
	CHECK(response.status == 200 || (hit && response.status == 503),
		"200, or a fault of the server");
	CHECK_NUMBER(audit.status, response.status, "the log tells the same");
	if (response.status != 200)
		return;
	bool is_whole = str_contains(
		response.body, STR("\noauth2_tokens_issued_total{client_id=\"FAST\"} 7\n"));

	CHECK(is_whole || (hit && str_contains(response.body, STR("left out"))),
		"whole, or it says that it is not");
	CHECK(!hit || plan.source == FAIL_LIBRARY ||
			str_contains(response.body, STR("state_store_up 0")),
		"what cannot be asked is not up");
}

static void test_metrics(void **state)
{
	const struct counter_step step = { STR("tokens_issued_total\tFAST"), 7 };

	(void)state;
	open_signed();
	fixture.snapshot->metrics = true;
	fixture.snapshot->metrics_allowed_ips = (struct netmask_list){ &anybody, 1 };
	assert_int_equal(counters_add(fixture.store->counters, &step), REASON_NONE);
	walk_all(send_metrics, LIBRARY | CRYPTO);
	close_signed();
}

static int tell_total(void **state)
{
	(void)state;
	print_message("%zu calls failed, each in its turn\n", failed_total);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_diag),
		cmocka_unit_test(test_jwk_parse),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_failure_reason),
		cmocka_unit_test(test_jwt_split),
		cmocka_unit_test(test_jws),
		cmocka_unit_test(test_jws_secret),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_rsa_after_no_memory),
		cmocka_unit_test(test_checker),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_reuse_cache),
		cmocka_unit_test(test_dispatch_reuse),
		cmocka_unit_test(test_dispatch_reuse_many),
		cmocka_unit_test(test_dispatch_assertion),
		cmocka_unit_test(test_dispatch_dpop),
		cmocka_unit_test(test_dispatch_certificate),
		cmocka_unit_test(test_dispatch_bound),
		cmocka_unit_test(test_dispatch_cramped),
		cmocka_unit_test(test_dispatch_throttled),
		cmocka_unit_test(test_dispatch_token),
		cmocka_unit_test(test_metrics),
	};

	json_set_alloc_funcs(jansson_malloc, free);
	/* Before OpenSSL's first allocation, else it refuses. */
	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free)) {
		fprintf(stderr, "OpenSSL has allocated memory before main\n");
		return 1;
	}
	return cmocka_run_group_tests_name("failure", tests, NULL, tell_total);
}
