/* SPDX-License-Identifier: MIT */
/* The quick reader of YAML against libyaml: what it takes gives the same tree. */
#include "config/plain.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODE_COUNT_MAX 2000
#define TEXT_MAX 2048
#define ROUNDS 60000 /* of changed texts */
#define LONG_LINE_ITEMS 100000

/* Read by the quick reader alone. */
struct quick {
	struct arena *arena;
	struct builder builder;
	bool done;
};

static struct quick read_quickly(struct str text)
{
	struct quick quick = { .arena = arena_new(4096, (size_t)1 << 24) };

	assert_non_null(quick.arena);
	quick.builder = (struct builder){
		.arena = quick.arena,
		.file = "f",
		.node_count_max = NODE_COUNT_MAX,
	};
	quick.done = plain_read(&quick.builder, text) == REASON_NONE;
	return quick;
}

static void assert_same_node(const struct yaml_node *a, const struct yaml_node *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->file, b->file);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->column, b->column);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->is_plain, b->is_plain);
	assert_int_equal(a->text.n, b->text.n);
	if (a->kind == YAML_TEXT)
		assert_string_equal(a->text.p, b->text.p);
	assert_int_equal(a->child == NULL, b->child == NULL);
	assert_int_equal(a->next == NULL, b->next == NULL);
}

/* Without recursion: down to the first child, else on to the next of whoever has one. */
static void assert_same_tree(const struct yaml_node *a, const struct yaml_node *b)
{
	const struct yaml_node *path_a[YAML_DEPTH_MAX + 1], *path_b[YAML_DEPTH_MAX + 1];
	size_t depth = 0;

	for (;;) {
		assert_same_node(a, b);
		if (a->child != NULL) {
			path_a[depth] = a;
			path_b[depth++] = b;
			a = a->child;
			b = b->child;
			continue;
		}
		while (a->next == NULL && depth > 0) {
			a = path_a[--depth];
			b = path_b[depth];
		}
		if (depth == 0)
			return;
		a = a->next;
		b = b->next;
	}
}

/* A tab in a comment is what the quick reader leaves to libyaml. */
static void assert_libyaml_agrees(struct str text, const struct yaml_node *root)
{
	char memory[TEXT_MAX + 8];
	struct buf longer = buf_init(memory, sizeof(memory));
	struct yaml *yaml = yaml_tree_new(NODE_COUNT_MAX);
	struct diag *diag = diag_new();
	const struct yaml_node *other;

	buf_str(&longer, text);
	buf_text(&longer, "\n#\t\n");
	assert_false(longer.overflow);
	assert_non_null(yaml);
	assert_non_null(diag);
	if (yaml_parse(yaml, "f", buf_view(&longer), diag, &other) != REASON_NONE ||
		diag_count(diag) > 0)
		fail_msg("only libyaml refuses:\n%.*s", (int)text.n, text.p);
	assert_same_tree(root, other);
	yaml_tree_free(yaml);
	diag_free(diag);
}

/* Returns whether the quick reader took it. */
static bool compare(struct str text)
{
	struct quick quick = read_quickly(text);

	if (quick.done)
		assert_libyaml_agrees(text, quick.builder.root);
	arena_free(quick.arena);
	return quick.done;
}

