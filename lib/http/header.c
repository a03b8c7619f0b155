/* SPDX-License-Identifier: MIT */
/* The syntax of the request headers that matter here. */
#include "http/header.h"
#include "util/b64url.h"

/* The scheme, and behind it what the spaces separate from it. */
static struct str cut_scheme(struct str *rest)
{
	struct str scheme;

	*rest = str_trim(*rest);
	str_cut(rest, ' ', &scheme);
	*rest = str_trim(*rest);
	return scheme;
}

/* Does this look like "Scheme credentials", rather than like one parameter of a scheme? */
static bool starts_credentials(struct str s)
{
	struct str scheme = cut_scheme(&s);

	return s.n > 0 && !str_has(scheme, '=') && !str_has(scheme, '"');
}

/* The opaque part of an entity tag with its quotes; weak ones match as well (RFC 9110
 * §8.8.3.2). */
static struct str strip_weak(struct str etag)
{
	return str_starts(etag, STR("W/")) ? str_from(etag, 2) : etag;
}

bool header_is_form(struct str content_type)
{
	struct str rest = content_type, type;

	str_cut(&rest, ';', &type);
	return str_eq_nocase(str_trim(type), STR("application/x-www-form-urlencoded")) &&
	       !str_has(rest, ',');
}

bool header_scheme_is(struct str authorization, struct str scheme)
{
	return str_eq_nocase(cut_scheme(&authorization), scheme);
}

bool header_is_repeated(struct str authorization)
{
	struct str rest = authorization, part;
	bool is_basic = header_scheme_is(authorization, STR("Basic"));

	while (str_cut(&rest, ',', &part)) {
		if (is_basic || starts_credentials(rest))
			return true;
	}
	return false;
}

enum reason header_basic(
	struct str authorization, struct arena *arena, struct str *user, struct str *password)
{
	size_t len = 0;

	*user = *password = STR("");
	cut_scheme(&authorization);
	size_t size = authorization.n / 4 * 3 + 2;
	char *p = arena_alloc(arena, size);

	if (p == NULL)
		return REASON_MEMORY;
	if (!b64_decode(authorization, p, size, &len))
		return REASON_BASIC_SYNTAX;
	struct str rest = { p, len };
	struct str name;

	if (!str_cut(&rest, ':', &name))
		return REASON_BASIC_SYNTAX;
	*user = name;
	*password = rest;
	return REASON_NONE;
}

bool header_etag_matches(struct str if_none_match, struct str etag)
{
	struct str rest = if_none_match, item;
	bool more = true;

	while (more) {
		more = str_cut(&rest, ',', &item);
		item = str_trim(item);
		if (str_eq(item, STR("*")) ||
			(item.n > 0 && str_eq(strip_weak(item), strip_weak(etag))))
			return true;
	}
	return false;
}
