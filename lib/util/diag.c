/* SPDX-License-Identifier: MIT */
/* Problems found in files: a bounded list, and the guess at what was meant. */
#include "util/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_MAX 100
#define WORD_MAX 64

struct diag {
	struct diag_entry entries[ENTRY_MAX];
	size_t count; /* kept */
	size_t error_count;
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

/* Position of the file among the entries, so that sorting keeps the order of mention. */
static size_t file_rank(const struct diag *diag, const char *file)
{
	for (size_t i = 0; i < diag->count; i++) {
		if (strcmp(diag->entries[i].file, file) == 0)
			return i;
	}
	return diag->count;
}

static bool comes_before(
	const struct diag *diag, const struct diag_entry *a, const struct diag_entry *b)
{
	if (strcmp(a->file, b->file) != 0)
		return file_rank(diag, a->file) < file_rank(diag, b->file);
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

struct diag *diag_new(void)
{
	return calloc(1, sizeof(struct diag));
}

void diag_free(struct diag *diag)
{
	if (diag == NULL)
		return;
	for (size_t i = 0; i < diag->count; i++) {
		free(diag->entries[i].file);
		free(diag->entries[i].text);
	}
	free(diag);
}

void diag_add(struct diag *diag, enum diag_severity severity, struct place place,
	const char *format, ...)
{
	va_list arguments;

	if (severity == DIAG_ERROR)
		diag->error_count++;
	if (diag->count == ENTRY_MAX)
		return;
	struct diag_entry *entry = &diag->entries[diag->count];

	va_start(arguments, format);
	if (vasprintf(&entry->text, format, arguments) < 0)
		entry->text = NULL;
	va_end(arguments);
	entry->file = strdup(place.file);
	if (entry->text == NULL || entry->file == NULL) {
		free(entry->text);
		free(entry->file);
		*entry = (struct diag_entry){ 0 };
		return;
	}
	entry->line = place.line;
	entry->column = place.column;
	entry->severity = severity;
	diag->count++;
}

size_t diag_error_count(const struct diag *diag)
{
	return diag->error_count;
}

size_t diag_count(const struct diag *diag)
{
	return diag->count;
}

const struct diag_entry *diag_get(const struct diag *diag, size_t i)
{
	return &diag->entries[i];
}

void diag_sort(struct diag *diag)
{
	for (size_t i = 1; i < diag->count; i++) {
		for (size_t k = i;
			k > 0 && comes_before(diag, &diag->entries[k], &diag->entries[k - 1]);
			k--) {
			struct diag_entry entry = diag->entries[k];

			diag->entries[k] = diag->entries[k - 1];
			diag->entries[k - 1] = entry;
		}
	}
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
