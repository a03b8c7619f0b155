/* SPDX-License-Identifier: MIT */
/* From a request to a response: the checks that every request meets (interface §3.1), in order.
 */
#include "oauth/dispatch.h"
#include "http/header.h"
#include "oauth/answer.h"
#include "oauth/params.h"
#include "oauth/route.h"
#include "util/uuid.h"

#define REQUEST_ID_MAX 64
#define RETRY_AFTER_S "5"

/* One request under way. */
struct exchange {
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
static enum reason choose_request_id(struct exchange *exchange)
{
	const struct dispatch_input *input = exchange->input;
	struct str given = http_variable(input->request, "HTTP_X_REQUEST_ID");
	unsigned char bytes[UUID_BYTES];
	char text[UUID_LEN + 1];

	if (input->snapshot != NULL && is_request_id(given) &&
		http_from_trusted_proxy(input->request, input->snapshot->trusted_proxies)) {
		exchange->audit->request_id = given;
		return REASON_NONE;
	}
	enum reason reason = input->services->random(bytes, sizeof(bytes));

	uuid_format(bytes, 4, text);
	if (!arena_copy(
		    input->arena, (struct str){ text, UUID_LEN }, &exchange->audit->request_id))
		return REASON_MEMORY;
	return reason;
}

/* The origin of a request from a browser, if it is one of cors_origins; else empty. */
static struct str allowed_origin(const struct exchange *exchange)
{
	const struct dispatch_input *input = exchange->input;
	struct str origin = http_variable(input->request, "HTTP_ORIGIN");

	if (exchange->route == NULL || !exchange->route->allows_cors)
		return STR("");
	return str_list_has(input->snapshot->cors_origins, origin) ? origin : STR("");
}

/* Must a cache keep the answers to different origins apart? */
static bool varies_by_origin(const struct exchange *exchange)
{
	return exchange->route != NULL && exchange->route->allows_cors &&
	       exchange->input->snapshot->cors_origins.count > 0;
}

static bool is_preflight(const struct exchange *exchange)
{
	const struct http_request *request = exchange->input->request;

	return request->method == HTTP_OPTIONS && allowed_origin(exchange).n > 0 &&
	       http_variable(request, "HTTP_ACCESS_CONTROL_REQUEST_METHOD").n > 0;
}

static void answer_preflight(struct exchange *exchange)
{
	struct http_response *response = exchange->response;

	exchange->audit->event = "cors.preflight";
	response->status = 204;
	http_response_add(
		response, "Access-Control-Allow-Methods", str_of(exchange->route->allow));
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

static enum reason read_form(struct exchange *exchange)
{
	const struct http_request *request = exchange->input->request;
	struct arena *arena = exchange->input->arena;
	enum reason reason;

	if (!header_is_form(http_variable(request, "CONTENT_TYPE")))
		return REASON_MEDIA_TYPE;
	if ((reason = check_body_length(request)) != REASON_NONE ||
		(reason = params_parse(request->body, arena, &exchange->form)) != REASON_NONE)
		return reason;
	return params_query_has_credentials(http_variable(request, "QUERY_STRING"), arena)
		       ? REASON_QUERY_CREDENTIALS
		       : REASON_NONE;
}

static enum reason check_method(const struct exchange *exchange)
{
	enum http_method method = exchange->input->request->method;

	return (exchange->route->methods & HTTP_BIT(method)) != 0 ? REASON_NONE : REASON_METHOD;
}

static enum reason check_transport(const struct exchange *exchange)
{
	const struct snapshot *snapshot = exchange->input->snapshot;
	bool is_open = !snapshot->require_tls || exchange->route->allows_plain;

	return is_open || http_is_tls(exchange->input->request, snapshot->trusted_proxies)
		       ? REASON_NONE
		       : REASON_PLAIN_HTTP;
}

static enum reason serve(struct exchange *exchange)
{
	const struct dispatch_input *input = exchange->input;
	enum reason reason = choose_request_id(exchange);

	if (reason != REASON_NONE)
		return reason;
	if (input->snapshot == NULL)
		return REASON_CONFIG;
	exchange->call.client_address = http_client_address(input->request,
		input->snapshot->trusted_proxies, &exchange->audit->remote_addr);
	exchange->route = route_find(input->snapshot, input->request);
	if (exchange->route == NULL)
		return REASON_NOT_FOUND;
	if (is_preflight(exchange)) {
		answer_preflight(exchange);
		return REASON_NONE;
	}
	exchange->audit->event = exchange->route->denied;
	if ((reason = check_method(exchange)) != REASON_NONE ||
		(reason = check_transport(exchange)) != REASON_NONE)
		return reason;
	if (input->request->method == HTTP_POST &&
		(reason = read_form(exchange)) != REASON_NONE)
		return reason;
	return exchange->route->handler(&exchange->call, exchange->response, exchange->audit);
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

static void refuse(struct exchange *exchange, enum reason reason)
{
	const struct dispatch_input *input = exchange->input;
	const struct reason_info *info = reason_info(reason);
	struct http_response *response = exchange->response;

	*response = (struct http_response){ 0 };
	answer_private(response, info->status, error_body(input->arena, info));
	if (info->status == 401)
		http_response_add(response, "WWW-Authenticate",
			challenge(input->arena, input->snapshot->issuer));
	if (reason == REASON_METHOD && exchange->route != NULL)
		http_response_add(response, "Allow", str_of(exchange->route->allow));
	if (info->status == 503)
		http_response_add(response, "Retry-After", STR(RETRY_AFTER_S));
}

static void finish(struct exchange *exchange, enum reason reason)
{
	struct http_response *response = exchange->response;
	struct str origin = allowed_origin(exchange);

	if (origin.n > 0)
		http_response_add(response, "Access-Control-Allow-Origin", origin);
	if (varies_by_origin(exchange))
		http_response_add(response, "Vary", STR("Origin"));
	http_response_add(response, "X-Request-Id", exchange->audit->request_id);
	response->omit_body = exchange->input->request->method == HTTP_HEAD;
	exchange->audit->reason = reason;
	exchange->audit->status = response->status;
}

void dispatch(
	const struct dispatch_input *input, struct http_response *response, struct audit *audit)
{
	struct exchange exchange = {
		.input = input,
		.call = {
			.snapshot = input->snapshot,
			.request = input->request,
			.services = input->services,
			.arena = input->arena,
			.now_s = input->now_s,
		},
		.response = response,
		.audit = audit,
	};

	exchange.call.form = &exchange.form;
	*response = (struct http_response){ 0 };
	*audit = (struct audit){ .event = "request.denied", .method = AUTH_NONE };
	enum reason reason = serve(&exchange);

	if (reason != REASON_NONE)
		refuse(&exchange, reason);
	finish(&exchange, reason);
}