static const char *const usual[] = {
	"k: a",
	"k: a\n",
	"\n\n# comment\nk: a # comment\n\n",
	"k:\n",
	"k:",
	"k: # nothing\nl: b",
	"k:\n  l: b\n  m: c\nn: d",
	"k:\n    l:\n     m: c\nn:",
	"k:\n- a\n- b\nl: c",
	"k:\n  - a\n  -\n  - b: c\n    d: e\n  -   f: g\n      h: i\n",
	"k:\n-\n-\nl:",
	"k:\n- a: b\n  c:\n  - d\n  e: f\n- g\n",
	"k:\n- - a\n  - b\n- c\n",
	"k:\n  -\n    - a\n  -\n    b: c\n",
	"k:\n  a value\nl: b",
	"k:\n  - \n    a\n",
	"k: []\nl: {}\nm: [ ]\nn: { }\n",
	"k: [a, 'b', \"c\", [d, {e: f}], {g: [h], i: {}}]\n",
	"k: [a,\n\n  b, # comment\n c\n]\nl: {\n  a: b,\n\"c\":d, e:\n f\n}\n",
	"k: [a b, c d ]",
	"k: [1, -1, -a, a-b, a#b, https://a.example/b#c]\n",
	"'k': 'a'\n\"l\": \"b # c\"\n'': ''\n\"m n\": ' o '\n",
	"k: it's\nl: a \"b\"\nm: a[b]{c},d\n",
	"k: ::1\nl: [::1, ::ffff:1.2.3.4]\nm: a::b\nn: fe80::1\n",
	"k: a:b\nl: a?b\nm: -a\nn: a - b\n",
	"k: sha256:00\nl: \"$2y$10$abc\"\n",
	"orders:read:\n  audience: https://orders.example.com\n",
	"name: \xc3\xa4\xc3\xb6 \xe2\x82\xac\nk: [\xc3\xa4, b] # \xc3\xa4\nl: c\n",
	"\xc3\xa4: \xc3\xb6\n\"\xc3\xbc\": [\xc3\xa4 x, {\xc3\xb6: \xc3\xbc}]\n",
	"k:   a   \n",
	"k: a  # b\n",
	"a b: c d\n",
	"a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nk: 11\nl: 12\nm: 13\n"
	"n: 14\no: 15\np: 16\nq: 17\nr: 18\n",
	"z: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nk: 11\nl: 12\nm: 13\n"
	"n: 14\no: 15\np: 16\nq: 17\na: 18\n",
	"issuer: http://localhost:8080\nsigning_keys:\n  - file: key.pem\n    state: active\n"
	"  - {file: old.pem, state: retired}\nscopes:\n  a:\n  b: {description: B}\n"
	"clients:\n  c1:\n    name: One\n    scopes: [a, b]\n    secrets:\n"
	"      - hash: sha256:00\n        expires: 2026-12-31T00:00:00Z\n"
	"      # - hash: sha256:01\n    claims:\n      tenant: acme\n  \"c 2\": {enabled: "
	"false}\n",
};

static void test_usual(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (!compare(str_of(usual[i])))
			fail_msg("not read quickly:\n%s", usual[i]);
	}
}

/* Unusual, wrong, or with a problem to be reported. */
static void test_left_to_libyaml(void **state)
{
	static const char *const table[] = {
		"",
		"# only a comment",
		"a",
		"- a",
		"[a]",
		"{a: b}",
		" a: b",
		"a:\tb",
		"a: b\r\n",
		"\xef\xbb\xbfk: b",
		"a: \xee\x80\xba",
		"a: \xe2\x80\xa8",
		"a: \xc2\x85",
		"a: \xff",
		"a: \xed\xa0\x80",
		"a: \xc3",
		"---\na: b",
		"a: b\n...\n",
		"%YAML 1.1\n",
		"a: b\na: c",
		"a: {b: c, b: d}",
		"<<: a",
		"a: &b c",
		"a: *b",
		"a: !b c",
		"a: |\n  b\n",
		"a: >\n  b\n",
		"a: \"b\\n\"",
		"a: 'it''s'",
		"a: \"b\n  c\"",
		"a: b\n  c\n",
		"a: b: c",
		"a: - b",
		"a: [b",
		"a: [b,]",
		"a: [b: c]",
		"a: [b c\n d]",
		"a: {b}",
		"a: {b: }",
		"a: [b] c",
		"a: \"b\"c",
		"a: \"b\"#c",
		"a: [b]#c",
		"a: [b,#c\n d]",
		"a: [b\n---\n]",
		"a: ::",
		"a: : b",
		":: : b",
		"a :: b",
		"? a\n: b",
		"a: ?b",
		"a: @b",
		"a: `b",
		"a:\n b: c\n  d: e",
		"a:\n  b: c\n d: e",
		"a:\n- b\n c: d",
		"a: b\n- c",
		"a:b",
		"a: {b: [c}]",
		"k: [[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]",
		"a: [b?, c]",
		"\"a\":b",
		"a: 'b': c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct quick quick = read_quickly(str_of(table[i]));

		if (quick.done)
			fail_msg("read quickly:\n%s", table[i]);
		arena_free(quick.arena);
	}
}

/* The same in each run (Marsaglia's xorshift). */
static unsigned next_number(uint64_t *state, size_t end)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)((*state >> 16) % end);
}

static size_t change(char *text, size_t n, uint64_t *state)
{
	static const char *const pieces[] = { " ", "  ", "\n", "\n  ", ":", ": ", "- ", "-",
		",", "[", "]", "{", "}", "'", "\"", "#", " #", "?", "a", "b: c", "\n- ",
		"::", "::1", "k: [a, b]", "\n    d: e", "%", "...", "\xc3\xa4", "|", "&",
		"<<" };
	const char *piece = pieces[next_number(state, sizeof(pieces) / sizeof(pieces[0]))];
	size_t at = next_number(state, n + 1), piece_len = strlen(piece);
	size_t gone = next_number(state, 3) == 0 ? next_number(state, 4) : 0;

	if (gone > n - at)
		gone = n - at;
	if (n + piece_len > TEXT_MAX)
		return n;
	memmove(text + at + piece_len, text + at + gone, n - at - gone);
	memcpy(text + at, piece, piece_len);
	return n + piece_len - gone;
}

