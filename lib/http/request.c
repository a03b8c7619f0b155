/* SPDX-License-Identifier: MIT */
/* A request as the web server delivered it: reading CGI variables (RFC 3875 §4.1). */
#include "http/request.h"
#include "util/buf.h"

#include <string.h>

static const char *const method_names[HTTP__MAX] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_OPTIONS] = "OPTIONS",
};

static enum http_method find_method(struct str name)
{
	for (enum http_method method = 0; method < HTTP__MAX; method++) {
		if (str_eq(name, str_of(method_names[method])))
			return method;
	}
	return HTTP_OTHER;
}

/* Is this "NAME=VALUE" the variable `name`?  Then *value is its value. */
static bool is_variable(const char *variable, struct str name, struct str *value)
{
	if (strncmp(variable, name.p, name.n) != 0 || variable[name.n] != '=')
		return false;
	*value = str_of(variable + name.n + 1);
	return true;
}

/* Without the brackets that some put around an IPv6 address. */
static struct str strip_brackets(struct str s)
{
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return (struct str){ s.p + 1, s.n - 2 };
	return s;
}

/* The part behind the last comma; *rest is what stands before it. */
static struct str cut_last(struct str *rest)
{
	size_t at = rest->n;

	while (at > 0 && rest->p[at - 1] != ',')
		at--;
	struct str last = str_trim(str_from(*rest, at));

	*rest = str_upto(*rest, at == 0 ? 0 : at - 1);
	return last;
}

/*
 * One step back along X-Forwarded-For, over all its headers and without its empty elements (RFC
 * 9110 §5.6.1.2); false at its start.
 */
static bool previous_hop(
	const struct http_request *request, size_t *header, struct str *rest, struct str *hop)
{
	*hop = STR("");
	while (hop->n == 0) {
		if (rest->n == 0 && *header == 0)
			return false;
		if (rest->n == 0)
			*rest = http_variable_at(request, "HTTP_X_FORWARDED_FOR", --*header);
		*hop = strip_brackets(cut_last(rest));
	}
	return true;
}

enum reason http_request_init(struct http_request *request, struct arena *arena)
{
	struct str script_name = http_variable(request, "SCRIPT_NAME");
	struct str path_info = http_variable(request, "PATH_INFO");
	size_t size = script_name.n + path_info.n;
	char *p = arena_alloc(arena, size + 1);

	if (p == NULL)
		return REASON_MEMORY;
	struct buf path = buf_init(p, size);

	buf_str(&path, script_name);
	buf_str(&path, path_info);
	request->path = buf_view(&path);
	request->path_info = str_from(request->path, script_name.n);
	request->method = find_method(http_variable(request, "REQUEST_METHOD"));
	return REASON_NONE;
}

struct str http_variable(const struct http_request *request, const char *name)
{
	return http_variable_at(request, name, 0);
}

struct str http_variable_at(const struct http_request *request, const char *name, size_t index)
{
	const struct str wanted = str_of(name);
	struct str value;

	for (size_t i = 0; request->variables[i] != NULL; i++) {
		if (is_variable(request->variables[i], wanted, &value) && index-- == 0)
			return value;
	}
	return STR("");
}

size_t http_variable_count(const struct http_request *request, const char *name)
{
	const struct str wanted = str_of(name);
	struct str value;
	size_t count = 0;

	for (size_t i = 0; request->variables[i] != NULL; i++)
		count += is_variable(request->variables[i], wanted, &value);
	return count;
}

enum reason http_content_length(const struct http_request *request, size_t *length)
{
	struct str text = http_variable(request, "CONTENT_LENGTH");
	int64_t number;

	*length = 0;
	if (text.n == 0)
		return REASON_LENGTH_MISSING;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return REASON_LENGTH_INVALID;
	}
	if (!str_to_number(text, HTTP_BODY_MAX, &number))
		return REASON_BODY_TOO_LARGE;
	*length = (size_t)number;
	return REASON_NONE;
}

bool http_is_tls(const struct http_request *request, struct netmask_list trusted_proxies)
{
	if (str_eq_nocase(http_variable(request, "HTTPS"), STR("on")) ||
		str_eq_nocase(http_variable(request, "REQUEST_SCHEME"), STR("https")))
		return true;
	return http_variable_count(request, "HTTP_X_FORWARDED_PROTO") == 1 &&
	       str_eq_nocase(str_trim(http_variable(request, "HTTP_X_FORWARDED_PROTO")),
		       STR("https")) &&
	       http_from_trusted_proxy(request, trusted_proxies);
}

struct netaddr http_client_address(const struct http_request *request,
	struct netmask_list trusted_proxies, struct str *text)
{
	struct str rest = STR(""), hop;
	size_t header = http_variable_count(request, "HTTP_X_FORWARDED_FOR");
	struct netaddr address, previous;

	*text = http_variable(request, "REMOTE_ADDR");
	if (!netaddr_parse(*text, &address))
		return address;
	while (netmask_list_has(trusted_proxies, &address) &&
		previous_hop(request, &header, &rest, &hop)) {
		*text = hop;
		if (!netaddr_parse(hop, &previous))
			return previous;
		address = previous;
	}
	return address;
}

bool http_from_trusted_proxy(
	const struct http_request *request, struct netmask_list trusted_proxies)
{
	struct netaddr address;

	return netaddr_parse(http_variable(request, "REMOTE_ADDR"), &address) &&
	       netmask_list_has(trusted_proxies, &address);
}
