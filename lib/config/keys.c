/* SPDX-License-Identifier: MIT */
/* The signing keys: their files, names and states. */
#include "config/loader.h"
#include "config/quote.h"

#define PEM_SIZE_MAX 65536

/* One item of signing_keys as it stands in the file. */
struct draft {
	struct str path;
	const struct yaml_node *file;
	const struct yaml_node *kid_node;
	struct str kid;
	unsigned alg;
	unsigned state;
};

static const char *alg_name(unsigned value)
{
	return alg_info((enum jose_alg)value)->name;
}

static const char *state_name(unsigned value)
{
	return key_state_name((enum key_state)value);
}

static const struct schema_names algs = { alg_name, JOSE_ALG_NONE + 1, JOSE_ALG_PAIRS__MAX };
static const struct schema_names states = { state_name, 0, KEY__MAX };

static void read_file_name(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct draft *draft = target;

	draft->file = node;
	schema_path(reader, key, node, &draft->path);
}

static void read_kid(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct draft *draft = target;

	draft->kid_node = node;
	schema_text(reader, key, node, &draft->kid);
}

static const struct schema_key key_keys[] = {
	{ "file", read_file_name, .required = true },
	{ "alg", schema_choice, .offset = offsetof(struct draft, alg), .names = &algs },
	{ "kid", read_kid, .min = 1, .check = str_is_visible, .expected = "visible ASCII" },
	{ "state", schema_choice, .offset = offsetof(struct draft, state), .names = &states,
		.initial = "active" },
};

static const struct schema key_schema = SCHEMA(key_keys);

static void report(struct loader *loader, const struct yaml_node *node, enum reason reason)
{
	diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(node), "%s: %s",
		quote_of(node->text).text, reason_info(reason)->name);
}

/* The key of the draft's file, or NULL with the problem reported. */
static EVP_PKEY *read_pkey(struct loader *loader, const struct draft *draft)
{
	struct buf content;
	EVP_PKEY *pkey;

	if (draft->path.n == 0 || !loader_read_file(loader, draft->path, draft->file,
					  FILE_SECRET, PEM_SIZE_MAX, &content))
		return NULL;
	enum reason reason = key_read_pem(buf_view(&content), &pkey);

	file_clear(&content);
	if (reason == REASON_NONE && loader->depth == CONFIG_CHECK)
		reason = key_check_pair(pkey);
	if (reason == REASON_NONE)
		return pkey;
	EVP_PKEY_free(pkey);
	report(loader, draft->file, reason);
	return NULL;
}

static void set_alg(struct loader *loader, const struct draft *draft,
	const struct yaml_node *item, struct signing_key *key)
{
	const struct yaml_node *name = yaml_find(item, STR("alg"));

	if (name == NULL) {
		key->alg = alg_default(key->pkey);
		return;
	}
	key->alg = (enum jose_alg)draft->alg;
	if (key->alg != JOSE_ALG_NONE && !alg_fits(key->alg, key->pkey))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(name->next),
			"%s does not fit this key; for %s the default is %s",
			quote_of(name->next->text).text, quote_of(draft->file->text).text,
			alg_name(alg_default(key->pkey)));
}

static void set_kid(struct loader *loader, const struct draft *draft, struct signing_key *key)
{
	char thumbprint[JWK_THUMBPRINT_LEN + 1];

	key->kid = draft->kid;
	if (draft->kid_node != NULL)
		return;
	enum reason reason = jwk_thumbprint(key->pkey, thumbprint);

	if (reason != REASON_NONE)
		report(loader, draft->file, reason);
	if (!arena_copy(loader->reader.arena, str_of(thumbprint), &key->kid))
		loader->reader.out_of_memory = true;
}

static void check_kid(struct loader *loader, const struct draft *draft,
	const struct yaml_node *item, const struct signing_key *key)
{
	const struct yaml_node *node = draft->kid_node != NULL ? draft->kid_node : item;
	struct keyring earlier = loader->snapshot->keyring;

	earlier.count = (size_t)(key - earlier.keys);
	if (key->kid.n > 0 && keyring_find(&earlier, key->kid) != NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(node),
			"another key has the kid %s already", quote_of(key->kid).text);
}

/* Exactly one key signs. */
static void set_active(
	struct loader *loader, const struct yaml_node *item, const struct signing_key *key)
{
	struct keyring *keyring = &loader->snapshot->keyring;
	const struct yaml_node *state = yaml_find(item, STR("state"));

	if (key->state != KEY_ACTIVE)
		return;
	if (keyring->active == NULL)
		keyring->active = key;
	else
		diag_add(loader->reader.diag, DIAG_ERROR,
			yaml_place(state != NULL ? state->next : item),
			"only one key can be active; give this one the state next or retired");
}

static void load_key(
	struct loader *loader, const struct yaml_node *item, struct signing_key *key)
{
	struct draft draft = { 0 };

	if (!schema_item_is_mapping(&loader->reader, "signing_keys", item))
		return;
	schema_read(&loader->reader, &key_schema, item, &draft);
	key->state = (enum key_state)draft.state;
	key->kid = draft.kid;
	set_active(loader, item, key);
	if (loader->asked != NULL && key->state != KEY_ACTIVE)
		return;
	key->pkey = read_pkey(loader, &draft);
	if (key->pkey == NULL)
		return;
	if (!arena_copy(loader->reader.arena, draft.path, &key->path))
		loader->reader.out_of_memory = true;
	set_alg(loader, &draft, item, key);
	set_kid(loader, &draft, key);
	check_kid(loader, &draft, item, key);
}

static void make_signer(struct loader *loader)
{
	struct keyring *keyring = &loader->snapshot->keyring;

	if (diag_error_count(loader->reader.diag) > 0)
		return;
	for (size_t i = 0; i < keyring->count; i++) {
		struct signing_key *key = &keyring->keys[i];

		if (key != keyring->active)
			continue;
		key->signer = jws_signer_new(key->pkey, key->alg);
		if (key->signer == NULL)
			loader->reader.out_of_memory = true;
	}
}

/* Keys that are only published were not read. */
static void keep_active(struct keyring *keyring)
{
	keyring->keys = &keyring->keys[keyring->active - keyring->keys];
	keyring->count = 1;
}

/* If not, the active key may be one of those that were refused. */
static bool all_are_mappings(const struct yaml_node *list)
{
	const struct yaml_node *item = list->child;

	while (item != NULL && item->kind == YAML_MAPPING)
		item = item->next;
	return item == NULL;
}

void keys_load(struct loader *loader)
{
	struct keyring *keyring = &loader->snapshot->keyring;
	const struct yaml_node *name = yaml_find(yaml_first(loader->yaml), STR("signing_keys"));

	if (name == NULL || !schema_is_list(&loader->reader, "signing_keys", name->next))
		return;
	keyring->keys = schema_alloc(
		&loader->reader, name->next->count, sizeof(struct signing_key));
	if (keyring->keys == NULL)
		return;
	keyring->count = name->next->count;
	struct signing_key *key = keyring->keys;

	for (const struct yaml_node *item = name->next->child; item != NULL; item = item->next)
		load_key(loader, item, key++);
	if (keyring->active == NULL && all_are_mappings(name->next))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(name),
			keyring->count == 0 ? "at least one signing key is needed"
					    : "one key must be active, and none is");
	make_signer(loader);
	if (loader->asked != NULL && diag_error_count(loader->reader.diag) == 0)
		keep_active(keyring);
}
