/* SPDX-License-Identifier: MIT */
/* Distinguished names as text (RFC 4514), compared with those of certificates. */
#ifndef JOSE_DN_H
#define JOSE_DN_H

#include "util/attr.h"
#include "util/str.h"

#include <openssl/x509.h>

#define DN_VALUE_MAX 1024 /* bytes of one value, decoded */

/*
 * dn_is_valid - is the text a distinguished name (RFC 4514 §3) of which every attribute type
 * is known?
 *
 * The empty name is none: it would say nothing about anybody.  A value has DN_VALUE_MAX bytes
 * at most.  Blanks around ',', '+' and '=' are ignored, as RFC 2253 §4 asks of readers; those
 * that belong to a value are escaped there.  Before and behind the whole there are none.
 *
 * Types are the nine of RFC 4514 §3, in any case, other short names that OpenSSL knows, and
 * dotted object identifiers.
 */
bool dn_is_valid(struct str text);

/*
 * dn_matches - is it the name of a certificate?
 *
 * Compared RDN by RDN, the text's first with the name's last (RFC 4514 §2.1); the attributes
 * of one RDN in any order, their values exactly, as UTF-8.  False also for a text that is not
 * valid, and out of memory, which failure_memory() tells then.
 */
bool dn_matches(struct str text, const X509_NAME *name);

#endif
