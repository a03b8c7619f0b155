/* SPDX-License-Identifier: MIT */
/* Tests of jose/jws, with the signatures of tests/vectors/jws.json. */
#include "support.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "util/b64url.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(16384, 262144);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static bool is_clear(const struct jws_parts *parts)
{
	return !parts->header && !parts->payload && !parts->signature.n &&
	       !parts->signing_input.n && !parts->payload_text.n;
}

/* The bytes of a member in base64url; for free(). */
static struct str decode_member(const json_t *vector, const char *member)
{
	struct str text = support_member(vector, member);
	char *bytes = malloc(text.n + 2);
	size_t len;

	assert_non_null(bytes);
	assert_true(b64url_decode(text, bytes, text.n + 2, &len));
	return (struct str){ bytes, len };
}

static void check_verify_secret(
	const json_t *vector, const struct jws_parts *parts, const char *name)
{
	struct str secret = decode_member(vector, "secret");

	CHECK_REASON(jws_verify_secret(parts, secret),
		support_reason(support_member(vector, "verify")), name);
	CHECK_NUMBER(ERR_peek_error(), 0, name);
	free((void *)(uintptr_t)secret.p);
}

static void check_verify_key(
	const json_t *vector, const struct jws_parts *parts, const char *name)
{
	struct jwk jwk;
	enum jose_alg alg = alg_find(support_member(vector, "alg"));

	assert_true(alg != JOSE_ALG_NONE);
	assert_int_equal(jwk_parse(json_object_get(vector, "jwk"), &jwk), REASON_NONE);
	CHECK_REASON(jws_verify(parts, jwk.pkey, alg),
		support_reason(support_member(vector, "verify")), name);
	CHECK_REASON(jws_verify(parts, jwk.pkey, JOSE_ALG_NONE), REASON_KEY_ALG, name);
	CHECK_REASON(jws_verify(parts, jwk.pkey, JOSE_ALG_HS256), REASON_KEY_ALG, name);
	/* No signature by a key pair is one by a secret. */
	CHECK(jws_verify_secret(parts, STR("0123456789abcdef0123456789abcdef")) != REASON_NONE,
		name);
	CHECK_NUMBER(ERR_peek_error(), 0, name);
	jwk_clear(&jwk);
}

static void test_vectors(void **state)
{
	json_t *vectors = support_vectors("jws.json");
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		enum reason wanted = support_reason(support_member(vector, "split"));
		struct jws_parts parts;

		arena_reset(arena);
		memset(&parts, 0xff, sizeof(parts));
		CHECK_REASON(
			jws_split(support_member(vector, "jws"), arena, &parts), wanted, name);
		if (wanted == REASON_NONE && parts.header) {
			CHECK(!parts.payload, name);
			if (json_object_get(vector, "secret"))
				check_verify_secret(vector, &parts, name);
			else
				check_verify_key(vector, &parts, name);
			jws_parts_clear(&parts);
		}
		CHECK(is_clear(&parts), name);
	}
	json_decref(vectors);
	check_end();
}

static void test_split_parts(void **state)
{
	struct str jws = STR("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.AAEC_w");
	struct jws_parts parts;

	(void)state;
	CHECK_REASON(jws_split(jws, arena, &parts), REASON_NONE, "split");
	CHECK_TEXT(parts.signing_input, STR("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0"), "input");
	CHECK_TEXT(parts.signature, STR("\0\1\2\xff"), "signature");
	CHECK_TEXT(parts.payload_text, STR("{\"sub\":\"a\"}"), "payload");
	CHECK_TEXT(support_member(parts.header, "alg"), STR("RS256"), "header");
	CHECK(!parts.payload, "the payload is not looked at");
	jws_parts_clear(&parts);
	check_end();
}

static void test_split_no_memory(void **state)
{
	struct arena *small = arena_new(16, 16);
	struct jws_parts parts;

	(void)state;
	assert_non_null(small);
	CHECK_REASON(
		jws_split(STR("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.AAEC_w"), small, &parts),
		REASON_MEMORY, "no room");
	CHECK(is_clear(&parts), "no room");
	arena_free(small);
	check_end();
}

