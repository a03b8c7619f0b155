/* SPDX-License-Identifier: MIT */
/* Tests of jose/certificate. */
#include "certificates.h"
#include "jose/certificate.h"
#include "jose/failure.h"

#include <openssl/err.h>

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(16384, 1048576);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static bool is_clear(const struct certificate *certificate)
{
	return !certificate->x509 && certificate->thumbprint[0] == '\0';
}

/* Reads a text at the very end of its memory. */
static enum reason read_text(struct str text, struct certificate *certificate)
{
	char *copy = malloc(text.n > 0 ? text.n : 1);
	enum reason reason;

	assert_non_null(copy);
	memcpy(copy, text.p, text.n);
	arena_reset(arena);
	memset(certificate, 0xff, sizeof(*certificate));
	reason = certificate_read((struct str){ copy, text.n }, arena, certificate);
	memset(copy, 'x', text.n);
	free(copy);
	return reason;
}

static void test_vectors(void **state)
{
	json_t *vectors = support_vectors("certificate.json");
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		struct certificate_subject subject = { SUBJECT_DN,
			support_member(vector, "subject") };
		int64_t begin_s = json_integer_value(json_object_get(vector, "not_before"));
		int64_t end_s = json_integer_value(json_object_get(vector, "not_after"));
		struct certificate certificate;

		CHECK_REASON(read_text(support_member(vector, "pem"), &certificate),
			REASON_NONE, name);
		CHECK_TEXT(str_of(certificate.thumbprint), support_member(vector, "thumbprint"),
			name);
		CHECK(certificate_has_subject(&certificate, &subject), name);
		CHECK(certificate_is_current(&certificate, begin_s), name);
		CHECK(certificate_is_current(&certificate, end_s), name);
		CHECK(!certificate_is_current(&certificate, begin_s - 1), name);
		CHECK(!certificate_is_current(&certificate, end_s + 1), name);
		CHECK_NUMBER(certificate_end_s(&certificate), end_s, name);
		certificate_clear(&certificate);
		CHECK(is_clear(&certificate), name);
	}
	json_decref(vectors);
	check_end();
}

enum escape {
	ESCAPE_NOT,
	ESCAPE_NEEDED,    /* what a URI component needs, as nginx does it */
	ESCAPE_BUT_PLUS,  /* the same, the plus sign left as it is */
	ESCAPE_ALL_LOWER, /* every byte, in lower case */
};

/* A copy with each line end replaced, and all of it escaped. */
static void write_form(
	struct buf *buf, struct str pem, const char *line_end, enum escape escape)
{
	static const char *const digits[] = { "0123456789ABCDEF", "0123456789abcdef" };
	char space[8192];
	struct buf lines = buf_init(space, sizeof(space));
	struct str line;

	while (pem.n > 0) {
		str_cut(&pem, '\n', &line);
		buf_str(&lines, line);
		buf_text(&lines, line_end);
	}
	assert_false(lines.overflow);
	for (size_t i = 0; i < lines.n; i++) {
		unsigned char c = (unsigned char)lines.p[i];
		bool is_safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			       (c >= 'a' && c <= 'z') || c == '-';
		bool is_kept = escape == ESCAPE_NOT ||
			       (escape == ESCAPE_BUT_PLUS && c == '+') ||
			       (escape != ESCAPE_ALL_LOWER && is_safe);
		const char *hex = digits[escape == ESCAPE_ALL_LOWER];

		if (!is_kept)
			buf_char(buf, '%');
		buf_char(buf, is_kept ? (char)c : hex[c >> 4]);
		if (!is_kept)
			buf_char(buf, hex[c & 15]);
	}
	assert_false(buf->overflow);
}

