/* SPDX-License-Identifier: MIT */
/* YAML trees as JSON text, without recursion. */
#include "config/render.h"
#include "util/secret.h"

#include <stdlib.h>

#define FIRST_SIZE 1024
#define NUMBER_LEN_MAX 18 /* characters; longer ones do not fit an int64_t, or lose digits */

/* A list or mapping under way. */
struct cursor {
	const struct yaml_node *container;
	const struct yaml_node *next; /* item, or key */
};

static size_t count_digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* RFC 8259 §6 without an exponent. */
static bool is_number(struct str s)
{
	if (str_starts(s, STR("-")))
		s = str_from(s, 1);
	size_t digits = count_digits(s);

	if (digits == 0 || (digits > 1 && s.p[0] == '0'))
		return false;
	if (digits == s.n)
		return true;
	s = str_from(s, digits);
	return s.p[0] == '.' && s.n > 1 && count_digits(str_from(s, 1)) == s.n - 1;
}

static bool is_word(struct str s)
{
	return str_eq(s, STR("true")) || str_eq(s, STR("false")) || str_eq(s, STR("null"));
}

static void write_text(
	struct rendered *rendered, const struct yaml_node *node, enum render_style style)
{
	bool is_value = style == RENDER_VALUES && node->is_plain;

	if (is_value && is_number(node->text) && node->text.n > NUMBER_LEN_MAX)
		rendered->long_number = node;
	if (is_value && (is_number(node->text) || is_word(node->text)))
		buf_str(&rendered->json, node->text);
	else
		buf_json(&rendered->json, node->text);
}

/* Write the next child's name and return the child; at the end write the bracket and return
 * NULL.
 */
static const struct yaml_node *advance(struct cursor *cursor, struct buf *json)
{
	bool is_mapping = cursor->container->kind == YAML_MAPPING;
	const struct yaml_node *node = cursor->next;

	if (node == NULL) {
		buf_char(json, is_mapping ? '}' : ']');
		return NULL;
	}
	if (node != cursor->container->child)
		buf_char(json, ',');
	if (is_mapping) {
		buf_json(json, node->text);
		buf_char(json, ':');
		node = node->next;
	}
	cursor->next = node->next;
	return node;
}

/* Write a text, or the opening bracket of what is then under way; false for a text. */
static bool enter(struct rendered *rendered, const struct yaml_node *node,
	enum render_style style, struct cursor *cursor)
{
	if (node->kind != YAML_LIST && node->kind != YAML_MAPPING) {
		write_text(rendered, node, style);
		return false;
	}
	buf_char(&rendered->json, node->kind == YAML_LIST ? '[' : '{');
	*cursor = (struct cursor){ node, node->child };
	return true;
}

static void write_tree(
	struct rendered *rendered, const struct yaml_node *root, enum render_style style)
{
	struct cursor open[YAML_DEPTH_MAX + 1] = { 0 };
	size_t depth = enter(rendered, root, style, &open[0]) ? 1 : 0;

	while (depth > 0) {
		const struct yaml_node *node = advance(&open[depth - 1], &rendered->json);

		if (node == NULL)
			depth--;
		else if (enter(rendered, node, style, &open[depth]))
			depth++;
	}
}

bool render_json(
	const struct yaml_node *node, enum render_style style, struct rendered *rendered)
{
	for (size_t size = FIRST_SIZE;; size *= 2) {
		char *p = malloc(size);

		*rendered = (struct rendered){ .json = buf_init(p, size) };
		if (p == NULL) {
			*rendered = (struct rendered){ 0 };
			return false;
		}
		write_tree(rendered, node, style);
		if (!rendered->json.overflow)
			return true;
		render_clear(rendered);
	}
}

void render_clear(struct rendered *rendered)
{
	if (rendered->json.p != NULL)
		secret_wipe(rendered->json.p, rendered->json.n);
	free(rendered->json.p);
	*rendered = (struct rendered){ 0 };
}
