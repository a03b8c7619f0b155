/* SPDX-License-Identifier: MIT */
/* export: the documents that a web server can hand out without asking us. */
#include "save.h"
#include "oauth/metadata.h"
#include "options.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	bool is_jwks;
} documents[] = {
	{ "jwks.json", true },
	{ "oauth-authorization-server.json", false },
	{ "openid-configuration.json", false },
};

#define DOCUMENT_COUNT (sizeof(documents) / sizeof(documents[0]))

static enum reason render_metadata(
	const struct admin *admin, const struct snapshot *snapshot, struct str *metadata)
{
	size_t size = metadata_size(snapshot);
	char *p = arena_alloc(admin->arena, size);

	if (p == NULL)
		return REASON_MEMORY;
	struct buf buf = buf_init(p, size);
	enum reason reason = metadata_write(snapshot, &buf);

	*metadata = buf_view(&buf);
	return reason;
}

/* Other users, the web server among them, may read what is public anyway. */
static enum reason open_directory(const char *path, int *dir)
{
	bool made = mkdir(path, 0755) == 0;

	if (!made && errno != EEXIST)
		return REASON_FILE_WRITE;
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return REASON_FILE_OPEN;
	if (made && fchmod(*dir, 0755) != 0)
		return REASON_FILE_WRITE;
	return REASON_NONE;
}

/* All are written before the first one gets its name: a full disk changes nothing. */
static enum reason write_documents(int dir, struct str jwks, struct str metadata)
{
	struct save_draft drafts[DOCUMENT_COUNT] = { 0 };
	enum reason reason = REASON_NONE;

	for (size_t i = 0; i < DOCUMENT_COUNT && reason == REASON_NONE; i++) {
		drafts[i].dir = dir;
		drafts[i].name = documents[i].name;
		reason = save_prepare(&drafts[i], 0644, documents[i].is_jwks ? jwks : metadata);
	}
	for (size_t i = 0; i < DOCUMENT_COUNT && reason == REASON_NONE; i++)
		reason = save_commit(&drafts[i]);
	int error = errno;

	for (size_t i = 0; i < DOCUMENT_COUNT; i++)
		save_discard(&drafts[i]);
	errno = error;
	return reason;
}

static json_t *pack_result(const char *path)
{
	json_t *files = json_array();

	for (size_t i = 0; i < DOCUMENT_COUNT; i++)
		output_append(&files, output_path(path, documents[i].name));
	return json_pack("{s:o}", "files", files);
}

static int print_result(const struct admin *admin, const char *path)
{
	if (admin->json)
		return output_result(pack_result(path), STATUS_DONE);
	for (size_t i = 0; i < DOCUMENT_COUNT; i++)
		printf("%s/%s\n", path, documents[i].name);
	return STATUS_DONE;
}

int cmd_export(struct admin *admin, int argc, char **argv)
{
	int status, dir = -1;
	const char *path = NULL;
	const struct option options[] = {
		{ "DIR", NULL, "where the files go; made if it is not there", .required = true,
			.text = &path },
		OPTION_JSON(admin),
	};
	struct str metadata;

	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);

	if (snapshot == NULL)
		return STATUS_FAILED;
	enum reason reason = render_metadata(admin, snapshot, &metadata);

	if (reason == REASON_NONE)
		reason = open_directory(path, &dir);
	if (reason == REASON_NONE)
		reason = write_documents(dir, snapshot->jwks.body, metadata);
	status = reason == REASON_NONE ? print_result(admin, path)
				       : output_reason(path, reason);
	if (dir >= 0)
		close(dir);
	return status;
}
