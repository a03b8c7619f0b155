/* SPDX-License-Identifier: MIT */
/* From the YAML files to a snapshot: the order of the steps, and what is kept of them. */
#include "config/load.h"
#include "config/loader.h"
#include "util/openssl.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>

#define NODE_COUNT_MAX 8000000 /* ten for each of 800,000 clients */

struct config {
	struct diag *diag;
	struct watch *watch;
	struct yaml *yaml;         /* NULL: released */
	struct snapshot *snapshot; /* NULL: there were errors */
	bool transient;
};

/* Read the main file; false with the problem reported. */
static bool read_main(struct loader *loader, struct str path)
{
	const struct yaml_node *root;
	struct buf content;

	if (!loader_read_file(loader, path, NULL, FILE_PUBLIC, LOADER_FILE_SIZE_MAX, &content))
		return false;
	enum reason reason = yaml_parse(
		loader->yaml, path.p, buf_view(&content), loader->reader.diag, &root);

	file_clear(&content);
	if (reason == REASON_MEMORY)
		loader->reader.out_of_memory = true;
	return reason == REASON_NONE;
}

static void run_steps(struct loader *loader)
{
	include_load(loader);
	server_load(loader);
	keys_load(loader);
	scopes_load(loader);
	clients_load(loader);
}

static void seal(struct loader *loader, struct config *config)
{
	if (loader->reader.out_of_memory || diag_error_count(config->diag) > 0)
		return;
	enum reason reason = snapshot_seal(loader->snapshot);

	if (reason == REASON_NONE)
		config->snapshot = loader->snapshot;
	else if (reason == REASON_MEMORY)
		loader->reader.out_of_memory = true;
	else
		diag_add(config->diag, DIAG_ERROR, yaml_place(yaml_first(loader->yaml)), "%s",
			reason_info(reason)->name);
}

/* false: out of memory. */
static bool load(struct config *config, struct loader *loader, const char *path)
{
	struct str copy;

	if (!arena_copy(loader->reader.scratch, str_of(path), &copy))
		return false;
	if (read_main(loader, copy)) {
		run_steps(loader);
		seal(loader, config);
	}
	diag_sort(config->diag);
	return !loader->reader.out_of_memory && !diag_is_out_of_memory(config->diag);
}

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config == NULL)
		return NULL;
	config->diag = diag_new();
	config->watch = watch_new();
	config->yaml = yaml_tree_new(NODE_COUNT_MAX);
	if (config->diag != NULL && config->watch != NULL && config->yaml != NULL)
		return config;
	config_free(config);
	return NULL;
}

/* The item of a list by its number, or the key of a mapping by its name. */
static const struct yaml_node *step_into(const struct yaml_node *node, struct str name)
{
	int64_t index;

	if (node->kind == YAML_MAPPING)
		return yaml_find(node, name);
	if (node->kind != YAML_LIST || !str_to_number(name, node->count, &index))
		return NULL;
	const struct yaml_node *item = node->child;

	while (item != NULL && index-- > 0)
		item = item->next;
	return item;
}

static const struct yaml_node *locate_in(
	const struct yaml_node *root, const struct str *keys, size_t key_count)
{
	const struct yaml_node *node = root, *found = NULL;

	for (size_t i = 0; i < key_count; i++) {
		found = step_into(node, keys[i]);
		if (found == NULL)
			return NULL;
		node = node->kind == YAML_MAPPING ? found->next : found;
	}
	return found;
}

/* loader: what the caller wants; the rest is filled in. */
static struct config *load_by(struct loader *loader, const char *path)
{
	struct config *config = config_new();
	struct snapshot *snapshot = snapshot_new();

	if (config == NULL || snapshot == NULL) {
		snapshot_free(snapshot);
		config_free(config);
		return NULL;
	}
	snapshot->is_partial = loader->asked != NULL;
	loader->reader = (struct reader){ .diag = config->diag,
		.arena = snapshot->arena,
		.scratch = yaml_arena(config->yaml) };
	loader->yaml = config->yaml;
	loader->watch = config->watch;
	loader->snapshot = snapshot;
	openssl_forget();
	bool done = load(config, loader, path);

	config->transient = loader->transient;
	if (config->snapshot == NULL)
		snapshot_free(snapshot);
	if (done)
		return config;
	config_free(config);
	return NULL;
}

struct config *config_load(const char *path, enum config_depth depth, int64_t now_s)
{
	return config_load_draft(path, depth, now_s, NULL);
}

struct config *config_load_part(const char *path, int64_t now_s, const struct str_list *clients)
{
	struct loader loader = { .now_s = now_s, .depth = CONFIG_SERVE, .asked = clients };

	return load_by(&loader, path);
}

struct config *config_load_draft(const char *path, enum config_depth depth, int64_t now_s,
	const struct config_draft *draft)
{
	struct loader loader = { .now_s = now_s, .depth = depth, .draft = draft };

	return load_by(&loader, path);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	diag_free(config->diag);
	watch_free(config->watch);
	yaml_tree_free(config->yaml);
	snapshot_free(config->snapshot);
	free(config);
}

const struct diag *config_diag(const struct config *config)
{
	return config->diag;
}

const struct snapshot *config_snapshot(const struct config *config)
{
	return config->snapshot;
}

bool config_is_transient(const struct config *config)
{
	return config->transient;
}

const struct watch *config_watch(const struct config *config)
{
	return config->watch;
}

bool config_locate(const struct config *config, const struct str *keys, size_t key_count,
	struct place *place)
{
	*place = (struct place){ 0 };
	const struct yaml_node *root = config->yaml == NULL ? NULL : yaml_first(config->yaml);

	for (; root != NULL; root = root->next) {
		const struct yaml_node *node = locate_in(root, keys, key_count);

		if (node != NULL) {
			*place = yaml_place(node);
			return true;
		}
	}
	return false;
}

void config_warn(struct config *config, struct str key, const char *text)
{
	const struct yaml_node *found = config->yaml == NULL
						? NULL
						: yaml_find(yaml_first(config->yaml), key);

	if (found == NULL)
		return;
	diag_add(config->diag, DIAG_WARNING, yaml_place(found->next), "%s", text);
	diag_sort(config->diag);
}

void config_release_text(struct config *config)
{
	yaml_tree_free(config->yaml);
	config->yaml = NULL;
#ifdef __GLIBC__
	/* The text of many clients lies among what is kept, so free(3) alone returns nothing.
	 */
	(void)malloc_trim(0);
#endif
}
