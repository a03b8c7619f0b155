/* SPDX-License-Identifier: MIT */
/* From a request to a response: the checks that every request meets (interface §3.1), in order.
 */
#include "oauth/dispatch.h"
#include "http/header.h"
#include "oauth/answer.h"
#include "oauth/params.h"
#include "oauth/route.h"
#include "util/openssl.h"
#include "util/uuid.h"

#define REQUEST_ID_MAX 64
#define RETRY_AFTER_S "5"

/* One request under way. */
struct turn {
	const struct dispatch_input *input;
	const struct route *route; /* NULL until it is found */
	struct call call;
	struct form form;
	struct http_response *response;
	struct audit *audit;
};

static bool is_request_id(struct str id)
{
	if (id.n == 0 || id.n > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && !str_has(STR("._-"), c))
			return false;
	}
	return true;
}

/* A trusted proxy's own id, so that one request has one name in all logs; else a new one. */
static enum reason choose_request_id(struct turn *turn)
{
	const struct dispatch_input *input = turn->input;
	struct str given = http_variable(input->request, "HTTP_X_REQUEST_ID");
	unsigned char bytes[UUID_BYTES];
	char text[UUID_LEN + 1];

	if (input->snapshot != NULL && is_request_id(given) &&
		http_from_trusted_proxy(input->request, input->snapshot->trusted_proxies)) {
		turn->audit->request_id = given;
		return REASON_NONE;
	}
	const struct random_source *random = input->services->random;
	enum reason reason = random->fill(random->context, bytes, sizeof(bytes));

	uuid_format(bytes, 4, text);
	if (!arena_copy(input->arena, (struct str){ text, UUID_LEN }, &turn->audit->request_id))
		return REASON_MEMORY;
	return reason;
}

/* The origin of a request from a browser, if it is one of cors_origins; else empty. */
static struct str allowed_origin(const struct turn *turn)
{
	const struct dispatch_input *input = turn->input;
	struct str origin = http_variable(input->request, "HTTP_ORIGIN");

	if (turn->route == NULL || !turn->route->allows_cors)
		return STR("");
	return str_list_has(input->snapshot->cors_origins, origin) ? origin : STR("");
}

/* Must a cache keep the answers to different origins apart? */
static bool varies_by_origin(const struct turn *turn)
{
	return turn->route != NULL && turn->route->allows_cors &&
	       turn->input->snapshot->cors_origins.count > 0;
}

static bool is_preflight(const struct turn *turn)
{
	const struct http_request *request = turn->input->request;

	return request->method == HTTP_OPTIONS && allowed_origin(turn).n > 0 &&
	       http_variable(request, "HTTP_ACCESS_CONTROL_REQUEST_METHOD").n > 0;
}

static void answer_preflight(struct turn *turn)
{
	struct http_response *response = turn->response;

	turn->audit->event = "cors.preflight";
	response->status = 204;
	http_response_add(response, "Access-Control-Allow-Methods", str_of(turn->route->allow));
	http_response_add(response, "Access-Control-Allow-Headers",
		STR("Authorization, Content-Type, DPoP, If-None-Match"));
	http_response_add(response, "Access-Control-Max-Age", STR("600"));
	answer_uncached(response);
}

static enum reason check_body_length(const struct http_request *request)
{
	size_t length;
	enum reason reason = http_content_length(request, &length);

	if (reason != REASON_NONE)
		return reason;
	return request->body_is_whole && request->body.n == length ? REASON_NONE
								   : REASON_BODY_LENGTH;
}

static enum reason read_form(struct turn *turn)
{
	const struct http_request *request = turn->input->request;
	struct arena *arena = turn->input->arena;
	enum reason reason;

	if (!header_is_form(http_variable(request, "CONTENT_TYPE")))
		return REASON_MEDIA_TYPE;
	if ((reason = check_body_length(request)) != REASON_NONE ||
		(reason = params_parse(request->body, arena, &turn->form)) != REASON_NONE)
		return reason;
	return params_query_has_credentials(http_variable(request, "QUERY_STRING"), arena)
		       ? REASON_QUERY_CREDENTIALS
		       : REASON_NONE;
}

static enum reason check_method(const struct turn *turn)
{
	enum http_method method = turn->input->request->method;

	return (turn->route->methods & HTTP_BIT(method)) != 0 ? REASON_NONE : REASON_METHOD;
}

static enum reason check_transport(const struct turn *turn)
{
	const struct snapshot *snapshot = turn->input->snapshot;
	bool is_open = !snapshot->require_tls || turn->route->allows_plain;

	return is_open || http_is_tls(turn->input->request, snapshot->trusted_proxies)
		       ? REASON_NONE
		       : REASON_PLAIN_HTTP;
}

static void find_client_address(struct turn *turn)
{
	const struct dispatch_input *input = turn->input;
	const struct netmask_list nobody = { 0 };

	turn->call.client_address = http_client_address(input->request,
		input->snapshot == NULL ? nobody : input->snapshot->trusted_proxies,
		&turn->audit->remote_addr);
}

