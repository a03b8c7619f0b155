/* SPDX-License-Identifier: MIT */
/* Bump allocator: a list of blocks, the newest first. */
#include "util/arena.h"
#include "util/secret.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct block *older;
	size_t size; /* of data */
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *newest;
	size_t block_size;
	size_t limit;
	size_t used; /* over all blocks */
};

static struct block *block_new(size_t size, struct block *older)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (block != NULL) {
		block->older = older;
		block->size = size;
	}
	return block;
}

struct arena *arena_new(size_t block_size, size_t limit)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL)
		return NULL;
	arena->block_size = block_size;
	arena->limit = limit;
	arena->newest = block_new(block_size, NULL);
	if (arena->newest == NULL) {
		free(arena);
		return NULL;
	}
	return arena;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct block *block = arena->newest;

	if (size > arena->limit - arena->used)
		return NULL;
	size = (size + align - 1) / align * align;
	if (size > arena->limit - arena->used)
		return NULL;
	if (size > block->size - block->used) {
		block = block_new(size > arena->block_size ? size : arena->block_size, block);
		if (block == NULL)
			return NULL;
		arena->newest = block;
	}
	void *p = block->data + block->used;

	block->used += size;
	arena->used += size;
	return p;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > arena->limit / size)
		return NULL;
	return arena_alloc(arena, count * size);
}

bool arena_copy(struct arena *arena, struct str s, struct str *copy)
{
	*copy = STR("");
	if (s.n >= arena->limit)
		return false;
	char *p = arena_alloc(arena, s.n + 1);

	if (p == NULL)
		return false;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*copy = (struct str){ p, s.n };
	return true;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}

void arena_reset(struct arena *arena)
{
	while (arena->newest->older != NULL) {
		struct block *block = arena->newest;

		arena->newest = block->older;
		secret_wipe(block->data, block->used);
		free(block);
	}
	secret_wipe(arena->newest->data, arena->newest->used);
	arena->newest->used = 0;
	arena->used = 0;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena->newest);
	free(arena);
}
