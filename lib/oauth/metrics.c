/* SPDX-License-Identifier: MIT */
/* The metrics endpoint: gathers, sorts and writes. */
#include "oauth/metrics.h"
#include "oauth/answer.h"
#include "oauth/meter.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define PREFIX "oauth2_"
#define BY_CLIENT_MAX 2500000 /* bytes of the request's memory, for the series by client */
#define DOCUMENT_MAX 2500000  /* bytes; it is copied once more to be sent */
#define TAIL_SIZE 128         /* for what is said of a document that is cut off */
#define HEAD_SIZE 8192        /* comments, types, and the few gauges */
#define PROCESS_SIZE 512      /* the gauges of a process */
#define SERIES_SIZE 192       /* a line without its labels' values */
#define US_PER_SECOND 1000000

/* One counter, in the list of all that were gathered. */
struct series {
	struct series *next;
	enum meter_family family;
	struct str labels; /* their values, with a tab between them */
	int64_t value;
};

/* A document in the making. */
struct page {
	const struct call *call;
	struct series *list;
	const struct series **sorted;
	size_t count;
	size_t by_client_bytes;
	size_t left_out; /* series that are not in the document */
	struct process_facts processes[COUNTERS_PROCESSES_MAX];
	size_t process_count;
	bool store_is_up;
	enum reason failure; /* why there are no counters */
	struct buf text;
};

/* Whose numbers these are. */
enum reach {
	REACH_PROCESS,
	REACH_HOST,
	REACH_STORE,
};

/* A gauge that each process has. */
struct gauge {
	const char *name;
	const char *help;
	int64_t (*value)(const struct call *call, const struct process_facts *process);
	bool has_version; /* as a label */
};

static const struct {
	struct str name;
	const char *comment;
} reaches[] = {
	[REACH_PROCESS] = { STR_CONST("process"),
		"# These are the numbers of the one process that answers. Name a state store "
		"in "
		"the configuration (state) for those of all.\n" },
	[REACH_HOST] = { STR_CONST("host"),
		"# These are the numbers of all processes that share the state store's "
		"directory.\n" },
	[REACH_STORE] = { STR_CONST("store"),
		"# These are the numbers of all processes, on all machines, that share the "
		"state store; those with the label worker are of the one that answers.\n" },
};

static int64_t one(const struct call *call, const struct process_facts *process)
{
	(void)call;
	(void)process;
	return 1;
}

static int64_t config_age(const struct call *call, const struct process_facts *process)
{
	return call->now_s > process->loaded_s ? call->now_s - process->loaded_s : 0;
}

static int64_t config_degraded(const struct call *call, const struct process_facts *process)
{
	(void)call;
	return process->degraded;
}

static int64_t start_time(const struct call *call, const struct process_facts *process)
{
	(void)call;
	return process->started_s;
}

static const struct gauge gauges[] = {
	{ "build_info", "The version of the program.", one, true },
	{ "config_age_seconds", "Time since the configuration in use was loaded.", config_age,
		false },
	{ "config_degraded",
		"1 if the newest configuration was rejected, and an older one is in use.",
		config_degraded, false },
	{ "worker_start_time_seconds", "When the process started, in seconds since 1970.",
		start_time, false },
};

static bool find_family(struct str name, enum meter_family *family)
{
	for (unsigned i = 0; i < METER__FAMILIES; i++) {
		*family = (enum meter_family)i;
		if (str_eq(meter_info(*family)->name, name))
			return true;
	}
	return false;
}

static bool is_for(const struct snapshot *snapshot, struct str client_id)
{
	return str_eq(client_id, METER_UNKNOWN) ||
	       client_find(&snapshot->clients, client_id) != NULL;
}

static bool is_value(struct str text)
{
	return text.n > 0 && str_is_visible(text);
}

/* As many values as labels; a client that is gone from the configuration is not shown. */
static bool are_labels(
	const struct snapshot *snapshot, const struct meter_info *info, struct str labels)
{
	struct str first;
	bool has_second = str_cut(&labels, '\t', &first);

	return has_second == (info->labels[1] != NULL) && is_value(first) &&
	       (!has_second || is_value(labels)) &&
	       (!info->is_by_client || is_for(snapshot, first));
}

