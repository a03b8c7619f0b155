/* SPDX-License-Identifier: MIT */
/* Problems found in files, all of one run, each with its place and what to do. */
#ifndef UTIL_DIAG_H
#define UTIL_DIAG_H

#include "util/attr.h"
#include "util/buf.h"

enum diag_severity {
	DIAG_ERROR,
	DIAG_WARNING,
};

/* A place in a file; line and column count from 1, 0 means the file as a whole. */
struct place {
	const char *file; /* borrowed */
	unsigned line;
	unsigned column; /* in characters */
};

struct diag_entry {
	char *file;
	unsigned line;
	unsigned column;
	enum diag_severity severity;
	char *text;
};

struct diag;

/* diag_new - an empty list.  Returns new (diag_free), or NULL: out of memory. */
NODISCARD struct diag *diag_new(void);
void diag_free(struct diag *diag);

/*
 * diag_add - add a problem; format and arguments are printf's; all is copied.
 *
 * After 10,000 problems an error takes the place of a warning; what has no place, or no memory,
 * is only counted.
 */
void diag_add(struct diag *diag, enum diag_severity severity, struct place place,
	const char *format, ...) PRINTF(4, 5);

size_t diag_error_count(const struct diag *diag);

/* diag_is_out_of_memory - was a problem lost for want of memory? */
bool diag_is_out_of_memory(const struct diag *diag);

/* diag_count, diag_get - the kept problems, sorted by diag_sort, else in the order of finding.
 */
size_t diag_count(const struct diag *diag);
const struct diag_entry *diag_get(const struct diag *diag, size_t i);

/* diag_sort - order by file (as they were first mentioned), line and column; stable. */
void diag_sort(struct diag *diag);

/* diag_render - append "FILE:LINE:COLUMN: error: text"; a file as a whole has the place 1:1. */
void diag_render(struct buf *buf, const struct diag_entry *entry);

/*
 * diag_nearest - the name in `names` that `word` was probably meant to be.
 *
 * Returns one of names (borrowed) at an edit distance of at most 2 and less
 * than half of the word's length, or the empty text.
 */
struct str diag_nearest(struct str word, const struct str *names, size_t name_count);

#endif
