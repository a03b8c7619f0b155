/* SPDX-License-Identifier: MIT */
/* A tree of YAML nodes under construction, whoever reads the text. */
#ifndef CONFIG_BUILDER_H
#define CONFIG_BUILDER_H

#include "config/yaml.h"

/* A list or mapping that is not closed yet. */
struct builder_frame {
	struct yaml_node *node;
	struct yaml_node *last; /* child */
};

struct builder {
	struct arena *arena;
	const char *file;
	size_t node_count; /* of this and all trees before */
	size_t node_count_max;
	struct yaml_node *spare; /* nodes that were allocated and are not used yet */
	size_t spare_count;
	struct yaml_node *root;
	struct builder_frame frames[YAML_DEPTH_MAX];
	unsigned depth; /* open frames */
	bool out_of_memory;
};

/* builder_is_full - are there as many nodes as there may be? */
bool builder_is_full(const struct builder *builder);

/*
 * builder_add - append a node to the innermost open list or mapping, or make it the root.
 *
 * line, column  where it starts; both count from 1
 *
 * Returns the node, without a text; NULL: the builder is full, or out of memory, noted.
 */
struct yaml_node *builder_add(
	struct builder *builder, enum yaml_kind kind, unsigned line, unsigned column);

/* builder_open - go into the list or mapping that was added last; the depth allows it. */
void builder_open(struct builder *builder, struct yaml_node *node);

/* builder_close - leave the innermost one.  Of a mapping the count becomes that of its keys. */
struct yaml_node *builder_close(struct builder *builder);

/* builder_has_repeated - has the mapping, which is closed, two keys with the same text?  false
 * also if there is no memory to find that out, noted. */
bool builder_has_repeated(struct builder *builder, const struct yaml_node *mapping);

#endif
