/* SPDX-License-Identifier: MIT */
/* base64url and base64 (RFC 4648), strict, with no branch or index that depends on the data. */
#ifndef UTIL_B64URL_H
#define UTIL_B64URL_H

#include "util/attr.h"
#include "util/buf.h"

/* B64URL_LEN - characters of the base64url form of n bytes. */
#define B64URL_LEN(n) (((n)*8 + 5) / 6)

/* b64url_encode - append the base64url form, without padding (RFC 7515 §2): all of it or none.
 */
void b64url_encode(struct buf *buf, const void *data, size_t data_len);

/*
 * b64url_decode - decode base64url without padding (RFC 7515 §2).
 *
 * text  any content; borrowed
 * out   buffer of out_size bytes; text.n / 4 * 3 + 2 always suffice
 * len   [out] bytes written; 0 on failure
 *
 * Returns false for any other character, padding, white space, an impossible
 * length, and bits that are not zero behind the last byte.
 */
NODISCARD bool b64url_decode(struct str text, void *out, size_t out_size, size_t *len);

/* b64_decode - the same for base64 with its padding, which is required (RFC 4648 §4). */
NODISCARD bool b64_decode(struct str text, void *out, size_t out_size, size_t *len);

#endif
