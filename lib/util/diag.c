/* SPDX-License-Identifier: MIT */
/* Problems found in files: a bounded list, and the guess at what was meant. */
#include "util/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 10000
#define WORD_MAX 64

struct kept {
	struct diag_entry entry;
	size_t file_rank; /* files in the order of their first mention */
	size_t order;     /* of being found */
};

struct diag {
	struct kept *kept;
	size_t count;
	size_t size; /* room in kept */
	size_t found;
	size_t error_count;
	size_t kept_warning_count;
	bool out_of_memory;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance; both words have at most WORD_MAX bytes. */
static size_t edit_distance(struct str a, struct str b)
{
	size_t row[WORD_MAX + 1];

	for (size_t k = 0; k <= b.n; k++)
		row[k] = k;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t k = 1; k <= b.n; k++) {
			size_t changed = diagonal + (a.p[i - 1] != b.p[k - 1]);

			diagonal = row[k];
			row[k] = least(changed, least(row[k], row[k - 1]) + 1);
		}
	}
	return row[b.n];
}

static void free_entry(struct diag_entry *entry)
{
	free(entry->file);
	free(entry->text);
}

static size_t file_rank(const struct diag *diag, const char *file)
{
	size_t next = 0;

	for (size_t i = diag->count; i > 0; i--) {
		const struct kept *kept = &diag->kept[i - 1];

		if (strcmp(kept->entry.file, file) == 0)
			return kept->file_rank;
		next = kept->file_rank >= next ? kept->file_rank + 1 : next;
	}
	return next;
}

static int compare_kept(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->file_rank != y->file_rank)
		return x->file_rank < y->file_rank ? -1 : 1;
	if (x->entry.line != y->entry.line)
		return x->entry.line < y->entry.line ? -1 : 1;
	if (x->entry.column != y->entry.column)
		return x->entry.column < y->entry.column ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* An error is worth more than the last warning. */
static bool drop_warning(struct diag *diag)
{
	for (size_t i = diag->count; diag->kept_warning_count > 0; i--) {
		if (diag->kept[i - 1].entry.severity != DIAG_WARNING)
			continue;
		free_entry(&diag->kept[i - 1].entry);
		diag->count--;
		diag->kept_warning_count--;
		memmove(&diag->kept[i - 1], &diag->kept[i],
			(diag->count - (i - 1)) * sizeof(diag->kept[0]));
		return true;
	}
	return false;
}

static bool make_room(struct diag *diag, enum diag_severity severity)
{
	if (diag->count == KEPT_MAX)
		return severity == DIAG_ERROR && drop_warning(diag);
	if (diag->count < diag->size)
		return true;
	size_t size = diag->size == 0 ? 16 : 2 * diag->size;
	struct kept *kept = reallocarray(diag->kept, size, sizeof(*kept));

	diag->out_of_memory = diag->out_of_memory || kept == NULL;
	if (kept == NULL)
		return false;
	diag->kept = kept;
	diag->size = size;
	return true;
}

struct diag *diag_new(void)
{
	return calloc(1, sizeof(struct diag));
}

void diag_free(struct diag *diag)
{
	if (diag == NULL)
		return;
	for (size_t i = 0; i < diag->count; i++)
		free_entry(&diag->kept[i].entry);
	free(diag->kept);
	free(diag);
}

void diag_add(struct diag *diag, enum diag_severity severity, struct place place,
	const char *format, ...)
{
	struct diag_entry entry = {
		.line = place.line,
		.column = place.column,
		.severity = severity,
	};
	va_list arguments;

	diag->found++;
	diag->error_count += severity == DIAG_ERROR;
	if (!make_room(diag, severity))
		return;
	va_start(arguments, format);
	if (vasprintf(&entry.text, format, arguments) < 0)
		entry.text = NULL;
	va_end(arguments);
	entry.file = strdup(place.file);
	if (entry.text == NULL || entry.file == NULL) {
		free_entry(&entry);
		diag->out_of_memory = true;
		return;
	}
	diag->kept[diag->count] = (struct kept){
		.entry = entry,
		.file_rank = file_rank(diag, entry.file),
		.order = diag->found,
	};
	diag->count++;
	diag->kept_warning_count += severity == DIAG_WARNING;
}

size_t diag_error_count(const struct diag *diag)
{
	return diag->error_count;
}

bool diag_is_out_of_memory(const struct diag *diag)
{
	return diag->out_of_memory;
}

size_t diag_count(const struct diag *diag)
{
	return diag->count;
}

const struct diag_entry *diag_get(const struct diag *diag, size_t i)
{
	return &diag->kept[i].entry;
}

void diag_sort(struct diag *diag)
{
	if (diag->count > 0)
		qsort(diag->kept, diag->count, sizeof(diag->kept[0]), compare_kept);
}

void diag_render(struct buf *buf, const struct diag_entry *entry)
{
	buf_text(buf, entry->file);
	buf_char(buf, ':');
	buf_number(buf, entry->line > 0 ? entry->line : 1);
	buf_char(buf, ':');
	buf_number(buf, entry->column > 0 ? entry->column : 1);
	buf_char(buf, ':');
	buf_text(buf, entry->severity == DIAG_ERROR ? " error: " : " warning: ");
	buf_text(buf, entry->text);
}

struct str diag_nearest(struct str word, const struct str *names, size_t name_count)
{
	struct str best = STR("");
	size_t best_distance = 3;

	if (word.n > WORD_MAX)
		return best;
	for (size_t i = 0; i < name_count; i++) {
		if (names[i].n > WORD_MAX)
			continue;
		size_t distance = edit_distance(word, names[i]);

		if (distance < best_distance && distance * 2 < word.n) {
			best = names[i];
			best_distance = distance;
		}
	}
	return best;
}
