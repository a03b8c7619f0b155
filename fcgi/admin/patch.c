/* SPDX-License-Identifier: MIT */
/* Changes of a YAML text that leave every other line, and every comment, as it is. */
#include "patch.h"
#include "lines.h"
#include "config/file.h"

#include <stdlib.h>

#define STEP 2 /* spaces, where the file does not show what it wants */
#define STEP_MAX 16
#define COLUMN_MAX 256
#define SPLICE_MAX 2

/* Some bytes give way to others. */
struct splice {
	size_t at, length;
	struct str text;
};

/* A change: what is to be written, and what may be different afterwards. */
struct change {
	struct splice splices[SPLICE_MAX]; /* in the order of the text */
	size_t splice_count;
	struct buf memory;         /* of new text; owned */
	size_t node;               /* from here on ... */
	size_t node_count;         /* ... so many nodes are replaced; all others stay */
	const struct entry *entry; /* what stands there then; NULL: nothing */
	unsigned depth;            /* of the entry */
	bool is_wrapped;           /* in a list or mapping that was not there */
	bool leaves_empty;         /* a value that is left out */
};

static void splice_add(struct change *change, size_t at, size_t length, struct str text)
{
	change->splices[change->splice_count++] = (struct splice){ at, length, text };
}

/* Room for `size` bytes of new text. */
static bool reserve(struct change *change, size_t size)
{
	char *p = malloc(size + 1);

	if (p == NULL)
		return false;
	change->memory = buf_init(p, size);
	return true;
}

static enum reason splice_all(struct str old, const struct change *change, struct buf *text)
{
	size_t size = old.n + 1, at = 0;

	for (size_t i = 0; i < change->splice_count; i++)
		size += change->splices[i].text.n;
	char *p = malloc(size);

	*text = (struct buf){ 0 };
	if (p == NULL)
		return REASON_MEMORY;
	*text = buf_init(p, size);
	for (size_t i = 0; i < change->splice_count; i++) {
		const struct splice *splice = &change->splices[i];

		buf_str(text, str_upto(str_from(old, at), splice->at - at));
		buf_str(text, splice->text);
		at = splice->at + splice->length;
	}
	buf_str(text, str_from(old, at));
	return REASON_NONE;
}

/* Are all nodes but those of the change what they were?  *count: of nodes in their place. */
static bool rest_is_same(const struct outline *old, const struct outline *new,
	const struct change *change, size_t *count)
{
	size_t behind = change->node + change->node_count;
	size_t tail = old->count - behind;

	*count = 0;
	if (new->count < change->node + tail)
		return false;
	*count = new->count - change->node - tail;
	return outline_equal(old, 0, new, 0, change->node) &&
	       outline_equal(old, behind, new, new->count - tail, tail);
}

/* The node of a text is this one. */
static bool is_text(const struct outline *outline, size_t *node, struct str text)
{
	if (*node >= outline->count || outline->nodes[*node].kind != OUTLINE_TEXT)
		return false;
	return str_eq(outline->nodes[(*node)++].text, text);
}

static bool are_texts(const struct outline *outline, size_t *node, struct str_list texts)
{
	if (*node >= outline->count || outline->nodes[(*node)++].kind != OUTLINE_LIST)
		return false;
	for (size_t i = 0; i < texts.count; i++) {
		if (!is_text(outline, node, texts.items[i]))
			return false;
	}
	return true;
}

/* Does the entry stand here as it is meant?  *node moves behind it. */
static bool is_entry(const struct outline *outline,
	size_t *node, /* NOLINT(misc-no-recursion) */
	const struct entry *entry)
{
	static const enum outline_kind kinds[] = {
		[ENTRY_TEXT] = OUTLINE_TEXT,
		[ENTRY_TEXTS] = OUTLINE_LIST,
		[ENTRY_LIST] = OUTLINE_LIST,
		[ENTRY_MAPPING] = OUTLINE_MAPPING,
	};

	if (entry->key.n > 0 && !is_text(outline, node, entry->key))
		return false;
	if (entry->kind == ENTRY_TEXT)
		return is_text(outline, node, entry->text);
	if (entry->kind == ENTRY_TEXTS)
		return are_texts(outline, node, entry->texts);
	if (*node >= outline->count || outline->nodes[(*node)++].kind != kinds[entry->kind])
		return false;
	for (size_t i = 0; i < entry->count; i++) {
		if (!is_entry(outline, node, &entry->children[i]))
			return false;
	}
	return true;
}

