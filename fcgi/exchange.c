/* SPDX-License-Identifier: MIT */
/* Serves one request: dispatch, render, log. */
#include "exchange.h"
#include "oauth/dispatch.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 65536
#define ARENA_MAX (8 * 1024 * 1024)
#define LAST_RESORT_SIZE 1024

struct exchange {
	struct arena *arena;
	struct services services;
	unsigned generation; /* of the configuration that all of this belongs to */
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
static bool adopt_configuration(struct exchange *exchange, const struct reload *reload)
{
	const struct snapshot *snapshot = reload_snapshot(reload);

	if (snapshot == NULL || exchange->generation == reload_generation(reload))
		return true;
	credential_forget(exchange->services.credentials);
	if (!adopt_store(exchange, snapshot->state))
		return false;
	exchange->generation = reload_generation(reload);
	return true;
}

struct exchange *exchange_new(void)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->arena = arena_new(ARENA_BLOCK, ARENA_MAX);
	exchange->services.credentials = credential_checker_new();
	exchange->services.random = random_bytes;
	if (exchange->arena == NULL || exchange->services.credentials == NULL) {
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
	credential_checker_free(exchange->services.credentials);
	arena_free(exchange->arena);
	free(exchange);
}

struct str exchange_answer(
	struct exchange *exchange, const struct reload *reload, struct http_request *request)
{
	int64_t begin_us = clock_steady_us();
	struct http_response response = { 0 };
	struct audit audit = { .event = "request.denied", .method = AUTH_NONE };
	struct str answer = STR("");

	bool good = adopt_configuration(exchange, reload);
	const struct dispatch_input input = {
		.snapshot = reload_snapshot(reload),
		.request = request,
		.services = &exchange->services,
		.arena = exchange->arena,
		.now_s = clock_wall_ms() / 1000,
		.degraded = reload_is_degraded(reload),
	};

	good = good && http_request_init(request, exchange->arena) == REASON_NONE;
	if (good)
		dispatch(&input, &response, &audit);
	if (!good || !render(exchange, &response, &answer))
		answer = last_resort(exchange, &audit);
	/* Before it is sent: no token leaves that the log does not know of. */
	audit_log(reload_log(reload), &audit, clock_steady_us() - begin_us);
	return answer;
}

void exchange_forget(struct exchange *exchange)
{
	arena_reset(exchange->arena);
}