static enum reason serve(struct turn *turn)
{
	const struct dispatch_input *input = turn->input;
	enum reason reason = choose_request_id(turn);

	if (reason != REASON_NONE)
		return reason;
	if (input->snapshot == NULL)
		return REASON_CONFIG;
	turn->route = route_find(input->snapshot, input->request, &turn->call.client_address);
	if (turn->route == NULL)
		return REASON_NOT_FOUND;
	turn->audit->endpoint = turn->route->endpoint;
	if (is_preflight(turn)) {
		answer_preflight(turn);
		return REASON_NONE;
	}
	turn->audit->event = turn->route->event;
	if ((reason = check_method(turn)) != REASON_NONE ||
		(reason = check_transport(turn)) != REASON_NONE)
		return reason;
	if (input->request->method == HTTP_POST && (reason = read_form(turn)) != REASON_NONE)
		return reason;
	return turn->route->handler(&turn->call, turn->response, turn->audit);
}

/* RFC 6749 §5.2; the texts of reason.def need no escaping. */
static struct str error_body(struct arena *arena, const struct reason_info *info)
{
	static const size_t size = 512;
	char *p = arena_alloc(arena, size);
	struct buf json = buf_init(p, p == NULL ? 0 : size);

	buf_text(&json, "{\"error\":\"");
	buf_text(&json, info->error);
	buf_text(&json, "\",\"error_description\":\"");
	buf_text(&json, info->description);
	buf_text(&json, "\"}");
	return json.overflow ? STR("{\"error\":\"temporarily_unavailable\"}") : buf_view(&json);
}

/* RFC 7617 §2; an issuer has no character that a quoted string would escape. */
static struct str challenge(struct arena *arena, struct str issuer)
{
	size_t size = issuer.n + 64;
	char *p = arena_alloc(arena, size);
	struct buf text = buf_init(p, p == NULL ? 0 : size);

	buf_text(&text, "Basic realm=\"");
	buf_str(&text, issuer);
	buf_text(&text, "\", charset=\"UTF-8\"");
	return text.overflow ? STR("Basic realm=\"\"") : buf_view(&text);
}

/* In seconds: as long as who was refused has waited. */
static int64_t busy_s(const struct snapshot *snapshot)
{
	return (snapshot_patience_us(snapshot) + 999999) / 1000000;
}

static struct str number_text(struct arena *arena, int64_t number)
{
	static const size_t size = 20;
	char *p = arena_alloc(arena, size);
	struct buf text = buf_init(p, p == NULL ? 0 : size);

	buf_number(&text, number);
	return text.overflow ? STR(RETRY_AFTER_S) : buf_view(&text);
}

static void refuse(struct turn *turn, enum reason reason)
{
	const struct dispatch_input *input = turn->input;
	const struct reason_info *info = reason_info(reason);
	struct http_response *response = turn->response;

	*response = (struct http_response){ 0 };
	answer_private(response, info->status, error_body(input->arena, info));
	if (info->status == 401)
		http_response_add(response, "WWW-Authenticate",
			challenge(input->arena, input->snapshot->issuer));
	if (reason == REASON_METHOD && turn->route != NULL)
		http_response_add(response, "Allow", str_of(turn->route->allow));
	if (info->status == 503)
		http_response_add(response, "Retry-After", STR(RETRY_AFTER_S));
	if (reason == REASON_HASH_BUSY)
		http_response_add(response, "Retry-After",
			number_text(input->arena, busy_s(input->snapshot)));
	if (reason == REASON_THROTTLED)
		http_response_add(response, "Retry-After",
			number_text(input->arena, turn->audit->retry_after_s));
}

static void finish(struct turn *turn, enum reason reason)
{
	struct http_response *response = turn->response;
	struct str origin = allowed_origin(turn);

	if (origin.n > 0)
		http_response_add(response, "Access-Control-Allow-Origin", origin);
	if (varies_by_origin(turn))
		http_response_add(response, "Vary", STR("Origin"));
	http_response_add(response, "X-Request-Id", turn->audit->request_id);
	response->omit_body = turn->input->request->method == HTTP_HEAD;
	turn->audit->reason = reason;
	turn->audit->status = response->status;
}

void dispatch(
	const struct dispatch_input *input, struct http_response *response, struct audit *audit)
{
	struct turn turn = {
		.input = input,
		.call = {
			.snapshot = input->snapshot,
			.request = input->request,
			.services = input->services,
			.arena = input->arena,
			.now_s = input->now_s,
			.process = input->process,
		},
		.response = response,
		.audit = audit,
	};

	turn.call.form = &turn.form;
	openssl_forget();
	*response = (struct http_response){ 0 };
	*audit = (struct audit){ .event = "request.denied", .method = AUTH_NONE };
	find_client_address(&turn);
	enum reason reason = serve(&turn);

	if (reason == REASON_HASH_AWAITED) {
		audit->reason = reason;
		return;
	}
	if (reason != REASON_NONE)
		refuse(&turn, reason);
	finish(&turn, reason);
}
