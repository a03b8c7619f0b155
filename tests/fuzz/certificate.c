/* SPDX-License-Identifier: MIT */
/*
 * Client certificates in the variables of web servers.
 *
 * Input: a byte and what a subject is compared with, up to a line feed; then the variable, or
 * DER, which the target hands on in the forms of the web servers.
 */
#include "fuzz.h"

#include "jose/certificate.h"
#include "util/b64url.h"
#include "util/uri.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define TEXT_SIZE 65536

static const char begin[] = "-----BEGIN CERTIFICATE-----";
static const char end[] = "-----END CERTIFICATE-----";

static void check_facts(const struct certificate *certificate, unsigned kind, struct str value)
{
	const struct certificate_subject subject = { kind % (SUBJECT__MAX + 1), value };
	struct jwk jwk = { .pkey = X509_get0_pubkey(certificate->x509) };

	REQUIRE(strlen(certificate->thumbprint) == CERTIFICATE_THUMBPRINT_LEN);
	if (certificate_has_subject(certificate, &subject))
		REQUIRE(subject.kind != SUBJECT_NONE && value.n > 0);
	int64_t end_s = certificate_end_s(certificate);

	if (end_s > 0)
		REQUIRE(!certificate_is_current(certificate, end_s + 1));
	if (jwk.pkey != NULL)
		(void)certificate_has_key(certificate, &jwk);
	jwk.has_certificate = true;
	if (jwk.pkey != NULL)
		REQUIRE(!certificate_has_key(certificate, &jwk));
	ERR_clear_error();
}

/* PEM with another text for its line ends. */
static void write_pem(struct buf *text, struct str der, const char *newline)
{
	char *base64 = malloc(der.n * 2 + 8);
	size_t n;

	REQUIRE(base64 != NULL);
	n = (size_t)EVP_EncodeBlock(
		(unsigned char *)base64, (const unsigned char *)der.p, (int)der.n);
	buf_text(text, begin);
	for (size_t i = 0; i < n; i += 64) {
		buf_text(text, newline);
		buf_str(text, str_upto((struct str){ base64 + i, n - i }, 64));
	}
	buf_text(text, newline);
	buf_text(text, end);
	buf_text(text, newline);
	free(base64);
}

/* As $ssl_client_escaped_cert of nginx. */
static void escape(struct buf *text, struct str pem)
{
	for (size_t i = 0; i < pem.n; i++) {
		if (str_has(STR(" \n+/="), pem.p[i]))
			uri_escape(text, (unsigned char)pem.p[i]);
		else
			buf_char(text, pem.p[i]);
	}
}

/* Whatever the form, it is the same certificate. */
static void check_form(struct str text, const struct certificate *wanted)
{
	struct certificate certificate;

	REQUIRE(text.n > CERTIFICATE_TEXT_MAX ||
		certificate_read(text, fuzz_arena(), &certificate) == REASON_NONE);
	if (text.n > CERTIFICATE_TEXT_MAX)
		return;
	REQUIRE(memcmp(certificate.digest, wanted->digest, sizeof(wanted->digest)) == 0);
	certificate_clear(&certificate);
}

static void check_der(struct str der, unsigned kind, struct str value)
{
	static const char *const newlines[] = { "\n", "\n\t", "\n ", "\t", " " };
	unsigned char digest[SECRET_DIGEST_SIZE];
	static char room[TEXT_SIZE], more[3 * TEXT_SIZE];
	struct certificate certificate;

	if (certificate_parse(der, &certificate) != REASON_NONE) {
		REQUIRE(certificate.x509 == NULL && certificate.thumbprint[0] == '\0');
		return;
	}
	REQUIRE(EVP_Digest(der.p, der.n, digest, NULL, EVP_sha256(), NULL) == 1);
	REQUIRE(memcmp(digest, certificate.digest, sizeof(digest)) == 0);
	check_facts(&certificate, kind, value);
	for (size_t i = 0; i < COUNT(newlines); i++) {
		struct buf pem = buf_init(room, sizeof(room));

		write_pem(&pem, der, newlines[i]);
		check_form(buf_view(&pem), &certificate);
	}
	struct buf pem = buf_init(room, sizeof(room)), escaped = buf_init(more, sizeof(more));

	write_pem(&pem, der, "\n");
	escape(&escaped, buf_view(&pem));
	check_form(buf_view(&escaped), &certificate);
	certificate_clear(&certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	unsigned kind = fuzz_byte(&rest);
	struct str value = fuzz_line(&rest);
	struct certificate certificate;

	if (size > 8000)
		return 0;
	char *copy = fuzz_copy(rest);
	struct str text = { copy, rest.n };

	if (kind < 128) {
		check_der(text, kind, value);
	} else if (certificate_read(text, fuzz_arena(), &certificate) == REASON_NONE) {
		check_facts(&certificate, kind, value);
		certificate_clear(&certificate);
	}
	free(copy);
	REQUIRE(ERR_peek_error() == 0);
	return 0;
}