/* Do the new nodes in the place of the change say what was asked for? */
static bool is_as_meant(const struct outline *new, const struct change *change, size_t count)
{
	size_t node = change->node;

	if (change->leaves_empty)
		return count == 1 && outline_is_empty(new, node);
	if (change->entry == NULL)
		return count == 0;
	if (change->is_wrapped && new->nodes[node++].kind == OUTLINE_TEXT)
		return false;
	return node < new->count &&new->nodes[node].depth ==
		       change->depth &&is_entry(new, &node, change->entry) &&
	       node == change->node + count;
}

/* Make the change, if that is all that it does. */
static enum reason apply(struct patch *patch, const struct change *change)
{
	struct patch new = { 0 };
	size_t count;
	enum reason reason = splice_all(buf_view(&patch->text), change, &new.text);

	if (reason == REASON_NONE)
		reason = outline_read(buf_view(&new.text), &new.outline);
	if (reason == REASON_CONFIG)
		reason = REASON_EDIT;
	if (reason == REASON_NONE &&
		!(rest_is_same(patch->outline, new.outline, change, &count) &&
			is_as_meant(new.outline, change, count)))
		reason = REASON_EDIT;
	if (reason != REASON_NONE) {
		patch_clear(&new);
		return reason;
	}
	patch_clear(patch);
	*patch = new;
	return REASON_NONE;
}

static enum reason finish(struct patch *patch, struct change *change)
{
	enum reason reason = change->memory.overflow ? REASON_INTERNAL : apply(patch, change);

	file_clear(&change->memory);
	return reason;
}

static const struct outline_node *node_of(const struct patch *patch, size_t node)
{
	return &patch->outline->nodes[node];
}

/* The value of an entry: behind its key, or the item itself. */
static size_t value_of(const struct patch *patch, size_t container, size_t entry)
{
	return node_of(patch, container)->kind == OUTLINE_MAPPING ? entry + 1 : entry;
}

/* Where the lines of a block's entries start: a list's nodes start with its first dash. */
static size_t column_of(const struct patch *patch, size_t container)
{
	return node_of(patch, container)->kind == OUTLINE_MAPPING
		       ? node_of(patch, container + 1)->column
		       : node_of(patch, container)->column;
}

/* As the sibling does it. */
static struct entry_style style_of(
	const struct patch *patch, const struct entry *entry, size_t container, size_t sibling)
{
	size_t value = value_of(patch, container, sibling);
	struct entry_style style = { .indent = column_of(patch, container), .step = STEP };

	/* The keys at the top are of all kinds, those of a list or of the clients of one. */
	style.is_flow = container > 0 && entry->kind == ENTRY_MAPPING &&
			node_of(patch, value)->kind == OUTLINE_MAPPING &&
			node_of(patch, value)->is_flow;

	if (node_of(patch, value)->kind == OUTLINE_MAPPING && value != sibling &&
		!node_of(patch, value)->is_flow) {
		size_t inner = column_of(patch, value);

		if (inner > style.indent && inner - style.indent <= STEP_MAX)
			style.step = inner - style.indent;
	}
	return style;
}

/* Lines at this place; without the last newline, where the text has none at its end either. */
static enum reason add_lines(const struct patch *patch, struct change *change, size_t at,
	struct entry_style *style, bool has_gap)
{
	struct str text = buf_view(&patch->text);
	bool is_last = at == text.n && at > 0 && text.p[at - 1] != '\n';

	style->newline = lines_newline(text, at);
	if (style->indent > COLUMN_MAX)
		return REASON_EDIT;
	if (!reserve(change, entry_size(change->entry, style)))
		return REASON_MEMORY;
	if (is_last)
		buf_str(&change->memory, style->newline);
	if (has_gap)
		buf_str(&change->memory, style->newline);
	entry_write_lines(&change->memory, change->entry, style);
	if (is_last)
		change->memory.n -= style->newline.n;
	splice_add(change, at, 0, buf_view(&change->memory));
	return REASON_NONE;
}

static enum reason add_to_block(
	const struct patch *patch, struct change *change, size_t container, size_t after)
{
	struct str text = buf_view(&patch->text);
	struct entry_style style = style_of(patch, change->entry, container, after);
	size_t end = node_of(patch, value_of(patch, container, after))->end;
	bool has_gap = after > container + 1 &&
		       lines_has_gap(text, node_of(patch, after)->start);

	return add_lines(patch, change, lines_behind(text, end, style.indent), &style, has_gap);
}

