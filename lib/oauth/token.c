/* SPDX-License-Identifier: MIT */
/* The token endpoint: who is calling, what does it get, sign it, say it. */
#include "oauth/token.h"
#include "oauth/answer.h"
#include "oauth/client_auth.h"
#include "oauth/dpop.h"
#include "oauth/grant.h"
#include "oauth/params.h"
#include "oauth/reuse.h"

#include <string.h>

static enum reason check_grant_type(const struct form *form)
{
	struct str grant_type = form_value(form, PARAM_GRANT_TYPE);

	if (grant_type.n == 0)
		return REASON_GRANT_TYPE_MISSING;
	return str_eq(grant_type, STR("client_credentials")) ? REASON_NONE
							     : REASON_GRANT_TYPE_UNSUPPORTED;
}

/* `audience` is an alias of RFC 8707's `resource`. */
static enum reason gather_resources(const struct call *call, struct str_list *resources)
{
	struct str_list named = form_list(call->form, PARAM_RESOURCE);
	struct str_list aliased = form_list(call->form, PARAM_AUDIENCE);
	struct str *items = arena_alloc_array(
		call->arena, named.count + aliased.count + 1, sizeof(*items));

	*resources = (struct str_list){ 0 };
	if (items == NULL)
		return REASON_MEMORY;
	if (named.count > 0)
		memcpy(items, named.items, named.count * sizeof(*items));
	if (aliased.count > 0)
		memcpy(items + named.count, aliased.items, aliased.count * sizeof(*items));
	*resources = (struct str_list){ items, named.count + aliased.count };
	return REASON_NONE;
}

/* caller and jkt are borrowed for the life of the grant. */
static enum reason decide(const struct call *call, const struct caller *caller, const char *jkt,
	struct grant *grant)
{
	struct grant_request request = {
		.scope = form_value(call->form, PARAM_SCOPE),
		.x5t = str_of(caller->thumbprint),
		.jkt = str_of(jkt),
	};
	enum reason reason = gather_resources(call, &request.resources);

	if (reason != REASON_NONE)
		return reason;
	return grant_decide(call->snapshot, caller->client, &request, call->arena, grant);
}

static struct str scope_text(struct arena *arena, const struct grant *grant)
{
	size_t size = 1;

	for (size_t i = 0; i < grant->scopes.count; i++)
		size += grant->scopes.items[i]->token.n + 1;
	char *p = arena_alloc(arena, size);
	struct buf text = buf_init(p, p == NULL ? 0 : size);

	scope_list_write(&text, grant->scopes);
	return buf_view(&text);
}

enum reason token_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	struct caller caller;
	struct grant grant;
	struct token token;
	char jkt[JWK_THUMBPRINT_LEN + 1];
	enum reason reason;

	audit->scope = form_value(call->form, PARAM_SCOPE);
	if ((reason = client_authenticate(call, &caller, audit)) != REASON_NONE ||
		(reason = check_grant_type(call->form)) != REASON_NONE ||
		(reason = dpop_verify(call, jkt, audit)) != REASON_NONE ||
		(reason = decide(call, &caller, jkt, &grant)) != REASON_NONE ||
		(reason = reuse_token(call, &grant, &token, audit)) != REASON_NONE)
		return reason;
	audit->event = "token.issued";
	audit->scope = scope_text(call->arena, &grant);
	audit->jti = token.jti;
	answer_private(response, 200, token.response);
	return REASON_NONE;
}
