/* SPDX-License-Identifier: MIT */
/* Tests of jose/json. */
#include "support.h"
#include "jose/json.h"
#include "util/buf.h"

static void test_parse(void **state)
{
	static const struct {
		const char *name;
		struct str text;
		bool ok;
	} cases[] = {
		{ "empty object", TEXT("{}"), true },
		{ "members", TEXT("{\"a\":1,\"b\":[true,null,{\"a\":1.5}]}"), true },
		{ "space around", TEXT(" \t\r\n{ } \n"), true },
		{ "the same member, nested", TEXT("{\"a\":{\"a\":{\"a\":1}}}"), true },
		{ "escapes", TEXT("{\"a\":\"\\u00e4\\ud83d\\ude00\\n\"}"), true },
		{ "U+0000 in a text", TEXT("{\"a\":\"\\u0000\"}"), false },
		{ "U+0000 in a name", TEXT("{\"a\\u0000\":1}"), false },
		{ "nothing", TEXT(""), false },
		{ "a list", TEXT("[]"), false },
		{ "a text", TEXT("\"a\""), false },
		{ "a number", TEXT("1"), false },
		{ "null", TEXT("null"), false },
		{ "cut off", TEXT("{\"a\":1"), false },
		{ "repeated", TEXT("{\"a\":1,\"a\":1}"), false },
		{ "repeated, escaped", TEXT("{\"a\":1,\"\\u0061\":2}"), false },
		{ "repeated, nested", TEXT("{\"x\":[{\"a\":1,\"a\":2}]}"), false },
		{ "more behind", TEXT("{}x"), false },
		{ "two", TEXT("{}{}"), false },
		{ "NUL behind", TEXT("{}\0"), false },
		{ "NUL behind a number", TEXT("{\"a\":1\0}"), false },
		{ "NUL behind a fraction", TEXT("{\"a\":1.5\0}"), false },
		{ "NUL behind a word", TEXT("{\"a\":true\0}"), false },
		{ "NUL before a name", TEXT("{\0\"a\":1}"), false },
		{ "NUL in a text", TEXT("{\"a\":\"\0\"}"), false },
		{ "byte order mark", TEXT("\xef\xbb\xbf{}"), false },
		{ "not UTF-8", TEXT("{\"a\":\"\xff\"}"), false },
		{ "control character", TEXT("{\"a\":\"\n\"}"), false },
		{ "leading zero", TEXT("{\"a\":01}"), false },
		{ "NaN", TEXT("{\"a\":NaN}"), false },
		{ "plus", TEXT("{\"a\":+1}"), false },
		{ "too large", TEXT("{\"a\":1e400}"), false },
		{ "beyond 64 bits", TEXT("{\"a\":9223372036854775808}"), false },
		{ "comment", TEXT("{/**/}"), false },
		{ "comma at the end", TEXT("{\"a\":1,}"), false },
		{ "lone surrogate", TEXT("{\"a\":\"\\udc00\"}"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *json = NULL;

		CHECK_REASON(json_parse_object(cases[i].text, REASON_JWS_HEADER, &json),
			cases[i].ok ? REASON_NONE : REASON_JWS_HEADER, cases[i].name);
		CHECK((json != NULL) == cases[i].ok, cases[i].name);
		CHECK(!json || json_is_object(json), cases[i].name);
		json_decref(json);
	}
	check_end();
}

/* {"a":[[[…]]]} of that many levels, the object being the first. */
static json_t *parse_levels(size_t levels, char open, char close)
{
	static char text[40000];
	struct buf buf = buf_init(text, sizeof(text));
	json_t *json;

	buf_text(&buf, "{\"a\":");
	for (size_t i = 1; i < levels; i++)
		buf_text(&buf, open == '[' ? "[" : "{\"a\":");
	if (open == '{')
		buf_char(&buf, '1');
	for (size_t i = 1; i < levels; i++)
		buf_char(&buf, close);
	buf_char(&buf, '}');
	assert_false(buf.overflow);
	enum reason reason = json_parse_object(buf_view(&buf), REASON_JWS_HEADER, &json);

	assert_true(reason == (json ? REASON_NONE : REASON_JWS_HEADER));
	return json;
}

static void test_depth(void **state)
{
	static const struct {
		size_t levels;
		bool ok;
	} cases[] = {
		{ JSON_DEPTH_MAX, true },
		{ JSON_DEPTH_MAX + 1, false },
		{ 100, false },
		{ 2048, false },
		{ 5000, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *list = parse_levels(cases[i].levels, '[', ']');
		json_t *object = parse_levels(cases[i].levels, '{', '}');

		CHECK((list != NULL) == cases[i].ok, "lists");
		CHECK((object != NULL) == cases[i].ok, "objects");
		json_decref(list);
		json_decref(object);
	}
	check_end();
}

/* A bracket inside a text is no nesting. */
static void test_brackets_in_texts(void **state)
{
	char text[256] = "{\"a\":\"\\\"";
	json_t *json;

	(void)state;
	memset(text + 8, '[', 100);
	memcpy(text + 108, "\"}", 2);
	assert_int_equal(json_parse_object((struct str){ text, 110 }, REASON_JWS_HEADER, &json),
		REASON_NONE);
	CHECK(json_is_object(json), "brackets in a text");
	json_decref(json);
	check_end();
}

static void test_text(void **state)
{
	const struct str text = STR("{\"a\":\"b\",\"n\":1,\"e\":\"\",\"l\":[\"x\"]}");
	json_t *json;

	(void)state;
	assert_int_equal(json_parse_object(text, REASON_JWS_HEADER, &json), REASON_NONE);
	assert_non_null(json);
	CHECK_TEXT(json_text(json, "a"), STR("b"), "text");
	CHECK_TEXT(json_text(json, "n"), STR(""), "number");
	CHECK_TEXT(json_text(json, "e"), STR(""), "empty");
	CHECK_TEXT(json_text(json, "l"), STR(""), "list");
	CHECK_TEXT(json_text(json, "x"), STR(""), "not there");
	json_decref(json);
	check_end();
}

/* How many calls are left until one fails. */
static unsigned left;

static void *fail_once(size_t size)
{
	return left-- == 0 ? NULL : malloc(size);
}

/* Nothing is left out of a long text, whose room grows while it is read. */
static void test_little_memory(void **state)
{
	char text[4096];
	unsigned failures = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "[\"", 2);
	memcpy(text + sizeof(text) - 2, "\"]", 2);
	json_set_alloc_funcs(fail_once, free);
	for (unsigned n = 0; n < 100; n++) {
		bool has_memory;

		left = n;
		json_t *json = json_load(
			(struct str){ text, sizeof(text) }, 0, NULL, &has_memory);

		failures += has_memory ? 0 : 1;
		CHECK((json != NULL) == has_memory, "all or nothing");
		CHECK(json == NULL ||
				json_string_length(json_array_get(json, 0)) == sizeof(text) - 4,
			"whole");
		json_decref(json);
	}
	json_set_alloc_funcs(malloc, free);
	CHECK(failures > 3 && failures < 100, "some calls have failed");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_brackets_in_texts),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_little_memory),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
