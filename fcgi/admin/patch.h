/* SPDX-License-Identifier: MIT */
/* Changes of a YAML text that leave every other line, and every comment, as it is. */
#ifndef ADMIN_PATCH_H
#define ADMIN_PATCH_H

#include "config/outline.h"
#include "entry.h"

/* A text and its outline; each change makes both anew, so that indexes of nodes are void then.
 */
struct patch {
	struct buf text; /* owned; see config/file.h */
	struct outline *outline;
};

/*
 * patch_open - take a text.
 *
 * text  new (file_clear); moved in, also on failure
 *
 * Returns REASON_NONE; REASON_EDIT: no change of it would be safe; REASON_MEMORY.
 */
NODISCARD enum reason patch_open(struct patch *patch, struct buf text);

/* patch_clear - wipe and free. */
void patch_clear(struct patch *patch);

/*
 * patch_set - give the key a plain value instead of the text that it has.
 *
 * Returns as patch_open does: what the text means now is compared with what it
 * meant and what was asked for, and if there is another difference, nothing is changed.
 */
NODISCARD enum reason patch_set(struct patch *patch, size_t key, struct str value);

/*
 * patch_add - put an entry into a list or mapping, or where a value was left out.
 *
 * node   the list or mapping, or the value that was left out
 * after  the item or key behind which it is to stand; OUTLINE_NONE: the last one
 *
 * Returns as patch_set does.
 */
NODISCARD enum reason patch_add(
	struct patch *patch, size_t node, size_t after, const struct entry *entry);

/* patch_remove - take an item or key with its value out.  Returns as patch_set does. */
NODISCARD enum reason patch_remove(struct patch *patch, size_t container, size_t entry);

#endif
