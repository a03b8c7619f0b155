/* SPDX-License-Identifier: MIT */
/* Append-only bounded output buffer. */
#include "util/buf.h"

#include <string.h>

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS (0x80 * EACH_BYTE)

static void hex_escape(struct buf *buf, const char *start, unsigned char low)
{
	static const char hex[] = "0123456789abcdef";

	buf_text(buf, start);
	buf_char(buf, hex[low >> 4]);
	buf_char(buf, hex[low & 15]);
}

static void json_escape(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		buf_char(buf, '\\');
		buf_char(buf, (char)c);
		return;
	case '\n':
		buf_text(buf, "\\n");
		return;
	case '\r':
		buf_text(buf, "\\r");
		return;
	case '\t':
		buf_text(buf, "\\t");
		return;
	default:
		hex_escape(buf, "\\u00", c);
	}
}

/* Does it stand for itself in a JSON string? */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The high bits show whether one of these bytes of ASCII is below the limit. */
static uint64_t below(uint64_t bytes, uint64_t limit)
{
	return bytes - limit * EACH_BYTE;
}

/* Are these eight bytes plain, all of them? */
static bool are_plain(const char *p)
{
	uint64_t bytes;

	memcpy(&bytes, p, sizeof(bytes));
	uint64_t found = bytes | below(bytes, 0x20) | below(bytes ^ '"' * EACH_BYTE, 1) |
			 below(bytes ^ '\\' * EACH_BYTE, 1) |
			 below(bytes ^ 0x7f * EACH_BYTE, 1);

	return (found & HIGH_BITS) == 0;
}

/*
 * The bytes at the start of s that are plain.  Eight at a time, the last eight whole: texts of
 * 8 to 15 bytes take the same time, so that a log line does not tell why a client is refused.
 */
static size_t plain_length(struct str s)
{
	const size_t word = sizeof(uint64_t);
	size_t n = 0;

	while (n + word <= s.n && are_plain(s.p + n))
		n += word;
	if (s.n >= word && n + word > s.n && are_plain(s.p + s.n - word))
		return s.n;
	while (n < s.n && is_plain(s.p[n]))
		n++;
	return n;
}

/* The bytes of the UTF-8 character at the start of s; 0 if there is none. */
static size_t utf8_character(struct str s)
{
	for (size_t n = 2; n <= 4 && n <= s.n; n++) {
		if (str_is_utf8(str_upto(s, n)))
			return n;
	}
	return 0;
}

/* U+2028 and U+2029 end a line for some readers; U+202A to U+202E and U+2066 to U+2069 turn the
 * order of what is read. */
static bool is_deceptive(struct str s)
{
	unsigned char last = s.n < 3 ? 0 : (unsigned char)s.p[2];

	if (str_starts(s, STR("\xe2\x80")))
		return last >= 0xa8 && last <= 0xae;
	return str_starts(s, STR("\xe2\x81")) && last >= 0xa6 && last <= 0xa9;
}

/* Append the character that starts with a byte above 0x7f.  Returns the bytes it took. */
static size_t json_character(struct buf *buf, struct str s)
{
	size_t length = utf8_character(s);

	if (length == 0) {
		buf_text(buf, "\xef\xbf\xbd");
		return 1;
	}
	/* U+0080 to U+009F control terminals too. */
	if ((unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		json_escape(buf, (unsigned char)s.p[1]);
	else if (is_deceptive(s))
		hex_escape(buf, "\\u20", (unsigned char)((s.p[1] & 1) << 6 | (s.p[2] & 0x3f)));
	else
		buf_str(buf, str_upto(s, length));
	return length;
}

struct buf buf_init(char *p, size_t size)
{
	return (struct buf){ .p = p, .size = size };
}

char *buf_room(struct buf *buf, size_t n)
{
	if (buf->overflow || n > buf->size - buf->n) {
		buf->overflow = true;
		return NULL;
	}
	char *p = buf->p + buf->n;

	buf->n += n;
	return p;
}

void buf_char(struct buf *buf, char c)
{
	char *p = buf_room(buf, 1);

	if (p != NULL)
		*p = c;
}

void buf_str(struct buf *buf, struct str s)
{
	char *p = buf_room(buf, s.n);

	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
}

void buf_text(struct buf *buf, const char *text)
{
	buf_str(buf, str_of(text));
}

void buf_number(struct buf *buf, int64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		buf_char(buf, '-');
	buf_str(buf, (struct str){ digits + at, sizeof(digits) - at });
}

void buf_padded(struct buf *buf, int64_t number, unsigned digits)
{
	int64_t power = 10;

	for (unsigned i = 1; i < digits; i++, power *= 10) {
		if (number < power) {
			for (; i < digits; i++)
				buf_char(buf, '0');
			break;
		}
	}
	buf_number(buf, number);
}

void buf_json(struct buf *buf, struct str s)
{
	buf_char(buf, '"');
	while (s.n > 0) {
		size_t length = plain_length(s);

		if (length > 0) {
			buf_str(buf, str_upto(s, length));
		} else if ((unsigned char)s.p[0] <= 0x7f) {
			json_escape(buf, (unsigned char)s.p[0]);
			length = 1;
		} else {
			length = json_character(buf, s);
		}
		s = str_from(s, length);
	}
	buf_char(buf, '"');
}

struct str buf_view(const struct buf *buf)
{
	return (struct str){ buf->p, buf->n };
}
