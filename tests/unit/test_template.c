/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/admin/template: filling in, leaving out, and values between quotes. */
#include "support.h"

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/admin/template.c"

#define OUT_SIZE 200

static const char *const first[] = { "one", NULL };
static const char *const second[] = { NULL };

const struct template_text template_texts[] = {
	{ "first", first },
	{ "second", second },
	{ NULL, NULL },
};

static const struct template_value items[] = {
	{ "issuer", STR_CONST("https://a"), false },
	{ "braces", STR_CONST("{{issuer}}"), false },
	{ "empty", STR_CONST(""), false },
	{ "yes", STR_CONST("y"), true },
	{ "no", STR_CONST("n"), false },
};

static const struct template_values values = { items, sizeof(items) / sizeof(items[0]) };

static const struct {
	const char *name;
	const char *lines[8];
	const char *expected;
	enum reason reason;
} fill_cases[] = {
	{ "nothing", { NULL }, "", REASON_NONE },
	{ "plain", { "a", "", "b", NULL }, "a\n\nb\n", REASON_NONE },
	{ "one", { "x {{issuer}} y", NULL }, "x https://a y\n", REASON_NONE },
	{ "two", { "{{issuer}}{{yes}}", NULL }, "https://ay\n", REASON_NONE },
	{ "empty value", { "<{{empty}}>", NULL }, "<>\n", REASON_NONE },
	{ "not filled twice", { "{{braces}}", NULL }, "{{issuer}}\n", REASON_NONE },
	{ "single braces", { "{a} {b: {c: 1}}", NULL }, "{a} {b: {c: 1}}\n", REASON_NONE },
	{ "braces around", { "{a: {{yes}}}", NULL }, "{a: y}\n", REASON_NONE },
	{ "unknown", { "{{nobody}}", NULL }, "", REASON_INTERNAL },
	{ "no name", { "{{}}", NULL }, "", REASON_INTERNAL },
	{ "holds", { "a", "{{if yes}}", "b", "{{end}}", "c", NULL }, "a\nb\nc\n", REASON_NONE },
	{ "does not hold", { "a", "{{if no}}", "b", "{{end}}", "c", NULL }, "a\nc\n",
		REASON_NONE },
	{ "filled inside", { "{{if yes}}", "{{issuer}}", "{{end}}", NULL }, "https://a\n",
		REASON_NONE },
	{ "one after the other",
		{ "{{if no}}", "a", "{{end}}", "{{if yes}}", "b", "{{end}}", NULL }, "b\n",
		REASON_NONE },
	{ "unknown condition", { "{{if nobody}}", "a", "{{end}}", NULL }, "", REASON_INTERNAL },
	{ "nested", { "{{if yes}}", "{{if no}}", "{{end}}", "{{end}}", NULL }, "",
		REASON_INTERNAL },
	{ "without end", { "{{if yes}}", "a", NULL }, "a\n", REASON_INTERNAL },
	{ "end alone", { "{{end}}", NULL }, "", REASON_INTERNAL },
};

static const struct {
	const char *value;
	const char *expected[QUOTES__MAX]; /* apache, openidc, nginx, json; NULL: refused */
} escape_cases[] = {
	{ "", { "", "", "", "" } },
	{ "https://a/b?c=d&e#f", { "https://a/b?c=d&e#f", "https://a/b?c=d&e#f",
					 "https://a/b?c=d&e#f", "https://a/b?c=d&e#f" } },
	{ "a\"b", { "a\\\"b", NULL, "a\\\"b", "a\\\"b" } },
	{ "a\\b", { "a\\\\b", NULL, "a\\\\b", "a\\\\b" } },
	{ "a\\", { "a\\\\", NULL, "a\\\\", "a\\\\" } },
	{ "\\\"", { "\\\\\\\"", NULL, "\\\\\\\"", "\\\\\\\"" } },
	{ "$a", { "$a", "$a", NULL, "$a" } },
	{ "a$", { "a$", "a$", NULL, "a$" } },
	{ "${a}", { NULL, NULL, NULL, NULL } },
	{ "%{a}", { "%{a}", NULL, "%{a}", "%{a}" } },
	{ "#{a}", { "#{a}", "#{a}", "#{a}", NULL } },
	{ "100%", { "100%", "100%", "100%", "100%" } },
	{ "a'b;c", { "a'b;c", "a'b;c", "a'b;c", "a'b;c" } },
	{ "{a}", { "{a}", "{a}", "{a}", "{a}" } },
	{ "\xc3\xbc", { "\xc3\xbc", "\xc3\xbc", "\xc3\xbc", "\xc3\xbc" } },
	{ "\xc3", { NULL, NULL, NULL, NULL } },
	{ "\xff", { NULL, NULL, NULL, NULL } },
	{ "a\nb", { NULL, NULL, NULL, NULL } },
	{ "a\rb", { NULL, NULL, NULL, NULL } },
	{ "\t", { NULL, NULL, NULL, NULL } },
	{ "\x1f", { NULL, NULL, NULL, NULL } },
	{ "\x7f", { NULL, NULL, NULL, NULL } },
};

