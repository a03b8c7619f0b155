/* SPDX-License-Identifier: MIT */
/* Tests of http/form. */
#include "support.h"
#include "http/form.h"

#include <time.h>

enum {
	GRANT,
	SCOPE,
	RESOURCE,
	NAMES,
};

static const struct form_parameter parameters[NAMES] = {
	[GRANT] = { TEXT("grant_type"), false },
	[SCOPE] = { TEXT("scope"), false },
	[RESOURCE] = { TEXT("resource"), true },
};

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(65536, 4194304);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

struct form_case {
	struct str body;
	enum reason wanted;
	struct str grant;
	struct str scope;
	struct str resources; /* joined by '|' */
};

static void check_form(const struct form_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = cases[i].body.p;
		struct form form;
		char space[256];
		struct buf joined = buf_init(space, sizeof(space));
		struct str_list list;

		arena_reset(arena);
		memset(&form, 0, sizeof(form));
		CHECK_REASON(form_parse(cases[i].body, parameters, NAMES, arena, &form),
			cases[i].wanted, name);
		if (cases[i].wanted != REASON_NONE)
			continue;
		CHECK_TEXT(form_value(&form, GRANT), cases[i].grant, name);
		CHECK_TEXT(form_value(&form, SCOPE), cases[i].scope, name);
		list = form_list(&form, RESOURCE);
		for (size_t j = 0; j < list.count; j++) {
			if (j)
				buf_char(&joined, '|');
			buf_str(&joined, list.items[j]);
		}
		CHECK_TEXT(buf_view(&joined), cases[i].resources, name);
		if (list.count)
			CHECK_TEXT(form_value(&form, RESOURCE), list.items[0], name);
	}
	check_end();
}

