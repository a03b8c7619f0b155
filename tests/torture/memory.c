/* SPDX-License-Identifier: MIT */
/*
 * Memory with an account: each block has a header, in a list, and a mark behind its end.
 *
 * At the end all memory that the program can still reach is searched for pointers, as a garbage
 * collector does: a block that none leads to is lost.  What is freed is overwritten, so that
 * its use is noticed.
 */
#include "shim.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x70616e64656d6f6e)
#define TAIL UINT64_C(0x656e642d6f662d69)
#define FREED 0xdb
#define PAGE ((uintptr_t)4096)
#define THREAD_PAGES 8 /* around a thread's own data, what may be its variables */

struct block {
	struct block *next, *previous;
	uint64_t size;
	int64_t number; /* 0: older than main() */
	uint64_t spare;
	uint64_t magic; /* the last: before what is no block of ours there is readable memory */
};

/* A block while it is searched. */
struct place {
	uintptr_t at;
	size_t size;
	bool reached;
};

struct search {
	struct place *places;
	size_t count;
	size_t *todo; /* reached, but not searched yet */
	size_t todo_count;
};

void *__libc_malloc(size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);
extern void *__libc_stack_end;

static struct block blocks = { &blocks, &blocks, 0, 0, 0, 0 };
static int64_t block_count;
static int64_t made; /* since main() began */
static bool in_main;
static uintptr_t thread_from, thread_to; /* the first thread's own data */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void)
{
	while (atomic_flag_test_and_set(&busy))
		;
}

static void unlock(void)
{
	atomic_flag_clear(&busy);
}

static uint64_t magic_of(const struct block *block)
{
	return MAGIC ^ (uint64_t)(uintptr_t)block;
}

static struct block *block_of(void *p)
{
	struct block *block = (struct block *)((char *)p - sizeof(struct block));

	return (uintptr_t)p % 16 == 0 && block->magic == magic_of(block) ? block : NULL;
}

static void complain(const char *what)
{
	if (shim_control != NULL)
		__atomic_add_fetch(&shim_control->broken, 1, __ATOMIC_SEQ_CST);
	shim_trace(what);
}

static void *make(size_t size, bool clear)
{
	uint64_t tail = TAIL;

	if (size > PTRDIFF_MAX - sizeof(struct block) - sizeof(tail)) {
		errno = ENOMEM;
		return NULL;
	}
	struct block *block = __libc_malloc(sizeof(*block) + size + sizeof(tail));

	if (block == NULL)
		return NULL;
	char *p = (char *)(block + 1);

	memset(p, clear ? 0 : FREED, size);
	memcpy(p + size, &tail, sizeof(tail));
	block->size = size;
	block->magic = magic_of(block);
	lock();
	block->number = in_main ? ++made : 0;
	block->next = &blocks;
	block->previous = blocks.previous;
	blocks.previous->next = block;
	blocks.previous = block;
	block_count++;
	unlock();
	if (shim_control != NULL && shim_control->trace > 1 &&
		shim_control->trace == block->number && shim_inside == 0)
		shim_trace("the lost block");
	return p;
}

static void drop(struct block *block)
{
	uint64_t tail = TAIL;
	char *p = (char *)(block + 1);

	if (memcmp(p + block->size, &tail, sizeof(tail)) != 0)
		complain("written behind the end of a block");
	lock();
	block->previous->next = block->next;
	block->next->previous = block->previous;
	block_count--;
	unlock();
	memset(p, FREED, block->size);
	block->magic = 0;
	__libc_free(block);
}

static bool fails(void)
{
	bool now = shim_fails(SHIM_MEMORY, "malloc");

	if (now)
		errno = ENOMEM;
	return now;
}