static void test_forms(void **state)
{
	static const struct {
		const char *name, *line_end;
		enum escape escape;
	} cases[] = {
		{ "PEM", "\n", ESCAPE_NOT },
		{ "carriage returns", "\r\n", ESCAPE_NOT },
		{ "a tab behind each line end", "\n\t", ESCAPE_NOT },
		{ "tabs for line ends", "\t", ESCAPE_NOT },
		{ "spaces for line ends", " ", ESCAPE_NOT },
		{ "escaped", "\n", ESCAPE_NEEDED },
		{ "escaped, with carriage returns", "\r\n", ESCAPE_NEEDED },
		{ "escaped but for the plus sign", "\n", ESCAPE_BUT_PLUS },
		{ "every byte escaped", "\n", ESCAPE_ALL_LOWER },
	};
	EVP_PKEY *pkey = support_key(KEY_RSA);

	(void)state;
	/* Signatures with a plus sign among them. */
	for (unsigned round = 0; round < 4; round++) {
		char subject[] = "client 0";
		X509 *x509;
		unsigned char digest[32];
		char *pem;

		subject[7] = (char)('0' + round);
		x509 = support_certificate(pkey, subject, NULL, 0);
		pem = support_pem(x509);
		assert_int_equal(X509_digest(x509, EVP_sha256(), digest, NULL), 1);
		assert_true(round > 0 || str_has(str_of(pem), '+'));
		for (size_t i = 0; i < COUNT(cases); i++) {
			char space[8192];
			struct buf buf = buf_init(space, sizeof(space));
			struct certificate certificate;

			write_form(&buf, str_of(pem), cases[i].line_end, cases[i].escape);
			CHECK_REASON(read_text(buf_view(&buf), &certificate), REASON_NONE,
				cases[i].name);
			CHECK(secret_equal(certificate.digest, digest, sizeof(digest)),
				cases[i].name);
			CHECK_NUMBER(ERR_peek_error(), 0, cases[i].name);
			certificate_clear(&certificate);
		}
		free(pem);
		X509_free(x509);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

static void refuse(struct str text, const char *name)
{
	struct certificate certificate;

	CHECK_REASON(read_text(text, &certificate), REASON_CERTIFICATE_SYNTAX, name);
	CHECK(is_clear(&certificate), name);
	CHECK_NUMBER(ERR_peek_error(), 0, name);
}

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

static void test_refused_texts(void **state)
{
	static const struct str texts[] = { TEXT(""), TEXT("\n"), TEXT("(null)"), TEXT("%"),
		TEXT(BEGIN), TEXT(END), TEXT(BEGIN END), TEXT(BEGIN "\n" END "\n"),
		TEXT("-----BEGIN CERTIFICATE-----END CERTIFICATE-----"),
		TEXT(END "\nMAA=\n" BEGIN), TEXT(BEGIN "\nMAA=\n" END "\n"),
		TEXT(BEGIN "\nAAAA\n" END), TEXT(BEGIN "\n=\n" END), TEXT(BEGIN "\n-\n" END),
		TEXT("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n") };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		refuse(texts[i], texts[i].p);
	check_end();
}

/* One certificate and nothing else, in whatever form. */
static void test_changed(void **state)
{
	static const struct {
		const char *name, *before, *after;
	} cases[] = {
		{ "text before", "subject=CN=client\n", "" },
		{ "text behind", "", "more\n" },
		{ "a word before", "x", "" },
		{ "a word behind", "", "x" },
		{ "a NUL escaped", "", "%00" },
		{ "half an escape", "", "%" },
		{ "half an escape", "", "%0" },
		{ "no escape", "", "%0g" },
		{ "escaped twice", "", "%250A" },
		{ "end again", "", END "\n" },
		{ "begin again", BEGIN "\n", "" },
		{ "private key behind", "",
			"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n" },
		{ "vertical tab", "", "\v" },
		{ "no-break space", "", "\xc2\xa0" },
		{ "byte order mark", "\xef\xbb\xbf", "" },
	};
	EVP_PKEY *pkey = support_key(KEY_EC);
	X509 *x509 = support_certificate(pkey, "client", NULL, 0);
	char *pem = support_pem(x509);
	struct certificate certificate;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char space[4096];
		struct buf buf = buf_init(space, sizeof(space));

		buf_text(&buf, cases[i].before);
		buf_text(&buf, pem);
		buf_text(&buf, cases[i].after);
		refuse(buf_view(&buf), cases[i].name);
	}
	CHECK_REASON(read_text(str_of(pem), &certificate), REASON_NONE, "as it is");
	certificate_clear(&certificate);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	free(pem);
	check_end();
}

static void test_two_certificates(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_EC);
	char space[4096], escaped[8192];
	struct buf buf = buf_init(space, sizeof(space));
	struct buf form = buf_init(escaped, sizeof(escaped));

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		X509 *x509 = support_certificate(pkey, i ? "other" : "client", NULL, 0);
		char *pem = support_pem(x509);

		buf_text(&buf, pem);
		free(pem);
		X509_free(x509);
	}
	refuse(buf_view(&buf), "two");
	write_form(&form, buf_view(&buf), "\n", ESCAPE_NEEDED);
	refuse(buf_view(&form), "two, escaped");
	EVP_PKEY_free(pkey);
	check_end();
}

