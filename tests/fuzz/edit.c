/* SPDX-License-Identifier: MIT */
/*
 * Changes of a YAML text in place.
 *
 * Input: a byte that says which change, two for where, a line with the new value, and the text.
 */
#include "fuzz.h"

#include "../../fcgi/admin/patch.h"
#include "config/yaml.h"

#define NODES_MAX 2000

/* The tree of a text without any problem; NULL: it has some. */
static struct yaml *parse(struct str text, const struct yaml_node **root)
{
	struct yaml *yaml = yaml_tree_new(NODES_MAX);
	struct diag *diag = diag_new();

	REQUIRE(yaml != NULL && diag != NULL);
	bool good = yaml_parse(yaml, "f", text, diag, root) == REASON_NONE &&
		    diag_count(diag) == 0;

	diag_free(diag);
	if (!good)
		yaml_tree_free(yaml);
	return good ? yaml : NULL;
}

/* The container in which the node stands, OUTLINE_NONE for the top. */
static size_t container_of(const struct outline *outline, size_t node)
{
	for (size_t i = node; i-- > 0;) {
		if (outline->nodes[i].kind != OUTLINE_TEXT && outline_has(outline, i, node))
			return i;
	}
	return OUTLINE_NONE;
}

/* The item or key of the container that the node is or belongs to. */
static size_t entry_of(const struct outline *outline, size_t container, size_t node)
{
	size_t entry = container + 1;

	while (outline_has(outline, container, outline_next(outline, container, entry)) &&
		outline_next(outline, container, entry) <= node)
		entry = outline_next(outline, container, entry);
	return entry;
}

static enum reason set(struct patch *patch, size_t node, struct str value)
{
	size_t container = container_of(patch->outline, node);

	if (container == OUTLINE_NONE ||
		patch->outline->nodes[container].kind != OUTLINE_MAPPING)
		return REASON_EDIT;
	size_t key = entry_of(patch->outline, container, node);

	if (patch->outline->nodes[key].kind != OUTLINE_TEXT)
		return REASON_EDIT;
	enum reason reason = patch_set(patch, key, value);

	if (reason == REASON_NONE)
		REQUIRE(str_eq(patch->outline->nodes[key + 1].text, value));
	return reason;
}

/* The value of a key, or the item itself: nobody adds to a key. */
static size_t value_at(const struct outline *outline, size_t node)
{
	size_t container = container_of(outline, node);

	if (container != OUTLINE_NONE && outline->nodes[container].kind == OUTLINE_MAPPING &&
		entry_of(outline, container, node) == node)
		return outline->nodes[node].span == 1 ? node + 1 : OUTLINE_NONE;
	return node;
}

static enum reason add(struct patch *patch, size_t node, struct str value, unsigned what)
{
	const struct str texts[] = { value, STR("two: words") };
	const struct entry children[] = {
		{ .kind = ENTRY_TEXT, .key = STR("hash"), .text = value },
		{ .kind = ENTRY_TEXTS, .key = STR("scopes"), .texts = { texts, 2 } },
		{ .kind = ENTRY_TEXT, .key = STR("on"), .text = STR("true"), .is_word = true },
	};
	const struct entry item = { .kind = ENTRY_MAPPING, .children = children, .count = 3 };

	node = value_at(patch->outline, node);
	/* Nobody adds a key that is there already. */
	if (node == OUTLINE_NONE ||
		outline_find(patch->outline, node, STR("new key")) != OUTLINE_NONE)
		return REASON_EDIT;
	bool is_mapping = patch->outline->nodes[node].kind == OUTLINE_MAPPING;
	struct entry entry = {
		.kind = ENTRY_TEXT, .text = value, .key = is_mapping ? STR("new key") : STR("")
	};

	if (what % 4 == 1)
		entry = (struct entry){ ENTRY_MAPPING, .key = entry.key, .children = children,
			.count = 3 };
	else if (what % 4 == 2)
		entry = (struct entry){ ENTRY_LIST, .key = entry.key, .children = &item,
			.count = 1 };
	else if (what % 4 == 3)
		entry = (struct entry){ ENTRY_TEXTS, .key = entry.key, .texts = { texts, 2 } };
	return patch_add(patch, node, OUTLINE_NONE, &entry);
}

static enum reason take_out(struct patch *patch, size_t node)
{
	size_t container = container_of(patch->outline, node);

	if (container == OUTLINE_NONE)
		return REASON_EDIT;
	return patch_remove(patch, container, entry_of(patch->outline, container, node));
}

/* The first values of a text are as they were, and the text can be read as before. */
static void check_changed(const struct patch *patch, struct str before, size_t node)
{
	struct outline *again, *old;
	const struct yaml_node *root;
	struct str text = buf_view(&patch->text);
	struct yaml *yaml_before = parse(before, &root), *yaml;

	REQUIRE(outline_read(text, &again) == REASON_NONE);
	REQUIRE(again->count == patch->outline->count);
	REQUIRE(outline_equal(again, 0, patch->outline, 0, again->count));
	REQUIRE(outline_read(before, &old) == REASON_NONE);
	for (size_t i = 0; i < node && i < old->count && i < again->count; i++)
		REQUIRE(old->nodes[i].kind != OUTLINE_TEXT ||
			again->nodes[i].kind != OUTLINE_TEXT ||
			str_eq(old->nodes[i].text, again->nodes[i].text));
	if (yaml_before != NULL) {
		yaml = parse(text, &root);
		REQUIRE(yaml != NULL);
		yaml_tree_free(yaml);
	}
	yaml_tree_free(yaml_before);
	outline_free(again);
	outline_free(old);
}

static void work(
	struct patch *patch, struct str before, unsigned what, size_t node, struct str value)
{
	enum reason reason;

	node %= patch->outline->count;
	if (what % 3 == 0)
		reason = set(patch, node, value);
	else if (what % 3 == 1)
		reason = add(patch, node, value, what / 3);
	else
		reason = take_out(patch, node);
	REQUIRE(reason == REASON_NONE || reason == REASON_EDIT);
	if (reason == REASON_NONE)
		check_changed(patch, before, what % 3 == 2 ? 0 : node);
	else
		REQUIRE(str_eq(buf_view(&patch->text), before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	unsigned what = fuzz_byte(&rest);
	size_t node = fuzz_byte(&rest) << 8;
	struct patch patch;

	node |= fuzz_byte(&rest);
	struct str value = fuzz_line(&rest);

	if (size > 8000 || !str_is_utf8(value) || str_has(value, '\0'))
		return 0;
	char *copy = fuzz_copy(rest), *moved = fuzz_copy(rest);
	enum reason reason = patch_open(&patch,
		(struct buf){ .p = moved, .n = rest.n, .size = rest.n > 0 ? rest.n : 1 });

	REQUIRE(reason == REASON_NONE || reason == REASON_EDIT);
	if (reason == REASON_NONE)
		work(&patch, (struct str){ copy, rest.n }, what, node, value);
	patch_clear(&patch);
	free(copy);
	return 0;
}