/* counter_visitor: names that mean nothing here are another program's, or version's. */
static void gather(void *context, struct str name, int64_t value)
{
	struct page *page = context;
	const struct call *call = page->call;
	size_t used = arena_used(call->arena);
	struct str family_name;
	struct series found = { .value = value };

	(void)str_cut(&name, '\t', &family_name);
	if (value < 0 || !find_family(family_name, &found.family))
		return;
	const struct meter_info *info = meter_info(found.family);

	if (!are_labels(call->snapshot, info, name))
		return;
	struct series *series = info->is_by_client && page->by_client_bytes > BY_CLIENT_MAX
					? NULL
					: arena_alloc(call->arena, sizeof(*series));

	if (series == NULL || !arena_copy(call->arena, name, &found.labels)) {
		page->left_out++;
		return;
	}
	*series = found;
	series->next = page->list;
	page->list = series;
	page->count++;
	if (info->is_by_client)
		page->by_client_bytes += arena_used(call->arena) - used;
}

/* Can a token be looked up that was never revoked? */
static bool store_answers(struct store *store, int64_t now_s)
{
	const struct str parts[] = { STR("metrics") };
	struct store_key key;
	bool found;

	return store_key_make(STORE_REVOCATION, parts, 1, &key) == REASON_NONE &&
	       store->ops->has(store, &key, now_s + 1, now_s, &found) == REASON_NONE;
}

static void gather_counters(struct page *page)
{
	const struct services *services = page->call->services;
	struct store *store = services->store;

	if (store == NULL && services->meter == NULL)
		return;
	/* So that the first one can be seen to be one more. */
	gather(page, STR("config_reloads_total\tsuccess"), 0);
	gather(page, STR("config_reloads_total\tfailure"), 0);
	if (store == NULL) {
		meter_each(services->meter, gather, page);
		return;
	}
	page->failure = store->ops->each_count(store, gather, page);
	page->store_is_up = page->failure == REASON_NONE &&
			    store_answers(store, page->call->now_s);
	if (page->failure != REASON_NONE) {
		page->list = NULL;
		page->count = page->left_out = 0;
	}
}

/* process_visitor */
static void gather_process(void *context, const struct process_facts *process)
{
	struct page *page = context;

	if (page->process_count < COUNTERS_PROCESSES_MAX)
		page->processes[page->process_count++] = *process;
}

static int order_processes(const void *a, const void *b)
{
	int64_t first = ((const struct process_facts *)a)->pid;
	int64_t second = ((const struct process_facts *)b)->pid;

	if (first == second) {
		first = ((const struct process_facts *)a)->started_s;
		second = ((const struct process_facts *)b)->started_s;
	}
	return (first > second) - (first < second);
}

/* Those that share the store; of others nothing is known. */
static void gather_processes(struct page *page)
{
	struct store *store = page->call->services->store;

	if (store != NULL)
		store->ops->each_process(store, gather_process, page);
	if (page->process_count == 0)
		gather_process(page, page->call->process);
	qsort(page->processes, page->process_count, sizeof(page->processes[0]),
		order_processes);
}

static int order_series(const void *a, const void *b)
{
	const struct series *first = *(const struct series *const *)a;
	const struct series *second = *(const struct series *const *)b;

	if (first->family != second->family)
		return first->family < second->family ? -1 : 1;
	int order = str_compare(first->labels, second->labels);

	return order != 0 ? order
			  : (first->value < second->value) - (first->value > second->value);
}

static bool is_same(const struct series *a, const struct series *b)
{
	return a->family == b->family && str_eq(a->labels, b->labels);
}

/* The series in an order that is the same each time; of twins the one that was counted later.
 */
static bool sort(struct page *page)
{
	size_t count = 0;

	page->sorted = arena_alloc_array(
		page->call->arena, page->count + 1, sizeof(*page->sorted));
	if (page->sorted == NULL)
		return false;
	for (const struct series *series = page->list; series != NULL; series = series->next)
		page->sorted[count++] = series;
	qsort(page->sorted, count, sizeof(*page->sorted), order_series);
	page->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !is_same(page->sorted[i], page->sorted[i - 1]))
			page->sorted[page->count++] = page->sorted[i];
	}
	return true;
}

static struct str endpoint_of(const struct series *series)
{
	struct str rest = series->labels, endpoint;

	(void)str_cut(&rest, '\t', &endpoint);
	return endpoint;
}

