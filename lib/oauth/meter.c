/* SPDX-License-Identifier: MIT */
/* What is counted of requests and loads, and where. */
#include "oauth/meter.h"
#include "util/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_US INT64_C(1000000) /* for which a store that has failed is left alone */
#define STEP_MAX 16               /* that are counted at once */
#define SENT_MAX 500              /* the same, of those that were kept */
#define SHARE_US 20000            /* for which one call sends what was kept */
#define LAST_US 150000            /* the same, at the end */
#define SHARE_MAX 10              /* times SENT_MAX that one call sends */
#define TEXT_SIZE 2048            /* bytes: the names of one request's steps */
#define FOLDED_SIZE 96            /* bytes: a name without a client of its own */

struct meter {
	struct counters *kept; /* what no store has taken */
	uint32_t next;         /* where to go on sending it */
	bool has_kept;
	bool is_careful;   /* there was no room in the store for SENT_MAX of it */
	bool is_in_doubt;  /* the store has failed, and not worked since */
	int64_t resume_us; /* before that the store is not asked */
};

/* What is to be counted together. */
struct batch {
	struct counter_step steps[STEP_MAX];
	size_t count;
	char memory[TEXT_SIZE];
	struct buf text; /* the steps' names; over memory */
};

static const struct meter_info families[METER__FAMILIES] = {
	[METER_REQUESTS] = { STR_CONST("requests_total"), "counter",
		"Requests, by endpoint and HTTP status.", { "endpoint", "status" }, false },
	[METER_DURATION] = { STR_CONST("request_duration_seconds"), "histogram",
		"Time from the request to the answer, by endpoint.", { "endpoint", "le" },
		false },
	[METER_DURATION_SUM] = { STR_CONST("request_duration_us"), NULL, NULL, { "endpoint" },
		false },
	[METER_LOADS] = { STR_CONST("config_reloads_total"), "counter",
		"Loads of a changed configuration, counted by each worker for itself.",
		{ "result" }, false },
	[METER_STORE_ERRORS] = { STR_CONST("state_store_errors_total"), "counter",
		"Requests that the state store failed, and attempts to count that it did not "
		"take.",
		{ "reason" }, false },
	[METER_THROTTLED] = { STR_CONST("throttled_total"), "counter",
		"Requests answered 429, by the client that they named.", { "client_id" },
		true },
	[METER_ISSUED] = { STR_CONST("tokens_issued_total"), "counter",
		"Access tokens issued, by client.", { "client_id" }, true },
	[METER_REFUSED] = { STR_CONST("tokens_refused_total"), "counter",
		"Token requests refused, by the client that they named and the reason.",
		{ "client_id", "reason" }, true },
};

static const struct meter_bucket buckets[METER_BUCKETS] = {
	{ 500, STR_CONST("0.0005") },
	{ 1000, STR_CONST("0.001") },
	{ 2500, STR_CONST("0.0025") },
	{ 5000, STR_CONST("0.005") },
	{ 10000, STR_CONST("0.01") },
	{ 25000, STR_CONST("0.025") },
	{ 50000, STR_CONST("0.05") },
	{ 100000, STR_CONST("0.1") },
	{ 250000, STR_CONST("0.25") },
	{ 500000, STR_CONST("0.5") },
	{ 1000000, STR_CONST("1") },
	{ 2500000, STR_CONST("2.5") },
	{ INT64_MAX, STR_CONST("+Inf") },
};

static void batch_init(struct batch *batch)
{
	batch->count = 0;
	batch->text = buf_init(batch->memory, sizeof(batch->memory));
}

/* The next step; its name is what is written behind, up to batch_end. */
static void batch_begin(struct batch *batch, enum meter_family family, int64_t amount)
{
	batch->steps[batch->count] = (struct counter_step){
		.name = { batch->text.p + batch->text.n, 0 },
		.amount = amount,
	};
	buf_str(&batch->text, families[family].name);
	buf_char(&batch->text, '\t');
}

/* A name that does not fit is longer than any that there is, and is left out. */
static void batch_end(struct batch *batch)
{
	struct str *name = &batch->steps[batch->count].name;

	name->n = (size_t)(batch->text.p + batch->text.n - name->p);
	if (!batch->text.overflow && batch->count < STEP_MAX - 1)
		batch->count++;
}

/* A step with the labels `first` and, if it is not empty, `second`. */
static void batch_add(struct batch *batch, enum meter_family family, struct str first,
	struct str second, int64_t amount)
{
	batch_begin(batch, family, amount);
	buf_str(&batch->text, first);
	if (second.n > 0)
		buf_char(&batch->text, '\t');
	buf_str(&batch->text, second);
	batch_end(batch);
}

