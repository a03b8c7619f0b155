/* SPDX-License-Identifier: MIT */
/* expiring: what has to be replaced soon, or should have been, and where it stands. */
#include "duration.h"
#include "options.h"
#include "output.h"
#include "util/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WITHIN_DEFAULT_S (INT64_C(30) * 86400)
#define KEY_AGE_DEFAULT_S (INT64_C(365) * 86400)
#define NOT_GIVEN INT64_C(-1)
#define PATH_KEYS 5
#define INDEX_SIZE 24
#define TIME_SIZE 32
#define TEXT_SIZE 512
#define GAP 2

enum kind {
	KIND_SECRET,
	KIND_CERTIFICATE,
	KIND_KEY,
	KIND__MAX,
};

static const struct {
	const char *name;
	const char *ahead;
	const char *behind;
} kinds[KIND__MAX] = {
	[KIND_SECRET] = { "secret", "expires in %s", "expired %s ago" },
	[KIND_CERTIFICATE] = { "certificate", "expires in %s", "expired %s ago" },
	[KIND_KEY] = { "signing key", "too old in %s", "too old for %s" },
};

enum column {
	COLUMN_TIME,
	COLUMN_STATUS,
	COLUMN_WHAT,
	COLUMN_CLIENT,
	COLUMN__PADDED, /* the last one, the place, is as wide as it is */
};

static const struct str headings[COLUMN__PADDED] = {
	STR_CONST("TIME"),
	STR_CONST("STATUS"),
	STR_CONST("WHAT"),
	STR_CONST("CLIENT"),
};

struct finding {
	enum kind kind;
	int64_t time_s;    /* from when it does not hold any more */
	struct str client; /* its id; empty: it is the server's own */
	struct str name;   /* a label or kid; may be empty */
	size_t number;     /* in its list, from 1 */
	struct place place;
};

struct search {
	const struct admin *admin;
	const struct snapshot *snapshot;
	int64_t within_s, key_age_s;
	struct finding *findings;
	size_t count;
};

/* The cells of a row, and the space for those that are made for it. */
struct row {
	struct str cells[COLUMN__PADDED];
	char time[TIME_SIZE], status[DURATION_SENTENCE_SIZE], what[TEXT_SIZE];
};

/* An index as config_locate takes it. */
static struct str index_of(size_t i, char text[static INDEX_SIZE])
{
	struct buf buf = buf_init(text, INDEX_SIZE);

	buf_number(&buf, (int64_t)i);
	return buf_view(&buf);
}

/* The keys end with the first empty one. */
static void locate(const struct search *search, const struct str keys[static PATH_KEYS],
	struct place *place)
{
	size_t key_count = 0;

	while (key_count < PATH_KEYS && keys[key_count].n > 0)
		key_count++;
	while (key_count > 0 && !config_locate(search->admin->config, keys, key_count, place))
		key_count--;
}

static void add(
	struct search *search, struct finding finding, const struct str keys[static PATH_KEYS])
{
	locate(search, keys, &finding.place);
	/* A certificate may have ended before the times that can be written. */
	if (finding.time_s < 0)
		finding.time_s = 0;
	search->findings[search->count++] = finding;
}

static bool is_near(const struct search *search, int64_t time_s)
{
	return time_s <= search->admin->now_s + search->within_s;
}

static void search_secrets(struct search *search, const struct client *client)
{
	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];
		char number[INDEX_SIZE];
		const struct str keys[PATH_KEYS] = { STR("clients"), client->id, STR("secrets"),
			index_of(i, number), STR("expires") };

		if (secret->expires_s != 0 && is_near(search, secret->expires_s))
			add(search,
				(struct finding){ .kind = KIND_SECRET,
					.time_s = secret->expires_s,
					.client = client->id,
					.name = secret->label,
					.number = i + 1 },
				keys);
	}
}

/* The line of the key itself, or else of the file that has it. */
static void search_certificates(struct search *search, const struct client *client)
{
	const struct str file_keys[PATH_KEYS] = { STR("clients"), client->id,
		STR("jwks_file") };
	struct place place;
	bool in_file = config_locate(search->admin->config, file_keys, 3, &place);

	for (size_t i = 0; i < client->key_count; i++) {
		const struct jwk *jwk = &client->keys[i];
		char number[INDEX_SIZE];
		const struct str keys[PATH_KEYS] = { STR("clients"), client->id, STR("jwks"),
			STR("keys"), index_of(i, number) };

		if (jwk->has_certificate && is_near(search, jwk->certificate_end_s))
			add(search,
				(struct finding){ .kind = KIND_CERTIFICATE,
					.time_s = jwk->certificate_end_s,
					.client = client->id,
					.name = str_of(jwk->kid),
					.number = i + 1 },
				in_file ? file_keys : keys);
	}
}

static int search_key(struct search *search, size_t i)
{
	const struct signing_key *key = &search->snapshot->keyring.keys[i];
	char number[INDEX_SIZE];
	const struct str keys[PATH_KEYS] = { STR("signing_keys"), index_of(i, number),
		STR("file") };
	struct stat st;

	if (stat(key->path.p, &st) != 0)
		return output_reason(key->path.p, REASON_FILE_OPEN);
	int64_t time_s = (int64_t)st.st_mtim.tv_sec + search->key_age_s;

	if (time_s < search->admin->now_s)
		add(search,
			(struct finding){ .kind = KIND_KEY,
				.time_s = time_s,
				.name = key->kid,
				.number = i + 1 },
			keys);
	return STATUS_DONE;
}