/* RFC 8037 A.4 is deterministic. */
static void test_rfc8037(void **state)
{
	static const char input[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
	static const char signature[] =
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylG"
		"jg5BhVsPt9g7sVvpAr_MuM0KAg";
	unsigned char bytes[64];
	size_t len;
	EVP_PKEY *pkey = support_key(KEY_OKP);
	struct jws_signer *signer = jws_signer_new(pkey, JOSE_ALG_EDDSA);
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));
	struct jws_parts parts = { 0 };

	(void)state;
	assert_non_null(signer);
	CHECK_REASON(jws_sign(signer, STR("{\"alg\":\"EdDSA\"}"),
			     STR("Example of Ed25519 signing"), &buf),
		REASON_NONE, "sign");
	CHECK_TEXT(str_upto(buf_view(&buf), sizeof(input) - 1), str_of(input), "input");
	CHECK_TEXT(str_from(buf_view(&buf), sizeof(input)), str_of(signature), "signature");

	assert_true(b64url_decode(str_of(signature), bytes, sizeof(bytes), &len));
	parts.signing_input = str_of(input);
	parts.signature = (struct str){ (const char *)bytes, len };
	parts.header = json_pack("{s:s}", "alg", "EdDSA");
	CHECK_REASON(jws_verify(&parts, pkey, JOSE_ALG_EDDSA), REASON_NONE, "verify");
	bytes[63] ^= 1;
	CHECK_REASON(jws_verify(&parts, pkey, JOSE_ALG_EDDSA), REASON_JWS_SIGNATURE, "changed");
	json_decref(parts.header);
	jws_signer_free(signer);
	EVP_PKEY_free(pkey);
	check_end();
}

/* RFC 7515 A.2 is deterministic: the same key and texts give the same bytes. */
static void test_rfc7515_sign(void **state)
{
	json_t *vectors = support_vectors("jws.json");
	EVP_PKEY *pkey = support_key(KEY_RSA);
	struct jws_signer *signer = jws_signer_new(pkey, JOSE_ALG_RS256);
	char space[1024];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	assert_non_null(signer);
	CHECK_REASON(jws_sign(signer, STR("{\"alg\":\"RS256\"}"),
			     STR("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
				 "\"http://example.com/is_root\":true}"),
			     &buf),
		REASON_NONE, "sign");
	CHECK_TEXT(buf_view(&buf), support_member(json_array_get(vectors, 0), "jws"), "A.2");
	jws_signer_free(signer);
	EVP_PKEY_free(pkey);
	json_decref(vectors);
	check_end();
}

/* Verifies by OpenSSL alone, with nothing of lib/jose but the table's digest. */
static bool openssl_verifies(EVP_PKEY *pkey, enum jose_alg alg, struct str input,
	const unsigned char *signature, size_t len)
{
	static const char *const digests[] = { NULL, "SHA256", "SHA384", "SHA512", "SHA256",
		"SHA256", NULL, NULL };
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options;
	unsigned char *der = NULL;
	bool ok;

	if (alg == JOSE_ALG_ES256) {
		ECDSA_SIG *pair = ECDSA_SIG_new();

		assert_int_equal(len, 64);
		assert_true(ECDSA_SIG_set0(pair, BN_bin2bn(signature, 32, NULL),
			BN_bin2bn(signature + 32, 32, NULL)));
		len = (size_t)i2d_ECDSA_SIG(pair, &der);
		signature = der;
		ECDSA_SIG_free(pair);
	}
	ok = EVP_DigestVerifyInit_ex(context, &options, digests[alg], NULL, NULL, pkey, NULL) ==
	     1;
	if (alg == JOSE_ALG_PS256)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1;
	ok = ok && EVP_DigestVerify(context, signature, len, (const unsigned char *)input.p,
			   input.n) == 1;
	OPENSSL_free(der);
	EVP_MD_CTX_free(context);
	return ok;
}

static void check_signature(EVP_PKEY *pkey, enum jose_alg alg, struct str jws)
{
	const char *name = alg_info(alg)->name;
	struct str rest = jws, header, payload;
	struct str input;
	unsigned char signature[512];
	size_t len;

	CHECK(str_cut(&rest, '.', &header) && str_cut(&rest, '.', &payload), name);
	input = str_upto(jws, header.n + 1 + payload.n);
	CHECK(b64url_decode(rest, signature, sizeof(signature), &len), name);
	CHECK(openssl_verifies(pkey, alg, input, signature, len), name);
}

