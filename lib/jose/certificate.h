/* SPDX-License-Identifier: MIT */
/* X.509 certificates of clients, as far as RFC 8705 looks at them. */
#ifndef JOSE_CERTIFICATE_H
#define JOSE_CERTIFICATE_H

#include "jose/jwk.h"
#include "util/arena.h"

#include <openssl/x509.h>

#define CERTIFICATE_TEXT_MAX 16384    /* bytes */
#define CERTIFICATE_THUMBPRINT_LEN 43 /* characters of a SHA-256 thumbprint */

/* By what a certificate is told (RFC 8705 §2.1.2). */
enum subject_kind {
	SUBJECT_DN,
	SUBJECT_SAN_DNS,
	SUBJECT_SAN_URI,
	SUBJECT_SAN_IP,
	SUBJECT_SAN_EMAIL,
	SUBJECT__MAX,
	SUBJECT_NONE = SUBJECT__MAX, /* nothing is registered; matches no certificate */
};

struct certificate_subject {
	enum subject_kind kind;
	struct str value; /* borrowed; a DN as in RFC 4514, an address as text */
};

struct certificate {
	X509 *x509;                                      /* owned */
	unsigned char digest[SECRET_DIGEST_SIZE];        /* SHA-256 of the DER form */
	char thumbprint[CERTIFICATE_THUMBPRINT_LEN + 1]; /* x5t#S256 (RFC 8705 §3.1) */
};

/*
 * certificate_read - read the certificate that a web server hands on.
 *
 * text         one certificate in PEM: as it is (Apache, lighttpd), percent-encoded (nginx's
 *              $ssl_client_escaped_cert), or with tabs or spaces for or behind its line ends
 * arena        for the work
 * certificate  [out] for certificate_clear; cleared on failure
 *
 * Returns REASON_NONE; REASON_CERTIFICATE_SYNTAX, also for anything before or behind the one
 * certificate, and above CERTIFICATE_TEXT_MAX; REASON_MEMORY; REASON_INTERNAL.
 */
NODISCARD enum reason certificate_read(
	struct str text, struct arena *arena, struct certificate *certificate);

/*
 * certificate_parse - the same for a certificate in DER, with nothing behind it.
 *
 * Returns REASON_NONE; REASON_CERTIFICATE_SYNTAX; REASON_MEMORY; REASON_INTERNAL.
 */
NODISCARD enum reason certificate_parse(struct str der, struct certificate *certificate);
void certificate_clear(struct certificate *certificate);

/*
 * Of the three that follow: when they say no, failure_memory() tells whether it was for lack of
 * memory.
 */

/* certificate_is_current - does now_s lie between notBefore and notAfter (RFC 5280 §4.1.2.5)?
 */
bool certificate_is_current(const struct certificate *certificate, int64_t now_s);

/*
 * certificate_has_subject - is this its subject, or one of its subject alternative names?
 *
 * DNS names are compared without case, addresses as addresses, all else exactly; an entry
 * with a NUL in it matches nothing.
 */
bool certificate_has_subject(
	const struct certificate *certificate, const struct certificate_subject *subject);

/* certificate_has_key - is its key this one, and, if the JWK has x5c, is it that certificate?
 */
bool certificate_has_key(const struct certificate *certificate, const struct jwk *jwk);

/* certificate_end_s - notAfter in seconds since the epoch; 0 if it cannot be read. */
int64_t certificate_end_s(const struct certificate *certificate);

#endif