/* Cut off anywhere, and any bit changed: another certificate, or none. */
static void test_damaged(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_EC);
	X509 *x509 = support_certificate(pkey, "client", NULL, 0);
	char *pem = support_pem(x509);
	size_t len = strlen(pem), accepted = 0;
	unsigned char digest[32];

	(void)state;
	assert_int_equal(X509_digest(x509, EVP_sha256(), digest, NULL), 1);
	/* Without its last line end it is whole. */
	for (size_t n = 0; n + 1 < len; n++)
		refuse((struct str){ pem, n }, "cut off");
	for (size_t i = 0; i < len; i++) {
		struct certificate certificate;

		for (unsigned bit = 0; bit < 8; bit++) {
			pem[i] = (char)(pem[i] ^ (1 << bit));
			if (read_text((struct str){ pem, len }, &certificate) == REASON_NONE) {
				bool is_same = secret_equal(
					certificate.digest, digest, sizeof(digest));

				/* Only space may have become other space. */
				CHECK(!is_same || pem[i] == ' ' || pem[i] == '\t' ||
						pem[i] == '\r' || pem[i] == '\n',
					"the same certificate");
				accepted++;
			}
			certificate_clear(&certificate);
			pem[i] = (char)(pem[i] ^ (1 << bit));
		}
	}
	CHECK(accepted > 0, "others are certificates too");
	X509_free(x509);
	EVP_PKEY_free(pkey);
	free(pem);
	check_end();
}

static void test_size(void **state)
{
	static const size_t sizes[] = { CERTIFICATE_TEXT_MAX + 1, 65536, 1000000 };
	EVP_PKEY *pkey = support_key(KEY_EC);
	X509 *x509 = support_certificate(pkey, "client", NULL, 0);
	char *pem = support_pem(x509);
	char *text = malloc(1000000);
	struct certificate certificate;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', 1000000);
	memcpy(text, pem, strlen(pem));
	CHECK_REASON(read_text((struct str){ text, CERTIFICATE_TEXT_MAX }, &certificate),
		REASON_NONE, "just not too large");
	certificate_clear(&certificate);
	for (size_t i = 0; i < COUNT(sizes); i++)
		refuse((struct str){ text, sizes[i] }, "too large");
	memset(text, 'A', 1000000);
	refuse((struct str){ text, CERTIFICATE_TEXT_MAX }, "no PEM");
	free(text);
	free(pem);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	check_end();
}

static void test_no_memory(void **state)
{
	struct arena *small = arena_new(16, 16);
	struct certificate certificate;

	(void)state;
	assert_non_null(small);
	memset(&certificate, 0xff, sizeof(certificate));
	CHECK_REASON(certificate_read(STR(BEGIN "\nMAA=\n" END), small, &certificate),
		REASON_MEMORY, "no room");
	CHECK(is_clear(&certificate), "no room");
	arena_free(small);
	check_end();
}

