/* SPDX-License-Identifier: MIT */
/* A tree of YAML nodes under construction, whoever reads the text. */
#include "config/builder.h"

#include <stdlib.h>

#define NODES_AT_ONCE 16
#define FEW_KEYS 16 /* up to here comparing each with each is quicker than sorting */

/* Some at once: alone, each would be rounded up. */
static struct yaml_node *take_node(struct builder *builder)
{
	if (builder->spare_count == 0) {
		builder->spare = arena_alloc_array(
			builder->arena, NODES_AT_ONCE, sizeof(*builder->spare));
		if (builder->spare == NULL) {
			builder->out_of_memory = true;
			return NULL;
		}
		builder->spare_count = NODES_AT_ONCE;
	}
	builder->spare_count--;
	return builder->spare++;
}

static void attach(struct builder *builder, struct yaml_node *node)
{
	if (builder->depth == 0) {
		builder->root = node;
		return;
	}
	struct builder_frame *frame = &builder->frames[builder->depth - 1];

	if (frame->last == NULL)
		frame->node->child = node;
	else
		frame->last->next = node;
	frame->last = node;
	frame->node->count++;
}

static bool is_same_text(const struct yaml_node *a, const struct yaml_node *b)
{
	return a->kind == YAML_TEXT && b->kind == YAML_TEXT && str_eq(a->text, b->text);
}

static bool is_among_earlier(const struct yaml_node *mapping, const struct yaml_node *key)
{
	const struct yaml_node *earlier = mapping->child;

	while (earlier != key && !is_same_text(earlier, key))
		earlier = yaml_next_key(earlier);
	return earlier != key;
}

/* Each text greater than the one before it: who has many clients mostly sorts them. */
static bool is_ascending(const struct yaml_node *mapping)
{
	const struct yaml_node *key = mapping->child;

	for (; yaml_next_key(key) != NULL; key = yaml_next_key(key)) {
		if (str_compare(key->text, yaml_next_key(key)->text) >= 0)
			return false;
	}
	return true;
}

static int compare_texts(const void *a, const void *b)
{
	const struct yaml_node *const *first = a, *const *second = b;

	return str_compare((*first)->text, (*second)->text);
}

static bool has_neighbours(const struct yaml_node *const *keys, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (str_eq(keys[i - 1]->text, keys[i]->text))
			return true;
	}
	return false;
}

bool builder_is_full(const struct builder *builder)
{
	return builder->node_count >= builder->node_count_max;
}

struct yaml_node *builder_add(
	struct builder *builder, enum yaml_kind kind, unsigned line, unsigned column)
{
	struct yaml_node *node = builder_is_full(builder) ? NULL : take_node(builder);

	if (node == NULL)
		return NULL;
	builder->node_count++;
	node->file = builder->file;
	node->line = line;
	node->column = column;
	node->kind = kind;
	attach(builder, node);
	return node;
}

void builder_open(struct builder *builder, struct yaml_node *node)
{
	builder->frames[builder->depth++] = (struct builder_frame){ .node = node };
}

struct yaml_node *builder_close(struct builder *builder)
{
	struct yaml_node *node = builder->frames[--builder->depth].node;

	if (node->kind == YAML_MAPPING)
		node->count /= 2;
	return node;
}

bool builder_has_repeated(struct builder *builder, const struct yaml_node *mapping)
{
	size_t count = 0;

	if (mapping->count <= FEW_KEYS) {
		for (const struct yaml_node *key = mapping->child; key != NULL;
			key = yaml_next_key(key)) {
			if (is_among_earlier(mapping, key))
				return true;
		}
		return false;
	}
	if (is_ascending(mapping))
		return false;
	const struct yaml_node **keys = calloc(mapping->count, sizeof(*keys));

	if (keys == NULL) {
		builder->out_of_memory = true;
		return false;
	}
	for (const struct yaml_node *key = mapping->child; key != NULL;
		key = yaml_next_key(key))
		keys[count++] = key;
	qsort(keys, count, sizeof(*keys), compare_texts);
	bool found = has_neighbours(keys, count);

	free(keys);
	return found;
}
