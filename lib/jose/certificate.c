/* SPDX-License-Identifier: MIT */
/* X.509 certificates of clients, as far as RFC 8705 looks at them. */
#include "jose/certificate.h"
#include "jose/dn.h"
#include "jose/failure.h"
#include "util/b64url.h"
#include "util/netmask.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END "-----END CERTIFICATE-----"

/* How many bytes an address has in a certificate (RFC 5280 §4.2.1.6). */
#define IPV4_SIZE 4
#define IPV6_SIZE 16

/* The kind of subject alternative name; of SUBJECT_DN it is not used. */
static const int general_types[SUBJECT__MAX] = {
	[SUBJECT_SAN_DNS] = GEN_DNS,
	[SUBJECT_SAN_URI] = GEN_URI,
	[SUBJECT_SAN_IP] = GEN_IPADD,
	[SUBJECT_SAN_EMAIL] = GEN_EMAIL,
};

/* Decode %XX in place; a plus sign is a plus sign.  False if a percent sign means nothing. */
static bool percent_decode(char *text, size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < *len; i++, n++) {
		text[n] = text[i];
		if (text[i] != '%')
			continue;
		unsigned high = i + 2 < *len ? str_hex_value(text[i + 1]) : STR_NOT_HEX;
		unsigned low = i + 2 < *len ? str_hex_value(text[i + 2]) : STR_NOT_HEX;

		if (high == STR_NOT_HEX || low == STR_NOT_HEX)
			return false;
		text[n] = (char)(high << 4 | low);
		i += 2;
	}
	*len = n;
	return true;
}

/* White space is what web servers put at the ends of lines, or instead of them. */
static size_t remove_space(char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (!str_has(STR(" \t\r\n"), text[i]))
			text[n++] = text[i];
	}
	return n;
}

static struct str trim(struct str s)
{
	static const struct str space = STR_CONST(" \t\r\n");

	while (s.n > 0 && str_has(space, s.p[0]))
		s = str_from(s, 1);
	while (s.n > 0 && str_has(space, s.p[s.n - 1]))
		s.n--;
	return s;
}

/* From PEM to DER, in place.  The base64 is strict, so nothing but one certificate passes. */
static bool pem_to_der(char *text, size_t *len)
{
	struct str pem = trim((struct str){ text, *len });
	const size_t frame = sizeof(PEM_BEGIN) - 1 + sizeof(PEM_END) - 1;

	if (!str_starts(pem, STR(PEM_BEGIN)) || !str_ends(pem, STR(PEM_END)) || pem.n < frame)
		return false;
	char *body = text + (pem.p - text) + sizeof(PEM_BEGIN) - 1;
	size_t body_len = remove_space(body, pem.n - frame);

	return b64_decode((struct str){ body, body_len }, text, *len, len);
}

static X509 *read_der(struct str der, const unsigned char **end)
{
	ERR_clear_error();
	*end = (const unsigned char *)der.p;
	return d2i_X509(NULL, end, (long)der.n);
}

/* A key for which OpenSSL has no memory looks like one that it does not know: it is read again.
 */
static X509 *read_twice(struct str der, const unsigned char **end)
{
	X509 *x509 = read_der(der, end);

	if (x509 == NULL || X509_get0_pubkey(x509) != NULL)
		return x509;
	X509_free(x509);
	return read_der(der, end);
}

static enum reason parse(struct str der, struct certificate *certificate)
{
	const unsigned char *p;
	struct buf thumbprint = buf_init(
		certificate->thumbprint, sizeof(certificate->thumbprint));

	certificate->x509 = read_twice(der, &p);
	if (certificate->x509 == NULL)
		return failure_reason(REASON_CERTIFICATE_SYNTAX);
	if ((const char *)p != der.p + der.n)
		return REASON_CERTIFICATE_SYNTAX;
	if (!secret_digest(der, certificate->digest))
		return REASON_INTERNAL;
	b64url_encode(&thumbprint, certificate->digest, sizeof(certificate->digest));
	buf_char(&thumbprint, '\0');
	return thumbprint.overflow ? REASON_INTERNAL : REASON_NONE;
}

