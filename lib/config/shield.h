/* SPDX-License-Identifier: MIT */
/*
 * Values that start with two colons, such as the address ::1.
 *
 * YAML 1.2 §7.3.3 has them as plain texts inside [] and {} too; libyaml does not.  So they go
 * through it in disguise: a character of the private use area for each of the colons, which
 * leaves all lines and columns as they are.
 */
#ifndef CONFIG_SHIELD_H
#define CONFIG_SHIELD_H

#include "util/arena.h"
#include "util/buf.h"

/*
 * shield_colons - disguise the colons at the start of what may be a plain text.
 *
 * shielded  [out] new (shield_clear), or empty: there is nothing to disguise
 *
 * Returns false: out of memory.
 */
NODISCARD bool shield_colons(struct str text, struct buf *shielded);

/* shield_clear - wipe and free. */
void shield_clear(struct buf *shielded);

/* shield_copy - arena_copy of a value of the shielded text, with its colons given back. */
NODISCARD bool shield_copy(struct arena *arena, struct str value, struct str *copy);

#endif
