/* SPDX-License-Identifier: MIT */
/* The request parameters that OAuth defines, as far as an endpoint without users meets them. */
#ifndef OAUTH_PARAMS_H
#define OAUTH_PARAMS_H

#include "http/form.h"

enum parameter {
	PARAM_GRANT_TYPE,
	PARAM_CLIENT_ID,
	PARAM_CLIENT_SECRET,
	PARAM_CLIENT_ASSERTION,
	PARAM_CLIENT_ASSERTION_TYPE,
	PARAM_SCOPE,
	PARAM_RESOURCE,
	PARAM_AUDIENCE,
	PARAM_TOKEN, /* RFC 7009 §2.1, RFC 7662 §2.1 */
	PARAM_TOKEN_TYPE_HINT,
	/* Not used here, but defined by RFC 6749 §11.2.2, so that they may not be repeated. */
	PARAM_RESPONSE_TYPE,
	PARAM_REDIRECT_URI,
	PARAM_STATE,
	PARAM_CODE,
	PARAM_USERNAME,
	PARAM_PASSWORD,
	PARAM_REFRESH_TOKEN,
	PARAM__MAX,
};

_Static_assert(PARAM__MAX <= FORM_PARAMETER_MAX, "a form has room for all parameters");

/*
 * params_parse - form_parse with the parameters above.
 *
 * Returns what form_parse returns.
 */
NODISCARD enum reason params_parse(struct str body, struct arena *arena, struct form *form);

/* params_query_has_credentials - does a query string carry client credentials (RFC 6749
 * §2.3.1)? */
bool params_query_has_credentials(struct str query, struct arena *arena);

#endif
