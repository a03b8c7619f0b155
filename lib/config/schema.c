/* SPDX-License-Identifier: MIT */
/* The walker over mappings, and the types of values. */
#include "config/schema.h"
#include "config/file.h"
#include "config/quote.h"
#include "util/clock.h"
#include "util/netmask.h"
#include "util/uri.h"

#define CHOICES_SIZE 256 /* bytes of a list of names in a message */

static const struct yaml_node empty_mapping = { .file = "", .kind = YAML_MAPPING };

static void *memory(struct reader *reader, struct arena *arena, size_t count, size_t size)
{
	void *p = arena_alloc_array(arena, count, size);

	reader->out_of_memory = reader->out_of_memory || p == NULL;
	return p;
}

static void refuse_text(
	struct reader *reader, const struct schema_key *key, const struct yaml_node *node)
{
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "%s is not %s",
		quote_of(node->text).text, key->expected);
}

/* A text that is as the table wants it; what: the key's name, for a list's items too. */
static bool text_is_good(struct reader *reader, const struct schema_key *key, int64_t min,
	const struct yaml_node *node)
{
	if (node->kind == YAML_BROKEN)
		return false;
	if (node->kind != YAML_TEXT) {
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "\"%s\" must be a text",
			key->name);
		return false;
	}
	if (node->text.n < (size_t)min) {
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "\"%s\" must not be empty",
			key->name);
		return false;
	}
	if (key->max > 0 && node->text.n > (size_t)key->max) {
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"\"%s\" has %zu bytes; at most %lld are allowed", key->name,
			node->text.n, (long long)key->max);
		return false;
	}
	if (key->check != NULL && node->text.n > 0 && !key->check(node->text)) {
		refuse_text(reader, key, node);
		return false;
	}
	return true;
}

static void keep_text(struct reader *reader, struct str text, struct str *kept)
{
	if (!arena_copy(reader->arena, text, kept))
		reader->out_of_memory = true;
}

/* The items of a list, or false if it is none, or empty and must not be. */
static bool list_is_good(
	struct reader *reader, const struct schema_key *key, const struct yaml_node *node)
{
	if (!schema_is_list(reader, key->name, node))
		return false;
	if (node->count > 0 || key->min == 0)
		return true;
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
		"\"%s\" must not be an empty list; leave the key out instead", key->name);
	return false;
}

/* RFC 7519 §2: what has a colon must be a URI. */
static bool is_string_or_uri(struct str text)
{
	return !str_has(text, ':') || uri_is_absolute(text);
}

/* The same key, for a value that is an audience. */
static struct schema_key audience_key(const struct schema_key *key)
{
	struct schema_key audience = *key;

	audience.check = is_string_or_uri;
	audience.expected = "a name without a colon, or an absolute URI";
	return audience;
}

/* Append the names as "a, b or c". */
static void write_names(struct buf *buf, const struct schema_names *names)
{
	for (unsigned i = names->first; i < names->end; i++) {
		if (i > names->first)
			buf_text(buf, i + 1 == names->end ? " or " : ", ");
		buf_text(buf, names->get(i));
	}
}

static void refuse_choice(
	struct reader *reader, const struct schema_key *key, const struct yaml_node *node)
{
	char memory_of_list[CHOICES_SIZE] = { 0 };
	struct buf list = buf_init(memory_of_list, sizeof(memory_of_list) - 1);
	struct str names[SCHEMA_KEY_MAX];
	size_t count = 0;

	for (unsigned i = key->names->first; i < key->names->end; i++)
		names[count++] = str_of(key->names->get(i));
	write_names(&list, key->names);
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "\"%s\" must be %s%s", key->name,
		memory_of_list, quote_suggestion(node->text, names, count).text);
}

static bool read_choice(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, unsigned *value)
{
	if (node->kind == YAML_BROKEN)
		return false;
	if (node->kind == YAML_TEXT && schema_name_value(key->names, node->text, value))
		return true;
	refuse_choice(reader, key, node);
	return false;
}

