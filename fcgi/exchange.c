/* SPDX-License-Identifier: MIT */
/* Serves one request: dispatch, render, log, count. */
#include "exchange.h"
#include "oauth/asked.h"
#include "oauth/dispatch.h"
#include "oauth/meter.h"
#include "oauth/reuse.h"
#include "util/clock.h"
#include "util/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BLOCK 65536
#define ARENA_MAX (8 * 1024 * 1024)
#define LAST_RESORT_SIZE 1024
#define TICK_US INT64_C(1000000)
#define WIPE_US INT64_C(1000000)
#define TIDY_US INT64_C(60000000)

/* Loads of the configuration. */
struct loads {
	unsigned good, bad;
};

struct exchange {
	const struct reload *reload;
	struct arena *arena;
	struct services services;
	struct process_facts process;
	struct loads loads; /* that are counted, or were made before */
	int64_t ticked_us;
	int64_t tidied_us;
	int64_t wiped_us;
	struct random_pool pool;
	struct random_source random; /* the pool */
	unsigned generation;         /* of the configuration that all of this belongs to */
	char *state; /* the configuration's, by which services.store was made; or NULL */
	char last_resort[LAST_RESORT_SIZE];
};

/* One buffer for head and body, so that they leave in one write. */
static bool render(
	struct exchange *exchange, const struct http_response *response, struct str *answer)
{
	struct str body = http_response_body(response);
	size_t size = HTTP_RESPONSE_HEAD_MAX + body.n;
	char *p = arena_alloc(exchange->arena, size);

	if (p == NULL)
		return false;
	struct buf buf = buf_init(p, size);

	http_response_write_head(response, &buf);
	buf_str(&buf, body);
	*answer = buf_view(&buf);
	return !buf.overflow;
}

/* The answer when there is no memory for an answer. */
static struct str last_resort(struct exchange *exchange, struct audit *audit)
{
	const struct reason_info *info = reason_info(REASON_MEMORY);
	struct buf buf = buf_init(exchange->last_resort, sizeof(exchange->last_resort));

	buf_text(&buf, "Status: 503 Service Unavailable\r\n"
		       "Content-Type: application/json;charset=UTF-8\r\n"
		       "Cache-Control: no-store\r\nPragma: no-cache\r\n"
		       "Retry-After: 5\r\n");
	if (audit->request_id.n > 0) {
		buf_text(&buf, "X-Request-Id: ");
		buf_str(&buf, audit->request_id);
		buf_text(&buf, "\r\n");
	}
	buf_text(&buf, "\r\n{\"error\":\"");
	buf_text(&buf, info->error);
	buf_text(&buf, "\",\"error_description\":");
	buf_json(&buf, str_of(info->description));
	buf_char(&buf, '}');
	/* The outcome is another now, and no token has left. */
	audit->event = "request.denied";
	audit->jti = STR("");
	audit->reason = REASON_MEMORY;
	audit->status = info->status;
	return buf_view(&buf);
}

static void forget_store(struct exchange *exchange)
{
	store_free(exchange->services.store);
	free(exchange->state);
	exchange->services.store = NULL;
	exchange->state = NULL;
}

/* The store of the configuration, kept as long as it is the same one; false: out of memory. */
static bool adopt_store(struct exchange *exchange, struct str state)
{
	if (str_eq(str_of(exchange->state), state))
		return true;
	forget_store(exchange);
	if (state.n == 0)
		return true;
	exchange->state = strndup(state.p, state.n);
	exchange->services.store = store_new(state);
	if (exchange->state != NULL && exchange->services.store != NULL)
		return true;
	forget_store(exchange);
	return false;
}

/* False: out of memory; to be tried again for the next request. */
static bool adopt_configuration(struct exchange *exchange)
{
	const struct reload *reload = exchange->reload;
	const struct snapshot *snapshot = reload_snapshot(reload);

	exchange->process.loaded_s = reload_loaded_s(reload);
	exchange->process.degraded = reload_is_degraded(reload);
	if (snapshot == NULL || exchange->generation == reload_generation(reload))
		return true;
	reuse_forget(exchange->services.reuse);
	if (!adopt_store(exchange, snapshot->state))
		return false;
	exchange->generation = reload_generation(reload);
	return true;
}

/* Is there anything to count, and something to count with?  No request fails without it. */
static bool has_meter(struct exchange *exchange)
{
	const struct snapshot *snapshot = reload_snapshot(exchange->reload);

	if (snapshot == NULL || !snapshot->metrics)
		return false;
	if (exchange->services.meter == NULL)
		exchange->services.meter = meter_new();
	return exchange->services.meter != NULL;
}

static struct meter_turn meter_turn(struct exchange *exchange, int64_t now_us)
{
	return (struct meter_turn){
		.services = &exchange->services,
		.clients = &reload_snapshot(exchange->reload)->clients,
		.now_us = now_us,
	};
}

static struct process_facts new_process(void)
{
	struct process_facts process = {
		.pid = getpid(),
		.started_s = clock_wall_ms() / 1000,
	};
	struct buf version = buf_init(process.version, sizeof(process.version) - 1);

	buf_str(&version, str_upto(STR(VERSION), sizeof(process.version) - 1));
	return process;
}

