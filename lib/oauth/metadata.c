/* SPDX-License-Identifier: MIT */
/* Authorization server metadata (RFC 8414). */
#include "oauth/metadata.h"
#include "oauth/answer.h"
#include "oauth/dpop.h"

#define FIXED_SIZE 4096 /* bytes of names and of texts whose number is bounded */

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

/* `prefix` and `name` together are the member's name. */
static void open_list(struct buf *json, const char *prefix, const char *name)
{
	buf_text(json, ",\"");
	buf_text(json, prefix);
	buf_text(json, name);
	buf_text(json, "\":[");
}

static void add_auth_methods(struct buf *json, const char *prefix, unsigned methods)
{
	bool is_first = true;

	open_list(json, prefix, "_methods_supported");
	for (enum auth_method method = 0; method < AUTH__MAX; method++) {
		if ((methods & AUTH_BIT(method)) != 0)
			add_item(json, &is_first, str_of(auth_method_name(method)));
	}
	buf_char(json, ']');
}

/* algs: JOSE_ALG_BIT; without any there is no member. */
static void add_algs(struct buf *json, const char *prefix, unsigned algs)
{
	bool is_first = true;

	if (algs == 0)
		return;
	open_list(json, prefix, "_signing_alg_values_supported");
	for (enum jose_alg alg = JOSE_ALG_NONE + 1; alg < JOSE_ALG__MAX; alg++) {
		if ((algs & JOSE_ALG_BIT(alg)) != 0)
			add_item(json, &is_first, str_of(alg_info(alg)->name));
	}
	buf_char(json, ']');
}

/* How clients authenticate at an endpoint (RFC 8414 §2); endpoint: its name and "_auth". */
static void add_authentication(
	struct buf *json, const struct snapshot *snapshot, const char *endpoint)
{
	add_auth_methods(json, endpoint, snapshot->auth_methods);
	add_algs(json, endpoint, snapshot->assertion_algs);
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
	size_t size = FIXED_SIZE + snapshot->issuer.n + 4 * snapshot->base_url.n;

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
	add_authentication(buf, snapshot, "token_endpoint_auth");
	if (snapshot->introspection) {
		add_url(buf, "introspection_endpoint", snapshot->base_url, "/introspect");
		add_authentication(buf, snapshot, "introspection_endpoint_auth");
	}
	if (snapshot->revocation) {
		add_url(buf, "revocation_endpoint", snapshot->base_url, "/revoke");
		add_authentication(buf, snapshot, "revocation_endpoint_auth");
	}
	add_algs(buf, "dpop", dpop_is_offered(snapshot) ? DPOP_ALGS : 0);
	if (snapshot->takes_certificates)
		buf_text(buf, ",\"tls_client_certificate_bound_access_tokens\":true");
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