/* What has to stand between this place, where a value was left out, and a value. */
static const char *gap_at(struct str text, size_t at)
{
	return at > 0 && text.p[at - 1] == ':' ? " " : "";
}

/* "key:" with nothing behind it. */
static enum reason add_to_empty(const struct patch *patch, struct change *change, size_t value)
{
	struct str text = buf_view(&patch->text);
	const struct outline_node *key = node_of(patch, value - 1);
	size_t at = node_of(patch, value)->start;
	struct entry_style style = { .indent = key->column + STEP, .step = STEP };

	change->node_count = 1;
	change->is_wrapped = true;
	if (!key->in_flow)
		return add_lines(
			patch, change, lines_behind(text, at, key->column), &style, false);
	if (!reserve(change, entry_size(change->entry, &style)))
		return REASON_MEMORY;
	bool is_item = change->entry->key.n == 0;

	buf_text(&change->memory, gap_at(text, at));
	buf_char(&change->memory, is_item ? '[' : '{');
	entry_write_inline(&change->memory, change->entry);
	buf_char(&change->memory, is_item ? ']' : '}');
	splice_add(change, at, 0, buf_view(&change->memory));
	return REASON_NONE;
}

/* Behind an entry that has lines of its own: on the next one, indented as it is. */
static void add_flow_line(const struct patch *patch, struct change *change, size_t entry,
	size_t end, size_t comma)
{
	struct str text = buf_view(&patch->text);
	struct buf *memory = &change->memory;
	bool has_comma = comma < text.n && text.p[comma] == ',';
	size_t line = lines_start(text, entry), at = lines_next(text, end);
	struct str newline = lines_newline(text, at);

	if (!has_comma)
		splice_add(change, end, 0, STR(","));
	buf_str(memory, str_upto(str_from(text, line), entry - line));
	entry_write_inline(memory, change->entry);
	buf_text(memory, has_comma ? "," : "");
	buf_str(memory, newline);
	splice_add(change, at, 0, buf_view(memory));
}

static enum reason add_to_flow(
	const struct patch *patch, struct change *change, size_t container, size_t after)
{
	struct str text = buf_view(&patch->text);
	size_t start = node_of(patch, after)->start, comma;
	size_t end = node_of(patch, value_of(patch, container, after))->end;
	const struct entry_style style = { .indent = start - lines_start(text, start) };

	if (!reserve(change, entry_size(change->entry, &style)))
		return REASON_MEMORY;
	if (lines_is_first(text, start) && lines_rest(text, end, &comma)) {
		add_flow_line(patch, change, start, end, comma);
		return REASON_NONE;
	}
	buf_text(&change->memory, ", ");
	entry_write_inline(&change->memory, change->entry);
	splice_add(change, end, 0, buf_view(&change->memory));
	return REASON_NONE;
}

/* "{}" or "[]", perhaps with a comment in it. */
static enum reason add_to_brackets(
	const struct patch *patch, struct change *change, size_t container)
{
	const struct entry_style style = { 0 };

	if (!reserve(change, entry_size(change->entry, &style)))
		return REASON_MEMORY;
	entry_write_inline(&change->memory, change->entry);
	splice_add(change, node_of(patch, container)->start + 1, 0, buf_view(&change->memory));
	return REASON_NONE;
}

/* The end of what stands before the white space before this byte. */
static size_t skip_back(struct str text, size_t at)
{
	while (at > 0 && str_has(STR(" \t\r\n"), text.p[at - 1]))
		at--;
	return at;
}

/* Where the entry of a block starts on its line: with its key, or with its dash. */
static enum reason find_first(
	const struct patch *patch, size_t container, size_t entry, size_t *at)
{
	struct str text = buf_view(&patch->text);

	*at = node_of(patch, entry)->start;
	if (node_of(patch, container)->kind == OUTLINE_LIST) {
		*at = skip_back(text, *at);
		if (*at == 0 || text.p[*at - 1] != '-')
			return REASON_EDIT;
		(*at)--;
	}
	return lines_is_first(text, *at) ? REASON_NONE : REASON_EDIT;
}

