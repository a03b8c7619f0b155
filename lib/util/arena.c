/* SPDX-License-Identifier: MIT */
/* Bump allocator: a list of blocks, the newest first. */
#include "util/arena.h"
#include "util/secret.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* What holds much takes memory in pieces that the C library gets from the system and gives back
 * to it one by one; but no more than an eighth of it is ever unused. */
#define GROWTH 8
#define BLOCK_SIZE_MAX ((size_t)1 << 20)

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

/* The size of one more block, for an object of this size. */
static size_t next_size(const struct arena *arena, size_t size)
{
	size_t grown = arena->used / GROWTH;

	if (grown > BLOCK_SIZE_MAX)
		grown = BLOCK_SIZE_MAX;
	if (grown < arena->block_size)
		grown = arena->block_size;
	return size > grown ? size : grown;
}

/* Forget the newest block but for its first bytes. */
static void cut_newest(struct arena *arena, size_t used)
{
	struct block *block = arena->newest;

	secret_wipe(block->data + used, block->used - used);
	block->used = used;
}

static void drop_newest(struct arena *arena)
{
	struct block *block = arena->newest;

	cut_newest(arena, 0);
	arena->newest = block->older;
	free(block);
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
		block = block_new(next_size(arena, size), block);
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

struct arena_mark arena_mark(const struct arena *arena)
{
	return (struct arena_mark){ arena->newest, arena->newest->used, arena->used };
}

void arena_rewind(struct arena *arena, const struct arena_mark *mark)
{
	while (arena->newest != mark->block)
		drop_newest(arena);
	cut_newest(arena, mark->block_used);
	arena->used = mark->used;
}

void arena_reset(struct arena *arena)
{
	while (arena->newest->older != NULL)
		drop_newest(arena);
	cut_newest(arena, 0);
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
