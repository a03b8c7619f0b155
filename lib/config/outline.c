/* SPDX-License-Identifier: MIT */
/* From libyaml's marks, which count characters, to the bytes of the text. */
#include "config/outline.h"
#include "config/shield.h"
#include "config/yaml.h"

#include <stdlib.h>

#include <yaml.h>

#define ARENA_BLOCK ((size_t)64 << 10)
#define ARENA_LIMIT ((size_t)1 << 30)
#define FIRST_SIZE 256
#define BOM STR("\xef\xbb\xbf")

/* The byte of a character, found from the one that was found before. */
struct cursor {
	struct str text;
	size_t at;    /* byte */
	size_t index; /* character */
};

struct survey {
	struct outline *outline;
	struct cursor cursor;
	size_t frames[YAML_DEPTH_MAX]; /* the nodes that are not closed yet */
	unsigned depth;
	unsigned document_count;
	bool is_shielded;
	enum reason reason; /* not REASON_NONE: give up */
};

typedef void event_handler(struct survey *survey, const yaml_event_t *event);

static bool is_inside_character(struct str text, size_t at)
{
	return at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80;
}

static size_t seek(struct cursor *cursor, size_t index)
{
	for (; cursor->index < index && cursor->at < cursor->text.n; cursor->index++) {
		do
			cursor->at++;
		while (is_inside_character(cursor->text, cursor->at));
	}
	for (; cursor->index > index; cursor->index--) {
		do
			cursor->at--;
		while (is_inside_character(cursor->text, cursor->at));
	}
	return cursor->at;
}

static bool make_room(struct outline *outline)
{
	if (outline->count < outline->size)
		return true;
	size_t size = outline->size == 0 ? FIRST_SIZE : 2 * outline->size;
	struct outline_node *nodes = reallocarray(outline->nodes, size, sizeof(*nodes));

	if (nodes == NULL)
		return false;
	outline->nodes = nodes;
	outline->size = size;
	return true;
}

static struct outline_node *top_frame(const struct survey *survey)
{
	return survey->depth == 0 ? NULL
				  : &survey->outline->nodes[survey->frames[survey->depth - 1]];
}

/* NULL: given up. */
static struct outline_node *add_node(
	struct survey *survey, const yaml_event_t *event, enum outline_kind kind)
{
	if (!make_room(survey->outline)) {
		survey->reason = REASON_MEMORY;
		return NULL;
	}
	const struct outline_node *around = top_frame(survey);
	struct outline_node *node = &survey->outline->nodes[survey->outline->count++];
	size_t start = seek(&survey->cursor, event->start_mark.index);

	*node = (struct outline_node){
		.start = start,
		.end = start,
		.column = event->start_mark.column,
		.span = 1,
		.kind = kind,
		.depth = survey->depth,
		.in_flow = around != NULL && (around->is_flow || around->in_flow),
	};
	return node;
}

/* What is around a node ends with it, as long as nothing follows. */
static void close_node(struct survey *survey, const struct outline_node *node)
{
	struct outline_node *around = top_frame(survey);

	if (around != NULL)
		around->end = node->end;
}

/* Anchors and tags are not part of what may be loaded. */
static void check_properties(
	struct survey *survey, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL || tag != NULL)
		survey->reason = REASON_CONFIG;
}

/* libyaml has the line ends behind a text of many lines in it. */
static size_t trim_end(struct str text, size_t start, size_t end)
{
	while (end > start && str_has(STR(" \t\r\n"), text.p[end - 1]))
		end--;
	return end;
}

static void on_scalar(struct survey *survey, const yaml_event_t *event)
{
	struct str value = { (const char *)event->data.scalar.value,
		event->data.scalar.length };
	struct outline_node *node = add_node(survey, event, OUTLINE_TEXT);

	if (node == NULL)
		return;
	check_properties(survey, event->data.scalar.anchor, event->data.scalar.tag);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->end = seek(&survey->cursor, event->end_mark.index);
	if (event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
		event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE)
		node->end = trim_end(survey->cursor.text, node->start, node->end);
	bool copied = survey->is_shielded
			      ? shield_copy(survey->outline->arena, value, &node->text)
			      : arena_copy(survey->outline->arena, value, &node->text);

	if (!copied)
		survey->reason = REASON_MEMORY;
	close_node(survey, node);
}

static void open_node(
	struct survey *survey, const yaml_event_t *event, enum outline_kind kind, bool is_flow)
{
	if (survey->depth == YAML_DEPTH_MAX) {
		survey->reason = REASON_CONFIG;
		return;
	}
	struct outline_node *node = add_node(survey, event, kind);

	if (node == NULL)
		return;
	node->is_flow = is_flow;
	survey->frames[survey->depth++] = survey->outline->count - 1;
}

