/* SPDX-License-Identifier: MIT */
/* What the steps of one load share. */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "config/file.h"
#include "config/load.h"
#include "config/schema.h"

#define LOADER_FILE_SIZE_MAX ((size_t)64 << 20) /* bytes of a YAML file */
#define LOADER_LIFETIME_MAX 86400               /* seconds that a token may live */

struct loader {
	struct reader reader;
	struct yaml *yaml; /* the main file's tree is the first */
	struct watch *watch;
	struct snapshot *snapshot;
	struct str_list scope_names; /* as in snapshot->scopes, for suggestions */
	int64_t now_s;
	enum config_depth depth;
	const struct config_draft *draft; /* NULL: all files as they are */
	const struct str_list *asked;     /* the clients that matter; NULL: all, and all keys */
	bool has_state;                   /* a state store is configured */
	bool incomplete; /* a file could not be read, so what it defines is not known */
	bool transient;  /* a file could not be read, and perhaps can the next time */
};

/*
 * loader_read_file - watch a file and read it whole.
 *
 * path      NUL-terminated
 * name      the value that names it, for messages; NULL: the main file
 * size_max  bytes
 * content   [out] new (file_clear); empty on failure
 *
 * Returns false, with the problem reported.
 */
NODISCARD bool loader_read_file(struct loader *loader, struct str path,
	const struct yaml_node *name, enum file_kind kind, size_t size_max,
	struct buf *content);

/* loader_note_error - remember whether an errno of opening or reading is transient. */
void loader_note_error(struct loader *loader, int error);

/* loader_watch - watch a file or directory. */
void loader_watch(struct loader *loader, const char *path);

/*
 * The steps, in this order; each reports its problems.
 *
 * include_load  read the files that `include` names
 * server_load   everything else at the top but the next three
 * keys_load     signing_keys
 * scopes_load   scopes, of all files
 * clients_load  clients, of all files
 */
void include_load(struct loader *loader);
void server_load(struct loader *loader);
void keys_load(struct loader *loader);
void scopes_load(struct loader *loader);
void clients_load(struct loader *loader);

#endif