/* Room for everything that may be found. */
static bool alloc_findings(struct search *search)
{
	const struct client_table *clients = &search->snapshot->clients;
	size_t count = search->snapshot->keyring.count;

	for (size_t i = 0; i < clients->count; i++)
		count += clients->items[i].secret_count + clients->items[i].key_count;
	search->findings = arena_alloc_array(
		search->admin->arena, count, sizeof(*search->findings));
	return search->findings != NULL;
}

static int search_all(struct search *search)
{
	const struct client_table *clients = &search->snapshot->clients;
	int status = STATUS_DONE;

	if (!alloc_findings(search))
		return output_reason("the list", REASON_MEMORY);
	for (size_t i = 0; i < clients->count; i++) {
		search_secrets(search, &clients->items[i]);
		search_certificates(search, &clients->items[i]);
	}
	for (size_t i = 0; i < search->snapshot->keyring.count && status == STATUS_DONE; i++)
		status = search_key(search, i);
	return status;
}

/* By time, and then as they stand in a file. */
static int compare(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;

	if (a->time_s != b->time_s)
		return a->time_s < b->time_s ? -1 : 1;
	int files = strcmp(a->place.file, b->place.file);

	return files != 0 ? files
			  : (a->place.line > b->place.line) - (a->place.line < b->place.line);
}

static void write_status(const struct search *search, const struct finding *f, struct buf *buf)
{
	int64_t now_s = search->admin->now_s;

	if (f->time_s > now_s)
		duration_sentence(buf, kinds[f->kind].ahead, f->time_s - now_s);
	else
		duration_sentence(buf, kinds[f->kind].behind, now_s - f->time_s);
}

static void fill_row(const struct search *search, const struct finding *f, struct row *row)
{
	struct buf time = buf_init(row->time, sizeof(row->time));
	struct buf status = buf_init(row->status, sizeof(row->status));
	struct buf what = buf_init(row->what, sizeof(row->what));

	clock_format(&time, f->time_s * 1000, false);
	write_status(search, f, &status);
	buf_text(&what, kinds[f->kind].name);
	buf_char(&what, ' ');
	if (f->name.n > 0)
		buf_str(&what, f->name);
	else
		buf_number(&what, (int64_t)f->number);
	row->cells[COLUMN_TIME] = buf_view(&time);
	row->cells[COLUMN_STATUS] = buf_view(&status);
	row->cells[COLUMN_WHAT] = buf_view(&what);
	row->cells[COLUMN_CLIENT] = f->client.n > 0 ? f->client : STR("-");
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

static void print_table(const struct search *search)
{
	size_t widths[COLUMN__PADDED] = { 0 };
	struct row row;

	widen(widths, headings);
	for (size_t i = 0; i < search->count; i++) {
		fill_row(search, &search->findings[i], &row);
		widen(widths, row.cells);
	}
	print_cells(widths, headings);
	puts("PLACE");
	for (size_t i = 0; i < search->count; i++) {
		fill_row(search, &search->findings[i], &row);
		print_cells(widths, row.cells);
		output_place(&search->findings[i].place);
		putchar('\n');
	}
}

static void print_nothing(const struct search *search)
{
	char within[DURATION_SENTENCE_SIZE], age[DURATION_SENTENCE_SIZE];
	struct buf first = buf_init(within, sizeof(within));
	struct buf second = buf_init(age, sizeof(age));

	duration_write(&first, search->within_s);
	duration_write(&second, search->key_age_s);
	printf("nothing expires within %.*s, and no signing key is older than %.*s\n",
		(int)first.n, within, (int)second.n, age);
}

static json_t *pack_finding(const struct search *search, const struct finding *f)
{
	char text[DURATION_SENTENCE_SIZE];
	struct buf status = buf_init(text, sizeof(text));

	write_status(search, f, &status);
	return json_pack("{s:s, s:o, s:I, s:o, s:o, s:I, s:o, s:o, s:I}", "what",
		kinds[f->kind].name, "name",
		f->name.n > 0 ? output_string(f->name) : json_null(), "number",
		(json_int_t)f->number, "client",
		f->client.n > 0 ? output_string(f->client) : json_null(), "time",
		output_time(f->time_s), "seconds_left",
		(json_int_t)(f->time_s - search->admin->now_s), "text",
		output_string(buf_view(&status)), "file", output_string(str_of(f->place.file)),
		"line", (json_int_t)f->place.line);
}

static json_t *pack_findings(const struct search *search)
{
	json_t *list = json_array();

	for (size_t i = 0; i < search->count; i++)
		output_append(&list, pack_finding(search, &search->findings[i]));
	return list;
}

static int print_result(const struct search *search)
{
	int status = search->count > 0 ? STATUS_FAILED : STATUS_DONE;

	if (search->admin->json)
		return output_result(pack_findings(search), status);
	if (search->count > 0)
		print_table(search);
	else
		print_nothing(search);
	return status;
}

int cmd_expiring(struct admin *admin, int argc, char **argv)
{
	int status;
	struct search search = {
		.admin = admin, .within_s = NOT_GIVEN, .key_age_s = NOT_GIVEN
	};
	const struct option options[] = {
		{ "--within", "T", "how soon, as in 30d (default): s, m, h, d or w",
			.duration_s = &search.within_s },
		{ "--keys-older-than", "T", "the age of signing keys, as in 365d (default)",
			.duration_s = &search.key_age_s },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 3, &status))
		return status;
	if (search.within_s == NOT_GIVEN)
		search.within_s = WITHIN_DEFAULT_S;
	if (search.key_age_s == NOT_GIVEN)
		search.key_age_s = KEY_AGE_DEFAULT_S;
	search.snapshot = admin_load(admin);
	if (search.snapshot == NULL)
		return STATUS_FAILED;
	status = search_all(&search);
	if (status != STATUS_DONE)
		return status;
	qsort(search.findings, search.count, sizeof(*search.findings), compare);
	return print_result(&search);
}
