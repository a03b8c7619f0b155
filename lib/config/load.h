/* SPDX-License-Identifier: MIT */
/* From the YAML file to a snapshot, or to a list of all that is wrong with it. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/watch.h"
#include "domain/snapshot.h"
#include "util/diag.h"

enum config_depth {
	CONFIG_SERVE, /* what one answer needs: for a process that ends with it */
	/*
	 * Also what costs time or shows only later: do the halves of each key belong
	 * together, can the log's file be written?
	 */
	CONFIG_CHECK,
};

struct config;

/*
 * config_load - read the file, its includes, keys and secrets.
 *
 * path   of the main file; copied
 * now_s  wall clock, for warnings about expired secrets
 *
 * Returns new (config_free), or NULL: out of memory.  All problems are in
 * config_diag; there is a snapshot exactly if none of them is an error.
 */
NODISCARD struct config *config_load(const char *path, enum config_depth depth, int64_t now_s);
void config_free(struct config *config);

/*
 * config_load_part - what the answer to one token request needs, for a process that ends with
 * it.
 *
 * clients  the client_ids that the request may be of; they need not be known; borrowed for the
 *          call
 *
 * These clients, the active key and all settings are checked as by CONFIG_SERVE.  Of other
 * clients only the hashes are looked at, as they decide what a failure costs; other keys are
 * not read, and there is no JWKS.  What is wrong there is not found.
 *
 * For each client_id that is not known a client is read and forgotten, chosen by the client_id
 * and a secret that follows from the active key; what is wrong with it is an error, too.  So
 * neither the time nor the outcome tells which client_ids are known.  A client_id with '%', '+'
 * or a blank may be only the encoded or decoded form of another: if it is known and broken, it
 * is left out, and if another is read for it, its errors do not count.
 */
NODISCARD struct config *config_load_part(
	const char *path, int64_t now_s, const struct str_list *clients);

/* What a file is going to hold. */
struct config_draft {
	const char *path; /* as messages name it; of the main file or of an included one */
	struct str text;
};

/* config_load_draft - config_load with another text for one of the files; all else, relative
 * paths among it, is as if that text stood there.  draft is borrowed for the call. */
NODISCARD struct config *config_load_draft(const char *path, enum config_depth depth,
	int64_t now_s, const struct config_draft *draft);

/* config_diag - the problems, sorted; borrowed. */
const struct diag *config_diag(const struct config *config);

/* config_snapshot - borrowed; NULL if there were errors. */
const struct snapshot *config_snapshot(const struct config *config);

/* config_is_transient - did a lack of descriptors or memory, or a disk, keep a file from being
 * read?  Then the same files may load when they are tried again. */
bool config_is_transient(const struct config *config);

/* config_watch - the files and directories that were read, with their stamps; borrowed. */
const struct watch *config_watch(const struct config *config);

/*
 * config_locate - where in the files a value stands.
 *
 * keys   from the top mapping inwards, e.g. { "clients", "ID", "token_lifetime" };
 *        a list's items count from 0: { "signing_keys", "0", "kid" }
 * place  [out] of the key or item; place.file is borrowed from config
 *
 * Returns false, *place cleared, if it stands nowhere: its default holds.
 */
NODISCARD bool config_locate(const struct config *config, const struct str *keys,
	size_t key_count, struct place *place);

/*
 * config_warn - put a warning among the problems: about a value that the main file has, found
 * by somebody else.
 *
 * key  at the top; if it stands nowhere, there is no warning
 */
void config_warn(struct config *config, struct str key, const char *text);

/* config_release_text - forget the text of the files: config_locate and config_warn find
 * nothing any more. */
void config_release_text(struct config *config);

#endif
