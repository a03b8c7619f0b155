/* SPDX-License-Identifier: MIT */
/* From YAML text to the bytes of its values: marks, indexes, what is refused. */
#include "config/outline.h"
#include "util/buf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct outline *take(const char *text)
{
	struct outline *outline;

	assert_int_equal(outline_read(str_of(text), &outline), REASON_NONE);
	assert_non_null(outline);
	return outline;
}

/* The value of this key of the top mapping, as its bytes stand in the text. */
static void test_bytes(void **state)
{
	static const struct {
		const char *yaml;
		const char *bytes;
		const char *text;
	} table[] = {
		{ "k: a", "a", "a" },
		{ "k: a # b\n", "a", "a" },
		{ "k:   'a b'   # c\r\n", "'a b'", "a b" },
		{ "k: \"\\u00fc\"", "\"\\u00fc\"", "ü" },
		{ "é: ☃\nk: ü # é\n", "ü", "ü" },
		{ "\xef\xbb\xbfk: a\n", "a", "a" },
		{ "k:\n", "", "" },
		{ "k: |\n  a\n  b\n\n# c\n", "|\n  a\n  b", "a\nb\n" },
		{ "k: >-\n  a\n  b", ">-\n  a\n  b", "a b" },
		{ "k: a\n  b\nl: c\n", "a\n  b", "a b" },
		{ "l: [::1, ::2]\nk: ü::1\n", "ü::1", "ü::1" },
		{ "l: ::1\n\"k\": ::3 # d", "::3", "::3" },
		{ "{k: a, l: b}", "a", "a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outline *outline = take(table[i].yaml);
		size_t key = outline_find(outline, 0, STR("k"));

		assert_int_not_equal(key, OUTLINE_NONE);
		const struct outline_node *value = &outline->nodes[key + 1];
		struct str bytes = { table[i].yaml + value->start, value->end - value->start };

		assert_true(str_eq(bytes, str_of(table[i].bytes)));
		assert_true(str_eq(value->text, str_of(table[i].text)));
		assert_int_equal(outline_is_empty(outline, key + 1), bytes.n == 0);
		outline_free(outline);
	}
}

static const char blocks[] = "a:   # é\n"
			     "  - b: 1\n"
			     "    c: {d: [x, y], e: }   # here\n"
			     "\n"
			     "# below\n"
			     "f: z\n";

static void test_blocks_and_brackets(void **state)
{
	struct outline *outline = take(blocks);
	size_t a = outline_find(outline, 0, STR("a"));
	const struct outline_node *list = &outline->nodes[a + 1];
	const struct outline_node *item = &outline->nodes[a + 2];
	size_t c = outline_find(outline, a + 2, STR("c"));
	const struct outline_node *brackets = &outline->nodes[c + 1];

	(void)state;
	assert_int_equal(list->kind, OUTLINE_LIST);
	assert_int_equal(list->column, 2);
	assert_false(list->is_flow);
	assert_int_equal(item->kind, OUTLINE_MAPPING);
	assert_int_equal(item->depth, 2);
	assert_int_equal(item->column, 4);
	assert_true(brackets->is_flow);
	assert_false(brackets->in_flow);
	assert_true(outline->nodes[c + 2].in_flow);
	assert_int_equal(blocks[brackets->end - 1], '}');
	/* A block ends with what is in it, not with the next value. */
	assert_int_equal(list->end, brackets->end);
	assert_int_equal(item->end, brackets->end);
	assert_int_equal(outline->nodes[0].end, strlen(blocks) - 1);
	outline_free(outline);
}

static void test_steps(void **state)
{
	struct outline *outline = take(blocks);
	size_t a = outline_find(outline, 0, STR("a"));
	size_t f = outline_find(outline, 0, STR("f"));
	size_t d = outline_find(outline, outline_find(outline, a + 2, STR("c")) + 1, STR("d"));

	(void)state;
	assert_int_equal(outline_next(outline, 0, a), f);
	assert_true(outline_has(outline, 0, f));
	assert_false(outline_has(outline, 0, outline_next(outline, 0, f)));
	assert_int_equal(outline_last(outline, 0), f);
	assert_int_equal(outline_last(outline, a + 1), a + 2);
	assert_int_equal(outline_last(outline, d + 1), d + 3);
	assert_int_equal(outline_find(outline, 0, STR("b")), OUTLINE_NONE);
	assert_int_equal(outline_find(outline, a + 1, STR("b")), OUTLINE_NONE);
	assert_int_equal(outline_find(outline, f, STR("z")), OUTLINE_NONE);
	outline_free(outline);
}

static void test_equal(void **state)
{
	static const struct {
		const char *yaml;
		bool is_equal;
	} table[] = {
		{ "k: [a, {b: c}]", true },
		{ "# x\nk:   [a,\n {'b': c}]", false },
		{ "# x\nk:   [a,\n {b: c}] # y", true },
		{ "k: [a, {b: d}]", false },
		{ "k: [a, [b, c]]", false },
		{ "k: [[a], b, c]", false },
		{ "k:\n - a\n - {b: c}", false },
	};
	struct outline *first = take(table[0].yaml);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outline *second = take(table[i].yaml);

		assert_int_equal(second->count, first->count);
		assert_int_equal(
			outline_equal(first, 0, second, 0, first->count), table[i].is_equal);
		assert_true(outline_equal(first, 1, second, 1, 1));
		outline_free(second);
	}
	outline_free(first);
}

static void test_refused(void **state)
{
	static const char *const table[] = { "", "# a", "a", "- a", "a: [", "a: *b", "a: &b c",
		"a: !!str b", "a: &x {}", "a: !y []", "--- {a: b}\n--- {c: d}\n", "a: \xff",
		"a: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]" };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outline *outline;

		assert_int_equal(outline_read(str_of(table[i]), &outline), REASON_CONFIG);
		assert_null(outline);
	}
	outline_free(NULL);
}

/* More nodes than there is room for at first. */
static void test_many(void **state)
{
	enum {
		COUNT = 10000,
		LINE = 8
	};
	char *p = malloc((size_t)COUNT * LINE);
	struct buf buf = buf_init(p, (size_t)COUNT * LINE);

	(void)state;
	assert_non_null(p);
	for (int64_t i = 0; i < COUNT; i++) {
		buf_char(&buf, 'k');
		buf_padded(&buf, i, 4);
		buf_text(&buf, ": \n");
	}
	struct outline *outline;

	assert_int_equal(outline_read(buf_view(&buf), &outline), REASON_NONE);
	assert_int_equal(outline->count, 1 + 2 * COUNT);
	assert_int_equal(outline_find(outline, 0, STR("k9999")), 2 * COUNT - 1);
	assert_int_equal(outline->nodes[2 * COUNT - 1].start, (size_t)(COUNT - 1) * LINE);
	outline_free(outline);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_blocks_and_brackets),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