static void test_der(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_OKP);
	X509 *x509 = support_certificate(pkey, "client", NULL, 0);
	unsigned char *der = NULL, digest[32];
	int len = i2d_X509(x509, &der);
	char *copy = malloc((size_t)len + 1);
	struct certificate certificate;

	(void)state;
	assert_true(len > 0 && copy);
	assert_int_equal(X509_digest(x509, EVP_sha256(), digest, NULL), 1);
	memcpy(copy, der, (size_t)len);
	copy[len] = 0;
	CHECK_REASON(certificate_parse((struct str){ copy, (size_t)len }, &certificate),
		REASON_NONE, "DER");
	CHECK(secret_equal(certificate.digest, digest, sizeof(digest)), "DER");
	CHECK_NUMBER(strlen(certificate.thumbprint), CERTIFICATE_THUMBPRINT_LEN, "DER");
	certificate_clear(&certificate);
	CHECK_REASON(certificate_parse((struct str){ copy, (size_t)len + 1 }, &certificate),
		REASON_CERTIFICATE_SYNTAX, "a byte more");
	CHECK(is_clear(&certificate), "a byte more");
	for (size_t n = 0; n < (size_t)len; n++)
		CHECK_REASON(certificate_parse((struct str){ copy, n }, &certificate),
			REASON_CERTIFICATE_SYNTAX, "cut off");
	CHECK_NUMBER(ERR_peek_error(), 0, "cut off");
	free(copy);
	OPENSSL_free(der);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	check_end();
}

/* The certificate as certificate_read gives it; x509 is freed. */
static struct certificate take(X509 *x509)
{
	char *pem = support_pem(x509);
	struct certificate certificate;

	assert_int_equal(read_text(str_of(pem), &certificate), REASON_NONE);
	free(pem);
	X509_free(x509);
	return certificate;
}

/* RFC 5280 §4.1.2.5: both ends belong to it, and the time is the one that was given. */
static void test_current(void **state)
{
	static const struct {
		const char *name, *begin, *end; /* as in ASN.1 */
		int64_t begin_s, end_s;
	} cases[] = {
		{ "UTCTime", "211227070708Z", "311227070708Z", NOW_S, NOW_S + 315532800 },
		{ "GeneralizedTime", "20500101000000Z", "99991231235959Z", INT64_C(2524608000),
			INT64_C(253402300799) },
		{ "the last century", "700101000000Z", "991231235959Z", 0, 946684799 },
		{ "one second", "211227070708Z", "211227070708Z", NOW_S, NOW_S },
		{ "behind 2038", "380119031408Z", "490101000000Z", INT64_C(2147483648),
			INT64_C(2493072000) },
	};
	EVP_PKEY *pkey = support_key(KEY_OKP);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		X509 *x509 = support_certificate(pkey, "client", NULL, 0);
		struct certificate certificate;

		assert_int_equal(
			ASN1_TIME_set_string(X509_getm_notBefore(x509), cases[i].begin), 1);
		assert_int_equal(
			ASN1_TIME_set_string(X509_getm_notAfter(x509), cases[i].end), 1);
		support_sign(x509, pkey);
		certificate = take(x509);
		CHECK(!certificate_is_current(&certificate, cases[i].begin_s - 1),
			cases[i].name);
		CHECK(certificate_is_current(&certificate, cases[i].begin_s), cases[i].name);
		CHECK(certificate_is_current(&certificate, cases[i].end_s), cases[i].name);
		CHECK(!certificate_is_current(&certificate, cases[i].end_s + 1), cases[i].name);
		CHECK(!certificate_is_current(&certificate, INT64_MAX), cases[i].name);
		CHECK(!certificate_is_current(&certificate, INT64_MIN), cases[i].name);
		CHECK_NUMBER(ERR_peek_error(), 0, cases[i].name);
		certificate_clear(&certificate);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

/* Times that are none: such a certificate is never current. */
static void test_bad_times(void **state)
{
	static const struct str times[] = { TEXT(""), TEXT("x"), TEXT("2112270707081Z"),
		TEXT("211227070708"), TEXT("211327070708Z"), TEXT("211232070708Z"),
		TEXT("-11227070708Z"), TEXT("211227070708Z\0") };
	EVP_PKEY *pkey = support_key(KEY_OKP);

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		for (unsigned end = 0; end < 2; end++) {
			X509 *x509 = support_certificate(pkey, "client", NULL, 0);
			ASN1_TIME *time = end ? X509_getm_notAfter(x509)
					      : X509_getm_notBefore(x509);
			struct certificate certificate = { .x509 = x509 };

			assert_int_equal(ASN1_STRING_set(time, times[i].p, (int)times[i].n), 1);
			CHECK(!certificate_is_current(&certificate, NOW_S), times[i].p);
			CHECK_NUMBER(certificate_end_s(&certificate),
				end ? 0 : CERTIFICATE_END_S, times[i].p);
			CHECK_NUMBER(ERR_peek_error(), 0, times[i].p);
			X509_free(x509);
		}
	}
	EVP_PKEY_free(pkey);
	check_end();
}

