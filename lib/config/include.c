/* SPDX-License-Identifier: MIT */
/* The files that `include` names. */
#include "config/loader.h"
#include "config/quote.h"
#include "config/server.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

static const struct schema_key included_keys[] = {
	{ .name = "scopes" },
	{ .name = "clients" },
};

static const struct schema included_schema = SCHEMA(included_keys);

static bool has_wildcard(struct str pattern)
{
	return str_has(pattern, '*') || str_has(pattern, '?') || str_has(pattern, '[');
}

static void check_included_key(struct loader *loader, const struct yaml_node *key)
{
	if (schema_has(&included_schema, key->text))
		return;
	if (str_eq(key->text, STR("include")))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
			"an included file cannot include others");
	else if (schema_has(&server_schema, key->text))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
			"%s belongs in the main file; an included file has only scopes and "
			"clients",
			quote_of(key->text).text);
	else
		schema_refuse_key(&loader->reader, &included_schema, key);
}

/* path: lives as long as the trees. */
static void read_included(struct loader *loader, const struct yaml_node *name, struct str path)
{
	const struct yaml_node *root;
	struct buf content;

	if (!loader_read_file(
		    loader, path, name, FILE_PUBLIC, LOADER_FILE_SIZE_MAX, &content)) {
		loader->incomplete = true;
		return;
	}
	enum reason reason = yaml_parse(
		loader->yaml, path.p, buf_view(&content), loader->reader.diag, &root);

	file_clear(&content);
	if (reason == REASON_MEMORY)
		loader->reader.out_of_memory = true;
	if (reason != REASON_NONE) {
		loader->incomplete = true;
		return;
	}
	for (const struct yaml_node *key = root->child; key != NULL; key = yaml_next_key(key))
		check_included_key(loader, key);
}

/* A directory that is not there has no matches; one that cannot be read may hide some. */
static int stop_at_error(const char *path, int error)
{
	(void)path;
	/* For the caller of glob(3). */
	errno = error;
	return error != ENOENT && error != ENOTDIR;
}

/* false: nothing was found, or a problem was reported. */
static bool find_matches(struct loader *loader, const struct yaml_node *name,
	const char *pattern, glob_t *matches)
{
	switch (glob(pattern, 0, stop_at_error, matches)) {
	case 0:
		return true;
	case GLOB_NOMATCH:
		break;
	case GLOB_NOSPACE:
		loader->reader.out_of_memory = true;
		break;
	default:
		loader_note_error(loader, errno);
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(name),
			"%s: a directory of this pattern cannot be read",
			quote_of(name->text).text);
		loader->incomplete = true;
	}
	globfree(matches);
	return false;
}

/*
 * The directory and what follows it, in scratch.  To glob(3) wildcards in the directory's name
 * mean nothing: only those of the pattern are meant.
 */
static bool join(struct loader *loader, struct str directory, struct str text, bool for_glob,
	char **joined)
{
	size_t size = 2 * directory.n + text.n + 1;

	*joined = arena_alloc(loader->reader.scratch, size);
	if (*joined == NULL) {
		loader->reader.out_of_memory = true;
		return false;
	}
	struct buf buf = buf_init(*joined, size);

	for (size_t i = 0; i < directory.n; i++) {
		if (for_glob && str_has(STR("*?[\\"), directory.p[i]))
			buf_char(&buf, '\\');
		buf_char(&buf, directory.p[i]);
	}
	buf_str(&buf, text);
	return true;
}

static void watch_matches(
	struct loader *loader, const struct yaml_node *name, const char *pattern)
{
	glob_t matches;

	if (!find_matches(loader, name, pattern, &matches))
		return;
	for (size_t i = 0; i < matches.gl_pathc; i++)
		loader_watch(loader, matches.gl_pathv[i]);
	globfree(&matches);
}

/*
 * Watch each directory in which a file that matches could appear: what stands before each
 * component from the first one with a wildcard on.  Before that one no wildcard stands, so the
 * directory can be watched even if it is not there yet.
 */
static void watch_directories(
	struct loader *loader, const struct yaml_node *name, struct str directory)
{
	struct str rest = name->text, component;
	bool found = false;
	bool more = true;

	while (more) {
		size_t before = name->text.n - rest.n;
		bool found_before = found;
		char *path;

		more = str_cut(&rest, '/', &component);
		found = found || has_wildcard(component);
		if (!found || !join(loader, directory, str_upto(name->text, before),
				      found_before, &path))
			continue;
		if (found_before)
			watch_matches(loader, name, path);
		else
			loader_watch(loader, path[0] == '\0' ? "." : path);
	}
}

static void include_pattern(
	struct loader *loader, const struct yaml_node *name, struct str directory)
{
	char *pattern;
	glob_t matches;

	watch_directories(loader, name, directory);
	if (!join(loader, directory, name->text, true, &pattern) ||
		!find_matches(loader, name, pattern, &matches))
		return;
	for (size_t i = 0; i < matches.gl_pathc; i++) {
		struct yaml_node match = *name;
		struct str path;

		if (!arena_copy(loader->reader.scratch, str_of(matches.gl_pathv[i]), &path)) {
			loader->reader.out_of_memory = true;
			break;
		}
		/* Messages name the file, at the place of the pattern. */
		match.text = str_from(path, directory.n);
		read_included(loader, &match, path);
	}
	globfree(&matches);
}

static void include_item(struct loader *loader, const struct yaml_node *item)
{
	static const struct schema_key key = { .name = "include" };
	struct str path = STR("");

	if (item->kind == YAML_BROKEN)
		return;
	schema_path(&loader->reader, &key, item, &path);
	if (path.n == 0)
		return;
	if (has_wildcard(item->text))
		include_pattern(loader, item, str_upto(path, path.n - item->text.n));
	else
		read_included(loader, item, path);
}

void include_load(struct loader *loader)
{
	const struct yaml_node *key = yaml_find(yaml_first(loader->yaml), STR("include"));

	if (key == NULL || !schema_is_list(&loader->reader, "include", key->next))
		return;
	for (const struct yaml_node *item = key->next->child; item != NULL; item = item->next)
		include_item(loader, item);
}
