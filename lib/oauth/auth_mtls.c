/* SPDX-License-Identifier: MIT */
/* Client certificates, as the web server hands them on (RFC 8705). */
#include "oauth/auth_mtls.h"
#include "oauth/attempt.h"
#include "oauth/params.h"

#include <string.h>

#define VERIFY "SSL_CLIENT_VERIFY"
#define CERTIFICATE "SSL_CLIENT_CERT"

/* By the chain, as the web server has verified it. */
static enum reason check_subject(const struct call *call, const struct client *client,
	const struct certificate *certificate)
{
	if (!str_eq(http_variable(call->request, VERIFY), STR("SUCCESS")))
		return REASON_CERTIFICATE_VERIFY;
	return certificate_has_subject(certificate, &client->subject)
		       ? REASON_NONE
		       : REASON_CERTIFICATE_SUBJECT;
}

/* By the key that is registered; what the web server says of the chain does not matter. */
static enum reason check_key(const struct call *call, const struct client *client,
	const struct certificate *certificate)
{
	(void)call;
	for (size_t i = 0; i < client->key_count; i++) {
		if (certificate_has_key(certificate, &client->keys[i]))
			return REASON_NONE;
	}
	return REASON_CERTIFICATE_KEY;
}

static enum reason check(const struct call *call, const struct client *client,
	const struct certificate *certificate, enum auth_method method)
{
	return method == AUTH_TLS ? check_subject(call, client, certificate)
				  : check_key(call, client, certificate);
}

/* REASON_NONE, or what is wrong with the certificate whoever the client is. */
static enum reason read(const struct call *call, struct certificate *certificate)
{
	const struct http_request *request = call->request;

	*certificate = (struct certificate){ 0 };
	if (!auth_mtls_is_presented(request))
		return REASON_CERTIFICATE_VERIFY;
	if (http_variable_count(request, CERTIFICATE) != 1 ||
		http_variable_count(request, VERIFY) != 1)
		return REASON_CERTIFICATE_SYNTAX;
	enum reason reason = certificate_read(
		http_variable(request, CERTIFICATE), call->arena, certificate);

	if (reason == REASON_NONE && !certificate_is_current(certificate, call->now_s)) {
		certificate_clear(certificate);
		reason = REASON_CERTIFICATE_TIME;
	}
	return reason;
}

/* The method that is registered; of two the one that what the web server says is for. */
static enum auth_method choose_method(const struct call *call, const struct client *client)
{
	const unsigned methods = client == NULL ? 0 : client->auth_methods;
	bool is_verified = str_eq(http_variable(call->request, VERIFY), STR("SUCCESS"));

	if ((methods & AUTH_BIT(AUTH_SELF_SIGNED_TLS)) == 0)
		return AUTH_TLS;
	return (methods & AUTH_BIT(AUTH_TLS)) != 0 && is_verified ? AUTH_TLS
								  : AUTH_SELF_SIGNED_TLS;
}

static void keep(struct caller *caller, const struct certificate *certificate)
{
	memcpy(caller->thumbprint, certificate->thumbprint, sizeof(caller->thumbprint));
}

bool auth_mtls_is_presented(const struct http_request *request)
{
	struct str verify = http_variable(request, VERIFY);

	return http_variable(request, CERTIFICATE).n > 0 && verify.n > 0 &&
	       !str_eq(verify, STR("NONE"));
}

enum reason auth_mtls(const struct call *call, struct caller *caller, struct audit *audit)
{
	struct str client_id = form_value(call->form, PARAM_CLIENT_ID);
	const enum auth_method method = choose_method(
		call, client_find(&call->snapshot->clients, client_id));
	struct certificate certificate;
	struct attempt attempt;
	enum reason reason = attempt_begin(call, client_id, method, &attempt, audit);

	if (reason != REASON_NONE)
		return reason;
	reason = read(call, &certificate);
	if (reason == REASON_NONE)
		reason = attempt.rights;
	if (reason == REASON_NONE)
		reason = check(call, attempt.client, &certificate, method);
	if (reason == REASON_NONE) {
		*caller = (struct caller){ .client = attempt.client, .method = method };
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
	return reason == REASON_MEMORY ? reason : REASON_NONE;
}
