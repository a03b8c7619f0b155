/* SPDX-License-Identifier: MIT */
/* What the commands that change a client share: where it stands, and its new secrets. */
#ifndef ADMIN_EDIT_CLIENT_H
#define ADMIN_EDIT_CLIENT_H

#include "edit.h"

#define EDIT_SECRET_FIELDS 3

/* An item of `secrets`: its hash, and a label and an expiry, unless they are empty. */
struct edit_secret {
	struct entry fields[EDIT_SECRET_FIELDS];
	struct entry item;
	struct entry list; /* `secrets` with this one item */
};

/*
 * edit_open_client - edit_open for the file in which a client stands.
 *
 * client  [out] its key
 *
 * Returns STATUS_DONE; STATUS_FAILED: printed, also that there is no such client.
 */
NODISCARD int edit_open_client(struct edit *edit, struct str id, size_t *client);

/* edit_text_entry - a key and its text; both borrowed. */
struct entry edit_text_entry(struct str key, struct str text);

/* edit_secret_entry - make secret->item and list; hash, label and expires are borrowed for its
 * life. */
void edit_secret_entry(
	struct edit_secret *secret, struct str hash, struct str label, struct str expires);

/*
 * edit_commit_secret - edit_prepare, print a client's new secret, and edit_commit.
 *
 * In this order, because a secret that nobody has seen must not be all that is left.
 *
 * Returns STATUS_DONE, STATUS_FAILED.
 */
NODISCARD int edit_commit_secret(struct edit *edit, struct str id, const char *secret);

#endif
