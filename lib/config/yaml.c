/* SPDX-License-Identifier: MIT */
/* From libyaml's events to a tree; what could surprise is refused with its place. */
#include "config/builder.h"
#include "config/plain.h"
#include "config/shield.h"
#include "util/secret.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#define ARENA_BLOCK ((size_t)64 << 10)
#define ARENA_LIMIT ((size_t)4 << 30)

struct yaml {
	struct arena *arena;
	struct yaml_node *first;
	struct yaml_node *last;
	size_t node_count;
	size_t node_count_max;
};

struct parse {
	struct builder builder;
	struct diag *diag;
	struct str text;     /* as libyaml gets it */
	struct buf shielded; /* memory of text, if colons in it are disguised; else empty */
	unsigned document_count;
	enum reason reason; /* not REASON_NONE: give up */
};

typedef void event_handler(struct parse *parse, const yaml_event_t *event);

/* What libyaml says, and what a reader can do about it. */
static const struct {
	const char *problem;
	const char *text;
} translations[] = {
	{ "found character that cannot start any token",
		"no value can start with this character; quote the text, or use spaces instead "
		"of "
		"a tab" },
	{ "mapping values are not allowed in this context",
		"no ':' is expected here; check the indentation, or quote the text" },
	{ "did not find expected key", "a key is expected here; check the indentation" },
	{ "could not find expected ':'", "the ':' of a key is missing; check the lines above" },
	{ "did not find expected ',' or ']'", "a ',' or ']' is expected here" },
	{ "did not find expected ',' or '}'", "a ',' or '}' is expected here" },
	{ "did not find expected '-' indicator",
		"a '-' is expected here; check the indentation" },
	{ "found unexpected end of stream", "the file ends before the quote is closed" },
};

static struct place place_of(const struct parse *parse, const yaml_mark_t *mark)
{
	return (struct place){
		.file = parse->builder.file,
		.line = (unsigned)mark->line + 1,
		.column = (unsigned)mark->column + 1,
	};
}

static void stop(struct parse *parse, const yaml_mark_t *mark, const char *text)
{
	diag_add(parse->diag, DIAG_ERROR, place_of(parse, mark), "%s", text);
	parse->reason = REASON_CONFIG;
}

/* libyaml tells the place of bytes that are no characters by their offset alone. */
static struct place place_at(const struct parse *parse, size_t offset)
{
	struct place place = { .file = parse->builder.file, .line = 1, .column = 1 };

