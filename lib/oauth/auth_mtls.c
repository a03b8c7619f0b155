/* SPDX-License-Identifier: MIT */
/* Client certificates, as the web server hands them on (RFC 8705). */
#include "oauth/auth_mtls.h"
#include "jose/failure.h"
#include "oauth/attempt.h"
#include "oauth/params.h"

#include <string.h>

/* By the chain, as the web server has verified it. */
static enum reason check_subject(const struct call *call, const struct client *client,
	const struct certificate *certificate)
{
	if (!str_eq(http_variable(call->request, ATTEMPT_VERIFY), STR("SUCCESS")))
		return REASON_CERTIFICATE_VERIFY;
	return certificate_has_subject(certificate, &client->subject)
		       ? REASON_NONE
		       : failure_memory(REASON_CERTIFICATE_SUBJECT);
}

/* By the key that is registered; what the web server says of the chain does not matter. */
static enum reason check_key(const struct client *client, const struct certificate *certificate)
{
	enum reason reason = REASON_CERTIFICATE_KEY;

	for (size_t i = 0; i < client->key_count; i++) {
		if (certificate_has_key(certificate, &client->keys[i]))
			return REASON_NONE;
		reason = failure_memory(reason);
	}
	return reason;
}

/* By each method that is registered, one at least; *method becomes the last that was tried. */
static enum reason check(const struct call *call, const struct client *client,
	const struct certificate *certificate, enum auth_method *method)
{
	enum reason reason = REASON_AUTH_METHOD;

	if ((client->auth_methods & AUTH_BIT(AUTH_TLS)) != 0) {
		*method = AUTH_TLS;
		reason = check_subject(call, client, certificate);
	}
	if (reason != REASON_NONE && reason != REASON_MEMORY &&
		(client->auth_methods & AUTH_BIT(AUTH_SELF_SIGNED_TLS)) != 0) {
		*method = AUTH_SELF_SIGNED_TLS;
		reason = check_key(client, certificate);
	}
	return reason;
}

/* REASON_NONE, or what is wrong with the certificate whoever the client is. */
static enum reason read(const struct call *call, struct certificate *certificate)
{
	const struct http_request *request = call->request;

	*certificate = (struct certificate){ 0 };
	if (!attempt_has_certificate(request))
		return REASON_CERTIFICATE_VERIFY;
	if (http_variable_count(request, ATTEMPT_CERTIFICATE) != 1 ||
		http_variable_count(request, ATTEMPT_VERIFY) != 1)
		return REASON_CERTIFICATE_SYNTAX;
	enum reason reason = certificate_read(
		http_variable(request, ATTEMPT_CERTIFICATE), call->arena, certificate);

	if (reason == REASON_NONE && !certificate_is_current(certificate, call->now_s)) {
		certificate_clear(certificate);
		reason = failure_memory(REASON_CERTIFICATE_TIME);
	}
	return reason;
}

/* The method that is registered; of two, the first that is tried. */
static enum auth_method choose_method(const struct client *client)
{
	const unsigned methods = client == NULL ? 0 : client->auth_methods;

	return (methods & AUTH_BY_CERTIFICATE) == AUTH_BIT(AUTH_SELF_SIGNED_TLS)
		       ? AUTH_SELF_SIGNED_TLS
		       : AUTH_TLS;
}

static void keep(struct caller *caller, const struct certificate *certificate)
{
	memcpy(caller->thumbprint, certificate->thumbprint, sizeof(caller->thumbprint));
}

enum reason auth_mtls(const struct call *call, struct caller *caller, struct audit *audit)
{
	struct str client_id = form_value(call->form, PARAM_CLIENT_ID);
	const struct client *client = client_find(&call->snapshot->clients, client_id);
	struct certificate certificate;
	struct attempt attempt;
	enum reason reason = attempt_begin(
		call, client_id, choose_method(client), &attempt, audit);

	if (reason != REASON_NONE)
		return reason;
	reason = read(call, &certificate);
	if (reason == REASON_NONE)
		reason = attempt.rights;
	if (reason == REASON_NONE)
		reason = check(call, attempt.client, &certificate, &audit->method);
	if (reason == REASON_NONE) {
		*caller = (struct caller){ .client = attempt.client, .method = audit->method };
		keep(caller, &certificate);
	}
	certificate_clear(&certificate);
	return reason;
}

enum reason auth_mtls_bind(const struct call *call, struct caller *caller)
{
	struct certificate certificate;
	enum reason reason = read(call, &certificate);

	if (reason == REASON_NONE)
		keep(caller, &certificate);
	certificate_clear(&certificate);
	/* A certificate that means nothing is none. */
	return reason == REASON_MEMORY || reason == REASON_INTERNAL ? reason : REASON_NONE;
}