static const struct test_alternative alternatives[] = {
	{ GEN_DNS, TEXT("client.example.com") },
	{ GEN_DNS, TEXT("*.wild.example.com") },
	{ GEN_DNS, TEXT("dns.example.com\0.attacker.example") },
	{ GEN_URI, TEXT("https://example.com/client") },
	{ GEN_URI, TEXT("spiffe://example.com/a\0b") },
	{ GEN_EMAIL, TEXT("Client@example.com") },
	{ GEN_EMAIL, TEXT("a@example.com\0") },
	{ GEN_IPADD, TEXT("\xcb\0\x71\x07") },                           /* 203.0.113.7 */
	{ GEN_IPADD, TEXT("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1") }, /* 2001:db8::1 */
	{ GEN_IPADD, TEXT("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x01") },
	{ GEN_IPADD, TEXT("\xcb\0\x71\0\xff\xff\xff\0") }, /* of a name constraint */
	{ GEN_IPADD, TEXT("") },
};

static void test_alternatives(void **state)
{
	static const struct {
		enum subject_kind kind;
		struct str value;
		bool wanted;
	} cases[] = {
		{ SUBJECT_SAN_DNS, TEXT("client.example.com"), true },
		{ SUBJECT_SAN_DNS, TEXT("CLIENT.Example.COM"), true },
		{ SUBJECT_SAN_DNS, TEXT("*.wild.example.com"), true },
		{ SUBJECT_SAN_DNS, TEXT("a.wild.example.com"), false },
		{ SUBJECT_SAN_DNS, TEXT("*.example.com"), false },
		{ SUBJECT_SAN_DNS, TEXT("client.example.com."), false },
		{ SUBJECT_SAN_DNS, TEXT("lient.example.com"), false },
		{ SUBJECT_SAN_DNS, TEXT("client.example.co"), false },
		{ SUBJECT_SAN_DNS, TEXT("example.com"), false },
		{ SUBJECT_SAN_DNS, TEXT("dns.example.com"), false },
		{ SUBJECT_SAN_DNS, TEXT("dns.example.com\0.attacker.example"), false },
		{ SUBJECT_SAN_DNS, TEXT("https://example.com/client"), false },
		{ SUBJECT_SAN_DNS, TEXT("203.0.113.7"), false },
		{ SUBJECT_SAN_DNS, TEXT("client"), false },
		{ SUBJECT_SAN_DNS, TEXT(""), false },
		{ SUBJECT_SAN_URI, TEXT("https://example.com/client"), true },
		{ SUBJECT_SAN_URI, TEXT("https://EXAMPLE.com/client"), false },
		{ SUBJECT_SAN_URI, TEXT("https://example.com/client/"), false },
		{ SUBJECT_SAN_URI, TEXT("https://example.com/"), false },
		{ SUBJECT_SAN_URI, TEXT("spiffe://example.com/a"), false },
		{ SUBJECT_SAN_URI, TEXT("spiffe://example.com/a\0b"), false },
		{ SUBJECT_SAN_URI, TEXT("client.example.com"), false },
		{ SUBJECT_SAN_EMAIL, TEXT("Client@example.com"), true },
		{ SUBJECT_SAN_EMAIL, TEXT("client@example.com"), false },
		{ SUBJECT_SAN_EMAIL, TEXT("Client@EXAMPLE.com"), false },
		{ SUBJECT_SAN_EMAIL, TEXT("a@example.com"), false },
		{ SUBJECT_SAN_EMAIL, TEXT("a@example.com\0"), false },
		{ SUBJECT_SAN_IP, TEXT("203.0.113.7"), true },
		{ SUBJECT_SAN_IP, TEXT("203.0.113.8"), false },
		{ SUBJECT_SAN_IP, TEXT("203.0.113.0"), false },
		{ SUBJECT_SAN_IP, TEXT("203.0.113.0/24"), false },
		{ SUBJECT_SAN_IP, TEXT("::ffff:203.0.113.7"), false },
		{ SUBJECT_SAN_IP, TEXT("2001:db8::1"), true },
		{ SUBJECT_SAN_IP, TEXT("2001:DB8:0:0:0:0:0:1"), true },
		{ SUBJECT_SAN_IP, TEXT("2001:db8::2"), false },
		{ SUBJECT_SAN_IP, TEXT("::ffff:198.51.100.1"), true },
		{ SUBJECT_SAN_IP, TEXT("198.51.100.1"), false },
		{ SUBJECT_SAN_IP, TEXT("client"), false },
		{ SUBJECT_SAN_IP, TEXT(""), false },
		{ SUBJECT_DN, TEXT("CN=client"), true },
		{ SUBJECT_DN, TEXT("CN=Client"), false },
		{ SUBJECT_DN, TEXT("CN=client.example.com"), false },
		{ SUBJECT_DN, TEXT("client"), false },
		{ SUBJECT_DN, TEXT(""), false },
		{ SUBJECT_NONE, TEXT("CN=client"), false },
		{ SUBJECT_NONE, TEXT(""), false },
	};
	EVP_PKEY *pkey = support_key(KEY_OKP);
	struct certificate certificate = take(
		support_certificate(pkey, "client", alternatives, COUNT(alternatives)));
	struct certificate bare = take(support_certificate(pkey, "other", NULL, 0));

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct certificate_subject subject = { cases[i].kind, cases[i].value };

		CHECK(certificate_has_subject(&certificate, &subject) == cases[i].wanted,
			cases[i].value.p);
		CHECK(!certificate_has_subject(&bare, &subject), cases[i].value.p);
		CHECK_NUMBER(ERR_peek_error(), 0, cases[i].value.p);
	}
	certificate_clear(&certificate);
	certificate_clear(&bare);
	EVP_PKEY_free(pkey);
	check_end();
}

