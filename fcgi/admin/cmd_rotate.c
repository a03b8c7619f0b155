/* SPDX-License-Identifier: MIT */
/* rotate: a new signing key, announced before it signs; the one that signs goes on being known.
 */
#include "edit.h"
#include "jose/key.h"
#include "options.h"
#include "output.h"
#include "config/file.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_SIZE 16384 /* bytes; RSA with 8192 bits takes 6.4 KiB */
#define DATE_LEN 10    /* "2026-11-22" */
#define KID_LEN 12     /* of the kid in the file's name */
#define NAME_SIZE 64
#define TIME_SIZE 64
#define FIELD_COUNT 3 /* file, alg, state */

struct rotation {
	struct edit edit;
	const struct keyring *keyring;
	const struct signing_key *next;  /* NULL: none was announced */
	const struct signing_key *model; /* what the new key is like */
	EVP_PKEY *pkey;                  /* the new key; owned */
	char kid[JWK_THUMBPRINT_LEN + 1];
	char name[NAME_SIZE];    /* of its file */
	char file[PATH_MAX];     /* the same as the configuration names it */
	char note[NAME_MAX + 1]; /* see write_note; "": there is none */
	int keys;                /* directory of the file; -1: not open */
	bool is_made;            /* the file is there */
};

static const struct signing_key *find_state(const struct keyring *keyring, enum key_state state)
{
	for (size_t i = 0; i < keyring->count; i++) {
		if (keyring->keys[i].state == state)
			return &keyring->keys[i];
	}
	return NULL;
}

/* The item of signing_keys that a key was read from. */
static size_t find_item(const struct rotation *rotation, const struct signing_key *key)
{
	const struct outline *outline = rotation->edit.patch.outline;
	size_t list = edit_find(&rotation->edit, &STR("signing_keys"), 1) + 1;
	size_t item = list + 1;

	for (ptrdiff_t i = key - rotation->keyring->keys; i > 0; i--)
		item = outline_next(outline, list, item);
	return item;
}

/* The text of a field of a key's item; empty: it has none. */
static struct str field_of(
	const struct rotation *rotation, const struct signing_key *key, struct str name)
{
	const struct outline *outline = rotation->edit.patch.outline;
	size_t field = outline_find(outline, find_item(rotation, key), name);

	return field == OUTLINE_NONE ? STR("") : outline->nodes[field + 1].text;
}

static enum reason set_state(
	struct rotation *rotation, const struct signing_key *key, enum key_state state)
{
	struct patch *patch = &rotation->edit.patch;
	struct str name = str_of(key_state_name(state));
	const struct entry entry = { .kind = ENTRY_TEXT, .key = STR("state"), .text = name };
	size_t item = find_item(rotation, key);
	size_t field = outline_find(patch->outline, item, STR("state"));

	return field == OUTLINE_NONE ? patch_add(patch, item, item + 1, &entry)
				     : patch_set(patch, field, name);
}

static enum reason add_key(struct rotation *rotation)
{
	struct patch *patch = &rotation->edit.patch;
	struct str alg = str_of(alg_info(rotation->model->alg)->name);
	struct entry fields[FIELD_COUNT] = {
		{ .kind = ENTRY_TEXT, .key = STR("file"), .text = str_of(rotation->file) },
	};
	size_t count = 1;

	if (field_of(rotation, rotation->model, STR("alg")).n > 0)
		fields[count++] = (struct entry){
			.kind = ENTRY_TEXT, .key = STR("alg"), .text = alg
		};
	fields[count++] = (struct entry){
		.kind = ENTRY_TEXT, .key = STR("state"), .text = STR("next")
	};
	const struct entry item = { .kind = ENTRY_MAPPING, .children = fields, .count = count };

	return patch_add(patch, edit_find(&rotation->edit, &STR("signing_keys"), 1) + 1,
		OUTLINE_NONE, &item);
}

/* The first of them waits for the last: only one key may be active. */
static enum reason move_keys(struct rotation *rotation)
{
	enum reason reason = REASON_NONE;

	if (rotation->next != NULL)
		reason = set_state(rotation, rotation->keyring->active, KEY_RETIRED);
	if (rotation->next != NULL && reason == REASON_NONE)
		reason = set_state(rotation, rotation->next, KEY_ACTIVE);
	return reason == REASON_NONE ? add_key(rotation) : reason;
}

static enum reason generate(struct rotation *rotation)
{
	const struct signing_key *model = rotation->model;
	const unsigned bits = (unsigned)EVP_PKEY_get_bits(model->pkey);
	enum reason reason;