	for (size_t i = 0; i < offset && i < parse->text.n; i++) {
		unsigned char c = (unsigned char)parse->text.p[i];

		if (c == '\n') {
			place.line++;
			place.column = 1;
		} else if ((c & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

static const char *translate(const char *problem)
{
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++) {
		if (strcmp(translations[i].problem, problem) == 0)
			return translations[i].text;
	}
	return problem;
}

static void report_syntax(struct parse *parse, const yaml_parser_t *parser)
{
	const char *text = translate(parser->problem);
	struct place place = place_of(parse, &parser->problem_mark);
	struct place around = place_of(parse, &parser->context_mark);

	if (parser->context == NULL || around.line == place.line)
		diag_add(parse->diag, DIAG_ERROR, place, "not valid YAML: %s", text);
	else
		diag_add(parse->diag, DIAG_ERROR, place,
			"not valid YAML: %s; what it belongs to starts in line %u", text,
			around.line);
}

static void report_failure(struct parse *parse, const yaml_parser_t *parser)
{
	parse->reason = REASON_CONFIG;
	if (parser->error == YAML_MEMORY_ERROR)
		parse->reason = REASON_MEMORY;
	else if (parser->error == YAML_READER_ERROR)
		diag_add(parse->diag, DIAG_ERROR, place_at(parse, parser->problem_offset),
			"not valid YAML: %s", parser->problem);
	else
		report_syntax(parse, parser);
}

static struct yaml_node *add_node(
	struct parse *parse, const yaml_event_t *event, enum yaml_kind kind)
{
	struct place place = place_of(parse, &event->start_mark);

	if (builder_is_full(&parse->builder)) {
		stop(parse, &event->start_mark, "too many values in this configuration");
		return NULL;
	}
	struct yaml_node *node = builder_add(&parse->builder, kind, place.line, place.column);

	if (node == NULL)
		parse->reason = REASON_MEMORY;
	return node;
}

static void refuse(struct parse *parse, const yaml_event_t *event, const char *text)
{
	diag_add(parse->diag, DIAG_ERROR, place_of(parse, &event->start_mark), "%s", text);
}

static void check_properties(struct parse *parse, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		refuse(parse, event, "anchors (&name) are not supported");
	if (tag != NULL)
		refuse(parse, event,
			"tags (!name) are not supported; quote a value to make it a text");
}

static void on_document(struct parse *parse, const yaml_event_t *event)
{
	if (++parse->document_count > 1)
		stop(parse, &event->start_mark,
			"a second document starts here; a file holds one document");
	if (event->data.document_start.tag_directives.start !=
		event->data.document_start.tag_directives.end)
		refuse(parse, event, "tags (%TAG) are not supported");
}

static void on_alias(struct parse *parse, const yaml_event_t *event)
{
	refuse(parse, event, "aliases (*name) are not supported; write the value itself");
	(void)add_node(parse, event, YAML_BROKEN);
}

static void on_scalar(struct parse *parse, const yaml_event_t *event)
{
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	struct yaml_node *node = add_node(parse, event, YAML_TEXT);

	if (node == NULL)
		return;
	check_properties(parse, event, event->data.scalar.anchor, event->data.scalar.tag);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (str_has(text, '\0')) {
		refuse(parse, event, "the text contains a NUL character");
		node->kind = YAML_BROKEN;
	}
	bool copied = parse->shielded.p == NULL
			      ? arena_copy(parse->builder.arena, text, &node->text)
			      : shield_copy(parse->builder.arena, text, &node->text);

	if (!copied)
		parse->reason = REASON_MEMORY;
}

static void open_node(struct parse *parse, const yaml_event_t *event, enum yaml_kind kind)
{
	if (parse->builder.depth == YAML_DEPTH_MAX) {
		stop(parse, &event->start_mark,
			"nested too deeply: at most 16 levels are read");
		return;
	}
	struct yaml_node *node = add_node(parse, event, kind);

	if (node != NULL)
		builder_open(&parse->builder, node);
}

static void on_list(struct parse *parse, const yaml_event_t *event)
{
	check_properties(parse, event, event->data.sequence_start.anchor,
		event->data.sequence_start.tag);
	open_node(parse, event, YAML_LIST);
}

static void on_list_end(struct parse *parse, const yaml_event_t *event)
{
	(void)event;
	(void)builder_close(&parse->builder);
}

static void on_mapping(struct parse *parse, const yaml_event_t *event)
{
	check_properties(
		parse, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	open_node(parse, event, YAML_MAPPING);
}

static void check_key(struct parse *parse, struct yaml_node *key)
{
	if (key->kind == YAML_LIST || key->kind == YAML_MAPPING)
		diag_add(parse->diag, DIAG_ERROR, yaml_place(key),
			"a key must be a text, not a list or a mapping");
	else if (key->kind == YAML_TEXT && key->is_plain && str_eq(key->text, STR("<<")))
		diag_add(parse->diag, DIAG_ERROR, yaml_place(key),
			"merge keys (<<) are not supported; write the values themselves");
	else
		return;
	key->kind = YAML_BROKEN;
}

static void report_repeated(
	struct parse *parse, const struct yaml_node *first, struct yaml_node *second)
{
	diag_add(parse->diag, DIAG_ERROR, yaml_place(second),
		"this key stands in line %u already; remove one of them", first->line);
	second->kind = YAML_BROKEN;
}

static bool is_same_key(const struct yaml_node *a, const struct yaml_node *b)
{
	return a->kind == YAML_TEXT && b->kind == YAML_TEXT && str_eq(a->text, b->text);
}

/* By text, then by place. */
static int compare_keys(const void *a, const void *b)
{
	struct yaml_node *const *first = a, *const *second = b;
	int order = str_compare((*first)->text, (*second)->text);

	if (order != 0)
		return order;
	if ((*first)->line != (*second)->line)
		return (*first)->line < (*second)->line ? -1 : 1;
	return (*first)->column < (*second)->column ? -1 : 1;
}

static void report_all_repeated(struct parse *parse, const struct yaml_node *mapping)
{
	size_t count = 0;
	struct yaml_node **keys = calloc(mapping->count, sizeof(*keys));

	if (keys == NULL) {
		parse->reason = REASON_MEMORY;
		return;
	}
	for (struct yaml_node *key = mapping->child; key != NULL; key = key->next->next)
		keys[count++] = key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t first = 0, i = 1; i < count; i++) {
		if (is_same_key(keys[first], keys[i]))
			report_repeated(parse, keys[first], keys[i]);
		else
			first = i;
	}
	free(keys);
}

/* Take the keys that were refused out of the mapping, with their values. */
static void drop_broken_keys(struct yaml_node *mapping)
{
	struct yaml_node **link = &mapping->child;

	while (*link != NULL) {
		struct yaml_node *value = (*link)->next;

		if ((*link)->kind == YAML_BROKEN) {
			*link = value->next;
			mapping->count--;
		} else {
			link = &value->next;
		}
	}
}

static void on_mapping_end(struct parse *parse, const yaml_event_t *event)
{
	struct yaml_node *mapping = builder_close(&parse->builder);

	(void)event;
	for (struct yaml_node *key = mapping->child; key != NULL; key = key->next->next)
		check_key(parse, key);
	if (builder_has_repeated(&parse->builder, mapping))
		report_all_repeated(parse, mapping);
	if (parse->builder.out_of_memory)
		parse->reason = REASON_MEMORY;
	drop_broken_keys(mapping);
}

static void on_other(struct parse *parse, const yaml_event_t *event)
{
	(void)parse;
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
	[YAML_SEQUENCE_END_EVENT] = on_list_end,
	[YAML_MAPPING_START_EVENT] = on_mapping,
	[YAML_MAPPING_END_EVENT] = on_mapping_end,
};

/* It may be a secret that does not belong there. */
static void forget_scalar(yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		secret_wipe(event->data.scalar.value, event->data.scalar.length);
}

static void read_events(struct parse *parse)
{
	yaml_parser_t parser;
	bool at_end = false;

	if (yaml_parser_initialize(&parser) == 0) {
		parse->reason = REASON_MEMORY;
		return;
	}
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)parse->text.p, parse->text.n);
	while (!at_end && parse->reason == REASON_NONE) {
		yaml_event_t event;

		if (yaml_parser_parse(&parser, &event) == 0) {
			report_failure(parse, &parser);
			break;
		}
		handlers[event.type](parse, &event);
		at_end = event.type == YAML_STREAM_END_EVENT;
		forget_scalar(&event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

static void check_root(struct parse *parse)
{
	if (parse->reason != REASON_NONE)
		return;
	if (parse->builder.root != NULL && parse->builder.root->kind == YAML_MAPPING)
		return;
	parse->reason = REASON_CONFIG;
	if (parse->builder.root == NULL || yaml_is_empty(parse->builder.root))
		diag_add(parse->diag, DIAG_ERROR, place_at(parse, 0), "the file is empty");
	else if (parse->builder.root->kind != YAML_BROKEN)
		diag_add(parse->diag, DIAG_ERROR, yaml_place(parse->builder.root),
			"the file must hold keys with values, such as \"scopes: {}\"");
}

static struct builder start_builder(const struct yaml *yaml, const char *file)
{
	return (struct builder){
		.arena = yaml->arena,
		.file = file,
		.node_count = yaml->node_count,
		.node_count_max = yaml->node_count_max,
	};
}

static void parse_by_libyaml(struct parse *parse)
{
	if (!shield_colons(parse->text, &parse->shielded)) {
		parse->reason = REASON_MEMORY;
		return;
	}
	if (parse->shielded.p != NULL)
		parse->text = buf_view(&parse->shielded);
	read_events(parse);
	check_root(parse);
	shield_clear(&parse->shielded);
}

struct yaml *yaml_tree_new(size_t node_count_max)
{
	struct yaml *yaml = calloc(1, sizeof(*yaml));

	if (yaml == NULL)
		return NULL;
	yaml->node_count_max = node_count_max;
	yaml->arena = arena_new(ARENA_BLOCK, ARENA_LIMIT);
	if (yaml->arena == NULL) {
		free(yaml);
		return NULL;
	}
	return yaml;
}

void yaml_tree_free(struct yaml *yaml)
{
	if (yaml == NULL)
		return;
	arena_free(yaml->arena);
	free(yaml);
}

struct arena *yaml_arena(const struct yaml *yaml)
{
	return yaml->arena;
}

enum reason yaml_parse(struct yaml *yaml, const char *file, struct str text, struct diag *diag,
	const struct yaml_node **root)
{
	struct parse parse = { .diag = diag, .text = text };
	const struct arena_mark mark = arena_mark(yaml->arena);

	*root = NULL;
	parse.builder = start_builder(yaml, file);
	parse.reason = plain_read(&parse.builder, text);
	if (parse.reason == REASON_CONFIG) {
		parse.reason = REASON_NONE;
		arena_rewind(yaml->arena, &mark);
		parse.builder = start_builder(yaml, file);
		parse_by_libyaml(&parse);
	}
	if (parse.reason != REASON_NONE)
		return parse.reason;
	if (yaml->last == NULL)
		yaml->first = parse.builder.root;
	else
		yaml->last->next = parse.builder.root;
	yaml->last = parse.builder.root;
	yaml->node_count = parse.builder.node_count;
	*root = parse.builder.root;
	return REASON_NONE;
}

const struct yaml_node *yaml_first(const struct yaml *yaml)
{
	return yaml->first;
}

const struct yaml_node *yaml_find(const struct yaml_node *node, struct str name)
{
	if (node == NULL || node->kind != YAML_MAPPING)
		return NULL;
	for (const struct yaml_node *key = node->child; key != NULL; key = yaml_next_key(key)) {
		if (str_eq(key->text, name))
			return key;
	}
	return NULL;
}

const struct yaml_node *yaml_next_key(const struct yaml_node *key)
{
	return key->next->next;
}

bool yaml_is_empty(const struct yaml_node *node)
{
	return node->kind == YAML_TEXT && node->is_plain && node->text.n == 0;
}

struct place yaml_place(const struct yaml_node *node)
{
	return (struct place){ .file = node->file, .line = node->line, .column = node->column };
}
