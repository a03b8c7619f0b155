/* SPDX-License-Identifier: MIT */
/* What all fuzz targets share: claims that end the run, and inputs taken apart. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/reason.h"
#include "util/str.h"

/* A target: one input, any bytes.  Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input. */
#define REQUIRE(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

static inline struct str fuzz_input(const uint8_t *data, size_t size)
{
	return (struct str){ (const char *)data, size };
}

/* The next byte of the input; 0 behind its end. */
static inline unsigned fuzz_byte(struct str *rest)
{
	unsigned byte = rest->n > 0 ? (unsigned char)rest->p[0] : 0;

	*rest = str_from(*rest, 1);
	return byte;
}

/* The next line, without its end. */
static inline struct str fuzz_line(struct str *rest)
{
	struct str line;

	str_cut(rest, '\n', &line);
	return line;
}

/* A copy that ends where its memory does, so that reading behind it is noticed; for free(). */
static inline char *fuzz_copy(struct str text)
{
	char *copy = malloc(text.n > 0 ? text.n : 1);

	REQUIRE(copy != NULL);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	return copy;
}

/* The same with a NUL behind it. */
static inline char *fuzz_string(struct str text)
{
	char *copy = malloc(text.n + 1);

	REQUIRE(copy != NULL);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return copy;
}

/* An arena for one input, empty at each call. */
static inline struct arena *fuzz_arena(void)
{
	static struct arena *arena;

	if (arena == NULL)
		arena = arena_new(65536, (size_t)16 << 20);
	REQUIRE(arena != NULL);
	arena_reset(arena);
	return arena;
}

#endif
