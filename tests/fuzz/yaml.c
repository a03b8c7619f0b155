/* SPDX-License-Identifier: MIT */
/* YAML read in three ways: quickly, by libyaml, and as an outline; they must not differ. */
#include "fuzz.h"

#include "config/outline.h"
#include "config/plain.h"
#include "config/render.h"

#include <jansson.h>

#define NODES_MAX 2000

/* A tree by yaml_parse, which may have used either reader. */
struct tree {
	struct yaml *yaml;
	struct diag *diag;
	const struct yaml_node *root; /* NULL: refused */
};

static struct tree parse(struct str text)
{
	struct tree tree = { .yaml = yaml_tree_new(NODES_MAX), .diag = diag_new() };

	REQUIRE(tree.yaml != NULL && tree.diag != NULL);
	enum reason reason = yaml_parse(tree.yaml, "f", text, tree.diag, &tree.root);

	REQUIRE(reason == REASON_NONE || reason == REASON_CONFIG);
	REQUIRE((reason == REASON_NONE) == (tree.root != NULL));
	REQUIRE(tree.root != NULL || diag_error_count(tree.diag) > 0);
	return tree;
}

static void release(struct tree *tree)
{
	yaml_tree_free(tree->yaml);
	diag_free(tree->diag);
}

/* The next node in the order of the text; the way up is kept in path. */
static const struct yaml_node *next_node(
	const struct yaml_node *node, const struct yaml_node **path, size_t *depth)
{
	if (node->child != NULL) {
		REQUIRE(*depth <= YAML_DEPTH_MAX);
		path[(*depth)++] = node;
		return node->child;
	}
	while (node->next == NULL && *depth > 0)
		node = path[--*depth];
	return *depth > 0 ? node->next : NULL;
}

static void check_same_node(const struct yaml_node *a, const struct yaml_node *b)
{
	REQUIRE(a->kind == b->kind && a->line == b->line && a->column == b->column);
	REQUIRE(a->count == b->count && a->is_plain == b->is_plain);
	REQUIRE(str_eq(a->text, b->text));
	REQUIRE((a->child == NULL) == (b->child == NULL));
	REQUIRE((a->next == NULL) == (b->next == NULL));
}

static void check_same(const struct yaml_node *a, const struct yaml_node *b)
{
	const struct yaml_node *path_a[YAML_DEPTH_MAX + 1], *path_b[YAML_DEPTH_MAX + 1];
	size_t depth_a = 0, depth_b = 0;

	while (a != NULL && b != NULL) {
		check_same_node(a, b);
		a = next_node(a, path_a, &depth_a);
		b = next_node(b, path_b, &depth_b);
	}
	REQUIRE(a == NULL && b == NULL);
}

/* A tab in a comment is what the quick reader leaves to libyaml. */
static void check_by_libyaml(struct str text, const struct yaml_node *root)
{
	char *room = malloc(text.n + 8);
	struct buf longer = buf_init(room, text.n + 8);

	REQUIRE(room != NULL);
	buf_str(&longer, text);
	buf_text(&longer, "\n#\t\n");
	struct tree other = parse(buf_view(&longer));

	REQUIRE(other.root != NULL && diag_count(other.diag) == 0);
	check_same(root, other.root);
	release(&other);
	free(room);
}

static void check_quick(struct str text)
{
	struct builder builder = { .arena = arena_new(4096, (size_t)1 << 24),
		.file = "f",
		.node_count_max = NODES_MAX };

	REQUIRE(builder.arena != NULL);
	if (plain_read(&builder, text) == REASON_NONE)
		check_by_libyaml(text, builder.root);
	arena_free(builder.arena);
}

/* The same texts in the same order. */
static void check_outline_nodes(const struct outline *outline, const struct yaml_node *node)
{
	const struct yaml_node *path[YAML_DEPTH_MAX + 1];
	size_t depth = 0;

	for (size_t i = 0; i < outline->count; i++) {
		const struct outline_node *mine = &outline->nodes[i];

		REQUIRE(node != NULL && mine->start <= mine->end);
		REQUIRE((mine->kind == OUTLINE_TEXT) == (node->kind == YAML_TEXT));
		REQUIRE((mine->kind == OUTLINE_LIST) == (node->kind == YAML_LIST));
		REQUIRE(mine->depth == depth);
		if (mine->kind == OUTLINE_TEXT)
			REQUIRE(str_eq(mine->text, node->text));
		node = next_node(node, path, &depth);
	}
	REQUIRE(node == NULL);
}

/* What is read without a problem has an outline, and the same one. */
static void check_outline(struct str text, const struct tree *tree)
{
	struct outline *outline;
	enum reason reason = outline_read(text, &outline);

	REQUIRE((reason == REASON_NONE) == (outline != NULL));
	if (tree->root != NULL && diag_count(tree->diag) == 0) {
		REQUIRE(reason == REASON_NONE);
		check_outline_nodes(outline, tree->root);
	}
	outline_free(outline);
}

static void check_rendered(const struct tree *tree)
{
	struct rendered rendered;

	if (tree->root == NULL || diag_count(tree->diag) > 0)
		return;
	for (enum render_style style = RENDER_TEXTS; style <= RENDER_VALUES; style++) {
		REQUIRE(render_json(tree->root, style, &rendered));
		json_t *json = json_loadb(
			rendered.json.p, rendered.json.n, JSON_ALLOW_NUL, NULL);

		/* Numbers that are too long for JSON readers are told of. */
		REQUIRE(json_is_object(json) || rendered.long_number != NULL);
		REQUIRE(json == NULL || json_object_size(json) == tree->root->count);
		json_decref(json);
		render_clear(&rendered);
	}
}

static void check_messages(const struct diag *diag)
{
	static char room[65536];

	for (size_t i = 0; i < diag_count(diag); i++) {
		struct buf line = buf_init(room, sizeof(room));

		diag_render(&line, diag_get(diag, i));
		REQUIRE(line.overflow || str_is_utf8(buf_view(&line)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(fuzz_input(data, size));
	struct str text = { copy, size };

	if (size < 20000) {
		struct tree tree = parse(text);

		check_quick(text);
		check_outline(text, &tree);
		check_rendered(&tree);
		check_messages(tree.diag);
		release(&tree);
	}
	free(copy);
	return 0;
}
