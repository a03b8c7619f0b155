/* SPDX-License-Identifier: MIT */
/* add-client, disable-client, enable-client, remove-client: the clients of the configuration.
 */
#include "edit_client.h"
#include "generate.h"
#include "options.h"
#include "output.h"

#include <stdio.h>

#define FIELD_COUNT 3 /* name, scopes, secrets */

/* What the new client is to be. */
struct addition {
	struct str id;
	struct str name;
	struct str_list scopes;
	struct generated generated;
};

/* The scope tokens of all options: each once, and an option may have several. */
static enum reason split_scopes(
	struct arena *arena, struct str_list given, struct str_list *list)
{
	size_t size = 1;

	for (size_t i = 0; i < given.count; i++)
		size += given.items[i].n;
	struct str *items = arena_alloc_array(arena, size, sizeof(*items));

	*list = (struct str_list){ items, 0 };
	if (items == NULL)
		return REASON_MEMORY;
	for (size_t i = 0; i < given.count; i++) {
		struct str rest = given.items[i], token;

		while (rest.n > 0) {
			(void)str_cut(&rest, ' ', &token);
			if (token.n > 0 && !str_list_has(*list, token))
				items[list->count++] = token;
		}
	}
	return REASON_NONE;
}

/* Into the main file, whose clients may not have begun yet. */
static int write_client(struct edit *edit, const struct addition *addition)
{
	struct edit_secret secret;
	struct entry fields[FIELD_COUNT];
	size_t count = 0, key = edit_find(edit, &STR("clients"), 1);

	edit_secret_entry(&secret, str_of(addition->generated.hash), STR(""), STR(""));
	if (addition->name.n > 0)
		fields[count++] = edit_text_entry(STR("name"), addition->name);
	if (addition->scopes.count > 0)
		fields[count++] = (struct entry){
			.kind = ENTRY_TEXTS, .key = STR("scopes"), .texts = addition->scopes
		};
	fields[count++] = secret.list;
	const struct entry client = {
		.kind = ENTRY_MAPPING, .key = addition->id, .children = fields, .count = count
	};
	const struct entry clients = {
		.kind = ENTRY_MAPPING, .key = STR("clients"), .children = &client, .count = 1
	};

	return edit_refuse(edit,
		key == OUTLINE_NONE ? patch_add(&edit->patch, 0, OUTLINE_NONE, &clients)
				    : patch_add(&edit->patch, key + 1, OUTLINE_NONE, &client));
}

static int refuse_known(const struct edit *edit, struct str id)
{
	const struct str keys[] = { STR("clients"), id };
	struct place place;

	if (!config_locate(edit->admin->config, keys, 2, &place))
		return STATUS_DONE;
	return output_fail("there is a client \"%.*s\" already: %s:%u", (int)id.n, id.p,
		place.file, place.line);
}

static int add_client(struct admin *admin, const struct addition *addition)
{
	struct edit edit;
	int status = edit_begin(&edit, admin);

	if (status == STATUS_DONE)
		status = edit_require_good(&edit);
	if (status == STATUS_DONE)
		status = refuse_known(&edit, addition->id);
	if (status == STATUS_DONE)
		status = edit_open(&edit, admin->config_path);
	if (status == STATUS_DONE)
		status = write_client(&edit, addition);
	if (status == STATUS_DONE)
		status = edit_commit_secret(&edit, addition->id, addition->generated.secret);
	edit_end(&edit);
	return status;
}

int cmd_add_client(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *id = NULL, *name = NULL;
	struct str_list scopes = { 0 };
	struct addition addition;
	const struct option options[] = {
		{ "ID", NULL, "the client_id of the new client", .required = true,
			.text = &id },
		{ "--scope", "S", "what it may ask for; may be repeated", .list = &scopes },
		{ "--name", "N", "for people", .text = &name },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 4, &status))
		return status;
	addition = (struct addition){ .id = str_of(id), .name = str_of(name) };
	if (addition.id.n == 0 || addition.id.n > CLIENT_ID_MAX || !str_is_visible(addition.id))
		return output_misuse(admin,
			"a client_id has 1 to %d printable ASCII characters", CLIENT_ID_MAX);
	if (!str_is_utf8(addition.name))
		return output_misuse(admin, "--name is not UTF-8");
	enum reason reason = split_scopes(admin->arena, scopes, &addition.scopes);

	if (reason == REASON_NONE)
		reason = generate_secret(&addition.generated);
	status = reason == REASON_NONE ? add_client(admin, &addition)
				       : output_reason("the client", reason);
	secret_wipe(&addition, sizeof(addition));
	return status;
}

