/* SPDX-License-Identifier: MIT */
/* Which bytes of a YAML text each of its values takes up: for changing it in place. */
#ifndef CONFIG_OUTLINE_H
#define CONFIG_OUTLINE_H

#include "util/arena.h"
#include "util/reason.h"

#define OUTLINE_NONE SIZE_MAX

enum outline_kind {
	OUTLINE_TEXT,
	OUTLINE_LIST,
	OUTLINE_MAPPING,
};

struct outline_node {
	struct str text;   /* OUTLINE_TEXT: the value */
	size_t start, end; /* bytes; a block ends with the last value in it */
	size_t column;     /* characters that stand before it on its line */
	size_t span;       /* nodes: itself and all that are in it */
	enum outline_kind kind;
	unsigned depth; /* lists and mappings around it */
	bool is_plain;  /* OUTLINE_TEXT: written without quotes */
	bool is_flow;   /* a list or mapping in brackets */
	bool in_flow;   /* somewhere inside brackets */
};

/* All nodes in the order of the text: keys directly before their values, the top first. */
struct outline {
	struct outline_node *nodes;
	size_t count;
	size_t size; /* of nodes */
	struct arena *arena;
};

/*
 * outline_read - take the outline of a text in UTF-8.
 *
 * text     borrowed for the call
 * outline  [out] new (outline_free); NULL on failure
 *
 * Returns REASON_NONE; REASON_CONFIG: the text has what yaml_parse refuses, or is
 * not a mapping; REASON_MEMORY.
 */
NODISCARD enum reason outline_read(struct str text, struct outline **outline);
void outline_free(struct outline *outline);

/* outline_next - the index of the item or key behind this one, if there is one: see
 * outline_has. */
size_t outline_next(const struct outline *outline, size_t container, size_t entry);

/* outline_has - is this index, of outline_next, still in the list or mapping? */
bool outline_has(const struct outline *outline, size_t container, size_t entry);

/* outline_last - the last item or key of a list or mapping that is not empty. */
size_t outline_last(const struct outline *outline, size_t container);

/* outline_find - the key with this name (its value is the next node), or OUTLINE_NONE. */
size_t outline_find(const struct outline *outline, size_t mapping, struct str name);

/* outline_is_empty - a value that was left out. */
bool outline_is_empty(const struct outline *outline, size_t node);

/* outline_equal - do two runs of `count` nodes have the same kinds, depths and texts? */
bool outline_equal(const struct outline *a, size_t from_a, const struct outline *b,
	size_t from_b, size_t count);

#endif
