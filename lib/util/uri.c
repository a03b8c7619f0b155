/* SPDX-License-Identifier: MIT */
/* Absolute URIs (RFC 3986), as far as their parts matter here. */
#include "util/uri.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 3986 §3.1 */
static bool is_scheme(struct str s)
{
	if (s.n == 0 || !is_letter(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && !str_has(STR("+-."), s.p[i]))
			return false;
	}
	return true;
}

static bool is_hex(char c)
{
	return str_hex_value(c) != STR_NOT_HEX;
}

/* RFC 3986 §2: reserved and unreserved characters, and whole percent-encodings. */
static bool has_uri_characters(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%') {
			if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
				return false;
		} else if (!is_letter(s.p[i]) && !is_digit(s.p[i]) &&
			   !str_has(STR("-._~:/?#[]@!$&'()*+,;="), s.p[i])) {
			return false;
		}
	}
	return true;
}

/* [userinfo@]host[:port]; the host of an IPv6 literal stands in brackets. */
static void split_authority(struct uri *uri)
{
	struct str rest = uri->authority, user;

	if (str_has(rest, '@'))
		str_cut(&rest, '@', &user);
	if (str_starts(rest, STR("["))) {
		rest = str_from(rest, 1);
		str_cut(&rest, ']', &uri->host);
		uri->port = str_starts(rest, STR(":")) ? str_from(rest, 1) : STR("");
	} else {
		str_cut(&rest, ':', &uri->host);
		uri->port = rest;
	}
}

bool uri_parse(struct str text, struct uri *uri)
{
	struct uri parts = { 0 };
	struct str rest = text, fragment;

	*uri = (struct uri){ 0 };
	if (!has_uri_characters(text) || !str_cut(&rest, ':', &parts.scheme) ||
		!is_scheme(parts.scheme) || rest.n == 0)
		return false;
	fragment = rest;
	parts.has_fragment = str_cut(&fragment, '#', &rest);
	parts.query = rest;
	parts.has_query = str_cut(&parts.query, '?', &rest);
	parts.path = rest;
	if (str_starts(rest, STR("//"))) {
		rest = str_from(rest, 2);
		parts.path = rest;
		str_cut(&parts.path, '/', &parts.authority);
		parts.path = str_from(rest, parts.authority.n);
		split_authority(&parts);
	}
	*uri = parts;
	return true;
}

bool uri_is_absolute(struct str text)
{
	struct uri uri;

	return uri_parse(text, &uri) && !uri.has_fragment;
}
