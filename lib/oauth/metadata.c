/* SPDX-License-Identifier: MIT */
/* Authorization server metadata (RFC 8414). */
#include "oauth/metadata.h"
#include "oauth/answer.h"

#define FIXED_SIZE 2048 /* bytes of names and of texts whose number is bounded */

static void add_item(struct buf *json, bool *is_first, struct str item)
{
	if (!*is_first)
		buf_char(json, ',');
	buf_json(json, item);
	*is_first = false;
}

static void add_url(struct buf *json, const char *name, struct str base, const char *path)
{
	buf_text(json, ",\"");
	buf_text(json, name);
	buf_text(json, "\":\"");
	buf_str(json, base);
	buf_text(json, path);
	buf_char(json, '"');
}

static void add_auth_methods(struct buf *json, unsigned methods)
{
	bool is_first = true;

	buf_text(json, ",\"token_endpoint_auth_methods_supported\":[");
	for (enum auth_method method = 0; method < AUTH__MAX; method++) {
		if ((methods & AUTH_BIT(method)) != 0)
			add_item(json, &is_first, str_of(auth_method_name(method)));
	}
	buf_char(json, ']');
}

static void add_scopes(struct buf *json, const struct scope_table *scopes)
{
	bool is_first = true;

	buf_text(json, ",\"scopes_supported\":[");
	for (size_t i = 0; i < scopes->count; i++)
		add_item(json, &is_first, scopes->items[i].token);
	buf_char(json, ']');
}

size_t metadata_size(const struct snapshot *snapshot)
{
	size_t size = FIXED_SIZE + snapshot->issuer.n + 2 * snapshot->base_url.n;

	for (size_t i = 0; i < snapshot->scopes.count; i++)
		size += snapshot->scopes.items[i].token.n + 3;
	return size;
}

enum reason metadata_write(const struct snapshot *snapshot, struct buf *buf)
{
	buf_text(buf, "{\"issuer\":");
	buf_json(buf, snapshot->issuer);
	add_url(buf, "token_endpoint", snapshot->base_url, "/token");
	add_url(buf, "jwks_uri", snapshot->base_url, "/jwks");
	/* RFC 8414 requires the member; there is no authorization endpoint, hence no type. */
	buf_text(buf, ",\"response_types_supported\":[]");
	buf_text(buf, ",\"grant_types_supported\":[\"client_credentials\"]");
	add_auth_methods(buf, snapshot->auth_methods);
	add_scopes(buf, &snapshot->scopes);
	buf_char(buf, '}');
	return buf->overflow ? REASON_MEMORY : REASON_NONE;
}

enum reason metadata_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	struct document document;
	size_t size = metadata_size(call->snapshot);
	char *p = arena_alloc(call->arena, size);
	struct buf json = buf_init(p, size);

	(void)audit;
	if (p == NULL)
		return REASON_MEMORY;
	enum reason reason = metadata_write(call->snapshot, &json);

	if (reason == REASON_NONE)
		reason = document_make(call->arena, buf_view(&json), &document);
	if (reason == REASON_NONE)
		answer_public(call, &document, "application/json", response);
	return reason;
}
