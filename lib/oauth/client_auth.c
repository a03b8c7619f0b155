/* SPDX-License-Identifier: MIT */
/* Which client is calling?  The choice of the one method that a request uses. */
#include "oauth/client_auth.h"
#include "http/header.h"
#include "oauth/auth_secret.h"
#include "oauth/params.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* What a request brings to authenticate its client. */
struct evidence {
	struct str authorization;
	bool has_repeated_header;
	bool has_secret;
	bool has_assertion;
	struct str assertion_type;
};

/* Apache keeps the header from programs, or hands it on under another name after a rewrite. */
static struct evidence gather(const struct call *call)
{
	const char *name = "HTTP_AUTHORIZATION";

	if (http_variable(call->request, name).n == 0)
		name = "REDIRECT_HTTP_AUTHORIZATION";
	struct evidence evidence = {
		.authorization = http_variable(call->request, name),
		.has_secret = form_value(call->form, PARAM_CLIENT_SECRET).n > 0,
		.has_assertion = form_value(call->form, PARAM_CLIENT_ASSERTION).n > 0,
		.assertion_type = form_value(call->form, PARAM_CLIENT_ASSERTION_TYPE),
	};

	evidence.has_repeated_header = http_variable_count(call->request, name) > 1 ||
				       header_is_repeated(evidence.authorization);
	return evidence;
}

/* Everything that is wrong with the choice of the method alone. */
static enum reason check_choice(const struct evidence *evidence)
{
	bool has_type = evidence->assertion_type.n > 0;
	bool has_header = evidence->authorization.n > 0;

	if (evidence->has_repeated_header)
		return REASON_AUTH_REPEATED;
	if (has_header && !header_scheme_is(evidence->authorization, STR("Basic")))
		return REASON_AUTH_SCHEME;
	if (evidence->has_assertion != has_type ||
		(has_type && !str_eq(evidence->assertion_type, STR(ASSERTION_TYPE))))
		return REASON_ASSERTION_TYPE;
	if (has_header + evidence->has_secret + evidence->has_assertion > 1)
		return REASON_AUTH_MULTIPLE;
	return REASON_NONE;
}

/* Apache keeps the header to itself unless it is told to pass it on; others never do. */
static enum reason refuse_anonymous(const struct call *call)
{
	const struct http_request *request = call->request;
	bool came = http_variable_count(request, "HTTP_AUTHORIZATION") > 0 ||
		    http_variable_count(request, "REDIRECT_HTTP_AUTHORIZATION") > 0;
	bool is_apache = str_starts(http_variable(request, "SERVER_SOFTWARE"), STR("Apache"));

	return is_apache && !came ? REASON_NO_CREDENTIALS_APACHE : REASON_NO_CREDENTIALS;
}

enum reason client_authenticate(
	const struct call *call, struct caller *caller, struct audit *audit)
{
	struct evidence evidence = gather(call);

	*caller = (struct caller){ .method = AUTH_NONE };
	audit->client_id = form_value(call->form, PARAM_CLIENT_ID);
	enum reason reason = check_choice(&evidence);

	if (reason != REASON_NONE)
		return reason;
	if (evidence.authorization.n > 0) {
		audit->method = AUTH_SECRET_BASIC;
		return auth_secret_basic(call, evidence.authorization, caller, audit);
	}
	if (evidence.has_secret) {
		audit->method = AUTH_SECRET_POST;
		return auth_secret_post(call, caller, audit);
	}
	return evidence.has_assertion ? REASON_AUTH_UNAVAILABLE : refuse_anonymous(call);
}
