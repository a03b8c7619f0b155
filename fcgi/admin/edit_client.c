/* SPDX-License-Identifier: MIT */
/* What the commands that change a client share: where it stands, and its new secrets. */
#include "edit_client.h"
#include "output.h"

#include <stdio.h>

#define MANY_CLIENTS 10000 /* from here on looking for a similar name takes too long */

static int refuse_unknown(const struct edit *edit, struct str id)
{
	const struct snapshot *snapshot = config_snapshot(edit->admin->config);
	struct str nearest = STR("");

	if (snapshot == NULL)
		return edit_require_good(edit);
	size_t count = snapshot->clients.count < MANY_CLIENTS ? snapshot->clients.count : 0;
	struct str *ids = arena_alloc_array(edit->admin->arena, count + 1, sizeof(*ids));

	for (size_t i = 0; i < count && ids != NULL; i++)
		ids[i] = snapshot->clients.items[i].id;
	if (ids != NULL)
		nearest = diag_nearest(id, ids, count);
	if (nearest.n == 0)
		return output_fail("there is no client \"%.*s\"", (int)id.n, id.p);
	return output_fail("there is no client \"%.*s\"; did you mean \"%.*s\"?", (int)id.n,
		id.p, (int)nearest.n, nearest.p);
}

static int print_secret(const struct edit *edit, struct str id, const char *secret)
{
	int status = STATUS_DONE;

	if (edit->admin->json) {
		status = output_result(json_pack("{s:o, s:s, s:o}", "client_id",
					       output_string(id), "client_secret", secret,
					       "file", output_string(str_of(edit->file))),
			STATUS_DONE);
	} else {
		printf("client_id: ");
		output_text(id);
		printf("\nclient_secret: %s\n\n"
		       "The secret is shown this once; the configuration has its hash only.\n",
			secret);
	}
	return output_flush() ? status : STATUS_FAILED;
}

int edit_open_client(struct edit *edit, struct str id, size_t *client)
{
	const struct str keys[] = { STR("clients"), id };
	struct place place;

	*client = OUTLINE_NONE;
	if (!config_locate(edit->admin->config, keys, 2, &place))
		return refuse_unknown(edit, id);
	int status = edit_open(edit, place.file);

	if (status != STATUS_DONE)
		return status;
	*client = edit_find(edit, keys, 2);
	return edit_refuse(edit, *client == OUTLINE_NONE ? REASON_FILE_CHANGED : REASON_NONE);
}

struct entry edit_text_entry(struct str key, struct str text)
{
	return (struct entry){ .kind = ENTRY_TEXT, .key = key, .text = text };
}

void edit_secret_entry(
	struct edit_secret *secret, struct str hash, struct str label, struct str expires)
{
	size_t count = 0;

	secret->fields[count++] = edit_text_entry(STR("hash"), hash);
	if (label.n > 0)
		secret->fields[count++] = edit_text_entry(STR("label"), label);
	if (expires.n > 0)
		secret->fields[count++] = edit_text_entry(STR("expires"), expires);
	secret->item = (struct entry){
		.kind = ENTRY_MAPPING, .children = secret->fields, .count = count
	};
	secret->list = (struct entry){
		.kind = ENTRY_LIST, .key = STR("secrets"), .children = &secret->item, .count = 1
	};
}

int edit_commit_secret(struct edit *edit, struct str id, const char *secret)
{
	int status = edit_prepare(edit);

	if (status == STATUS_DONE)
		status = print_secret(edit, id, secret);
	return status == STATUS_DONE ? edit_commit(edit) : status;
}
