/* SPDX-License-Identifier: MIT */
/* base64url and base64 (RFC 4648), strict and without data-dependent branches. */
#include "util/b64url.h"
#include "util/secret.h"

#define SEXTET_INVALID 0x100U

struct alphabet {
	unsigned char c62, c63;
};

static const struct alphabet url_alphabet = { '-', '_' };
static const struct alphabet plain_alphabet = { '+', '/' };

/* All ones if low <= c <= high, else 0; all three are bytes. */
static unsigned range_mask(unsigned c, unsigned low, unsigned high)
{
	unsigned outside = ((c - low) | (high - c)) >> 31;

	return outside - 1;
}

/* The six bits that a character stands for, or SEXTET_INVALID. */
static unsigned sextet(unsigned char c, const struct alphabet *alphabet)
{
	unsigned upper = range_mask(c, 'A', 'Z');
	unsigned lower = range_mask(c, 'a', 'z');
	unsigned digit = range_mask(c, '0', '9');
	unsigned is_62 = range_mask(c, alphabet->c62, alphabet->c62);
	unsigned is_63 = range_mask(c, alphabet->c63, alphabet->c63);
	unsigned none = ~(upper | lower | digit | is_62 | is_63);

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26U)) | (digit & (c - '0' + 52U)) |
	       (is_62 & 62) | (is_63 & 63) | (none & SEXTET_INVALID);
}

/* The character for the six low bits of v, computed rather than looked up. */
static char letter(unsigned v)
{
	v &= 63;
	unsigned upper = range_mask(v, 0, 25);
	unsigned lower = range_mask(v, 26, 51);
	unsigned digit = range_mask(v, 52, 61);
	unsigned is_62 = range_mask(v, 62, 62);
	unsigned is_63 = range_mask(v, 63, 63);

	return (char)((upper & (v + 'A')) | (lower & (v - 26 + 'a')) |
		      (digit & (v - 52 + '0')) | (is_62 & url_alphabet.c62) |
		      (is_63 & url_alphabet.c63));
}

static bool decode(struct str text, const struct alphabet *alphabet, unsigned char *out,
	size_t out_size, size_t *len)
{
	unsigned bits = 0;
	unsigned bit_count = 0;
	unsigned bad = 0;
	size_t n = 0;

	*len = 0;
	if (text.n % 4 == 1 || text.n / 4 * 3 + text.n % 4 * 3 / 4 > out_size)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned v = sextet((unsigned char)text.p[i], alphabet);

		bad |= v & SEXTET_INVALID;
		bits = (bits << 6 | (v & 63)) & 0xfff;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			out[n++] = (unsigned char)(bits >> bit_count);
		}
	}
	bad |= bits & ((1U << bit_count) - 1);
	if (bad != 0) {
		secret_wipe(out, n);
		return false;
	}
	*len = n;
	return true;
}

void b64url_encode(struct buf *buf, const void *data, size_t data_len)
{
	const unsigned char *p = data;
	unsigned bits = 0;
	unsigned bit_count = 0;

	for (size_t i = 0; i < data_len; i++) {
		bits = (bits << 8 | p[i]) & 0xffff;
		bit_count += 8;
		while (bit_count >= 6) {
			bit_count -= 6;
			buf_char(buf, letter(bits >> bit_count));
		}
	}
	if (bit_count > 0)
		buf_char(buf, letter(bits << (6 - bit_count)));
}

bool b64url_decode(struct str text, void *out, size_t out_size, size_t *len)
{
	return decode(text, &url_alphabet, out, out_size, len);
}

bool b64_decode(struct str text, void *out, size_t out_size, size_t *len)
{
	*len = 0;
	if (text.n % 4 != 0)
		return false;
	for (unsigned i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
		text.n--;
	return decode(text, &plain_alphabet, out, out_size, len);
}
