/* SPDX-License-Identifier: MIT */
/* From YAML text to the tree: values, places, limits; the messages are test_config.c's. */
#include "config/yaml.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#define NODE_COUNT_MAX 100

struct tree {
	struct yaml *yaml;
	struct diag *diag;
	const struct yaml_node *root;
	enum reason reason;
};

static struct tree parse(struct str text)
{
	struct tree tree = { .yaml = yaml_tree_new(NODE_COUNT_MAX), .diag = diag_new() };

	assert_non_null(tree.yaml);
	assert_non_null(tree.diag);
	tree.reason = yaml_parse(tree.yaml, "f", text, tree.diag, &tree.root);
	assert_int_equal(tree.root != NULL, tree.reason == REASON_NONE);
	return tree;
}

static void release(struct tree *tree)
{
	yaml_tree_free(tree->yaml);
	diag_free(tree->diag);
}

/* The value of the key k. */
static const struct yaml_node *value_of(const struct tree *tree)
{
	const struct yaml_node *key = yaml_find(tree->root, STR("k"));

	assert_int_equal(tree->reason, REASON_NONE);
	assert_non_null(key);
	return key->next;
}

static void test_texts(void **state)
{
	static const struct {
		const char *yaml;
		const char *text;
		bool is_plain;
	} table[] = {
		{ "k: a", "a", true },
		{ "k: 'a'", "a", false },
		{ "k: \"a\\tb\\u00fc\"", "a\tbü", false },
		{ "k:", "", true },
		{ "k: ''", "", false },
		{ "k: no", "no", true },
		{ "k: 012", "012", true },
		{ "k: 1e3", "1e3", true },
		{ "k: ~", "~", true },
		{ "k: a b\n  c", "a b c", true },
		{ "k: |\n  a\n  b\n", "a\nb\n", false },
		{ "k: a # comment", "a", true },
		{ "{\"k\":\"json\"}", "json", false },
		{ "---\nk: a\n...\n", "a", true },
		{ "%YAML 1.1\n---\nk: a\n", "a", true },
		{ "\xef\xbb\xbfk: a", "a", true },
		{ "k: \xee\x80\xba", "\xee\x80\xba", true },
		{ "k: sha256:00", "sha256:00", true },
		/* YAML 1.2 §7.3.3 */
		{ "k: ::1", "::1", true },
		{ "{k: ::1}", "::1", true },
		{ "{k: ::}", "::", true },
		{ "{k: ::ffff:1.2.3.4}", "::ffff:1.2.3.4", true },
		{ "k: 'a ::1'", "a ::1", false },
		{ "k: \"::1\"", "::1", false },
		{ "k: a ::1 b # ::", "a ::1 b", true },
		{ "k: |\n  ::1\n  ::\n", "::1\n::\n", false },
		{ "k: '::\xee\x80\xba'", "::\xee\x80\xba", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct tree tree = parse(str_of(table[i].yaml));
		const struct yaml_node *value = value_of(&tree);

		assert_int_equal(value->kind, YAML_TEXT);
		assert_string_equal(value->text.p, table[i].text);
		assert_int_equal(value->text.n, strlen(table[i].text));
		assert_int_equal(value->is_plain, table[i].is_plain);
		assert_int_equal(diag_count(tree.diag), 0);
		release(&tree);
	}
}

static void test_shape(void **state)
{
	struct tree tree = parse(STR("a: [x, [], {y: z}]\n\"b\": {}\nk:\n  - one\n  - two\n"));
	const struct yaml_node *a = tree.root->child;

	(void)state;
	assert_int_equal(tree.root->kind, YAML_MAPPING);
	assert_int_equal(tree.root->count, 3);
	assert_string_equal(a->text.p, "a");
	assert_int_equal(a->next->kind, YAML_LIST);
	assert_int_equal(a->next->count, 3);
	assert_int_equal(a->next->child->next->kind, YAML_LIST);
	assert_int_equal(a->next->child->next->count, 0);
	assert_null(a->next->child->next->child);
	assert_int_equal(a->next->child->next->next->kind, YAML_MAPPING);
	assert_null(a->next->child->next->next->next);
	assert_string_equal(yaml_next_key(a)->text.p, "b");
	assert_int_equal(yaml_next_key(a)->next->count, 0);
	assert_int_equal(value_of(&tree)->count, 2);
	assert_null(yaml_next_key(yaml_next_key(yaml_next_key(a))));
	assert_null(yaml_find(tree.root, STR("c")));
	assert_null(yaml_find(a, STR("c")));
	assert_null(yaml_find(NULL, STR("c")));
	release(&tree);
}

static void test_places(void **state)
{
	struct tree tree = parse(STR("# ü\nk:\n  - one\n  - {ü: ::1, \"b\": [::, x]}\n"));
	const struct yaml_node *list = value_of(&tree);
	const struct yaml_node *mapping = list->child->next;
	const struct yaml_node *b = yaml_find(mapping, STR("b"));

	(void)state;
	assert_int_equal(tree.root->line, 2);
	assert_int_equal(tree.root->column, 1);
	assert_int_equal(list->line, 3);
	assert_int_equal(list->column, 3);
	assert_int_equal(list->child->column, 5);
	assert_int_equal(mapping->line, 4);
	assert_int_equal(mapping->column, 5);
	assert_int_equal(mapping->child->next->column, 9);
	assert_int_equal(b->column, 14);
	assert_int_equal(b->next->child->next->column, 24);
	assert_string_equal(yaml_place(b).file, "f");
	release(&tree);
}

static void test_several_files(void **state)
{
	struct tree tree = parse(STR("a: 1"));
	const struct yaml_node *root;

	(void)state;
	assert_int_equal(
		yaml_parse(tree.yaml, "g", STR("- 1"), tree.diag, &root), REASON_CONFIG);
	assert_null(root);
	assert_int_equal(
		yaml_parse(tree.yaml, "h", STR("b: 1"), tree.diag, &root), REASON_NONE);
	assert_ptr_equal(yaml_first(tree.yaml), tree.root);
	assert_ptr_equal(tree.root->next, root);
	assert_null(root->next);
	assert_string_equal(root->file, "h");
	release(&tree);
}

static void test_depth(void **state)
{
	char text[64] = "k: ";
	struct tree tree;

	(void)state;
	memset(text + 3, '[', YAML_DEPTH_MAX - 1);
	memset(text + 3 + YAML_DEPTH_MAX - 1, ']', YAML_DEPTH_MAX - 1);
	tree = parse(str_of(text));
	assert_int_equal(tree.reason, REASON_NONE);
	release(&tree);
	memset(text + 3, '[', YAML_DEPTH_MAX);
	memset(text + 3 + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
	tree = parse(str_of(text));
	assert_int_equal(tree.reason, REASON_CONFIG);
	release(&tree);
}

static void test_node_count(void **state)
{
	char text[4 * NODE_COUNT_MAX] = "k: [";
	struct tree tree;

	(void)state;
	for (size_t i = 4; i < 4 + 3 * (NODE_COUNT_MAX - 3); i++)
		text[i] = "a, "[(i - 4) % 3];
	strncat(text, "]", 2);
	tree = parse(str_of(text));
	assert_int_equal(tree.reason, REASON_NONE);
	assert_int_equal(value_of(&tree)->count, NODE_COUNT_MAX - 3);
	release(&tree);
	text[strlen(text) - 1] = '\0';
	strncat(text, "a]", 3);
	tree = parse(str_of(text));
	assert_int_equal(tree.reason, REASON_CONFIG);
	assert_string_equal(
		diag_get(tree.diag, 0)->text, "too many values in this configuration");
	release(&tree);
}

/* Bytes that are no text: refused with their place. */
static void test_bytes(void **state)
{
	static const struct {
		struct str text;
		unsigned line, column;
	} table[] = {
		{ { "k: \xff", 4 }, 1, 4 },
		{ { "a: ü\nk: \xc3", 10 }, 2, 4 },
		{ { "k: \xc0\xaf", 5 }, 1, 4 },
		{ { "k: \xed\xa0\x80", 6 }, 1, 4 },
		{ { "k: a\0b", 6 }, 1, 5 },
		{ { "k: ü\x01", 6 }, 1, 5 },
		{ { "k: [::1,\n \x7f]", 12 }, 2, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct tree tree = parse(table[i].text);

		assert_int_equal(tree.reason, REASON_CONFIG);
		assert_int_equal(diag_count(tree.diag), 1);
		assert_int_equal(diag_get(tree.diag, 0)->line, table[i].line);
		assert_int_equal(diag_get(tree.diag, 0)->column, table[i].column);
		release(&tree);
	}
}

/* A thousand times the same: cheap for us, as the aliases are not followed. */
static void test_alias_bomb(void **state)
{
	struct tree tree = parse(STR("a: &a [x, x]\nb: &b [*a, *a, *a]\nk: [*b, *b, *b]\n"));

	(void)state;
	assert_int_equal(tree.reason, REASON_NONE);
	assert_int_equal(diag_error_count(tree.diag), 8);
	assert_int_equal(value_of(&tree)->child->kind, YAML_BROKEN);
	release(&tree);
	tree = parse(STR("k: &k [*k]\n"));
	assert_int_equal(diag_error_count(tree.diag), 2);
	release(&tree);
}

/* Refused keys leave no trace, so that nothing else is said of them. */
static void test_dropped_keys(void **state)
{
	struct tree tree = parse(STR("<<: {a: b}\nk: 1\n? [x]\n: y\nk: 2\n\"<<\": z\n"));

	(void)state;
	assert_int_equal(diag_error_count(tree.diag), 3);
	assert_int_equal(tree.root->count, 2);
	assert_string_equal(value_of(&tree)->text.p, "1");
	assert_non_null(yaml_find(tree.root, STR("<<")));
	release(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_several_files),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_node_count),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_dropped_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
