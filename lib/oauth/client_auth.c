/* SPDX-License-Identifier: MIT */
/* Which client is calling?  The choice of the one method that a request uses. */
#include "oauth/client_auth.h"
#include "http/header.h"
#include "oauth/attempt.h"
#include "oauth/auth_assertion.h"
#include "oauth/auth_mtls.h"
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
	static const char *const names[] = { "HTTP_AUTHORIZATION",
		"REDIRECT_HTTP_AUTHORIZATION" };
	const char *name = http_variable(call->request, names[0]).n > 0 ? names[0] : names[1];
	struct evidence evidence = {
		.authorization = http_variable(call->request, name),
		.has_secret = form_value(call->form, PARAM_CLIENT_SECRET).n > 0,
		.has_assertion = form_value(call->form, PARAM_CLIENT_ASSERTION).n > 0,
		.assertion_type = form_value(call->form, PARAM_CLIENT_ASSERTION_TYPE),
	};

	evidence.has_repeated_header = http_variable_count(call->request, names[0]) > 1 ||
				       http_variable_count(call->request, names[1]) > 1 ||
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

/* Should a certificate have come with this client_id? */
static bool lacks_certificate(const struct call *call)
{
	const struct client *client = client_find(
		&call->snapshot->clients, form_value(call->form, PARAM_CLIENT_ID));

	return client != NULL && (client->auth_methods & AUTH_BY_CERTIFICATE) != 0;
}

/* Apache keeps the header to itself unless it is told to pass it on; others never do. */
static enum reason refuse_anonymous(const struct call *call)
{
	const struct http_request *request = call->request;

	if (lacks_certificate(call))
		return REASON_NO_CERTIFICATE;
	bool came = http_variable_count(request, "HTTP_AUTHORIZATION") > 0 ||
		    http_variable_count(request, "REDIRECT_HTTP_AUTHORIZATION") > 0;
	bool is_apache = str_starts(http_variable(request, "SERVER_SOFTWARE"), STR("Apache"));

	return is_apache && !came ? REASON_NO_CREDENTIALS_APACHE : REASON_NO_CREDENTIALS;
}

/* A certificate without a client_id is only part of the connection. */
static bool is_anonymous(const struct call *call, const struct evidence *evidence)
{
	return evidence->authorization.n == 0 && !evidence->has_secret &&
	       !evidence->has_assertion &&
	       (form_value(call->form, PARAM_CLIENT_ID).n == 0 ||
		       !attempt_has_certificate(call->request));
}

static enum reason prove(const struct call *call, const struct evidence *evidence,
	struct caller *caller, struct audit *audit)
{
	if (evidence->authorization.n > 0) {
		audit->method = AUTH_SECRET_BASIC;
		return auth_secret_basic(call, evidence->authorization, caller, audit);
	}
	if (evidence->has_secret)
		return auth_secret_post(call, caller, audit);
	if (evidence->has_assertion)
		return auth_assertion(call, caller, audit);
	return auth_mtls(call, caller, audit);
}

/*
 * Does it count for the throttle?  Whoever sends a good assertion again guesses nothing;
 * whoever sends a certificate with a secret may want to know which clients have certificates.
 */
static bool is_failure(enum reason reason, const struct audit *audit)
{
	return reason == REASON_AUTH_CERTIFICATE ||
	       (reason_info(reason)->status == 401 && audit->cause != REASON_JWT_REPLAYED);
}

/* RFC 8705 §3: without its certificate the client gets nothing. */
static enum reason require_certificate(const struct call *call, struct caller *caller)
{
	enum reason reason = REASON_NONE;

	if (!caller->client->certificate_bound)
		return reason;
	if (caller->thumbprint[0] == '\0')
		reason = auth_mtls_bind(call, caller);
	if (reason == REASON_NONE && caller->thumbprint[0] == '\0')
		reason = REASON_CERTIFICATE_MISSING;
	return reason;
}

enum reason client_authenticate(
	const struct call *call, struct caller *caller, struct audit *audit)
{
	struct evidence evidence = gather(call);

	*caller = (struct caller){ .method = AUTH_NONE };
	audit->client_id = form_value(call->form, PARAM_CLIENT_ID);
	enum reason reason = check_choice(&evidence);

	if (reason == REASON_NONE && is_anonymous(call, &evidence))
		return refuse_anonymous(call);
	if (reason == REASON_NONE)
		reason = prove(call, &evidence, caller, audit);
	if (reason == REASON_NONE)
		reason = require_certificate(call, caller);
	if (reason != REASON_NONE)
		*caller = (struct caller){ .method = AUTH_NONE };
	return is_failure(reason, audit) ? attempt_count_failure(call, audit, reason) : reason;
}