/* Not one of the extension, or not to be read: no name of it counts. */
static void test_bad_alternatives(void **state)
{
	static const struct certificate_subject subject = { SUBJECT_SAN_DNS,
		TEXT("client.example.com") };
	EVP_PKEY *pkey = support_key(KEY_OKP);
	X509 *twice = support_certificate(pkey, "client", alternatives, 1);
	X509 *garbled = support_certificate(pkey, "client", NULL, 0);
	ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	struct certificate certificate;

	(void)state;
	support_add_alternatives(twice, alternatives, 1);
	support_sign(twice, pkey);
	certificate = take(twice);
	CHECK(!certificate_has_subject(&certificate, &subject), "twice");
	CHECK_NUMBER(ERR_peek_error(), 0, "twice");
	certificate_clear(&certificate);

	assert_int_equal(ASN1_STRING_set(bytes, "client.example.com", 18), 1);
	extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, bytes);
	assert_int_equal(X509_add_ext(garbled, extension, -1), 1);
	support_sign(garbled, pkey);
	certificate = take(garbled);
	CHECK(!certificate_has_subject(&certificate, &subject), "garbled");
	CHECK_REASON(failure_memory(REASON_NONE), REASON_NONE, "garbled");
	certificate_clear(&certificate);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(bytes);
	EVP_PKEY_free(pkey);
	check_end();
}