	if (alg_info(model->alg)->kty == JOSE_KTY_RSA)
		reason = key_generate_rsa(bits, key_primes(model->pkey), &rotation->pkey);
	else
		reason = key_generate(model->alg, 0, &rotation->pkey);
	return reason == REASON_NONE ? jwk_thumbprint(rotation->pkey, rotation->kid) : reason;
}

/* Beside the model's file: date, kid, ".pem". */
static enum reason name_file(struct rotation *rotation)
{
	char time[TIME_SIZE];
	struct buf whole = buf_init(time, sizeof(time));
	struct buf name = buf_init(rotation->name, sizeof(rotation->name));
	struct buf file = buf_init(rotation->file, sizeof(rotation->file));
	struct str model = field_of(rotation, rotation->model, STR("file"));

	clock_format(&whole, rotation->edit.admin->now_s * 1000, false);
	buf_str(&name, str_upto(buf_view(&whole), DATE_LEN));
	buf_char(&name, '-');
	buf_str(&name, str_upto(str_of(rotation->kid), KID_LEN));
	buf_text(&name, ".pem");
	buf_str(&file, file_directory(model.p));
	buf_str(&file, buf_view(&name));
	buf_char(&name, '\0');
	buf_char(&file, '\0');
	return name.overflow || file.overflow ? REASON_INTERNAL : REASON_NONE;
}

static enum reason open_keys(struct rotation *rotation)
{
	char path[PATH_MAX + 2];
	struct buf buf = buf_init(path, sizeof(path));

	buf_str(&buf, file_directory(rotation->model->path.p));
	buf_text(&buf, ".");
	buf_char(&buf, '\0');
	if (buf.overflow)
		return REASON_INTERNAL;
	rotation->keys = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rotation->keys < 0 ? REASON_FILE_OPEN : REASON_NONE;
}

static bool is_listed(const struct rotation *rotation, struct str file)
{
	for (size_t i = 0; i < rotation->keyring->count; i++) {
		if (str_eq(field_of(rotation, &rotation->keyring->keys[i], STR("file")), file))
			return true;
	}
	return false;
}

/* Remove a file by the name that the main file has for it. */
static enum reason remove_file(const struct rotation *rotation, struct str file)
{
	struct str directory = str_starts(file, STR("/")) ? STR("")
							  : file_directory(rotation->edit.file);
	size_t size = directory.n + file.n + 1;
	char *path = arena_alloc(rotation->edit.admin->arena, size);
	struct buf buf = buf_init(path, size);

	if (path == NULL)
		return REASON_MEMORY;
	buf_str(&buf, directory);
	buf_str(&buf, file);
	return unlink(path) == 0 || errno == ENOENT ? REASON_NONE : REASON_FILE_WRITE;
}

/*
 * What a rotation left that was killed: a note, and the key that it names, if that has not come
 * into the configuration.  Notes of others are not believed.
 */
static enum reason clear_note(struct rotation *rotation)
{
	int dir = rotation->edit.dir;
	char *file = arena_alloc(rotation->edit.admin->arena, PATH_MAX);
	ssize_t n = file == NULL ? 0 : readlinkat(dir, rotation->note, file, PATH_MAX);
	enum reason reason = REASON_NONE;
	struct stat st;

	if (n <= 0)
		return file != NULL && errno == ENOENT ? REASON_NONE : REASON_FILE_WRITE;
	if (fstatat(dir, rotation->note, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		st.st_uid != geteuid())
		return REASON_FILE_OWNER;
	struct str name = { file, (size_t)n };

	if (!is_listed(rotation, name))
		reason = remove_file(rotation, name);
	if (reason == REASON_NONE && unlinkat(dir, rotation->note, 0) != 0)
		reason = REASON_FILE_WRITE;
	return reason;
}

/*
 * A symbolic link beside the configuration that names the new key, made before it: whoever
 * finds it knows which file to remove, if the configuration does not have it.
 */
static enum reason write_note(struct rotation *rotation)
{
	const char *target = rotation->edit.target;
	struct buf buf = buf_init(rotation->note, sizeof(rotation->note));

	buf_char(&buf, '.');
	buf_text(&buf, target + file_directory(target).n);
	buf_text(&buf, ".key");
	buf_char(&buf, '\0');
	enum reason reason = buf.overflow ? REASON_INTERNAL : clear_note(rotation);

	if (reason == REASON_NONE &&
		symlinkat(rotation->file, rotation->edit.dir, rotation->note) != 0)
		reason = REASON_FILE_WRITE;
	if (reason != REASON_NONE)
		rotation->note[0] = '\0';
	return reason;
}

/* With the owner of the model's file, and readable by the group if that is. */
static enum reason save_key(struct rotation *rotation)
{
	char *text = arena_alloc(rotation->edit.admin->arena, PEM_SIZE);
	struct buf pem = buf_init(text, PEM_SIZE);
	struct stat like;