static void test_parse(void **state)
{
	static const struct form_case cases[] = {
		{ TEXT(""), REASON_NONE, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("grant_type=a&scope=b"), REASON_NONE, TEXT("a"), TEXT("b"), TEXT("") },
		{ TEXT("scope=b&grant_type=a"), REASON_NONE, TEXT("a"), TEXT("b"), TEXT("") },
		{ TEXT("scope=b+c%20d"), REASON_NONE, TEXT(""), TEXT("b c d"), TEXT("") },
		{ TEXT("scope=%2B%3d%3D%26"), REASON_NONE, TEXT(""), TEXT("+==&"), TEXT("") },
		{ TEXT("scope=a=b=c"), REASON_NONE, TEXT(""), TEXT("a=b=c"), TEXT("") },
		{ TEXT("scope=a;grant_type=b"), REASON_NONE, TEXT(""), TEXT("a;grant_type=b"),
			TEXT("") },
		{ TEXT("%73%63ope=b"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("s%63ope=b"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("grant%5Ftype=a"), REASON_NONE, TEXT("a"), TEXT(""), TEXT("") },
		{ TEXT("Scope=b&scope =c&scop=d&scopes=e"), REASON_NONE, TEXT(""), TEXT(""),
			TEXT("") },
		{ TEXT("scope="), REASON_NONE, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope"), REASON_NONE, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=&scope=b"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("scope=b&scope="), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("scope&scope&scope=&scope=b"), REASON_NONE, TEXT(""), TEXT("b"),
			TEXT("") },
		{ TEXT("&"), REASON_NONE, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("&&&scope=b&&"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("=x&=&scope=b"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("="), REASON_NONE, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("other=1&other=2&scope=b"), REASON_NONE, TEXT(""), TEXT("b"), TEXT("") },
		{ TEXT("scope=%C3%A4%e2%82%ac"), REASON_NONE, TEXT(""),
			TEXT("\xc3\xa4\xe2\x82\xac"), TEXT("") },
		{ TEXT("scope=\xc3\xa4"), REASON_NONE, TEXT(""), TEXT("\xc3\xa4"), TEXT("") },
		{ TEXT("scope=%0D%0A%09"), REASON_NONE, TEXT(""), TEXT("\r\n\t"), TEXT("") },
		{ TEXT("scope=%2500"), REASON_NONE, TEXT(""), TEXT("%00"), TEXT("") },
		{ TEXT("resource=a&scope=b&resource=c"), REASON_NONE, TEXT(""), TEXT("b"),
			TEXT("a|c") },
		{ TEXT("resource=a&resource=&resource=b"), REASON_NONE, TEXT(""), TEXT(""),
			TEXT("a|b") },
		{ TEXT("resource=c&resource=b&resource=a"), REASON_NONE, TEXT(""), TEXT(""),
			TEXT("c|b|a") },
	};

	(void)state;
	check_form(cases, COUNT(cases));
}

static void test_refuse(void **state)
{
	static const struct form_case cases[] = {
		{ TEXT("scope=a&scope=b"), REASON_FORM_REPEATED, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=a&scope=a"), REASON_FORM_REPEATED, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=a&sc%6Fpe=b"), REASON_FORM_REPEATED, TEXT(""), TEXT(""),
			TEXT("") },
		{ TEXT("scope=a&x=y&scope=&scope=b"), REASON_FORM_REPEATED, TEXT(""), TEXT(""),
			TEXT("") },
		{ TEXT("scope=%"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%4"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%4&x=1"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%zz"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%u0041"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=% 41"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%+1"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%4g"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("sc%ope=a"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("other=%"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("%=a"), REASON_FORM_PERCENT, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=a%00b"), REASON_FORM_NUL, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=a\0b"), REASON_FORM_NUL, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope%00=a"), REASON_FORM_NUL, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("other=%00"), REASON_FORM_NUL, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("\0"), REASON_FORM_NUL, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%80"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%c0%af"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%ed%a0%80"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%f4%90%80%80"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=%e2%82&x=%ac"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("scope=\xff"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("other=\xff"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
		{ TEXT("\xff=other"), REASON_FORM_UTF8, TEXT(""), TEXT(""), TEXT("") },
	};

	(void)state;
	check_form(cases, COUNT(cases));
}

/* The biggest bodies are parsed in linear time, and within what a request may use. */
static void test_large(void **state)
{
	static char body[65536];
	static const struct {
		const char *name;
		const char *pattern;
	} cases[] = {
		{ "separators", "&" },
		{ "equals signs", "=" },
		{ "pairs", "a=b&" },
		{ "repeated resources", "resource=a&" },
		{ "percent signs", "%41" },
		{ "one long value", "x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = strlen(cases[i].pattern);
		struct timespec start, end;
		struct form form;
		enum reason reason;

		for (size_t j = 0; j + n <= sizeof(body); j += n)
			memcpy(body + j, cases[i].pattern, n);
		arena_reset(arena);
		clock_gettime(CLOCK_MONOTONIC, &start);
		reason = form_parse((struct str){ body, sizeof(body) / n * n }, parameters,
			NAMES, arena, &form);
		clock_gettime(CLOCK_MONOTONIC, &end);
		CHECK_REASON(reason, REASON_NONE, cases[i].name);
		CHECK((end.tv_sec - start.tv_sec) * 1000 +
					(end.tv_nsec - start.tv_nsec) / 1000000 <
				500,
			cases[i].name);
	}
	check_end();
}

static void test_no_memory(void **state)
{
	struct arena *small = arena_new(16, 16);
	struct str decoded = STR("unset");
	struct form form;

	(void)state;
	assert_non_null(small);
	CHECK_REASON(form_parse(STR("scope=a%20very%20long%20scope%20indeed&grant_type=client_"
				    "credentials"),
			     parameters, NAMES, small, &form),
		REASON_MEMORY, "parse");
	CHECK_REASON(form_decode(STR("a%20very%20long%20value%20that%20does%20not%20fit"),
			     small, &decoded),
		REASON_MEMORY, "decode");
	CHECK_NUMBER(decoded.n, 0, "empty on failure");
	arena_free(small);
	check_end();
}

static void test_decode(void **state)
{
	static const struct {
		struct str s;
		enum reason wanted;
		struct str decoded;
	} cases[] = {
		{ TEXT(""), REASON_NONE, TEXT("") },
		{ TEXT("abc"), REASON_NONE, TEXT("abc") },
		{ TEXT("a+b"), REASON_NONE, TEXT("a b") },
		{ TEXT("a%2Bb"), REASON_NONE, TEXT("a+b") },
		{ TEXT("%3a%3A"), REASON_NONE, TEXT("::") },
		{ TEXT("a&b=c"), REASON_NONE, TEXT("a&b=c") },
		{ TEXT("%7E%20"), REASON_NONE, TEXT("~ ") },
		{ TEXT("%"), REASON_FORM_PERCENT, TEXT("") },
		{ TEXT("a%4"), REASON_FORM_PERCENT, TEXT("") },
		{ TEXT("%00"), REASON_FORM_NUL, TEXT("") },
		{ TEXT("a\0"), REASON_FORM_NUL, TEXT("") },
		{ TEXT("%ff"), REASON_FORM_UTF8, TEXT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str decoded = STR("unset");

		CHECK_REASON(form_decode(cases[i].s, arena, &decoded), cases[i].wanted,
			cases[i].s.p);
		CHECK_TEXT(decoded, cases[i].decoded, cases[i].s.p);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests_name("form", tests, make_arena, free_arena);
}