static enum reason remove_lines(
	const struct patch *patch, struct change *change, size_t container, size_t entry)
{
	struct str text = buf_view(&patch->text);
	size_t first;
	enum reason reason = find_first(patch, container, entry, &first);

	if (reason != REASON_NONE)
		return reason;
	size_t from = lines_start(text, first);
	size_t to = lines_behind(text, node_of(patch, value_of(patch, container, entry))->end,
		column_of(patch, container));

	/* A last line without a newline leaves the one before it without one. */
	if (to == text.n && text.p[to - 1] != '\n')
		from -= from > 0 ? lines_newline(text, from).n : 0;
	splice_add(change, from, to - from, STR(""));
	return REASON_NONE;
}

static void remove_between_brackets(
	const struct patch *patch, struct change *change, size_t container, size_t entry)
{
	struct str text = buf_view(&patch->text);
	size_t next = outline_next(patch->outline, container, entry), comma;
	size_t from = node_of(patch, entry)->start;
	size_t to = node_of(patch, value_of(patch, container, entry))->end;

	if (lines_is_first(text, from) && lines_rest(text, to, &comma)) {
		from = lines_start(text, from);
		to = lines_next(text, to);
	} else if (outline_has(patch->outline, container, next)) {
		to = node_of(patch, next)->start;
	} else {
		/* The comma before the last one may stay, if a comment is in between. */
		size_t before = skip_back(text, from);

		if (entry > container + 1 && text.p[before - 1] == ',')
			from = before - 1;
	}
	splice_add(change, from, to - from, STR(""));
}

enum reason patch_open(struct patch *patch, struct buf text)
{
	*patch = (struct patch){ .text = text };
	enum reason reason = lines_are_safe(buf_view(&text))
				     ? outline_read(buf_view(&text), &patch->outline)
				     : REASON_EDIT;

	if (reason != REASON_NONE)
		patch_clear(patch);
	return reason == REASON_CONFIG ? REASON_EDIT : reason;
}

void patch_clear(struct patch *patch)
{
	file_clear(&patch->text);
	outline_free(patch->outline);
	*patch = (struct patch){ 0 };
}

enum reason patch_set(struct patch *patch, size_t key, struct str value)
{
	const struct outline_node *old = node_of(patch, key + 1);
	const struct entry entry = { .kind = ENTRY_TEXT, .text = value };
	const struct entry_style style = { 0 };
	struct change change = {
		.node = key + 1, .node_count = 1, .entry = &entry, .depth = old->depth
	};

	if (old->kind != OUTLINE_TEXT)
		return REASON_EDIT;
	if (!reserve(&change, entry_size(&entry, &style)))
		return REASON_MEMORY;
	buf_text(&change.memory, gap_at(buf_view(&patch->text), old->start));
	buf_str(&change.memory, value);
	splice_add(&change, old->start, old->end - old->start, buf_view(&change.memory));
	return finish(patch, &change);
}

enum reason patch_add(struct patch *patch, size_t node, size_t after, const struct entry *entry)
{
	const struct outline_node *container = node_of(patch, node);
	struct change change = { .node = node, .entry = entry, .depth = container->depth + 1 };
	enum reason reason;

	if (container->kind == OUTLINE_TEXT) {
		reason = outline_is_empty(patch->outline, node) && node > 0
				 ? add_to_empty(patch, &change, node)
				 : REASON_EDIT;
	} else if (container->span == 1) {
		change.node = node + 1;
		reason = add_to_brackets(patch, &change, node);
	} else {
		after = after == OUTLINE_NONE ? outline_last(patch->outline, node) : after;
		change.node = outline_next(patch->outline, node, after);
		reason = container->is_flow ? add_to_flow(patch, &change, node, after)
					    : add_to_block(patch, &change, node, after);
	}
	if (reason == REASON_NONE)
		return finish(patch, &change);
	file_clear(&change.memory);
	return reason;
}

enum reason patch_remove(struct patch *patch, size_t container, size_t entry)
{
	const struct outline_node *around = node_of(patch, container);
	size_t next = outline_next(patch->outline, container, entry);
	bool is_only = next - entry + 1 == around->span;
	struct change change = { .node = entry, .node_count = next - entry };
	enum reason reason = REASON_NONE;

	if (around->is_flow) {
		remove_between_brackets(patch, &change, container, entry);
	} else {
		reason = remove_lines(patch, &change, container, entry);
		change.leaves_empty = is_only;
	}
	if (change.leaves_empty) {
		change.node = container;
		change.node_count = around->span;
	}
	return reason == REASON_NONE ? finish(patch, &change) : reason;
}