static const struct schema_key *find_key(
	const struct schema *schema, struct str name, size_t *index)
{
	for (*index = 0; *index < schema->count; ++*index) {
		const struct schema_key *key = &schema->keys[*index];

		/* Most differ at once, so that the length is not worth finding. */
		if (name.n > 0 && name.p[0] == key->name[0] && str_eq(name, str_of(key->name)))
			return key;
	}
	return NULL;
}

static void read_value(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *name, void *target)
{
	const struct yaml_node *value = name->next;

	if (key->type != NULL && value->kind != YAML_BROKEN)
		key->type(reader, key, value, (char *)target + key->offset);
}

/* What holds without the key: the table's text, read as if it stood in the file. */
static void read_initial(struct reader *reader, const struct schema_key *key, void *target)
{
	struct yaml_node value = { .file = "", .kind = YAML_TEXT, .is_plain = true };

	if (key->schema != NULL) {
		key->type(reader, key, &empty_mapping, (char *)target + key->offset);
	} else if (key->initial != NULL) {
		value.text = str_of(key->initial);
		key->type(reader, key, &value, (char *)target + key->offset);
	}
}

static void read_absent(struct reader *reader, const struct schema *schema, uint64_t present,
	const struct yaml_node *node, void *target)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];

		if ((present >> i & 1) != 0)
			continue;
		if (key->required)
			diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
				"the key \"%s\" is missing here", key->name);
		read_initial(reader, key, target);
	}
}

static bool is_container(struct reader *reader, const struct yaml_node *node,
	enum yaml_kind kind, const char *what, const char *wanted)
{
	if (node->kind == kind || yaml_is_empty(node))
		return true;
	if (node->kind != YAML_BROKEN)
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "%s must be %s",
			quote_of(str_of(what)).text, wanted);
	return false;
}

void schema_read(struct reader *reader, const struct schema *schema,
	const struct yaml_node *node, void *target)
{
	uint64_t present = 0;

	for (const struct yaml_node *name = node->child; name != NULL;
		name = yaml_next_key(name)) {
		size_t index;
		const struct schema_key *key = find_key(schema, name->text, &index);

		if (key == NULL) {
			schema_refuse_key(reader, schema, name);
			continue;
		}
		present |= UINT64_C(1) << index;
		read_value(reader, key, name, target);
	}
	read_absent(reader, schema, present, node, target);
}

bool schema_has(const struct schema *schema, struct str name)
{
	size_t index;

	return find_key(schema, name, &index) != NULL;
}

void schema_refuse_key(
	struct reader *reader, const struct schema *schema, const struct yaml_node *key)
{
	struct str names[SCHEMA_KEY_MAX];

	for (size_t i = 0; i < schema->count; i++)
		names[i] = str_of(schema->keys[i].name);
	diag_add(reader->diag, DIAG_ERROR, yaml_place(key), "unknown key %s%s",
		quote_of(key->text).text,
		quote_suggestion(key->text, names, schema->count).text);
}

bool schema_is_list(struct reader *reader, const char *what, const struct yaml_node *node)
{
	return is_container(reader, node, YAML_LIST, what, "a list, such as [a, b]");
}

bool schema_is_mapping(struct reader *reader, const char *what, const struct yaml_node *node)
{
	return is_container(
		reader, node, YAML_MAPPING, what, "a mapping, such as {key: value}");
}

bool schema_item_is_mapping(
	struct reader *reader, const char *what, const struct yaml_node *node)
{
	if (node->kind == YAML_MAPPING)
		return true;
	if (node->kind != YAML_BROKEN)
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"each item of \"%s\" must be a mapping, such as {key: value}", what);
	return false;
}

bool schema_item_is_text(struct reader *reader, const char *what, const struct yaml_node *node)
{
	if (node->kind == YAML_LIST || node->kind == YAML_MAPPING)
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"each item of \"%s\" must be a text", what);
	return node->kind == YAML_TEXT;
}