static void test_sign(void **state)
{
	static const struct {
		const char *key;
		enum jose_alg alg;
		bool same_again; /* deterministic */
	} cases[] = {
		{ KEY_RSA, JOSE_ALG_RS256, true },
		{ KEY_RSA, JOSE_ALG_RS384, true },
		{ KEY_RSA, JOSE_ALG_RS512, true },
		{ KEY_RSA, JOSE_ALG_PS256, false },
		{ KEY_EC, JOSE_ALG_ES256, false },
		{ KEY_OKP, JOSE_ALG_EDDSA, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = alg_info(cases[i].alg)->name;
		EVP_PKEY *pkey = support_key(cases[i].key);
		struct jws_signer *signer = jws_signer_new(pkey, cases[i].alg);
		char header[32], first[1024];

		EVP_PKEY_free(pkey); /* the signer has a reference of its own */
		pkey = support_key(cases[i].key);
		assert_non_null(signer);
		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", name);
		/* Often enough to meet an r or s with zeros in front. */
		for (unsigned round = 0; round < (cases[i].alg == JOSE_ALG_ES256 ? 600 : 3);
			round++) {
			char space[1024];
			struct buf buf = buf_init(space, sizeof(space));
			struct jws_parts parts;

			CHECK_REASON(
				jws_sign(signer, str_of(header), STR("{\"sub\":\"a\"}"), &buf),
				REASON_NONE, name);
			check_signature(pkey, cases[i].alg, buf_view(&buf));
			arena_reset(arena);
			CHECK_REASON(
				jws_split(buf_view(&buf), arena, &parts), REASON_NONE, name);
			CHECK_REASON(jws_verify(&parts, pkey, cases[i].alg), REASON_NONE, name);
			jws_parts_clear(&parts);
			if (round == 0)
				memcpy(first, space, buf.n);
			else
				CHECK(str_eq(buf_view(&buf), (struct str){ first, buf.n }) ==
						cases[i].same_again,
					name);
		}
		jws_signer_free(signer);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

static void test_sign_appends(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_OKP);
	struct jws_signer *signer = jws_signer_new(pkey, JOSE_ALG_EDDSA);
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	assert_non_null(signer);
	buf_text(&buf, "token=");
	CHECK_REASON(jws_sign(signer, STR("{}"), STR("{}"), &buf), REASON_NONE, "appends");
	CHECK(str_starts(buf_view(&buf), STR("token=e30.e30.")), "appends");
	for (size_t size = 0; size < 94; size += 7) {
		buf = buf_init(space, size);
		CHECK_REASON(jws_sign(signer, STR("{}"), STR("{}"), &buf), REASON_SIGNING,
			"no room");
	}
	buf = buf_init(space, 94);
	CHECK_REASON(jws_sign(signer, STR("{}"), STR("{}"), &buf), REASON_NONE, "just room");
	jws_signer_free(signer);
	jws_signer_free(NULL);
	EVP_PKEY_free(pkey);
	check_end();
}

static void test_signer_refuses(void **state)
{
	static const struct {
		const char *key;
		enum jose_alg alg;
	} cases[] = {
		{ KEY_RSA, JOSE_ALG_ES256 },
		{ KEY_RSA, JOSE_ALG_EDDSA },
		{ KEY_EC, JOSE_ALG_RS256 },
		{ KEY_EC, JOSE_ALG_EDDSA },
		{ KEY_OKP, JOSE_ALG_ES256 },
		{ KEY_OKP, JOSE_ALG_PS256 },
		{ KEY_RSA, JOSE_ALG_NONE },
		{ KEY_RSA, JOSE_ALG_HS256 },
		{ KEY_EC, JOSE_ALG_HS256 },
		{ KEY_OKP, JOSE_ALG_HS256 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = support_key(cases[i].key);
		struct jws_signer *signer = jws_signer_new(pkey, cases[i].alg);

		CHECK(!signer, cases[i].key);
		jws_signer_free(signer);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

/* A JWS with the HMAC by this key, made by OpenSSL alone. */
static struct str make_hs256(struct buf *buf, struct str key)
{
	unsigned char mac[32];
	size_t len = 0;

	buf_text(buf, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0"); /* {"alg":"HS256"} {"sub":"a"} */
	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.p, key.n,
		(const unsigned char *)buf->p, buf->n, mac, sizeof(mac), &len));
	buf_char(buf, '.');
	b64url_encode(buf, mac, len);
	assert_false(buf->overflow);
	return buf_view(buf);
}

/* What everybody knows of a key: SubjectPublicKeyInfo in PEM and DER, the JWK, the modulus. */
static void write_public(EVP_PKEY *pkey, unsigned form, struct buf *buf)
{
	BIO *bio = BIO_new(BIO_s_mem());
	BIGNUM *n = NULL;
	char *bytes = NULL;
	size_t len;

	if (form == 0)
		assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	if (form == 1)
		assert_int_equal(i2d_PUBKEY_bio(bio, pkey), 1);
	if (form == 2)
		assert_int_equal(jwk_write(buf, pkey, JOSE_ALG_NONE, STR("")), REASON_NONE);
	if (form == 3 && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1) {
		unsigned char modulus[1024];

		len = (size_t)BN_bn2bin(n, modulus);
		buf_str(buf, (struct str){ (const char *)modulus, len });
	}
	len = (size_t)BIO_get_mem_data(bio, &bytes);
	buf_str(buf, (struct str){ bytes, len });
	assert_false(buf->overflow);
	ERR_clear_error();
	BN_free(n);
	BIO_free(bio);
}

/* The old attack: HS256, keyed with what was published as the key of the pair. */
static void test_hs256_by_public_key(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_ES256, JOSE_ALG_EDDSA };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = support_key(keys[i]);

		for (unsigned form = 0; form < 5; form++) { /* the last: the empty key */
			char material[2048], space[512];
			struct buf public = buf_init(material, sizeof(material));
			struct buf jws = buf_init(space, sizeof(space));
			struct jws_parts parts;

			write_public(pkey, form, &public);
			arena_reset(arena);
			CHECK_REASON(
				jws_split(make_hs256(&jws, buf_view(&public)), arena, &parts),
				REASON_NONE, keys[i]);
			CHECK_REASON(
				jws_verify(&parts, pkey, algs[i]), REASON_JWS_ALG, keys[i]);
			CHECK_REASON(jws_verify(&parts, pkey, JOSE_ALG_HS256), REASON_KEY_ALG,
				keys[i]);
			CHECK_REASON(jws_verify_secret(
					     &parts, STR("0123456789abcdef0123456789abcdef")),
				REASON_JWS_SIGNATURE, keys[i]);
			CHECK_REASON(
				jws_verify_secret(&parts, STR("")), REASON_KEY_WEAK, keys[i]);
			jws_parts_clear(&parts);
		}
		EVP_PKEY_free(pkey);
	}
	check_end();
}

/* RFC 7518 §3.2: as long as the digest at least, and all of it counts. */
static void test_secret_length(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcdef";

	(void)state;
	for (size_t n = 0; n < sizeof(secret); n++) {
		struct str key = { secret, n };
		char space[256];
		struct buf buf = buf_init(space, sizeof(space));
		struct jws_parts parts;

		arena_reset(arena);
		CHECK_REASON(
			jws_split(make_hs256(&buf, key), arena, &parts), REASON_NONE, "split");
		CHECK_REASON(jws_verify_secret(&parts, key),
			n < JWS_SECRET_LEN_MIN ? REASON_KEY_WEAK : REASON_NONE, "length");
		if (n > JWS_SECRET_LEN_MIN)
			CHECK_REASON(jws_verify_secret(&parts, str_upto(key, n - 1)),
				REASON_JWS_SIGNATURE, "one less");
		jws_parts_clear(&parts);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_split_parts),
		cmocka_unit_test(test_split_no_memory),
		cmocka_unit_test(test_rfc8037),
		cmocka_unit_test(test_rfc7515_sign),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_sign_appends),
		cmocka_unit_test(test_signer_refuses),
		cmocka_unit_test(test_hs256_by_public_key),
		cmocka_unit_test(test_secret_length),
	};

	return cmocka_run_group_tests_name("jws", tests, make_arena, free_arena);
}
