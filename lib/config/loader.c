/* SPDX-License-Identifier: MIT */
/* What the steps of one load share: files that are watched, read and complained about. */
#include "config/loader.h"
#include "config/quote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* name: NULL for the main file, which nothing names. */
static void report(struct loader *loader, struct str path, const struct yaml_node *name,
	enum reason reason, int error)
{
	struct place place = { .file = path.p };
	struct quote quote = { 0 };

	if (name != NULL) {
		place = yaml_place(name);
		quote = quote_of(name->text);
	}
	diag_add(loader->reader.diag, DIAG_ERROR, place, "%s%s%s%s%s", quote.text,
		name == NULL ? "" : " ", reason_info(reason)->name,
		reason == REASON_FILE_OPEN ? ": " : "",
		reason == REASON_FILE_OPEN ? strerror(error) : "");
}

static enum reason copy_draft(struct str text, size_t size_max, struct buf *content)
{
	*content = (struct buf){ 0 };
	if (text.n > size_max)
		return REASON_FILE_SIZE;
	char *p = malloc(text.n + 1);

	if (p == NULL)
		return REASON_MEMORY;
	*content = buf_init(p, text.n + 1);
	buf_str(content, text);
	return REASON_NONE;
}

bool loader_read_file(struct loader *loader, struct str path, const struct yaml_node *name,
	enum file_kind kind, size_t size_max, struct buf *content)
{
	loader_watch(loader, path.p);
	const struct config_draft *draft = loader->draft;
	enum reason reason = draft != NULL && strcmp(path.p, draft->path) == 0
				     ? copy_draft(draft->text, size_max, content)
				     : file_read(path.p, kind, size_max, content);
	int error = errno;

	if (reason == REASON_FILE_OPEN)
		loader_note_error(loader, error);
	if (reason == REASON_MEMORY)
		loader->reader.out_of_memory = true;
	else if (reason != REASON_NONE)
		report(loader, path, name, reason, error);
	return reason == REASON_NONE;
}

void loader_note_error(struct loader *loader, int error)
{
	static const int transient[] = { EMFILE, ENFILE, ENOMEM, EIO };

	for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++)
		loader->transient = loader->transient || error == transient[i];
}

void loader_watch(struct loader *loader, const char *path)
{
	if (!watch_add(loader->watch, path))
		loader->reader.out_of_memory = true;
}
