/* SPDX-License-Identifier: MIT */
/* Client authentication by a shared secret: client_secret_basic and client_secret_post. */
#include "oauth/auth_secret.h"
#include "http/header.h"
#include "oauth/attempt.h"
#include "oauth/params.h"

struct credentials {
	struct str id;
	struct str secret;
};

/* One way to read what came, and what is known of it so far. */
struct reading {
	struct credentials credentials;
	struct attempt attempt;
	struct audit audit;
	enum reason reason;
};

static void begin(const struct call *call, enum auth_method method, struct reading *reading)
{
	reading->reason = attempt_begin(
		call, reading->credentials.id, method, &reading->attempt, &reading->audit);
}

static struct credential_claim claim_of(const struct call *call, const struct reading *reading)
{
	return (struct credential_claim){
		.client = reading->attempt.stand_in,
		.secret = reading->credentials.secret,
		.now_s = call->now_s,
		.is_refused = reading->attempt.rights != REASON_NONE,
	};
}

/* Without slow hashes; if not, nothing is known. */
static bool is_right(const struct call *call, struct reading *reading)
{
	const struct credential_claim claim = claim_of(call, reading);
	const struct secret *matched;

	if (reading->reason != REASON_NONE ||
		!credential_is_right(call->services->credentials, &claim, &matched))
		return false;
	reading->audit.secret_label = matched->label;
	return true;
}

/* It was looked at, and does not let anybody in, whatever is wrong with it. */
static bool has_failed(const struct reading *reading)
{
	return reason_info(reading->reason)->status == 401;
}

static bool is_of_nobody(const struct reading *reading)
{
	return reading->attempt.client == NULL;
}

/* Nobody's secret is looked at as somebody's is, and has failed whatever comes of it. */
static void check(const struct call *call, struct reading *reading)
{
	const struct credential_claim claim = claim_of(call, reading);
	const struct secret *matched;

	if (reading->reason != REASON_NONE)
		return;
	reading->reason = credential_check(
		call->services->credentials, &call->snapshot->failure_price, &claim, &matched);
	if (matched != NULL && !is_of_nobody(reading))
		reading->audit.secret_label = matched->label;
	/* Without a branch that differs if it is nobody's. */
	const unsigned matches = reading->reason == REASON_NONE;
	const unsigned failed = has_failed(reading), of_nobody = is_of_nobody(reading);
	const enum reason reasons[] = { reading->reason, reading->attempt.rights };

	reading->reason = reasons[matches | (failed & of_nobody)];
}

/* The client is the one of this reading, or is refused for what it says. */
static enum reason settle(
	const struct reading *reading, struct caller *caller, struct audit *audit)
{
	*audit = reading->audit;
	if (reading->reason == REASON_NONE)
		*caller = (struct caller){ .client = reading->attempt.client,
			.method = reading->audit.method };
	return reading->reason;
}

static enum reason check_one(const struct call *call, const struct credentials *credentials,
	enum auth_method method, struct caller *caller, struct audit *audit)
{
	struct reading reading = { .credentials = *credentials, .audit = *audit };

	begin(call, method, &reading);
	check(call, &reading);
	return settle(&reading, caller, audit);
}

/* Both halves form-decoded; false if they cannot be, or if that changes nothing. */
static bool decode_halves(
	const struct call *call, const struct credentials *raw, struct credentials *decoded)
{
	return form_decode(raw->id, call->arena, &decoded->id) == REASON_NONE &&
	       form_decode(raw->secret, call->arena, &decoded->secret) == REASON_NONE &&
	       (!str_eq(raw->id, decoded->id) || !str_eq(raw->secret, decoded->secret));
}

/* RFC 6749 §2.3: a client_id in the body must be the one that authenticates. */
static bool body_agrees(const struct call *call, struct str id)
{
	struct str body_id = form_value(call->form, PARAM_CLIENT_ID);

	return body_id.n == 0 || str_eq(body_id, id);
}

/*
 * What was checked and has failed is what counts, unless it was of nobody.  Also of nobody if
 * the second was refused unseen (429): else that would tell that the first is not there.
 */
static bool second_counts(const struct reading *first, const struct reading *second)
{
	const int status = reason_info(second->reason)->status;

	if (second->reason == REASON_NONE || second->reason == REASON_HASH_AWAITED ||
		status == 503)
		return true;
	return first->reason == REASON_CLIENT_UNKNOWN && status != 429;
}

/*
 * No hash is made for one reading if the other is right without.  If neither is, hashes are
 * made for both, and a failure costs twice the price, whoever the client is.
 */
static enum reason check_both(const struct call *call, struct reading readings[static 2],
	struct caller *caller, struct audit *audit)
{
	struct reading *first = &readings[0], *second = &readings[1];

	begin(call, AUTH_SECRET_BASIC, first);
	if (first->reason != REASON_NONE || is_right(call, first))
		return settle(first, caller, audit);
	begin(call, AUTH_SECRET_BASIC, second);
	if (is_right(call, second))
		return settle(second, caller, audit);
	check(call, first);
	if (!has_failed(first))
		return settle(first, caller, audit);
	check(call, second);
	return settle(second_counts(first, second) ? second : first, caller, audit);
}

enum reason auth_secret_basic(const struct call *call, struct str authorization,
	struct caller *caller, struct audit *audit)
{
	struct credentials raw, decoded = { 0 };

	enum reason reason = header_basic(authorization, call->arena, &raw.id, &raw.secret);

	if (reason != REASON_NONE)
		return reason;
	bool has_decoded = decode_halves(call, &raw, &decoded) && body_agrees(call, decoded.id);
	bool has_raw = body_agrees(call, raw.id);
	struct reading readings[] = {
		{ .credentials = decoded, .audit = *audit },
		{ .credentials = raw, .audit = *audit },
	};

	if (has_decoded && has_raw)
		return check_both(call, readings, caller, audit);
	if (!has_decoded && !has_raw)
		return REASON_AUTH_CLIENT_ID;
	return check_one(call, has_raw ? &raw : &decoded, AUTH_SECRET_BASIC, caller, audit);
}

enum reason auth_secret_post(
	const struct call *call, struct caller *caller, struct audit *audit)
{
	struct credentials credentials = {
		.id = form_value(call->form, PARAM_CLIENT_ID),
		.secret = form_value(call->form, PARAM_CLIENT_SECRET),
	};

	return check_one(call, &credentials, AUTH_SECRET_POST, caller, audit);
}
