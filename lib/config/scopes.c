/* SPDX-License-Identifier: MIT */
/* The scopes that are defined. */
#include "config/entries.h"
#include "config/quote.h"

static const struct schema_key scope_keys[] = {
	{ "description", schema_text, .offset = offsetof(struct scope, description) },
	{ "audience", schema_audience, .offset = offsetof(struct scope, audience), .min = 1 },
};

static const struct schema scope_schema = SCHEMA(scope_keys);

static void read_scope(struct loader *loader, const struct yaml_node *key, struct scope *scope)
{
	if (!scope_token_is_valid(key->text))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
			"%s is not a scope token: visible ASCII without spaces, quotes and "
			"backslashes",
			quote_of(key->text).text);
	if (!arena_copy(loader->reader.arena, key->text, &scope->token))
		loader->reader.out_of_memory = true;
	if (schema_is_mapping(&loader->reader, key->text.p, key->next))
		schema_read(&loader->reader, &scope_schema, key->next, scope);
}

void scopes_load(struct loader *loader)
{
	struct entries entries = entries_collect(loader, "scopes");
	struct scope *scopes = schema_alloc(&loader->reader, entries.count, sizeof(*scopes));
	struct str *names = arena_alloc_array(
		loader->reader.scratch, entries.count, sizeof(*names));

	if (scopes == NULL || names == NULL) {
		loader->reader.out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < entries.count; i++) {
		const struct entry *entry = &entries.items[i];

		read_scope(loader, entry->key, &scopes[entry->rank]);
		names[entry->rank] = entry->key->text;
	}
	loader->snapshot->scopes = (struct scope_table){ scopes, entries.count };
	loader->scope_names = (struct str_list){ names, entries.count };
}
