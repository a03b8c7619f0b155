/* SPDX-License-Identifier: MIT */
/* base64url and base64 (RFC 4648), strict and without data-dependent branches. */
#include "util/b64url.h"
#include "util/secret.h"

#include <endian.h>
#include <string.h>

/*
 * Eight characters, which stand for six bytes, are handled at once: as the bytes of one number,
 * the first of them uppermost.  Sums of such numbers are right for each byte if the result of
 * each is one; what carries between them on the way goes back the same way.
 */
#define GROUP_BYTES 6
#define GROUP_CHARS 8

/* A number with the byte c in all places. */
#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

struct alphabet {
	unsigned char c62, c63;
};

static const struct alphabet url_alphabet = { '-', '_' };
static const struct alphabet plain_alphabet = { '+', '/' };

/* 1 in each place where the byte, which is below 0x80, is at least `least`; else 0. */
static uint64_t at_least(uint64_t bytes, unsigned least)
{
	return (bytes + EACH(0x80 - least)) >> 7 & EACH(1);
}

/* The same where it is from `low` to `high`. */
static uint64_t in_range(uint64_t bytes, unsigned low, unsigned high)
{
	return at_least(bytes, low) - at_least(bytes, high + 1);
}

/* From the 48 low bits to six in each place, by halves. */
static uint64_t spread(uint64_t bits)
{
	bits = (bits & 0xffffff) | (bits >> 24) << 32;
	bits = (bits & UINT64_C(0x00000fff00000fff)) | (bits & UINT64_C(0x00fff00000fff000))
							       << 4;
	return (bits & UINT64_C(0x003f003f003f003f)) | (bits & UINT64_C(0x0fc00fc00fc00fc0))
							       << 2;
}

/* And back. */
static uint64_t gather(uint64_t sextets)
{
	sextets = (sextets & UINT64_C(0x003f003f003f003f)) |
		  (sextets & UINT64_C(0x3f003f003f003f00)) >> 2;
	sextets = (sextets & UINT64_C(0x00000fff00000fff)) |
		  (sextets & UINT64_C(0x0fff00000fff0000)) >> 4;
	return (sextets & 0xffffff) | (sextets >> 32) << 24;
}

/* The characters of base64url: from one range to the next their distance to the value jumps. */
static uint64_t letters(uint64_t sextets)
{
	return sextets + EACH('A') + at_least(sextets, 26) * ('a' - 26 - 'A') -
	       at_least(sextets, 52) * ('a' - 26 - ('0' - 52)) -
	       at_least(sextets, 62) * ('0' - 52 - ('-' - 62)) +
	       at_least(sextets, 63) * ('_' - 63 - ('-' - 62));
}

/* What the characters stand for; *bad gets bits where one stands for nothing. */
static uint64_t values(uint64_t text, const struct alphabet *alphabet, uint64_t *bad)
{
	uint64_t low = text & EACH(0x7f);
	uint64_t upper = in_range(low, 'A', 'Z');
	uint64_t lower = in_range(low, 'a', 'z');
	uint64_t digit = in_range(low, '0', '9');
	uint64_t is_62 = in_range(low, alphabet->c62, alphabet->c62);
	uint64_t is_63 = in_range(low, alphabet->c63, alphabet->c63);

	*bad |= (text ^ low) | ((upper + lower + digit + is_62 + is_63) ^ EACH(1));
	return low - upper * 'A' - lower * ('a' - 26) + digit * (52 - '0') +
	       is_62 * (UINT64_C(62) - alphabet->c62) + is_63 * (UINT64_C(63) - alphabet->c63);
}

/* The characters at p, of which there are eight. */
static uint64_t load(const char *p)
{
	uint64_t group;

	memcpy(&group, p, sizeof(group));
	return be64toh(group);
}

/* Write the first n bytes that a group of characters stands for; all behind them is zero. */
static void decode_group(uint64_t text, const struct alphabet *alphabet, unsigned char *out,
	size_t n, uint64_t *bad)
{
	uint64_t bits = gather(values(text, alphabet, bad)) << 16;

	*bad |= bits << 8 * n;
	bits = htobe64(bits);
	memcpy(out, &bits, n);
}

/* Write the first n characters for data_len bytes. */
static void encode_group(const unsigned char *p, size_t data_len, char *out, size_t n)
{
	uint64_t group = 0;

	memcpy(&group, p, data_len);
	group = htobe64(letters(spread(be64toh(group) >> 16)));
	memcpy(out, &group, n);
}

static bool decode(struct str text, const struct alphabet *alphabet, unsigned char *out,
	size_t out_size, size_t *len)
{
	const size_t n = text.n / 4 * 3 + text.n % 4 * 3 / 4;
	char last[GROUP_CHARS] = { 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A' }; /* zeros */
	unsigned char *end = out;
	uint64_t bad = 0;

	*len = 0;
	if (text.n % 4 == 1 || n > out_size)
		return false;
	for (; text.n >= GROUP_CHARS; text = str_from(text, GROUP_CHARS), end += GROUP_BYTES)
		decode_group(load(text.p), alphabet, end, GROUP_BYTES, &bad);
	if (text.n > 0) {
		memcpy(last, text.p, text.n);
		decode_group(load(last), alphabet, end, n % GROUP_BYTES, &bad);
		secret_wipe(last, sizeof(last));
	}
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
	char *out = buf_room(buf, B64URL_LEN(data_len));

	if (out == NULL)
		return;
	for (; data_len >= GROUP_BYTES; data_len -= GROUP_BYTES) {
		encode_group(p, GROUP_BYTES, out, GROUP_CHARS);
		p += GROUP_BYTES;
		out += GROUP_CHARS;
	}
	if (data_len > 0)
		encode_group(p, data_len, out, B64URL_LEN(data_len));
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