	if (text == NULL)
		return REASON_MEMORY;
	enum reason reason = key_write_pem(rotation->pkey, &pem);

	if (reason == REASON_NONE && stat(rotation->model->path.p, &like) != 0)
		reason = REASON_FILE_OPEN;
	if (reason != REASON_NONE)
		return reason;
	like.st_mode = (like.st_mode & 0040) | 0600;
	reason = save_new_like(rotation->keys, rotation->name, &like, buf_view(&pem));
	rotation->is_made = reason == REASON_NONE;
	if (reason == REASON_NONE && fsync(rotation->keys) != 0)
		reason = REASON_FILE_WRITE;
	return reason;
}

static enum reason make_key(struct rotation *rotation)
{
	enum reason reason = open_keys(rotation);

	if (reason == REASON_NONE)
		reason = write_note(rotation);
	if (reason == REASON_NONE)
		reason = save_key(rotation);
	return reason;
}

static json_t *pack_result(const struct rotation *rotation)
{
	const struct signing_key *active = rotation->keyring->active;
	const struct signing_key *next = rotation->next;

	return json_pack("{s:o, s:o, s:s, s:o}", "retired",
		next != NULL ? output_string(active->kid) : json_null(), "active",
		output_string(next != NULL ? next->kid : active->kid), "next", rotation->kid,
		"file", output_string(str_of(rotation->file)));
}

static void print_key(const char *state, struct str kid)
{
	printf("%s: ", state);
	output_text(kid);
	putchar('\n');
}

static int print_result(const struct rotation *rotation)
{
	const struct signing_key *active = rotation->keyring->active;

	if (rotation->edit.admin->json)
		return output_result(pack_result(rotation), STATUS_DONE);
	if (rotation->next != NULL)
		print_key("retired", active->kid);
	print_key("active", rotation->next != NULL ? rotation->next->kid : active->kid);
	printf("next: %s, in ", rotation->kid);
	output_text(str_of(rotation->file));
	putchar('\n');
	if (rotation->next == NULL)
		puts("\nNo key was announced as next, so the active one goes on signing.  "
		     "Rotate again\nwhen the verifiers have fetched the new one.");
	return STATUS_DONE;
}

/* Everything that is decided before a file is touched. */
static int plan(struct rotation *rotation)
{
	rotation->keyring = &config_snapshot(rotation->edit.admin->config)->keyring;
	rotation->next = find_state(rotation->keyring, KEY_NEXT);
	rotation->model = rotation->next != NULL ? rotation->next : rotation->keyring->active;
	enum reason reason = generate(rotation);

	if (reason == REASON_NONE)
		reason = name_file(rotation);
	return reason == REASON_NONE ? STATUS_DONE : output_reason("the new key", reason);
}

static int carry_out(struct rotation *rotation)
{
	enum reason reason = make_key(rotation);

	if (reason != REASON_NONE)
		return output_reason(rotation->file, reason);
	int status = edit_refuse(&rotation->edit, move_keys(rotation));

	if (status == STATUS_DONE)
		status = edit_prepare(&rotation->edit);
	if (status == STATUS_DONE)
		status = edit_commit(&rotation->edit);
	return status;
}

static void clean_up(struct rotation *rotation)
{
	if (rotation->is_made && !rotation->edit.is_done)
		unlinkat(rotation->keys, rotation->name, 0);
	if (rotation->note[0] != '\0')
		unlinkat(rotation->edit.dir, rotation->note, 0);
	if (rotation->keys >= 0)
		close(rotation->keys);
	EVP_PKEY_free(rotation->pkey);
	edit_end(&rotation->edit);
}

int cmd_rotate(struct admin *admin, int argc, char **argv)
{
	int status;
	struct rotation rotation = { .keys = -1 };
	const struct option options[] = { OPTION_JSON(admin) };

	if (!options_read(admin, argc, argv, options, 1, &status))
		return status;
	status = edit_begin(&rotation.edit, admin);
	if (status == STATUS_DONE)
		status = edit_require_good(&rotation.edit);
	if (status == STATUS_DONE)
		status = edit_open(&rotation.edit, admin->config_path);
	if (status == STATUS_DONE)
		status = plan(&rotation);
	if (status == STATUS_DONE)
		status = carry_out(&rotation);
	if (status == STATUS_DONE)
		status = print_result(&rotation);
	clean_up(&rotation);
	return status;
}
