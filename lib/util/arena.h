/* SPDX-License-Identifier: MIT */
/* Bump allocator with a hard cap; all of it is given back, wiped, at once. */
#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include "util/attr.h"
#include "util/str.h"

struct arena;

/*
 * arena_new - an empty arena.
 *
 * block_size  bytes of its first block, and the least of each further one
 * limit       bytes that it hands out at most between two resets
 *
 * Returns new (arena_free), or NULL: out of memory.
 */
NODISCARD struct arena *arena_new(size_t block_size, size_t limit);

/*
 * arena_alloc - `size` zeroed bytes, aligned for any object.
 *
 * Returns memory borrowed until the next reset, or NULL: out of memory, or
 * over the arena's limit.
 */
NODISCARD void *arena_alloc(struct arena *arena, size_t size);

/* arena_alloc_array - the same for `count` objects of `size` bytes; checks the product. */
NODISCARD void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/*
 * arena_copy - copy of s in the arena, followed by a NUL.
 *
 * Returns false, with *copy empty, where arena_alloc gives NULL.
 */
NODISCARD bool arena_copy(struct arena *arena, struct str s, struct str *copy);

/* arena_used - bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);

/*
 * arena_mark, arena_rewind - forget what was allocated since, wiped.
 *
 * mark  of this arena, taken after its last reset
 */
struct arena_mark {
	const void *block;
	size_t block_used;
	size_t used;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, const struct arena_mark *mark);

/* arena_reset - wipe and take back all that was handed out; the first block is kept. */
void arena_reset(struct arena *arena);

/* arena_free - wipe and free; NULL is accepted. */
void arena_free(struct arena *arena);

#endif