void *schema_alloc(struct reader *reader, size_t count, size_t size)
{
	return memory(reader, reader->arena, count, size);
}

bool schema_name_value(const struct schema_names *names, struct str name, unsigned *value)
{
	for (unsigned i = names->first; i < names->end; i++) {
		if (str_eq(name, str_of(names->get(i)))) {
			*value = i;
			return true;
		}
	}
	return false;
}

void schema_text(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	if (text_is_good(reader, key, key->min, node))
		keep_text(reader, node->text, target);
}

void schema_bool(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	bool is_true = node->is_plain && str_eq(node->text, STR("true"));

	if (!is_true && !(node->is_plain && str_eq(node->text, STR("false"))))
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"\"%s\" must be true or false, without quotes", key->name);
	*(bool *)target = is_true;
}

void schema_integer(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	int64_t *value = target;
	bool has_zero = node->text.n > 1 && node->text.p[0] == '0';

	if (node->is_plain && !has_zero && str_to_number(node->text, key->max, value) &&
		*value >= key->min)
		return;
	*value = 0;
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
		"\"%s\" must be a whole number from %lld to %lld", key->name,
		(long long)key->min, (long long)key->max);
}

void schema_choice(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	unsigned value;

	if (read_choice(reader, key, node, &value))
		*(unsigned *)target = value;
}

void schema_choices(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	unsigned *bits = target;

	*bits = 0;
	if (!list_is_good(reader, key, node))
		return;
	for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
		unsigned value;

		if (read_choice(reader, key, item, &value))
			*bits |= 1U << value;
	}
}

void schema_texts(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct str_list *list = target;

	if (!list_is_good(reader, key, node))
		return;
	struct str *texts = schema_alloc(reader, node->count, sizeof(*texts));

	if (texts == NULL)
		return;
	list->items = texts;
	for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
		if (text_is_good(reader, key, 1, item) && !str_list_has(*list, item->text))
			keep_text(reader, item->text, &texts[list->count++]);
	}
}

void schema_audience(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	const struct schema_key audience = audience_key(key);

	schema_text(reader, &audience, node, target);
}

void schema_audiences(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	const struct schema_key audience = audience_key(key);

	schema_texts(reader, &audience, node, target);
}

void schema_netmasks(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct netmask_list *list = target;

	if (!list_is_good(reader, key, node))
		return;
	struct netmask *masks = schema_alloc(reader, node->count, sizeof(*masks));

	if (masks == NULL)
		return;
	list->items = masks;
	for (const struct yaml_node *item = node->child; item != NULL; item = item->next) {
		if (!text_is_good(reader, key, 1, item))
			continue;
		if (!netmask_parse(item->text, &masks[list->count++]))
			diag_add(reader->diag, DIAG_ERROR, yaml_place(item),
				"%s is neither an IP address nor a CIDR block without host "
				"bits",
				quote_of(item->text).text);
	}
}

void schema_time(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	int64_t *wall_s = target;

	if (!clock_parse(node->text, wall_s) || *wall_s <= 0)
		diag_add(reader->diag, DIAG_ERROR, yaml_place(node),
			"\"%s\" must be a time such as 2026-12-31T00:00:00Z, or a date",
			key->name);
}

void schema_path(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct str *path = target;

	if (!text_is_good(reader, key, 1, node))
		return;
	struct str directory = node->text.p[0] == '/' ? STR("") : file_directory(node->file);
	size_t n = directory.n + node->text.n;
	char *p = memory(reader, reader->scratch, n + 1, 1);

	if (p == NULL)
		return;
	struct buf buf = buf_init(p, n);

	buf_str(&buf, directory);
	buf_str(&buf, node->text);
	*path = buf_view(&buf);
}

void schema_node(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	const struct yaml_node **kept = target;

	(void)reader;
	(void)key;
	*kept = node;
}

void schema_mapping(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	if (schema_is_mapping(reader, key->name, node))
		schema_read(reader, key->schema, node, target);
}
