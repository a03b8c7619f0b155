/* SPDX-License-Identifier: MIT */
/* add-secret, remove-secret: the secrets of a client, of which it may have two for a while. */
#include "edit_client.h"
#include "generate.h"
#include "options.h"
#include "output.h"
#include "util/clock.h"

#include <stdio.h>

/* The arguments of both commands. */
struct request {
	struct str id;
	struct str label;
	struct str expires;
	struct generated generated;
};

/* The secrets with this label, or without one if it is empty; *found: the last of them. */
static size_t find_secrets(
	const struct outline *outline, size_t list, struct str label, size_t *found)
{
	size_t count = 0;

	for (size_t item = list + 1; outline_has(outline, list, item);
		item = outline_next(outline, list, item)) {
		size_t key = outline_find(outline, item, STR("label"));
		struct str text = key == OUTLINE_NONE ? STR("") : outline->nodes[key + 1].text;

		if (!str_eq(text, label))
			continue;
		*found = item;
		count++;
	}
	return count;
}

static int write_secret(struct edit *edit, size_t client, const struct request *request)
{
	const struct outline *outline = edit->patch.outline;
	size_t key = outline_find(outline, client + 1, STR("secrets")), found;
	struct edit_secret secret;

	edit_secret_entry(
		&secret, str_of(request->generated.hash), request->label, request->expires);
	if (key == OUTLINE_NONE)
		return edit_refuse(
			edit, patch_add(&edit->patch, client + 1, OUTLINE_NONE, &secret.list));
	if (request->label.n > 0 && find_secrets(outline, key + 1, request->label, &found) > 0)
		return output_fail("this client has a secret with the label \"%.*s\" already",
			(int)request->label.n, request->label.p);
	return edit_refuse(edit, patch_add(&edit->patch, key + 1, OUTLINE_NONE, &secret.item));
}

static int add_secret(struct admin *admin, const struct request *request)
{
	struct edit edit;
	size_t client = OUTLINE_NONE;
	int status = edit_begin(&edit, admin);

	if (status == STATUS_DONE)
		status = edit_open_client(&edit, request->id, &client);
	if (status == STATUS_DONE)
		status = write_secret(&edit, client, request);
	if (status == STATUS_DONE)
		status = edit_commit_secret(&edit, request->id, request->generated.secret);
	edit_end(&edit);
	return status;
}

static int check_request(const struct admin *admin, const struct request *request)
{
	int64_t expires_s;

	if (!str_is_utf8(request->label))
		return output_misuse(admin, "--label is not UTF-8");
	if (request->expires.n == 0)
		return STATUS_DONE;
	if (!clock_parse(request->expires, &expires_s))
		return output_misuse(admin,
			"--expires must be a time such as 2026-12-31T00:00:00Z, or a date");
	return expires_s > admin->now_s ? STATUS_DONE
					: output_misuse(admin, "--expires is in the past");
}

int cmd_add_secret(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *id = NULL, *expires = NULL, *label = NULL;
	struct request request;
	const struct option options[] = {
		{ "ID", NULL, "the client_id", .required = true, .text = &id },
		{ "--expires", "T", "a time such as 2026-12-31T00:00:00Z, or a date",
			.text = &expires },
		{ "--label", "L", "what the log and remove-secret call it", .text = &label },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 4, &status))
		return status;
	request = (struct request){
		.id = str_of(id), .label = str_of(label), .expires = str_of(expires)
	};
	status = check_request(admin, &request);
	if (status != STATUS_DONE)
		return status;
	enum reason reason = generate_secret(&request.generated);

	status = reason == REASON_NONE ? add_secret(admin, &request)
				       : output_reason("the secret", reason);
	secret_wipe(&request, sizeof(request));
	return status;
}

/* Exactly one must be meant. */
static int take_out(struct edit *edit, size_t client, struct str label)
{
	const struct outline *outline = edit->patch.outline;
	size_t key = outline_find(outline, client + 1, STR("secrets")), found = OUTLINE_NONE;
	size_t count = key == OUTLINE_NONE ? 0 : find_secrets(outline, key + 1, label, &found);

	if (count == 0)
		return output_fail(label.n > 0 ? "this client has no secret with this label"
					       : "this client has no secret without a label");
	if (count > 1)
		return output_fail(
			"%zu secrets of this client %s; remove the right one by hand", count,
			label.n > 0 ? "have this label" : "have no label");
	return edit_refuse(edit, patch_remove(&edit->patch, key + 1, found));
}

static int print_removed(const struct edit *edit, const struct request *request)
{
	if (edit->admin->json)
		return output_result(
			json_pack("{s:o, s:o, s:o}", "client_id", output_string(request->id),
				"label", output_string(request->label), "file",
				output_string(str_of(edit->file))),
			STATUS_DONE);
	printf("removed: a secret of ");
	output_text(request->id);
	printf(" in %s\n", edit->file);
	return STATUS_DONE;
}

static int remove_secret(struct admin *admin, const struct request *request)
{
	struct edit edit;
	size_t client = OUTLINE_NONE;
	int status = edit_begin(&edit, admin);

	if (status == STATUS_DONE)
		status = edit_open_client(&edit, request->id, &client);
	if (status == STATUS_DONE)
		status = take_out(&edit, client, request->label);
	if (status == STATUS_DONE)
		status = edit_prepare(&edit);
	if (status == STATUS_DONE)
		status = edit_commit(&edit);
	if (status == STATUS_DONE)
		status = print_removed(&edit, request);
	edit_end(&edit);
	return status;
}

int cmd_remove_secret(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *id = NULL, *label = NULL;
	const struct option options[] = {
		{ "ID", NULL, "the client_id", .required = true, .text = &id },
		{ "LABEL", NULL, "of the secret; '' is the one without a label",
			.required = true, .text = &label },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 3, &status))
		return status;
	const struct request request = { .id = str_of(id), .label = str_of(label) };

	return remove_secret(admin, &request);
}