static struct loads loads_of(const struct reload *reload)
{
	return (struct loads){ reload_generation(reload), reload_rejections(reload) };
}

/* Once a second, and whenever a load has gone well or not. */
static bool is_time(const struct exchange *exchange, int64_t now_us)
{
	const struct loads loads = loads_of(exchange->reload);

	return exchange->ticked_us == 0 || now_us - exchange->ticked_us >= TICK_US ||
	       loads.good != exchange->loads.good || loads.bad != exchange->loads.bad;
}

/* Forget what is not to be remembered any longer. */
static void tidy(struct exchange *exchange, int64_t now_us)
{
	if (now_us - exchange->wiped_us >= WIPE_US) {
		reuse_tidy(exchange->services.reuse, clock_wall_ms() / 1000);
		exchange->wiped_us = now_us;
	}
	if (now_us - exchange->tidied_us >= TIDY_US) {
		credential_tidy(exchange->services.credentials, clock_wall_ms() / 1000);
		exchange->tidied_us = now_us;
	}
}

static void count_loads(struct exchange *exchange, const struct meter_turn *turn)
{
	const struct loads loads = loads_of(exchange->reload), counted = exchange->loads;

	meter_count_loads(turn, loads.good - counted.good, loads.bad - counted.bad);
	exchange->loads = loads;
}

/* Without metrics no load is counted, and this process is not listed: it was by the store. */
static void leave(struct exchange *exchange)
{
	exchange->loads = loads_of(exchange->reload);
	if (exchange->ticked_us == 0)
		return;
	forget_store(exchange);
	exchange->generation = 0;
	exchange->ticked_us = 0;
}

struct exchange *exchange_new(const struct reload *reload)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->reload = reload;
	exchange->loads = loads_of(reload);
	exchange->process = new_process();
	exchange->arena = arena_new(ARENA_BLOCK, ARENA_MAX);
	exchange->services.credentials = credential_checker_new();
	exchange->random = random_pool_source(&exchange->pool);
	exchange->services.random = &exchange->random;
	exchange->services.reuse = reuse_cache_new();
	if (exchange->arena == NULL || exchange->services.credentials == NULL ||
		exchange->services.reuse == NULL) {
		exchange_free(exchange);
		return NULL;
	}
	return exchange;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	forget_store(exchange);
	meter_free(exchange->services.meter);
	credential_checker_free(exchange->services.credentials);
	reuse_cache_free(exchange->services.reuse);
	arena_free(exchange->arena);
	secret_wipe(&exchange->pool, sizeof(exchange->pool));
	free(exchange);
}

void exchange_use_runner(struct exchange *exchange, const struct credential_runner *runner)
{
	credential_use_runner(exchange->services.credentials, runner);
}

bool exchange_clients(
	struct exchange *exchange, struct http_request *request, struct str_list *clients)
{
	*clients = (struct str_list){ 0 };
	return http_request_init(request, exchange->arena) == REASON_NONE &&
	       asked_clients(request, exchange->arena, clients);
}

struct str exchange_answer(
	struct exchange *exchange, struct http_request *request, int64_t begin_us)
{
	struct http_response response = { 0 };
	struct audit audit = { .event = "request.denied", .method = AUTH_NONE };
	struct str answer = STR("");

	bool good = adopt_configuration(exchange);
	const struct dispatch_input input = {
		.snapshot = reload_snapshot(exchange->reload),
		.request = request,
		.services = &exchange->services,
		.arena = exchange->arena,
		.now_s = clock_wall_ms() / 1000,
		.process = &exchange->process,
	};

	good = good && http_request_init(request, exchange->arena) == REASON_NONE;
	if (good)
		dispatch(&input, &response, &audit);
	if (good && audit.reason == REASON_HASH_AWAITED)
		return STR("");
	if (!good || !render(exchange, &response, &answer))
		answer = last_resort(exchange, &audit);
	int64_t end_us = clock_steady_us();

	/* Before it is sent: no token leaves that the log does not know of. */
	audit_log(reload_log(exchange->reload), &audit, end_us - begin_us);
	if (has_meter(exchange)) {
		const struct meter_turn turn = meter_turn(exchange, end_us);

		meter_count_request(&turn, &audit, end_us - begin_us);
	}
	return answer;
}

void exchange_forget(struct exchange *exchange)
{
	arena_reset(exchange->arena);
	secret_wipe_stack();
}

void exchange_tick(struct exchange *exchange)
{
	int64_t now_us = clock_steady_us();

	tidy(exchange, now_us);
	if (!has_meter(exchange)) {
		leave(exchange);
		return;
	}
	if (!is_time(exchange, now_us) || !adopt_configuration(exchange))
		return;
	const struct meter_turn turn = meter_turn(exchange, now_us);
	struct store *store = exchange->services.store;

	if (store != NULL)
		store->ops->report(store, &exchange->process);
	count_loads(exchange, &turn);
	exchange->ticked_us = now_us;
	exchange_forget(exchange);
}

void exchange_finish(struct exchange *exchange)
{
	if (!has_meter(exchange))
		return;
	const struct meter_turn turn = meter_turn(exchange, clock_steady_us());

	meter_finish(&turn);
}
