/* SPDX-License-Identifier: MIT */
/* The keys of one section over all files, with their order by name. */
#include "config/entries.h"
#include "config/quote.h"

#include <stdlib.h>

/* Names first; then the order of the files, so that the second of two is the later one. */
static int compare_entries(const void *a, const void *b)
{
	const struct entry *const *first = a, *const *second = b;
	int order = str_compare((*first)->key->text, (*second)->key->text);

	return order != 0 ? order : (*first < *second ? -1 : 1);
}

/* The section of a file, or NULL: it has none, or one that is no mapping. */
static const struct yaml_node *section_of(
	struct reader *reader, const struct yaml_node *root, const char *section)
{
	const struct yaml_node *key = yaml_find(root, str_of(section));

	return key != NULL && schema_is_mapping(reader, section, key->next) ? key->next : NULL;
}

static void add_entries(struct entries *entries, const struct yaml_node *section)
{
	for (const struct yaml_node *key = section->child; key != NULL;
		key = yaml_next_key(key))
		entries->items[entries->count++] = (struct entry){ .key = key };
}

static bool gather(struct loader *loader, const char *section, struct entries *entries)
{
	size_t count = 0;

	for (const struct yaml_node *root = yaml_first(loader->yaml); root != NULL;
		root = root->next) {
		const struct yaml_node *key = yaml_find(root, str_of(section));

		count += key == NULL ? 0 : key->next->count;
	}
	entries->items = arena_alloc_array(loader->reader.scratch, count, sizeof(struct entry));
	if (entries->items == NULL)
		return false;
	for (const struct yaml_node *root = yaml_first(loader->yaml); root != NULL;
		root = root->next) {
		const struct yaml_node *mapping = section_of(&loader->reader, root, section);

		if (mapping != NULL)
			add_entries(entries, mapping);
	}
	return true;
}

static void report_repeated(
	struct loader *loader, const struct yaml_node *first, const struct yaml_node *second)
{
	diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(second),
		"%s is defined at %s:%u:%u already", quote_of(second->text).text, first->file,
		first->line, first->column);
}

/* Who has many of them mostly writes them in order. */
static bool is_ascending(const struct entries *entries)
{
	for (size_t i = 1; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];

		if (str_compare(entry[-1].key->text, entry->key->text) >= 0)
			return false;
	}
	return true;
}

static bool rank(struct loader *loader, struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		entries->items[i].rank = i;
	if (is_ascending(entries))
		return true;
	struct entry **sorted = calloc(entries->count + 1, sizeof(struct entry *));

	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < entries->count; i++)
		sorted[i] = &entries->items[i];
	qsort(sorted, entries->count, sizeof(struct entry *), compare_entries);
	for (size_t i = 0; i < entries->count; i++) {
		sorted[i]->rank = i;
		if (i > 0 && str_eq(sorted[i - 1]->key->text, sorted[i]->key->text))
			report_repeated(loader, sorted[i - 1]->key, sorted[i]->key);
	}
	free(sorted);
	return true;
}

struct entries entries_collect(struct loader *loader, const char *section)
{
	struct entries entries = { 0 };

	if (gather(loader, section, &entries) && rank(loader, &entries))
		return entries;
	loader->reader.out_of_memory = true;
	return (struct entries){ 0 };
}