/* Bytes that the document needs at most. */
static size_t document_size(const struct page *page)
{
	size_t size = HEAD_SIZE + page->process_count * PROCESS_SIZE;

	for (size_t i = 0; i < page->count; i++) {
		const struct series *series = page->sorted[i];
		size_t lines = 1;

		/* What stands for all lines of a histogram. */
		if (series->family == METER_DURATION &&
			(i == 0 ||
				!str_eq(endpoint_of(series), endpoint_of(page->sorted[i - 1]))))
			lines = METER_BUCKETS + 2;
		size += lines * (SERIES_SIZE + 2 * series->labels.n);
	}
	return size;
}

static bool make_room(struct page *page)
{
	size_t size = document_size(page);

	if (size > DOCUMENT_MAX)
		size = DOCUMENT_MAX;
	char *p = arena_alloc(page->call->arena, size);

	if (p == NULL)
		return false;
	page->text = buf_init(p, size - TAIL_SIZE);
	return true;
}

static void write_type(struct buf *text, const char *name, const char *type, const char *help)
{
	buf_text(text, "# HELP " PREFIX);
	buf_text(text, name);
	buf_char(text, ' ');
	buf_text(text, help);
	buf_text(text, "\n# TYPE " PREFIX);
	buf_text(text, name);
	buf_char(text, ' ');
	buf_text(text, type);
	buf_char(text, '\n');
}

static void write_label(struct buf *text, const char *name, struct str value)
{
	buf_text(text, name);
	buf_text(text, "=\"");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\\' || value.p[i] == '"')
			buf_char(text, '\\');
		buf_char(text, value.p[i]);
	}
	buf_char(text, '"');
}

static void write_value(struct buf *text, int64_t value)
{
	buf_text(text, "} ");
	buf_number(text, value);
	buf_char(text, '\n');
}

static void write_constant(struct buf *text, const char *name, const char *help,
	const char *label, struct str value)
{
	write_type(text, name, "gauge", help);
	buf_text(text, PREFIX);
	buf_text(text, name);
	buf_char(text, '{');
	write_label(text, label, value);
	write_value(text, 1);
}

/* Its number; of processes with the same one, which are in containers, with a second number. */
static void write_worker(struct buf *text, const struct process_facts *processes, size_t i)
{
	size_t twin = 0;

	while (twin < i && processes[i - twin - 1].pid == processes[i].pid)
		twin++;
	buf_text(text, "{worker=\"");
	buf_number(text, processes[i].pid);
	if (twin > 0) {
		buf_char(text, '-');
		buf_number(text, (int64_t)twin + 1);
	}
	buf_char(text, '"');
}

static void write_gauge(struct page *page, const struct gauge *gauge)
{
	struct buf *text = &page->text;

	write_type(text, gauge->name, "gauge", gauge->help);
	for (size_t i = 0; i < page->process_count; i++) {
		const struct process_facts *process = &page->processes[i];

		buf_text(text, PREFIX);
		buf_text(text, gauge->name);
		write_worker(text, page->processes, i);
		if (gauge->has_version) {
			buf_char(text, ',');
			write_label(text, "version", str_of(process->version));
		}
		write_value(text, gauge->value(page->call, process));
	}
}

static enum reach reach_of(const struct snapshot *snapshot)
{
	if (snapshot->state.n == 0)
		return REACH_PROCESS;
	return str_starts(snapshot->state, STR("lmdb:")) ? REACH_HOST : REACH_STORE;
}

static void write_gauges(struct page *page)
{
	struct buf *text = &page->text;
	enum reach reach = reach_of(page->call->snapshot);

	buf_text(text, reaches[reach].comment);
	if (page->failure != REASON_NONE) {
		buf_text(text, "# The counters are left out now: ");
		buf_text(text, reason_info(page->failure)->name);
		buf_text(text, ".\n");
	}
	write_constant(text, "metrics_scope",
		"Whose numbers these are: process, host or store.", "scope",
		reaches[reach].name);
	if (reach != REACH_PROCESS) {
		write_type(text, "state_store_up", "gauge",
			"1 if the state store answers and gives the counters.");
		buf_text(text, PREFIX "state_store_up ");
		buf_number(text, page->store_is_up);
		buf_char(text, '\n');
	}
	write_constant(text, "openssl_info", "The version of OpenSSL.", "version",
		str_of(OpenSSL_version(OPENSSL_VERSION_STRING)));
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		write_gauge(page, &gauges[i]);
}

static void begin_series(struct buf *text, const struct meter_info *info, const char *end)
{
	buf_text(text, PREFIX);
	buf_str(text, info->name);
	buf_text(text, end);
}