static void *make_aligned(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

SHIM_HOOK void *malloc(size_t size)
{
	return fails() ? NULL : make(size, false);
}

SHIM_HOOK void *calloc(size_t count, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(count, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails() ? NULL : make(whole, true);
}

SHIM_HOOK void free(void *p)
{
	struct block *block = p == NULL ? NULL : block_of(p);
	int error = errno;

	if (block != NULL)
		drop(block);
	else
		__libc_free(p);
	errno = error;
}

/* Always another place: pointers into the old one are noticed. */
SHIM_HOOK void *realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	if (p == NULL)
		return make(size, false);
	struct block *block = block_of(p);

	if (block == NULL)
		return __libc_realloc(p, size);
	if (size == 0) {
		drop(block);
		return NULL;
	}
	void *moved = make(size, false);

	if (moved == NULL)
		return NULL;
	memcpy(moved, p, size < block->size ? size : block->size);
	drop(block);
	return moved;
}

SHIM_HOOK void *reallocarray(void *p, size_t count, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(count, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, whole);
}

SHIM_HOOK size_t malloc_usable_size(void *p)
{
	struct block *block = p == NULL ? NULL : block_of(p);
	static size_t (*next)(void *);

	if (block != NULL)
		return block->size;
	if (next == NULL)
		*(void **)&next = shim_next("malloc_usable_size");
	return next(p);
}

/* These are not in the list. */
SHIM_HOOK int posix_memalign(void **p, size_t alignment, size_t size)
{
	void *made_here = make_aligned(alignment, size);

	if (made_here == NULL)
		return ENOMEM;
	*p = made_here;
	return 0;
}

SHIM_HOOK void *aligned_alloc(size_t alignment, size_t size)
{
	return make_aligned(alignment, size);
}

SHIM_HOOK void *memalign(size_t alignment, size_t size)
{
	return make_aligned(alignment, size);
}

/* The place that has this address, or NULL. */
static struct place *find(const struct search *search, uintptr_t at)
{
	size_t low = 0, high = search->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (search->places[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	struct place *place = &search->places[low - 1];

	return at - place->at <= place->size ? place : NULL;
}

static void scan(struct search *search, uintptr_t from, size_t size)
{
	from = (from + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
	for (uintptr_t at = from; size >= sizeof(uintptr_t);
		at += sizeof(uintptr_t), size -= sizeof(uintptr_t)) {
		uintptr_t value;

		memcpy(&value, (const void *)at, sizeof(value));
		struct place *place = find(search, value);

		if (place == NULL || place->reached)
			continue;
		place->reached = true;
		search->todo[search->todo_count++] = (size_t)(place - search->places);
	}
}

static int scan_object(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_W) != 0)
			scan(context, (uintptr_t)(info->dlpi_addr + part->p_vaddr),
				part->p_memsz);
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static void report(const struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		struct block *block = block_of((void *)search->places[i].at);

		if (search->places[i].reached || block == NULL || block->number == 0)
			continue;
		shim_control->lost++;
		shim_control->lost_at = block->number;
	}
}

static void look(struct search *search)
{
	/* What the libraries made before main() are theirs, whoever points to it. */
	for (struct block *b = blocks.next; b != &blocks; b = b->next)
		search->places[search->count++] = (struct place){ (uintptr_t)(b + 1), b->size,
			false };
	qsort(search->places, search->count, sizeof(search->places[0]), compare);
	dl_iterate_phdr(scan_object, search);
	scan(search, thread_from, thread_to - thread_from);
	scan(search, (uintptr_t)__builtin_frame_address(0),
		(uintptr_t)__libc_stack_end - (uintptr_t)__builtin_frame_address(0));
	for (struct block *b = blocks.next; b != &blocks; b = b->next) {
		if (b->number == 0)
			scan(search, (uintptr_t)(b + 1), b->size);
	}
	while (search->todo_count > 0) {
		struct place *place = &search->places[search->todo[--search->todo_count]];

		scan(search, place->at, place->size);
	}
	report(search);
}

/* The pages around the thread's own data, as far as there are any. */
static void find_thread(void)
{
	uintptr_t middle = (uintptr_t)pthread_self() & ~(PAGE - 1);
	unsigned char is_there;

	thread_from = middle;
	thread_to = middle + PAGE;
	while (thread_from > middle - THREAD_PAGES * PAGE &&
		mincore((void *)(thread_from - PAGE), PAGE, &is_there) == 0)
		thread_from -= PAGE;
	if (mincore((void *)thread_to, PAGE, &is_there) == 0)
		thread_to += PAGE;
}

int64_t shim_blocks(void)
{
	return block_count;
}

void shim_memory_begin(void)
{
	made = 0;
	in_main = true;
	find_thread();
	for (struct block *b = blocks.next; b != &blocks; b = b->next)
		b->number = 0;
}

void shim_memory_end(void)
{
	size_t room = (size_t)block_count + 16;
	size_t bytes = room * (sizeof(struct place) + sizeof(size_t));
	void *memory = mmap(
		NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || shim_control == NULL)
		return;
	struct search search = { .places = memory };

	search.todo = (size_t *)(void *)(search.places + room);
	look(&search);
	munmap(memory, bytes);
}
