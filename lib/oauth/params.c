/* SPDX-License-Identifier: MIT */
/* The table of request parameters. */
#include "oauth/params.h"

static const struct form_parameter table[PARAM__MAX] = {
	[PARAM_GRANT_TYPE] = { .name = STR_CONST("grant_type") },
	[PARAM_CLIENT_ID] = { .name = STR_CONST("client_id") },
	[PARAM_CLIENT_SECRET] = { .name = STR_CONST("client_secret") },
	[PARAM_CLIENT_ASSERTION] = { .name = STR_CONST("client_assertion") },
	[PARAM_CLIENT_ASSERTION_TYPE] = { .name = STR_CONST("client_assertion_type") },
	[PARAM_SCOPE] = { .name = STR_CONST("scope") },
	[PARAM_RESOURCE] = { .name = STR_CONST("resource"), .may_repeat = true },
	[PARAM_AUDIENCE] = { .name = STR_CONST("audience"), .may_repeat = true },
	[PARAM_TOKEN] = { .name = STR_CONST("token") },
	[PARAM_TOKEN_TYPE_HINT] = { .name = STR_CONST("token_type_hint") },
	[PARAM_RESPONSE_TYPE] = { .name = STR_CONST("response_type") },
	[PARAM_REDIRECT_URI] = { .name = STR_CONST("redirect_uri") },
	[PARAM_STATE] = { .name = STR_CONST("state") },
	[PARAM_CODE] = { .name = STR_CONST("code") },
	[PARAM_USERNAME] = { .name = STR_CONST("username") },
	[PARAM_PASSWORD] = { .name = STR_CONST("password") },
	[PARAM_REFRESH_TOKEN] = { .name = STR_CONST("refresh_token") },
};

static bool is_credential(struct str name)
{
	return str_eq(name, table[PARAM_CLIENT_ID].name) ||
	       str_eq(name, table[PARAM_CLIENT_SECRET].name) ||
	       str_eq(name, table[PARAM_CLIENT_ASSERTION].name);
}

enum reason params_parse(struct str body, struct arena *arena, struct form *form)
{
	return form_parse(body, table, PARAM__MAX, arena, form);
}

bool params_query_has_credentials(struct str query, struct arena *arena)
{
	struct str pair, name, decoded;

	while (query.n > 0) {
		str_cut(&query, '&', &pair);
		str_cut(&pair, '=', &name);
		if (pair.n > 0 && form_decode(name, arena, &decoded) == REASON_NONE &&
			is_credential(decoded))
			return true;
	}
	return false;
}