static bool is_text(struct str entry, struct str value)
{
	return str_eq(entry, value);
}

static bool is_address(struct str entry, struct str value)
{
	struct netaddr address;
	size_t size = str_has(value, ':') ? IPV6_SIZE : IPV4_SIZE;

	/* An IPv4 address is held at the end of its mapped form. */
	return netaddr_parse(value, &address) &&
	       str_eq(entry, str_from((struct str){ (const char *)address.bytes, IPV6_SIZE },
				     IPV6_SIZE - size));
}

static bool is_alternative(const GENERAL_NAME *name, const struct certificate_subject *subject)
{
	static bool (*const compare[SUBJECT__MAX])(struct str, struct str) = {
		[SUBJECT_DN] = is_text,
		[SUBJECT_SAN_DNS] = str_eq_nocase,
		[SUBJECT_SAN_URI] = is_text,
		[SUBJECT_SAN_IP] = is_address,
		[SUBJECT_SAN_EMAIL] = is_text,
	};
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	if (type != general_types[subject->kind])
		return false;
	struct str entry = { (const char *)ASN1_STRING_get0_data(value),
		(size_t)ASN1_STRING_length(value) };

	if (type != GEN_IPADD && str_has(entry, '\0'))
		return false;
	return compare[subject->kind](entry, subject->value);
}

static bool has_alternative(const X509 *x509, const struct certificate_subject *subject)
{
	ERR_clear_error();
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = is_alternative(sk_GENERAL_NAME_value(names, i), subject);
	GENERAL_NAMES_free(names);
	return found;
}

enum reason certificate_read(
	struct str text, struct arena *arena, struct certificate *certificate)
{
	size_t len = text.n;

	*certificate = (struct certificate){ 0 };
	if (text.n == 0 || text.n > CERTIFICATE_TEXT_MAX)
		return REASON_CERTIFICATE_SYNTAX;
	char *copy = arena_alloc(arena, text.n + 1);

	if (copy == NULL)
		return REASON_MEMORY;
	memcpy(copy, text.p, text.n);
	if (!percent_decode(copy, &len) || !pem_to_der(copy, &len))
		return REASON_CERTIFICATE_SYNTAX;
	return certificate_parse((struct str){ copy, len }, certificate);
}

enum reason certificate_parse(struct str der, struct certificate *certificate)
{
	*certificate = (struct certificate){ 0 };
	enum reason reason = parse(der, certificate);

	ERR_clear_error();
	if (reason != REASON_NONE)
		certificate_clear(certificate);
	return reason;
}

void certificate_clear(struct certificate *certificate)
{
	X509_free(certificate->x509);
	*certificate = (struct certificate){ 0 };
}

bool certificate_is_current(const struct certificate *certificate, int64_t now_s)
{
	ERR_clear_error();
	/* -2 if the time cannot be read, else as comparing functions do. */
	int begin = ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate->x509), now_s);
	int end = ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate->x509), now_s);

	return (begin == -1 || begin == 0) && end >= 0;
}

int64_t certificate_end_s(const struct certificate *certificate)
{
	struct tm end;
	bool is_time = ASN1_TIME_to_tm(X509_get0_notAfter(certificate->x509), &end) == 1;

	ERR_clear_error();
	return is_time ? (int64_t)timegm(&end) : 0;
}

bool certificate_has_subject(
	const struct certificate *certificate, const struct certificate_subject *subject)
{
	if (subject->kind >= SUBJECT__MAX || subject->value.n == 0)
		return false;
	if (subject->kind == SUBJECT_DN)
		return dn_matches(subject->value, X509_get_subject_name(certificate->x509));
	return has_alternative(certificate->x509, subject);
}

bool certificate_has_key(const struct certificate *certificate, const struct jwk *jwk)
{
	ERR_clear_error();
	bool is_same = EVP_PKEY_eq(X509_get0_pubkey(certificate->x509), jwk->pkey) == 1;

	return is_same && (!jwk->has_certificate ||
				  secret_equal(certificate->digest, jwk->certificate_digest,
					  sizeof(certificate->digest)));
}
