/* SPDX-License-Identifier: MIT */
/* Borrowed text: a pointer and a length, never NUL-terminated by contract. */
#ifndef UTIL_STR_H
#define UTIL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t n; /* bytes */
};

/* Some texts; the array and its elements are borrowed from the same owner. */
struct str_list {
	const struct str *items;
	size_t count;
};

#define STR(literal) ((struct str)STR_CONST(literal))

/* The same as an initialiser of static tables. */
#define STR_CONST(literal)                      \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

/* str_of - view of a C string; NULL gives the empty text. */
struct str str_of(const char *c);

/* str_eq - same bytes.  Not for secrets: see secret_equal. */
bool str_eq(struct str a, struct str b);

/* str_eq_nocase - same bytes but for the case of ASCII letters. */
bool str_eq_nocase(struct str a, struct str b);

/* str_compare - order by bytes, then by length: < 0, 0 or > 0. */
int str_compare(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* str_has - is the byte c in s? */
bool str_has(struct str s, char c);

/* str_contains - is the text part in s? */
bool str_contains(struct str s, struct str part);

/* str_from - s without its first `from` bytes; empty if it has fewer. */
struct str str_from(struct str s, size_t from);

/* str_upto - the first `n` bytes of s, or all of it if it has fewer. */
struct str str_upto(struct str s, size_t n);

/*
 * str_cut - take the part of *rest before the first `separator`.
 *
 * *rest moves behind the separator.  Returns true if there was one; else
 * *head is all of *rest, and *rest becomes empty.
 */
bool str_cut(struct str *rest, char separator, struct str *head);

/* str_trim - without spaces and tabs at both ends (RFC 9110 §5.6.3, OWS). */
struct str str_trim(struct str s);

/*
 * str_to_number - strict decimal: one to nineteen digits and nothing else.
 *
 * Returns false, with *value 0, for anything else and for values above `max`.
 */
bool str_to_number(struct str s, int64_t max, int64_t *value);

#define STR_NOT_HEX 16

/* str_hex_value - of a hexadecimal digit in either case, or STR_NOT_HEX. */
unsigned str_hex_value(char c);

/* str_is_utf8 - well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates. */
bool str_is_utf8(struct str s);

/* str_is_visible - VSCHAR only (RFC 6749 appendix A): %x20-7E. */
bool str_is_visible(struct str s);

/* str_list_has - is s one of the list? */
bool str_list_has(struct str_list list, struct str s);

#endif