/* A step with the reason as its last label, behind `first` if that is not empty. */
static void batch_add_reason(
	struct batch *batch, enum meter_family family, struct str first, enum reason reason)
{
	batch_begin(batch, family, 1);
	buf_str(&batch->text, first);
	if (first.n > 0)
		buf_char(&batch->text, '\t');
	for (const char *p = reason_info(reason)->id; *p != '\0'; p++)
		buf_char(&batch->text, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
	batch_end(batch);
}

static bool is_by_client(struct str name)
{
	struct str family;

	(void)str_cut(&name, '\t', &family);
	for (size_t i = 0; i < METER__FAMILIES; i++) {
		if (families[i].is_by_client && str_eq(families[i].name, family))
			return true;
	}
	return false;
}

/* The same step for an unknown client, if it is for one; the name is written into memory. */
static struct counter_step fold(const struct counter_step *step, char *memory, size_t size)
{
	struct buf name = buf_init(memory, size);
	struct str rest = step->name, family, client;

	if (!is_by_client(step->name))
		return *step;
	(void)str_cut(&rest, '\t', &family);
	bool has_more = str_cut(&rest, '\t', &client);

	buf_str(&name, family);
	buf_char(&name, '\t');
	buf_str(&name, METER_UNKNOWN);
	if (has_more)
		buf_char(&name, '\t');
	buf_str(&name, rest);
	return name.overflow ? *step : (struct counter_step){ buf_view(&name), step->amount };
}

/* Each by itself: those that there is no room for are lost, if others are taken. */
static enum reason count_singly(
	struct store *store, const struct counter_step *steps, size_t count)
{
	size_t taken = 0;
	enum reason reason = REASON_NONE;

	for (size_t i = 0; i < count; i++) {
		reason = store->ops->count(store, &steps[i], 1);
		if (reason != REASON_NONE && reason != REASON_STORE_FULL)
			break;
		taken += reason == REASON_NONE;
	}
	return taken > 0 ? REASON_NONE : reason;
}

/* All, or, where there is no room for more names, what there is room for. */
static enum reason offer(struct store *store, const struct counter_step *steps, size_t count)
{
	enum reason reason = store->ops->count(store, steps, count);
	struct counter_step folded[STEP_MAX] = { 0 };
	char memory[STEP_MAX][FOLDED_SIZE];

	if (reason != REASON_STORE_FULL)
		return reason;
	for (size_t i = 0; i < count; i++)
		folded[i] = fold(&steps[i], memory[i], sizeof(memory[i]));
	reason = store->ops->count(store, folded, count);
	return reason == REASON_STORE_FULL ? count_singly(store, folded, count) : reason;
}

/* Without any room it is lost. */
static void keep(struct meter *meter, const struct counter_step *step)
{
	char memory[FOLDED_SIZE];
	struct counter_step folded;

	if (counters_add(meter->kept, step) == REASON_STORE_FULL) {
		folded = fold(step, memory, sizeof(memory));
		(void)!counters_add(meter->kept, &folded);
	}
	meter->has_kept = true;
	meter->next = 0;
}

static void keep_failure(struct meter *meter, enum reason failure)
{
	struct batch batch;

	batch_init(&batch);
	batch_add_reason(&batch, METER_STORE_ERRORS, STR(""), failure);
	keep(meter, &batch.steps[0]);
}

/* Leave the store alone for a while. */
static void pause_store(const struct meter_turn *turn, enum reason failure)
{
	keep_failure(turn->services->meter, failure);
	turn->services->meter->is_in_doubt = true;
	turn->services->meter->resume_us = turn->now_us + PAUSE_US;
}

static bool is_time(const struct meter_turn *turn)
{
	return turn->services->store != NULL &&
	       turn->now_us >= turn->services->meter->resume_us;
}

/* Into the store; what it does not take is kept. */
static void put(const struct meter_turn *turn, const struct counter_step *steps, size_t count)
{
	bool is_asked = is_time(turn);
	enum reason reason = is_asked ? offer(turn->services->store, steps, count)
				      : REASON_STORE;

	if (reason == REASON_NONE)
		return;
	for (size_t i = 0; i < count; i++)
		keep(turn->services->meter, &steps[i]);
	if (is_asked)
		pause_store(turn, reason);
}

/*
 * Does the store work again?  It is asked for what changes nothing: one that only stands still
 * may do later, each time, what it was told to do and has not answered.
 */
static bool has_recovered(const struct meter_turn *turn)
{
	struct store *store = turn->services->store;
	struct meter *meter = turn->services->meter;

	if (!meter->is_in_doubt)
		return true;
	enum reason reason = store->ops->count(store, NULL, 0);

	if (reason == REASON_NONE)
		meter->is_in_doubt = false;
	else
		pause_store(turn, reason);
	return reason == REASON_NONE;
}

/* Send some of what was kept.  False if there is no more, or the store fails. */
static bool send_some(const struct meter_turn *turn)
{
	struct store *store = turn->services->store;
	struct meter *meter = turn->services->meter;
	struct counter_step steps[SENT_MAX];
	size_t count = 0, most = meter->is_careful ? STEP_MAX : SENT_MAX;

	while (count < most && counters_take(meter->kept, &meter->next, &steps[count]))
		count++;
	if (count == 0) {
		counters_clear(meter->kept);
		meter->has_kept = meter->is_careful = false;
		return false;
	}
	enum reason reason = meter->is_careful ? offer(store, steps, count)
					       : store->ops->count(store, steps, count);

	if (reason == REASON_NONE)
		return true;
	for (size_t i = 0; i < count; i++)
		keep(meter, &steps[i]);
	/* Without room for all of them it may have some for a few. */
	if (reason == REASON_STORE_FULL && !meter->is_careful)
		meter->is_careful = true;
	else
		pause_store(turn, reason);
	return is_time(turn);
}

/* For this long, and then what is begun; and not more often. */
static void send_kept(const struct meter_turn *turn, int64_t limit_us, unsigned times)
{
	const int64_t until_us = clock_steady_us() + limit_us;

	if (!turn->services->meter->has_kept || !is_time(turn) || !has_recovered(turn))
		return;
	while (times-- > 0 && clock_steady_us() < until_us && send_some(turn))
		;
}

static void count_answer(struct batch *batch, const struct audit *audit, int64_t duration_us)
{
	struct str endpoint = str_of(audit->endpoint == NULL ? "none" : audit->endpoint);
	size_t i = 0;

	while (duration_us > buckets[i].limit_us)
		i++;
	batch_begin(batch, METER_REQUESTS, 1);
	buf_str(&batch->text, endpoint);
	buf_char(&batch->text, '\t');
	buf_number(&batch->text, audit->status);
	batch_end(batch);
	batch_add(batch, METER_DURATION, endpoint, buckets[i].limit, 1);
	batch_add(batch, METER_DURATION_SUM, endpoint, STR(""), duration_us);
}

/* A stranger must not choose names. */
static struct str label_of(const struct client_table *clients, struct str client_id)
{
	const struct client *client = client_find(clients, client_id);

