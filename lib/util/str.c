/* SPDX-License-Identifier: MIT */
/* Borrowed text: comparison, cutting, strict numbers and UTF-8. */
#include "util/str.h"

#include <string.h>

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The bytes that a UTF-8 sequence with this first byte has; 0 if none starts so. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* RFC 3629 §4: after some first bytes only a part of 80..BF may follow. */
static bool utf8_second_allowed(unsigned char first, unsigned char second)
{
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

struct str str_of(const char *c)
{
	return c == NULL ? STR("") : (struct str){ c, strlen(c) };
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	}
	return true;
}

int str_compare(struct str a, struct str b)
{
	size_t common = a.n < b.n ? a.n : b.n;
	int order = common == 0 ? 0 : memcmp(a.p, b.p, common);

	if (order != 0)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq((struct str){ s.p, prefix.n }, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool str_has(struct str s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

bool str_contains(struct str s, struct str part)
{
	return part.n == 0 || (s.n > 0 && memmem(s.p, s.n, part.p, part.n) != NULL);
}

struct str str_from(struct str s, size_t from)
{
	return from >= s.n ? STR("") : (struct str){ s.p + from, s.n - from };
}

struct str str_upto(struct str s, size_t n)
{
	return (struct str){ s.p, s.n < n ? s.n : n };
}

bool str_cut(struct str *rest, char separator, struct str *head)
{
	const char *at = rest->n == 0 ? NULL : memchr(rest->p, separator, rest->n);

	if (at == NULL) {
		*head = *rest;
		*rest = STR("");
		return false;
	}
	*head = (struct str){ rest->p, (size_t)(at - rest->p) };
	*rest = str_from(*rest, head->n + 1);
	return true;
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool str_to_number(struct str s, int64_t max, int64_t *value)
{
	int64_t number = 0;

	*value = 0;
	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		const int64_t digit = s.p[i] - '0';

		if (digit > max || number > (max - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*value = number;
	return true;
}

unsigned str_hex_value(char c)
{
	/* One more than the value, as 0 is for all others. */
	static const unsigned char values[256] = { ['0'] = 1,
		['1'] = 2,
		['2'] = 3,
		['3'] = 4,
		['4'] = 5,
		['5'] = 6,
		['6'] = 7,
		['7'] = 8,
		['8'] = 9,
		['9'] = 10,
		['a'] = 11,
		['b'] = 12,
		['c'] = 13,
		['d'] = 14,
		['e'] = 15,
		['f'] = 16,
		['A'] = 11,
		['B'] = 12,
		['C'] = 13,
		['D'] = 14,
		['E'] = 15,
		['F'] = 16 };
	unsigned value = values[(unsigned char)c];

	return value == 0 ? STR_NOT_HEX : value - 1;
}

bool str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0; i < s.n;) {
		size_t length = utf8_length(p[i]);

		if (length == 0 || length > s.n - i)
			return false;
		if (length > 1 && !utf8_second_allowed(p[i], p[i + 1]))
			return false;
		for (size_t k = 2; k < length; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
		}
		i += length;
	}
	return true;
}

bool str_is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

bool str_list_has(struct str_list list, struct str s)
{
	for (size_t i = 0; i < list.count; i++) {
		if (str_eq(list.items[i], s))
			return true;
	}
	return false;
}