static void on_list(struct survey *survey, const yaml_event_t *event)
{
	check_properties(
		survey, event->data.sequence_start.anchor, event->data.sequence_start.tag);
	open_node(survey, event, OUTLINE_LIST,
		event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
}

static void on_mapping(struct survey *survey, const yaml_event_t *event)
{
	check_properties(
		survey, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	open_node(survey, event, OUTLINE_MAPPING,
		event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
}

static void on_end(struct survey *survey, const yaml_event_t *event)
{
	size_t index = survey->frames[--survey->depth];
	struct outline_node *node = &survey->outline->nodes[index];

	node->span = survey->outline->count - index;
	if (node->is_flow)
		node->end = seek(&survey->cursor, event->end_mark.index);
	close_node(survey, node);
}

static void on_document(struct survey *survey, const yaml_event_t *event)
{
	(void)event;
	if (++survey->document_count > 1)
		survey->reason = REASON_CONFIG;
}

static void on_alias(struct survey *survey, const yaml_event_t *event)
{
	(void)event;
	survey->reason = REASON_CONFIG;
}

static void on_other(struct survey *survey, const yaml_event_t *event)
{
	(void)survey;
	(void)event;
}

static event_handler *const handlers[] = {
	[YAML_NO_EVENT] = on_other,
	[YAML_STREAM_START_EVENT] = on_other,
	[YAML_STREAM_END_EVENT] = on_other,
	[YAML_DOCUMENT_START_EVENT] = on_document,
	[YAML_DOCUMENT_END_EVENT] = on_other,
	[YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,
	[YAML_SEQUENCE_START_EVENT] = on_list,
	[YAML_SEQUENCE_END_EVENT] = on_end,
	[YAML_MAPPING_START_EVENT] = on_mapping,
	[YAML_MAPPING_END_EVENT] = on_end,
};

static void read_events(struct survey *survey, struct str text)
{
	yaml_parser_t parser;
	bool at_end = false;

	if (yaml_parser_initialize(&parser) == 0) {
		survey->reason = REASON_MEMORY;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	while (!at_end && survey->reason == REASON_NONE) {
		yaml_event_t event;

		if (yaml_parser_parse(&parser, &event) == 0) {
			survey->reason = parser.error == YAML_MEMORY_ERROR ? REASON_MEMORY
									   : REASON_CONFIG;
			break;
		}
		handlers[event.type](survey, &event);
		at_end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

static enum reason read_text(struct survey *survey, struct str text)
{
	struct buf shielded;

	if (!shield_colons(text, &shielded))
		return REASON_MEMORY;
	survey->is_shielded = shielded.p != NULL;
	read_events(survey, survey->is_shielded ? buf_view(&shielded) : text);
	shield_clear(&shielded);
	if (survey->reason == REASON_NONE &&
		(survey->outline->count == 0 ||
			survey->outline->nodes[0].kind != OUTLINE_MAPPING))
		return REASON_CONFIG;
	return survey->reason;
}

enum reason outline_read(struct str text, struct outline **outline)
{
	struct outline *made = calloc(1, sizeof(*made));

	*outline = NULL;
	if (made == NULL)
		return REASON_MEMORY;
	struct survey survey = {
		.outline = made,
		/* libyaml does not count a byte order mark. */
		.cursor = { .text = text, .at = str_starts(text, BOM) ? BOM.n : 0 },
	};
	made->arena = arena_new(ARENA_BLOCK, ARENA_LIMIT);
	enum reason reason = made->arena == NULL ? REASON_MEMORY : read_text(&survey, text);

	if (reason == REASON_NONE)
		*outline = made;
	else
		outline_free(made);
	return reason;
}

void outline_free(struct outline *outline)
{
	if (outline == NULL)
		return;
	arena_free(outline->arena);
	free(outline->nodes);
	free(outline);
}

size_t outline_next(const struct outline *outline, size_t container, size_t entry)
{
	if (outline->nodes[container].kind == OUTLINE_MAPPING)
		entry += outline->nodes[entry].span;
	return entry + outline->nodes[entry].span;
}

bool outline_has(const struct outline *outline, size_t container, size_t entry)
{
	return entry < container + outline->nodes[container].span;
}

size_t outline_last(const struct outline *outline, size_t container)
{
	size_t last = container + 1, next = last;

	for (; outline_has(outline, container, next);
		next = outline_next(outline, container, next))
		last = next;
	return last;
}

size_t outline_find(const struct outline *outline, size_t mapping, struct str name)
{
	if (outline->nodes[mapping].kind != OUTLINE_MAPPING)
		return OUTLINE_NONE;
	for (size_t key = mapping + 1; outline_has(outline, mapping, key);
		key = outline_next(outline, mapping, key)) {
		if (outline->nodes[key].kind == OUTLINE_TEXT &&
			str_eq(outline->nodes[key].text, name))
			return key;
	}
	return OUTLINE_NONE;
}

bool outline_is_empty(const struct outline *outline, size_t node)
{
	const struct outline_node *value = &outline->nodes[node];

	return value->kind == OUTLINE_TEXT && value->is_plain && value->text.n == 0;
}

bool outline_equal(const struct outline *a, size_t from_a, const struct outline *b,
	size_t from_b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct outline_node *first = &a->nodes[from_a + i];
		const struct outline_node *second = &b->nodes[from_b + i];

		if (first->kind != second->kind || first->depth != second->depth ||
			first->is_plain != second->is_plain ||
			first->is_flow != second->is_flow || !str_eq(first->text, second->text))
			return false;
	}
	return true;
}