	return client == NULL ? METER_UNKNOWN : client->id;
}

static void count_token(struct batch *batch, const struct audit *audit, struct str client)
{
	if (audit->reason != REASON_NONE)
		batch_add_reason(batch, METER_REFUSED, client, audit->reason);
	else if (audit->status == 200)
		batch_add(batch, METER_ISSUED, client, STR(""), 1);
}

const struct meter_info *meter_info(enum meter_family family)
{
	return &families[family];
}

const struct meter_bucket *meter_bucket(size_t index)
{
	return &buckets[index];
}

struct meter *meter_new(void)
{
	struct meter *meter = calloc(1, sizeof(*meter));

	if (meter == NULL)
		return NULL;
	meter->kept = counters_new();
	if (meter->kept == NULL) {
		free(meter);
		return NULL;
	}
	return meter;
}

void meter_free(struct meter *meter)
{
	if (meter == NULL)
		return;
	counters_free(meter->kept);
	free(meter);
}

void meter_count_request(
	const struct meter_turn *turn, const struct audit *audit, int64_t duration_us)
{
	struct str client = label_of(turn->clients, audit->client_id);
	struct batch batch;

	batch_init(&batch);
	count_answer(&batch, audit, duration_us);
	if (str_eq(str_of(audit->endpoint), STR("token")))
		count_token(&batch, audit, client);
	if (audit->reason == REASON_THROTTLED)
		batch_add(&batch, METER_THROTTLED, client, STR(""), 1);
	if (reason_is_store(audit->reason))
		batch_add_reason(&batch, METER_STORE_ERRORS, STR(""), audit->reason);
	meter_catch_up(turn);
	put(turn, batch.steps, batch.count);
}

void meter_count_loads(const struct meter_turn *turn, unsigned good, unsigned bad)
{
	struct batch batch;

	batch_init(&batch);
	if (good > 0)
		batch_add(&batch, METER_LOADS, STR("success"), STR(""), good);
	if (bad > 0)
		batch_add(&batch, METER_LOADS, STR("failure"), STR(""), bad);
	meter_catch_up(turn);
	if (batch.count > 0)
		put(turn, batch.steps, batch.count);
}

void meter_catch_up(const struct meter_turn *turn)
{
	send_kept(turn, SHARE_US, SHARE_MAX);
}

void meter_finish(const struct meter_turn *turn)
{
	turn->services->meter->resume_us = turn->now_us;
	send_kept(turn, LAST_US, UINT_MAX);
}

void meter_each(const struct meter *meter, counter_visitor *visitor, void *context)
{
	counters_each(meter->kept, visitor, context);
}
