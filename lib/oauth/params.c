/* SPDX-License-Identifier: MIT */
/* The table of request parameters. */
#include "oauth/params.h"

#define ROW(literal)                                    \
	{                                               \
		{ literal, sizeof(literal) - 1 }, false \
	}
#define ROW_REPEATABLE(literal)                        \
	{                                              \
		{ literal, sizeof(literal) - 1 }, true \
	}

static const struct form_parameter table[PARAM__MAX] = {
	[PARAM_GRANT_TYPE] = ROW("grant_type"),
	[PARAM_CLIENT_ID] = ROW("client_id"),
	[PARAM_CLIENT_SECRET] = ROW("client_secret"),
	[PARAM_CLIENT_ASSERTION] = ROW("client_assertion"),
	[PARAM_CLIENT_ASSERTION_TYPE] = ROW("client_assertion_type"),
	[PARAM_SCOPE] = ROW("scope"),
	[PARAM_RESOURCE] = ROW_REPEATABLE("resource"),
	[PARAM_AUDIENCE] = ROW_REPEATABLE("audience"),
	[PARAM_RESPONSE_TYPE] = ROW("response_type"),
	[PARAM_REDIRECT_URI] = ROW("redirect_uri"),
	[PARAM_STATE] = ROW("state"),
	[PARAM_CODE] = ROW("code"),
	[PARAM_USERNAME] = ROW("username"),
	[PARAM_PASSWORD] = ROW("password"),
	[PARAM_REFRESH_TOKEN] = ROW("refresh_token"),
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
