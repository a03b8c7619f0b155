/* SPDX-License-Identifier: MIT */
/* Form bodies and queries, against a second, plain reading of them. */
#include "fuzz.h"

#include "oauth/params.h"

#define PAIRS_MAX 4096

struct pair {
	char *name; /* decoded; for free() */
	char *value;
	bool bad;
};

static const char *const single[] = { "grant_type", "client_id", "client_secret",
	"client_assertion", "client_assertion_type", "scope", "token", "token_type_hint",
	"response_type", "redirect_uri", "state", "code", "username", "password",
	"refresh_token" };

/* Decoded into new memory; *bad is set if it cannot be. */
static char *decode(struct str s, bool *bad)
{
	char *out = malloc(s.n + 1), hex[3] = { 0 }, *end;
	size_t n = 0;

	REQUIRE(out != NULL);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			hex[0] = hex[1] = 'x';
			if (i + 2 < s.n)
				memcpy(hex, s.p + i + 1, 2);
			c = (unsigned char)strtoul(hex, &end, 16);
			if (end != hex + 2 || strspn(hex, "0123456789abcdefABCDEF") != 2)
				*bad = true;
			i += 2;
		}
		if (c == '\0')
			*bad = true;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	if (!str_is_utf8((struct str){ out, n }))
		*bad = true;
	return out;
}

static size_t take_apart(struct str body, struct pair *pairs)
{
	size_t count = 0;

	while (body.n > 0) {
		const char *amp = memchr(body.p, '&', body.n);
		struct str part = { body.p, amp != NULL ? (size_t)(amp - body.p) : body.n };
		const char *equals = part.n > 0 ? memchr(part.p, '=', part.n) : NULL;
		size_t name_n = equals != NULL ? (size_t)(equals - part.p) : part.n;
		struct pair *pair = &pairs[count++];

		*pair = (struct pair){ 0 };
		pair->name = decode(str_upto(part, name_n), &pair->bad);
		pair->value = decode(str_from(part, name_n + 1), &pair->bad);
		body = str_from(body, part.n + 1);
	}
	return count;
}

static size_t count_of(const struct pair *pairs, size_t count, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += strcmp(pairs[i].name, name) == 0 && pairs[i].value[0] != '\0';
	return found;
}

static enum reason expected(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].bad)
			return REASON_FORM_PERCENT;
	}
	for (size_t i = 0; i < COUNT(single); i++) {
		if (count_of(pairs, count, single[i]) > 1)
			return REASON_FORM_REPEATED;
	}
	return REASON_NONE;
}

static void check_list(const struct pair *pairs, size_t count, const char *name,
	const struct form *form, enum parameter parameter)
{
	struct str_list list = form_list(form, parameter);
	size_t at = 0;

	REQUIRE(list.count == count_of(pairs, count, name));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, name) == 0 && pairs[i].value[0] != '\0')
			REQUIRE(str_eq(list.items[at++], str_of(pairs[i].value)));
	}
}

static bool names_credentials(const struct pair *pairs, size_t count)
{
	return count_of(pairs, count, "client_id") > 0 ||
	       count_of(pairs, count, "client_secret") > 0 ||
	       count_of(pairs, count, "client_assertion") > 0;
}

static void check(struct str body, const struct pair *pairs, size_t count)
{
	struct form form;
	enum reason wanted = expected(pairs, count);
	enum reason reason = params_parse(body, fuzz_arena(), &form);

	if (wanted == REASON_FORM_PERCENT) {
		REQUIRE(reason == REASON_FORM_PERCENT || reason == REASON_FORM_NUL ||
			reason == REASON_FORM_UTF8);
		return;
	}
	REQUIRE(reason == wanted);
	bool has_credentials = params_query_has_credentials(body, fuzz_arena());

	REQUIRE(has_credentials == names_credentials(pairs, count));
	REQUIRE(params_parse(body, fuzz_arena(), &form) == wanted);
	if (wanted != REASON_NONE)
		return;
	check_list(pairs, count, "grant_type", &form, PARAM_GRANT_TYPE);
	check_list(pairs, count, "client_secret", &form, PARAM_CLIENT_SECRET);
	check_list(pairs, count, "scope", &form, PARAM_SCOPE);
	check_list(pairs, count, "resource", &form, PARAM_RESOURCE);
	check_list(pairs, count, "audience", &form, PARAM_AUDIENCE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair pairs[PAIRS_MAX];
	char *copy = fuzz_copy(fuzz_input(data, size));
	struct str body = { copy, size };

	if (size < PAIRS_MAX) {
		size_t count = take_apart(body, pairs);

		check(body, pairs, count);
		for (size_t i = 0; i < count; i++) {
			free(pairs[i].name);
			free(pairs[i].value);
		}
	}
	free(copy);
	return 0;
}
