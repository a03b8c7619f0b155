/* SPDX-License-Identifier: MIT */
/* The public keys of a client: a JWK Set (RFC 7517 §5) in the configuration, or in a file. */
#include "config/clients.h"
#include "config/quote.h"
#include "config/render.h"
#include "jose/json.h"

#define JWKS_FILE_SIZE_MAX ((size_t)1 << 20)

static bool alloc_keys(struct loader *loader, struct client_draft *draft, size_t count)
{
	draft->client.keys = schema_alloc(&loader->reader, count, sizeof(struct jwk));
	return draft->client.keys != NULL;
}

static bool has_kid(const struct client *client, const char *kid)
{
	for (size_t i = 0; i < client->key_count; i++) {
		if (str_eq(str_of(client->keys[i].kid), str_of(kid)))
			return true;
	}
	return false;
}

/* Take the key over; what: "key N of FILE: ", or empty where the place says it. */
static void add_key(struct loader *loader, struct client_draft *draft, const json_t *json,
	const struct yaml_node *node, const char *what)
{
	struct client *client = &draft->client;
	struct jwk jwk;
	enum reason reason = jwk_parse(json, &jwk);

	if (reason != REASON_NONE) {
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(node), "%s%s", what,
			reason_info(reason)->name);
		return;
	}
	if (jwk.kid != NULL && has_kid(client, jwk.kid))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(node),
			"%sanother key of this client has the kid %s already", what,
			quote_of(str_of(jwk.kid)).text);
	client->keys[client->key_count++] = jwk;
}

static void add_node(
	struct loader *loader, struct client_draft *draft, const struct yaml_node *node)
{
	struct rendered rendered;

	if (!schema_item_is_mapping(&loader->reader, "keys", node))
		return;
	if (!render_json(node, RENDER_TEXTS, &rendered)) {
		loader->reader.out_of_memory = true;
		return;
	}
	bool has_memory;
	json_t *json = json_load(buf_view(&rendered.json), JSON_ALLOW_NUL, NULL, &has_memory);

	render_clear(&rendered);
	if (json == NULL)
		loader->reader.out_of_memory = true;
	else
		add_key(loader, draft, json, node, "");
	json_decref(json);
}

static void refuse_empty(struct loader *loader, const struct yaml_node *node)
{
	diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(node),
		"a JWK Set needs \"keys\" with at least one key");
}

static void load_mapping(struct loader *loader, struct client_draft *draft)
{
	if (!schema_is_mapping(&loader->reader, "jwks", draft->jwks))
		return;
	const struct yaml_node *keys = yaml_find(draft->jwks, STR("keys"));

	if (keys != NULL && !schema_is_list(&loader->reader, "keys", keys->next))
		return;
	if (keys == NULL || keys->next->count == 0) {
		refuse_empty(loader, draft->jwks);
		return;
	}
	if (!alloc_keys(loader, draft, keys->next->count))
		return;
	for (const struct yaml_node *item = keys->next->child; item != NULL; item = item->next)
		add_node(loader, draft, item);
}

static void add_json_keys(struct loader *loader, struct client_draft *draft, const json_t *keys)
{
	for (size_t i = 0; i < json_array_size(keys); i++) {
		struct quote what = { 0 };
		struct buf buf = buf_init(what.text, sizeof(what.text) - 1);

		buf_text(&buf, "key ");
		buf_number(&buf, (int64_t)i + 1);
		buf_text(&buf, " of ");
		buf_text(&buf, quote_of(draft->jwks_file->text).text);
		buf_text(&buf, ": ");
		add_key(loader, draft, json_array_get(keys, i), draft->jwks_file, what.text);
	}
}

static void load_file(struct loader *loader, struct client_draft *draft)
{
	struct buf content;
	json_error_t error;

	if (draft->jwks_path.n == 0 ||
		!loader_read_file(loader, draft->jwks_path, draft->jwks_file, FILE_PUBLIC,
			JWKS_FILE_SIZE_MAX, &content))
		return;
	bool has_memory;
	json_t *json = json_load(
		buf_view(&content), JSON_REJECT_DUPLICATES, &error, &has_memory);
	const json_t *keys = json_object_get(json, "keys");

	file_clear(&content);
	if (!has_memory)
		loader->reader.out_of_memory = true;
	else if (json == NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->jwks_file),
			"%s is not valid JSON: line %d: %s",
			quote_of(draft->jwks_file->text).text, error.line, error.text);
	else if (json_array_size(keys) == 0)
		refuse_empty(loader, draft->jwks_file);
	else if (alloc_keys(loader, draft, json_array_size(keys)))
		add_json_keys(loader, draft, keys);
	json_decref(json);
}

void jwks_load(struct loader *loader, struct client_draft *draft)
{
	if (draft->jwks != NULL && draft->jwks_file != NULL) {
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->jwks_file),
			"a client has either \"jwks\" or \"jwks_file\", not both");
		return;
	}
	if (draft->jwks != NULL)
		load_mapping(loader, draft);
	if (draft->jwks_file != NULL)
		load_file(loader, draft);
}
