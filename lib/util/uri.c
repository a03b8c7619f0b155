/* SPDX-License-Identifier: MIT */
/* Absolute URIs (RFC 3986), as far as their parts matter here. */
#include "util/uri.h"
#include "util/netmask.h"

#define PORT_MAX 65535

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

static bool is_unreserved(char c)
{
	return is_letter(c) || is_digit(c) || str_has(STR("-._~"), c);
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char as_it_is(char c)
{
	return c;
}

/* The authority without the port, where the scheme has it for its own or it is left empty. */
static struct str without_own_port(const struct uri *uri)
{
	static const struct {
		struct str scheme, port;
	} own[] = {
		{ STR_CONST("http"), STR_CONST("80") },
		{ STR_CONST("https"), STR_CONST("443") },
	};
	bool drop = uri->port.n == 0 && str_ends(uri->authority, STR(":"));

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (str_eq_nocase(uri->scheme, own[i].scheme) && str_eq(uri->port, own[i].port))
			drop = true;
	}
	return drop ? str_upto(uri->authority, uri->authority.n - uri->port.n - 1)
		    : uri->authority;
}

/* RFC 3986 §6.2.2.1, §6.2.2.2; the encodings are whole (uri_parse). */
static void write_unescaped(struct buf *buf, struct str s, char (*change)(char))
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			buf_char(buf, change(s.p[i]));
			continue;
		}
		unsigned high = str_hex_value(s.p[i + 1]), low = str_hex_value(s.p[i + 2]);
		char c = (char)(high << 4 | low);

		i += 2;
		if (is_unreserved(c))
			buf_char(buf, change(c));
		else
			uri_escape(buf, (unsigned char)c);
	}
}

static void drop_last_segment(struct buf *buf, size_t start)
{
	while (buf->n > start && buf->p[--buf->n] != '/')
		;
}

/* RFC 3986 §5.2.4, for a path that is empty or starts with a slash. */
static void write_without_dots(struct buf *buf, struct str path)
{
	const size_t start = buf->n;
	struct str rest = str_from(path, 1), segment;
	bool more = true;

	while (more) {
		more = str_cut(&rest, '/', &segment);
		bool is_up = str_eq(segment, STR(".."));

		if (is_up)
			drop_last_segment(buf, start);
		if (is_up || str_eq(segment, STR("."))) {
			if (!more)
				buf_char(buf, '/');
			continue;
		}
		buf_char(buf, '/');
		buf_str(buf, segment);
	}
}

static bool is_loopback_host(struct str host)
{
	struct netaddr address;

	return str_eq_nocase(host, STR("localhost")) ||
	       (netaddr_parse(host, &address) && netaddr_is_loopback(&address));
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

void uri_escape(struct buf *buf, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_char(buf, '%');
	buf_char(buf, digits[c >> 4]);
	buf_char(buf, digits[c & 15]);
}

bool uri_is_absolute(struct str text)
{
	struct uri uri;

	return uri_parse(text, &uri) && !uri.has_fragment;
}

enum reason uri_normalize(struct str text, struct arena *arena, struct str *normal)
{
	struct uri uri;
	const size_t size = text.n + 1; /* a slash for an empty path */

	*normal = STR("");
	if (!uri_parse(text, &uri) || uri.authority.n == 0)
		return REASON_URI_SYNTAX;
	char *p = arena_alloc(arena, size), *path_p = arena_alloc(arena, size);

	if (p == NULL || path_p == NULL)
		return REASON_MEMORY;
	struct buf buf = buf_init(p, size), path = buf_init(path_p, size);

	write_unescaped(&buf, uri.scheme, to_lower);
	buf_text(&buf, "://");
	write_unescaped(&buf, without_own_port(&uri), to_lower);
	write_unescaped(&path, uri.path, as_it_is);
	write_without_dots(&buf, buf_view(&path));
	*normal = buf_view(&buf);
	return REASON_NONE;
}

bool uri_has_server(const struct uri *uri)
{
	struct netaddr address;
	int64_t port = 1;
	bool has_brackets = str_starts(uri->authority, STR("["));
	size_t n = uri->host.n + (has_brackets ? 2 : 0);

	if (uri->port.n > 0) {
		n += 1 + uri->port.n;
		if (!str_to_number(uri->port, PORT_MAX, &port))
			return false;
	}
	if (has_brackets && !(str_has(uri->host, ':') && netaddr_parse(uri->host, &address)))
		return false;
	return uri->host.n > 0 && n == uri->authority.n && port > 0;
}

const char *uri_server_problem(struct str text)
{
	struct uri uri;

	if (!uri_parse(text, &uri) || !uri_has_server(&uri))
		return "must be a URL such as https://auth.example.com";
	if (!str_eq(uri.scheme, STR("https")) && !str_eq(uri.scheme, STR("http")))
		return "must start with https://";
	if (str_eq(uri.scheme, STR("http")) && !is_loopback_host(uri.host))
		return "must start with https://; http:// is for a loopback host only";
	if (uri.has_query)
		return "must not have a query";
	return uri.has_fragment ? "must not have a fragment" : NULL;
}
