/* SPDX-License-Identifier: MIT */
/* YAML trees as JSON text. */
#ifndef CONFIG_RENDER_H
#define CONFIG_RENDER_H

#include "config/yaml.h"

enum render_style {
	RENDER_TEXTS,  /* every value is a string */
	RENDER_VALUES, /* plain true, false, null and decimal numbers are JSON's */
};

struct rendered {
	struct buf json;
	const struct yaml_node *long_number; /* one that JSON readers would round; NULL: none */
};

/*
 * render_json - write a node and all below it.
 *
 * rendered  [out] new (render_clear); cleared on failure
 *
 * Returns false: out of memory.
 */
NODISCARD bool render_json(
	const struct yaml_node *node, enum render_style style, struct rendered *rendered);

/* render_clear - wipe and free. */
void render_clear(struct rendered *rendered);

#endif
