/* SPDX-License-Identifier: MIT */
/* list-clients: the clients as a table. */
#include "options.h"
#include "output.h"

#include <stdio.h>

#define CELL_SIZE 256 /* bytes; all methods together have 112 */
#define GAP 2

enum column {
	COLUMN_ID,
	COLUMN_NAME,
	COLUMN_ENABLED,
	COLUMN_METHODS,
	COLUMN__PADDED, /* the last one, scopes, is as wide as it is */
};

struct row {
	struct str cells[COLUMN__PADDED];
	char methods[CELL_SIZE];
};

static const struct str headings[] = {
	{ "ID", 2 },
	{ "NAME", 4 },
	{ "ENABLED", 7 },
	{ "METHODS", 7 },
};

static void write_methods(struct buf *buf, unsigned methods)
{
	for (enum auth_method i = 0; i < AUTH__MAX; i++) {
		if ((methods & AUTH_BIT(i)) == 0)
			continue;
		if (buf->n > 0)
			buf_char(buf, ',');
		buf_text(buf, auth_method_name(i));
	}
	if (buf->n == 0)
		buf_char(buf, '-');
}

static void fill_row(struct row *row, const struct client *client)
{
	struct buf methods = buf_init(row->methods, sizeof(row->methods));

	write_methods(&methods, client->auth_methods);
	row->cells[COLUMN_ID] = client->id;
	row->cells[COLUMN_NAME] = client->name.n > 0 ? client->name : STR("-");
	row->cells[COLUMN_ENABLED] = client->enabled ? STR("yes") : STR("no");
	row->cells[COLUMN_METHODS] = buf_view(&methods);
}

static void widen(size_t widths[COLUMN__PADDED], const struct str cells[COLUMN__PADDED])
{
	for (size_t i = 0; i < COLUMN__PADDED; i++) {
		size_t width = output_width(cells[i]) + GAP;

		if (width > widths[i])
			widths[i] = width;
	}
}

static void print_cells(
	const size_t widths[COLUMN__PADDED], const struct str cells[COLUMN__PADDED])
{
	for (size_t i = 0; i < COLUMN__PADDED; i++)
		output_cell(cells[i], widths[i]);
}

static void print_scopes(struct scope_list scopes)
{
	for (size_t i = 0; i < scopes.count; i++) {
		if (i > 0)
			putchar(' ');
		output_text(scopes.items[i]->token);
	}
	puts(scopes.count == 0 ? "-" : "");
}

static void print_table(const struct client_table *clients)
{
	size_t widths[COLUMN__PADDED] = { 0 };
	struct row row;

	widen(widths, headings);
	for (size_t i = 0; i < clients->count; i++) {
		fill_row(&row, &clients->items[i]);
		widen(widths, row.cells);
	}
	print_cells(widths, headings);
	puts("SCOPES");
	for (size_t i = 0; i < clients->count; i++) {
		fill_row(&row, &clients->items[i]);
		print_cells(widths, row.cells);
		print_scopes(clients->items[i].scopes);
	}
}

static json_t *pack_methods(unsigned methods)
{
	json_t *list = json_array();

	for (enum auth_method i = 0; i < AUTH__MAX; i++) {
		if ((methods & AUTH_BIT(i)) != 0)
			output_append(&list, json_string(auth_method_name(i)));
	}
	return list;
}

static json_t *pack_scopes(struct scope_list scopes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < scopes.count; i++)
		output_append(&list, output_string(scopes.items[i]->token));
	return list;
}

static json_t *pack_clients(const struct client_table *clients)
{
	json_t *list = json_array();

	for (size_t i = 0; i < clients->count; i++) {
		const struct client *client = &clients->items[i];

		output_append(&list,
			json_pack("{s:o, s:o, s:b, s:o, s:o}", "id", output_string(client->id),
				"name", output_string(client->name), "enabled", client->enabled,
				"methods", pack_methods(client->auth_methods), "scopes",
				pack_scopes(client->scopes)));
	}
	return list;
}

int cmd_list_clients(struct admin *admin, int argc, char **argv)
{
	int status;
	const struct option options[] = { OPTION_JSON(admin) };

	if (!options_read(admin, argc, argv, options, 1, &status))
		return status;
	const struct snapshot *snapshot = admin_load(admin);

	if (snapshot == NULL)
		return STATUS_FAILED;
	if (admin->json)
		return output_result(pack_clients(&snapshot->clients), STATUS_DONE);
	print_table(&snapshot->clients);
	return STATUS_DONE;
}