/* A change of a client that is there; *changed is false if there is nothing to do. */
typedef enum reason client_change(struct patch *patch, size_t client, bool *changed);

/* Set `enabled` where it stands, or write it behind the client's first key. */
static enum reason write_enabled(struct patch *patch, size_t client, struct str value)
{
	const struct outline *outline = patch->outline;
	size_t key = outline_find(outline, client + 1, STR("enabled"));
	struct entry entry = edit_text_entry(STR("enabled"), value);

	entry.is_word = true;
	if (key != OUTLINE_NONE)
		return patch_set(patch, key, value);
	return patch_add(patch, client + 1,
		outline->nodes[client + 1].span > 1 ? client + 2 : OUTLINE_NONE, &entry);
}

/* What stands there: true, also as the default. */
static bool is_enabled(const struct patch *patch, size_t client)
{
	size_t key = outline_find(patch->outline, client + 1, STR("enabled"));

	return key == OUTLINE_NONE ||
	       !str_eq(patch->outline->nodes[key + 1].text, STR("false"));
}

static enum reason disable(struct patch *patch, size_t client, bool *changed)
{
	*changed = is_enabled(patch, client);
	return *changed ? write_enabled(patch, client, STR("false")) : REASON_NONE;
}

static enum reason enable(struct patch *patch, size_t client, bool *changed)
{
	*changed = !is_enabled(patch, client);
	return *changed ? write_enabled(patch, client, STR("true")) : REASON_NONE;
}

static enum reason take_out(struct patch *patch, size_t client, bool *changed)
{
	size_t clients = outline_find(patch->outline, 0, STR("clients")) + 1;

	*changed = true;
	return patch_remove(patch, clients, client);
}

static int print_change(const struct edit *edit, struct str id, const char *what, bool changed)
{
	if (edit->admin->json)
		return output_result(
			json_pack("{s:o, s:s, s:b, s:o}", "client_id", output_string(id),
				"state", what, "changed", changed, "file",
				output_string(str_of(edit->file))),
			STATUS_DONE);
	printf("%s%s: ", changed ? "" : "nothing to do, already ", what);
	output_text(id);
	printf(" in %s\n", edit->file);
	return STATUS_DONE;
}

static int change_client(
	struct admin *admin, struct str id, client_change *change, const char *what)
{
	struct edit edit;
	size_t client = OUTLINE_NONE;
	bool changed = false;
	int status = edit_begin(&edit, admin);

	if (status == STATUS_DONE)
		status = edit_open_client(&edit, id, &client);
	if (status == STATUS_DONE)
		status = edit_refuse(&edit, change(&edit.patch, client, &changed));
	if (status == STATUS_DONE && changed)
		status = edit_prepare(&edit);
	if (status == STATUS_DONE && changed)
		status = edit_commit(&edit);
	if (status == STATUS_DONE)
		status = print_change(&edit, id, what, changed);
	edit_end(&edit);
	return status;
}

static int run_change(
	struct admin *admin, int argc, char **argv, client_change *change, const char *what)
{
	int status;
	const char *id = NULL;
	const struct option options[] = {
		{ "ID", NULL, "the client_id", .required = true, .text = &id },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	return change_client(admin, str_of(id), change, what);
}

int cmd_disable_client(struct admin *admin, int argc, char **argv)
{
	return run_change(admin, argc, argv, disable, "disabled");
}

int cmd_enable_client(struct admin *admin, int argc, char **argv)
{
	return run_change(admin, argc, argv, enable, "enabled");
}

int cmd_remove_client(struct admin *admin, int argc, char **argv)
{
	return run_change(admin, argc, argv, take_out, "removed");
}
