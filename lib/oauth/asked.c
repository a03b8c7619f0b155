/* SPDX-License-Identifier: MIT */
/* Which client is a token request of?  What it says, before anything is known or checked. */
#include "oauth/asked.h"
#include "http/header.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "oauth/params.h"

#define TOKEN_PATH STR("/token")
/* Two of each Authorization header, one of the form, one of the assertion. */
#define CLIENT_MAX 6

struct asked {
	struct arena *arena;
	struct str *ids;
	size_t count;
	bool lacks_memory; /* to look at all of it */
};

static void add(struct asked *asked, struct str id)
{
	if (id.n > 0)
		asked->ids[asked->count++] = id;
}

static bool is_done(struct asked *asked, enum reason reason)
{
	asked->lacks_memory = asked->lacks_memory || reason == REASON_MEMORY;
	return reason == REASON_NONE;
}

/* As it is and form-decoded: clients do both. */
static void add_basic(struct asked *asked, struct str authorization)
{
	struct str id, secret, decoded;

	if (!header_scheme_is(authorization, STR("Basic")))
		return;
	if (!is_done(asked, header_basic(authorization, asked->arena, &id, &secret)))
		return;
	add(asked, id);
	if (is_done(asked, form_decode(id, asked->arena, &decoded)))
		add(asked, decoded);
}

static void add_assertion(struct asked *asked, struct str assertion)
{
	struct jws_parts parts;
	struct str id;

	if (assertion.n == 0 || !is_done(asked, jwt_split(assertion, asked->arena, &parts)))
		return;
	if (arena_copy(asked->arena, json_text(parts.payload, "sub"), &id))
		add(asked, id);
	else
		asked->lacks_memory = true;
	jws_parts_clear(&parts);
}

static void add_form(struct asked *asked, struct str body)
{
	struct form form;

	if (!is_done(asked, params_parse(body, asked->arena, &form)))
		return;
	add(asked, form_value(&form, PARAM_CLIENT_ID));
	add_assertion(asked, form_value(&form, PARAM_CLIENT_ASSERTION));
}

bool asked_clients(
	const struct http_request *request, struct arena *arena, struct str_list *clients)
{
	struct asked asked = { .arena = arena };

	*clients = (struct str_list){ 0 };
	/* No other endpoint's path ends so, and metadata are not posted. */
	if (request->method != HTTP_POST || !str_ends(request->path, TOKEN_PATH))
		return false;
	asked.ids = arena_alloc_array(arena, CLIENT_MAX, sizeof(*asked.ids));
	if (asked.ids == NULL)
		return false;
	add_basic(&asked, http_variable(request, "HTTP_AUTHORIZATION"));
	add_basic(&asked, http_variable(request, "REDIRECT_HTTP_AUTHORIZATION"));
	add_form(&asked, request->body);
	if (asked.lacks_memory)
		return false;
	*clients = (struct str_list){ asked.ids, asked.count };
	return true;
}
