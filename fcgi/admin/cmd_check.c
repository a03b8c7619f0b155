/* SPDX-License-Identifier: MIT */
/* check: every problem of the configuration, and a line that sums it up. */
#include "config/quote.h"
#include "options.h"
#include "output.h"
#include "probe.h"

#include <stdio.h>

#define WARNING_SIZE (QUOTE_SIZE + 256)

/* A server starts without its state store, so that it is no error. */
static void warn_of_store(const struct admin *admin, const struct snapshot *snapshot)
{
	char text[WARNING_SIZE];
	const char *problem = NULL;

	if (snapshot->state.n > 0)
		problem = probe_store(snapshot->state, admin->now_s);
	if (problem == NULL)
		return;
	snprintf(text, sizeof(text), "%s cannot be used now: %s",
		quote_of(snapshot->state).text, problem);
	config_warn(admin->config, STR("state"), text);
}

static void print_count(const char *before, size_t count, const char *thing)
{
	printf("%s%zu %s%s", before, count, thing, count == 1 ? "" : "s");
}

static void print_good(const struct snapshot *snapshot)
{
	print_count("ok, ", snapshot->clients.count, "client");
	print_count(", ", snapshot->scopes.count, "scope");
	print_count(", ", snapshot->keyring.count, "key");
}

static size_t count_warnings(const struct diag *diag)
{
	size_t count = 0;

	for (size_t i = 0; i < diag_count(diag); i++)
		count += diag_get(diag, i)->severity == DIAG_WARNING;
	return count;
}

static void print_summary(
	const char *path, const struct snapshot *snapshot, const struct diag *diag)
{
	size_t error_count = diag_error_count(diag);
	size_t warning_count = count_warnings(diag);

	printf("%s: ", path);
	if (snapshot != NULL)
		print_good(snapshot);
	else
		print_count("", error_count, "error");
	if (warning_count > 0)
		print_count(", ", warning_count, "warning");
	if (diag_count(diag) < error_count + warning_count)
		printf(" (not all of them are shown)");
	putchar('\n');
}

static json_t *pack_diagnostics(const struct diag *diag)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_entry *entry = diag_get(diag, i);

		output_append(
			&list, json_pack("{s:o, s:I, s:I, s:s, s:o}", "file",
				       output_string(str_of(entry->file)), "line",
				       (json_int_t)entry->line, "column",
				       (json_int_t)entry->column, "severity",
				       entry->severity == DIAG_WARNING ? "warning" : "error",
				       "text", output_string(str_of(entry->text))));
	}
	return list;
}

static json_t *pack_result(
	const char *path, const struct snapshot *snapshot, const struct diag *diag)
{
	return json_pack("{s:o, s:b, s:I, s:I, s:o}", "config", output_string(str_of(path)),
		"ok", snapshot != NULL, "errors", (json_int_t)diag_error_count(diag),
		"warnings", (json_int_t)count_warnings(diag), "diagnostics",
		pack_diagnostics(diag));
}

int cmd_check(struct admin *admin, int argc, char **argv)
{
	int status;
	const struct option options[] = { OPTION_JSON(admin) };

	if (!options_read(admin, argc, argv, options, 1, &status))
		return status;
	admin->config = config_load(admin->config_path, CONFIG_CHECK, admin->now_s);
	if (admin->config == NULL)
		return output_reason(admin->config_path, REASON_MEMORY);
	const struct snapshot *snapshot = config_snapshot(admin->config);

	if (snapshot != NULL)
		warn_of_store(admin, snapshot);
	status = snapshot != NULL ? STATUS_DONE : STATUS_FAILED;
	if (admin->json)
		return output_result(
			pack_result(admin->config_path, snapshot, config_diag(admin->config)),
			status);
	output_diagnostics(stdout, config_diag(admin->config), true);
	print_summary(admin->config_path, snapshot, config_diag(admin->config));
	return status;
}
