/* SPDX-License-Identifier: MIT */
/* YAML text as a tree whose every node knows its place; the rarer features of YAML are refused.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "util/arena.h"
#include "util/diag.h"
#include "util/reason.h"

#define YAML_DEPTH_MAX 16 /* nested lists and mappings */

enum yaml_kind {
	YAML_TEXT,
	YAML_LIST,
	YAML_MAPPING,
	YAML_BROKEN, /* its problem has been reported */
};

struct yaml_node {
	const char *file; /* borrowed from the owner of the trees */
	struct str text;  /* YAML_TEXT: the value, NUL-terminated, without a NUL inside */
	/* The next item of the list; in a mapping a key's value, or a value's next key. */
	struct yaml_node *next;
	struct yaml_node *child; /* first item, or first key */
	unsigned line;
	unsigned column; /* in characters; both count from 1 */
	unsigned count;  /* items of a list, keys of a mapping */
	enum yaml_kind kind : 8;
	bool is_plain; /* YAML_TEXT: written without quotes */
};

/* The trees of some files, in one piece of memory. */
struct yaml;

/*
 * yaml_tree_new - no trees yet.
 *
 * node_count_max  nodes that all trees together may have
 *
 * Returns new (yaml_tree_free), or NULL: out of memory.
 */
NODISCARD struct yaml *yaml_tree_new(size_t node_count_max);
void yaml_tree_free(struct yaml *yaml);

/* yaml_arena - the memory of the trees, for what should live as long as they do; borrowed. */
struct arena *yaml_arena(const struct yaml *yaml);

/*
 * yaml_parse - add the tree of one file.
 *
 * file  its name, for the places; borrowed for the life of the trees
 * text  its content; borrowed for the call
 * diag  what is wrong with it
 * root  [out] the top mapping, borrowed from yaml; NULL on failure
 *
 * Returns REASON_NONE, also with problems that leave a tree; REASON_CONFIG: there
 * is no tree; REASON_MEMORY.
 */
NODISCARD enum reason yaml_parse(struct yaml *yaml, const char *file, struct str text,
	struct diag *diag, const struct yaml_node **root);

/* yaml_first - top mapping of the first file; `next` leads to the others.  NULL: none. */
const struct yaml_node *yaml_first(const struct yaml *yaml);

/* yaml_find - the key with this name (its value is ->next), or NULL; node may be of any kind.
 */
const struct yaml_node *yaml_find(const struct yaml_node *node, struct str name);

/* yaml_next_key - the key behind this one, or NULL. */
const struct yaml_node *yaml_next_key(const struct yaml_node *key);

/* yaml_is_empty - a value that was left out: nothing stands behind its colon or dash. */
bool yaml_is_empty(const struct yaml_node *node);

/* yaml_place - where the node starts. */
struct place yaml_place(const struct yaml_node *node);

#endif