/* Usual texts with some pieces put in and some characters taken out. */
static void test_changed(void **state)
{
	const size_t count = sizeof(usual) / sizeof(usual[0]);
	uint64_t number = UINT64_C(0x9e3779b97f4a7c15);
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; i < ROUNDS; i++) {
		char text[2 * TEXT_MAX];
		size_t n = strlen(usual[i % count]);

		memcpy(text, usual[i % count], n);
		for (unsigned k = next_number(&number, 4) + 1; k > 0; k--)
			n = change(text, n, &number);
		taken += compare((struct str){ text, n });
	}
	print_message("%zu of %d were read quickly\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 10);
}

static bool is_read_quickly(const char *begin, size_t blanks, const char *end)
{
	char memory[TEXT_MAX];
	struct buf text = buf_init(memory, sizeof(memory));

	buf_text(&text, begin);
	for (size_t i = 0; i < blanks; i++)
		buf_char(&text, ' ');
	buf_text(&text, end);
	assert_false(text.overflow);
	return compare(buf_view(&text));
}

static void test_limits(void **state)
{
	char text[TEXT_MAX];
	struct buf long_key = buf_init(text, sizeof(text));

	(void)state;
	for (unsigned i = 0; i < 1001; i++)
		buf_char(&long_key, 'a');
	buf_text(&long_key, ": b");
	struct quick quick = read_quickly(buf_view(&long_key));

	assert_false(quick.done);
	arena_free(quick.arena);
	assert_true(compare(str_from(buf_view(&long_key), 1)));
	/* It reaches to its colon. */
	assert_false(is_read_quickly("a", 1100, ": b"));
	assert_false(is_read_quickly("a:\n  c", 1100, ": b"));
	assert_false(is_read_quickly("a: {b", 1100, ": c}"));
	assert_false(is_read_quickly("a: {'b'", 1100, ": c}"));
	assert_true(is_read_quickly("a", 900, ": b"));
	assert_true(is_read_quickly("a: {b", 900, ": c}"));
	struct builder few = { .arena = arena_new(4096, 65536), .node_count_max = 5 };

	assert_non_null(few.arena);
	assert_int_equal(plain_read(&few, STR("a: [b, c]")), REASON_NONE);
	few = (struct builder){ .arena = few.arena, .node_count_max = 4 };
	assert_int_equal(plain_read(&few, STR("a: [b, c]")), REASON_CONFIG);
	arena_free(few.arena);
}

/* What a line of so many items costs, of which the last has `column`. */
static clock_t cost_of_line(const char *begin, unsigned column)
{
	const size_t size = (size_t)LONG_LINE_ITEMS * 3 + 16;
	char *text = malloc(size);
	struct buf line = buf_init(text, size);

	assert_non_null(text);
	buf_text(&line, begin);
	for (size_t i = 0; i < LONG_LINE_ITEMS; i++)
		buf_text(&line, i == 0 ? "a" : ", a");
	buf_char(&line, ']');
	assert_false(line.overflow);
	struct builder builder = { .arena = arena_new(1 << 20, (size_t)1 << 28),
		.node_count_max = LONG_LINE_ITEMS + 4 };
	const struct yaml_node *last;

	assert_non_null(builder.arena);
	clock_t begin_at = clock();

	assert_int_equal(plain_read(&builder, buf_view(&line)), REASON_NONE);
	clock_t cost = clock() - begin_at;

	for (last = builder.root->child->next->child; last->next != NULL;)
		last = last->next;
	assert_int_equal(last->column, column + 3 * (LONG_LINE_ITEMS - 1));
	arena_free(builder.arena);
	free(text);
	return cost;
}

/* A program writes a file on one line: characters of two bytes must not make that costly. */
static void test_long_line(void **state)
{
	clock_t narrow = cost_of_line("k: [", 5);
	clock_t wide = cost_of_line("\xc3\xa4: [\xc3\xb6, ", 8);

	(void)state;
	print_message("%ld and %ld us\n", (long)narrow, (long)wide);
	assert_true(wide < 20 * narrow + CLOCKS_PER_SEC / 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_left_to_libyaml),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