/* The public JWK of a key; with the certificate in x5c, if there is one. */
static struct jwk make_jwk(EVP_PKEY *pkey, X509 *x509)
{
	char space[2048], text[4096];
	struct buf buf = buf_init(space, sizeof(space));
	unsigned char *der = NULL;
	struct jwk jwk;
	json_t *json;

	assert_int_equal(jwk_write(&buf, pkey, JOSE_ALG_NONE, STR("")), REASON_NONE);
	json = json_loadb(buf.p, buf.n, 0, NULL);
	if (x509) {
		int len = i2d_X509(x509, &der);

		assert_true(len > 0 && len < 3000);
		EVP_EncodeBlock((unsigned char *)text, der, len);
		json_object_set_new(json, "x5c", json_pack("[s]", text));
		OPENSSL_free(der);
	}
	assert_int_equal(jwk_parse(json, &jwk), REASON_NONE);
	json_decref(json);
	return jwk;
}

static void test_key(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		for (size_t j = 0; j < COUNT(keys); j++) {
			EVP_PKEY *mine = support_key(keys[i]), *other = support_key(keys[j]);
			X509 *registered = support_certificate(other, "client", NULL, 0);
			X509 *renewed = support_certificate(other, "renewed", NULL, 0);
			/* ECDSA signs differently each time: take the very certificate. */
			X509 *presented = i == j ? X509_dup(registered)
						 : support_certificate(mine, "client", NULL, 0);
			struct jwk bare = make_jwk(other, NULL);
			struct jwk pinned = make_jwk(other, registered);
			struct jwk elsewhere = make_jwk(other, renewed);
			struct certificate certificate;

			certificate = take(presented);
			CHECK(certificate_has_key(&certificate, &bare) == (i == j), keys[i]);
			CHECK(certificate_has_key(&certificate, &pinned) == (i == j), keys[i]);
			CHECK(!certificate_has_key(&certificate, &elsewhere), keys[i]);
			CHECK_NUMBER(bare.certificate_end_s, 0, keys[i]);
			CHECK_NUMBER(pinned.certificate_end_s, CERTIFICATE_END_S, keys[i]);
			/* Another kind of key is no lack of memory. */
			CHECK_REASON(failure_memory(REASON_NONE), REASON_NONE, keys[i]);
			certificate_clear(&certificate);
			jwk_clear(&bare);
			jwk_clear(&pinned);
			jwk_clear(&elsewhere);
			X509_free(registered);
			X509_free(renewed);
			EVP_PKEY_free(mine);
			EVP_PKEY_free(other);
		}
	}
	check_end();
}

/* Another key of the same type. */
static void test_other_key(void **state)
{
	EVP_PKEY *mine = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct jwk jwk = make_jwk(other, NULL);
	struct certificate certificate = take(support_certificate(mine, "client", NULL, 0));

	(void)state;
	CHECK(!certificate_has_key(&certificate, &jwk), "another key");
	CHECK_NUMBER(ERR_peek_error(), 0, "another key");
	certificate_clear(&certificate);
	jwk_clear(&jwk);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(other);
	check_end();
}

static void test_clear(void **state)
{
	struct certificate certificate = { 0 };

	(void)state;
	certificate_clear(&certificate);
	certificate_clear(&certificate);
	CHECK(is_clear(&certificate), "nothing to free");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refused_texts),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_two_certificates),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_current),
		cmocka_unit_test(test_bad_times),
		cmocka_unit_test(test_alternatives),
		cmocka_unit_test(test_bad_alternatives),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests_name("certificate", tests, make_arena, free_arena);
}