static const struct {
	const char *value, *pattern, *classes; /* NULL: refused */
} pattern_cases[] = {
	{ "", "", "" },
	{ "read", "read", "read" },
	{ "aZ09_", "aZ09_", "aZ09_" },
	{ "orders:read", "orders\\x3aread", "orders[:]read" },
	{ ".*", "\\x2e\\x2a", "[.][*]" },
	{ "[a]", "\\x5ba\\x5d", "[[]a[]]" },
	{ "!#$", "\\x21\\x23\\x24", "[!][#][$]" },
	{ "${a}", "\\x24\\x7ba\\x7d", "[$][{]a[}]" },
	{ "-|~", "\\x2d\\x7c\\x7e", "[-][|][~]" },
	{ "a^b", "a\\x5eb", NULL },
};

static void test_fill(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fill_cases) / sizeof(fill_cases[0]); i++) {
		char out[OUT_SIZE];
		struct buf buf = buf_init(out, sizeof(out));

		print_message("%s\n", fill_cases[i].name);
		assert_int_equal(template_fill(&buf, fill_cases[i].lines, &values),
			fill_cases[i].reason);
		assert_true(str_eq(buf_view(&buf), str_of(fill_cases[i].expected)));
	}
}

static void test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escape_cases) / sizeof(escape_cases[0]); i++) {
		for (enum template_quotes quotes = 0; quotes < QUOTES__MAX; quotes++) {
			const char *expected = escape_cases[i].expected[quotes];
			char out[OUT_SIZE];
			struct buf buf = buf_init(out, sizeof(out));
			bool good = template_escape(
				&buf, quotes, str_of(escape_cases[i].value));

			print_message("%zu %d\n", i, (int)quotes);
			assert_int_equal(good, expected != NULL);
			assert_true(str_eq(buf_view(&buf), str_of(expected)));
		}
	}
}

static void test_escape_nul(void **state)
{
	char out[OUT_SIZE];
	struct buf buf = buf_init(out, sizeof(out));

	(void)state;
	for (enum template_quotes quotes = 0; quotes < QUOTES__MAX; quotes++)
		assert_false(template_escape(&buf, quotes, STR("a\0b")));
}

static void test_patterns(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pattern_cases) / sizeof(pattern_cases[0]); i++) {
		char out[OUT_SIZE], other[OUT_SIZE];
		struct buf pattern = buf_init(out, sizeof(out));
		struct buf classes = buf_init(other, sizeof(other));

		template_pattern(&pattern, str_of(pattern_cases[i].value));
		assert_true(str_eq(buf_view(&pattern), str_of(pattern_cases[i].pattern)));
		bool good = template_classes(&classes, str_of(pattern_cases[i].value));

		assert_int_equal(good, pattern_cases[i].classes != NULL);
		if (good)
			assert_true(
				str_eq(buf_view(&classes), str_of(pattern_cases[i].classes)));
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(template_find(STR("first")), &template_texts[0]);
	assert_ptr_equal(template_find(STR("second")), &template_texts[1]);
	assert_null(template_find(STR("third")));
	assert_null(template_find(STR("")));
}

static void test_overflow(void **state)
{
	char out[4];
	struct buf buf = buf_init(out, sizeof(out));

	(void)state;
	const char *const lines[] = { "{{issuer}}", NULL };

	assert_int_equal(template_fill(&buf, lines, &values), REASON_NONE);
	assert_true(buf.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_nul),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