static void write_counter(struct buf *text, const struct series *series)
{
	const struct meter_info *info = meter_info(series->family);
	struct str rest = series->labels, value;

	begin_series(text, info, "{");
	for (size_t i = 0; i < METER_LABEL_MAX && info->labels[i] != NULL; i++) {
		if (i > 0)
			buf_char(text, ',');
		(void)str_cut(&rest, '\t', &value);
		write_label(text, info->labels[i], value);
	}
	write_value(text, series->value);
}

static int64_t sum_of(const struct page *page, struct str endpoint)
{
	for (size_t i = 0; i < page->count; i++) {
		if (page->sorted[i]->family == METER_DURATION_SUM &&
			str_eq(page->sorted[i]->labels, endpoint))
			return page->sorted[i]->value;
	}
	return 0;
}

static void write_sum(struct buf *text, int64_t sum_us)
{
	buf_number(text, sum_us / US_PER_SECOND);
	buf_char(text, '.');
	buf_padded(text, sum_us % US_PER_SECOND, 6);
	buf_char(text, '\n');
}

/* The series of one endpoint, which stand together from `first` on.  Returns how many. */
static size_t write_histogram(struct page *page, size_t first)
{
	const struct meter_info *info = meter_info(METER_DURATION);
	const struct str endpoint = endpoint_of(page->sorted[first]);
	int64_t hits[METER_BUCKETS] = { 0 }, total = 0;
	size_t end = first;

	for (; end < page->count && page->sorted[end]->family == METER_DURATION &&
		str_eq(endpoint_of(page->sorted[end]), endpoint);
		end++) {
		struct str limit = str_from(page->sorted[end]->labels, endpoint.n + 1);

		for (size_t i = 0; i < METER_BUCKETS; i++)
			if (str_eq(meter_bucket(i)->limit, limit))
				hits[i] = page->sorted[end]->value;
	}
	for (size_t i = 0; i < METER_BUCKETS; i++) {
		/* Nobody has counted that far, but it must not fall for that. */
		total = hits[i] < INT64_MAX - total ? total + hits[i] : INT64_MAX;
		begin_series(&page->text, info, "_bucket{");
		write_label(&page->text, info->labels[0], endpoint);
		buf_char(&page->text, ',');
		write_label(&page->text, info->labels[1], meter_bucket(i)->limit);
		write_value(&page->text, total);
	}
	begin_series(&page->text, info, "_sum{");
	write_label(&page->text, info->labels[0], endpoint);
	buf_text(&page->text, "} ");
	write_sum(&page->text, sum_of(page, endpoint));
	begin_series(&page->text, info, "_count{");
	write_label(&page->text, info->labels[0], endpoint);
	write_value(&page->text, total);
	return end - first;
}

/* The series at an index, or those that make one.  Returns how many. */
static size_t write_series(struct page *page, size_t i)
{
	const struct series *series = page->sorted[i];
	const struct meter_info *info = meter_info(series->family);

	if (series->family == METER_DURATION_SUM)
		return 1;
	if (i == 0 || page->sorted[i - 1]->family != series->family)
		write_type(&page->text, info->name.p, info->type, info->help);
	if (series->family == METER_DURATION)
		return write_histogram(page, i);
	write_counter(&page->text, series);
	return 1;
}

/* What does not fit any more is left out, from the end of the last series that did. */
static void write_counters(struct page *page)
{
	struct buf *text = &page->text;
	size_t i = 0;

	while (i < page->count) {
		size_t mark = text->n;

		i += write_series(page, i);
		if (!text->overflow)
			continue;
		*text = (struct buf){ .p = text->p, .n = mark, .size = text->size };
		page->left_out += page->count - i + 1;
		break;
	}
	text->size += TAIL_SIZE;
	if (page->left_out == 0)
		return;
	buf_text(text, "# The document ends here; series that are left out: ");
	buf_number(text, (int64_t)page->left_out);
	buf_char(text, '\n');
}

enum reason metrics_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	struct page *page = arena_alloc(call->arena, sizeof(*page));

	(void)audit;
	if (page == NULL)
		return REASON_MEMORY;
	page->call = call;
	gather_counters(page);
	gather_processes(page);
	if (!sort(page) || !make_room(page))
		return REASON_MEMORY;
	write_gauges(page);
	write_counters(page);
	response->status = 200;
	response->body = buf_view(&page->text);
	http_response_add(
		response, "Content-Type", STR("text/plain; version=0.0.4; charset=utf-8"));
	answer_uncached(response);
	return REASON_NONE;
}
