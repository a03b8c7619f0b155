/* SPDX-License-Identifier: MIT */
/* inspect: what a token says, whether it is one of ours, and whether it still holds. */
#include "duration.h"
#include "input.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "options.h"
#include "output.h"
#include "state/revocation.h"
#include "util/b64url.h"
#include "util/clock.h"

#include <stdio.h>

#define TOKEN_MAX 65536                /* bytes */
#define TIME_MAX INT64_C(253402300799) /* the last second of the year 9999 */
#define NO_TIME INT64_C(-1)
#define TIME_SIZE 64

enum verdict {
	VERDICT_EXPIRED,
	VERDICT_NO_EXPIRY,
	VERDICT_EARLY,
	VERDICT_ISSUED_LATER,
	VERDICT_ISSUER,
	VERDICT_REVOKED,
	VERDICT__MAX,
};

static const char *const verdict_texts[VERDICT__MAX] = {
	[VERDICT_EXPIRED] = "it has expired",
	[VERDICT_NO_EXPIRY] = "it has no expiry time (exp)",
	[VERDICT_EARLY] = "it is not valid yet (nbf)",
	[VERDICT_ISSUED_LATER] = "it was issued in the future (iat)",
	[VERDICT_ISSUER] = "its issuer (iss) is not the configured one",
	[VERDICT_REVOKED] = "it has been revoked",
};

/* How a time claim reads, by whether it lies ahead or behind. */
static const struct time_claim {
	const char *name;
	const char *ahead;
	const char *behind;
} time_claims[] = {
	{ "iat", "issued %s from now", "issued %s ago" },
	{ "nbf", "valid in %s", "valid since %s" },
	{ "exp", "expires in %s", "expired %s ago" },
};

struct inspection {
	const struct admin *admin;
	const struct snapshot *snapshot;
	struct str token;
	json_t *header;                /* new; NULL: cannot be decoded */
	json_t *claims;                /* likewise */
	const struct signing_key *key; /* that signed it; NULL: none that we know */
	enum reason reason;            /* what is wrong with the signature */
	bool failed[VERDICT__MAX];
	enum reason list_reason; /* why it was not looked for among the revoked ones */
};

/* A NumericDate (RFC 7519 §2) in whole seconds that has an RFC 3339 form. */
static bool read_time(const json_t *claims, const char *name, int64_t *time_s)
{
	const json_t *value = json_object_get(claims, name);

	*time_s = json_integer_value(value);
	return json_is_integer(value) && *time_s >= 0 && *time_s <= TIME_MAX;
}

/* Append what a time claim says in words; its time, or -1 if it is none. */
static int64_t write_time(
	const struct inspection *inspection, const struct time_claim *claim, struct buf *words)
{
	int64_t time_s, now_s = inspection->admin->now_s;

	if (!read_time(inspection->claims, claim->name, &time_s)) {
		buf_text(words, "not a time");
		return NO_TIME;
	}
	if (time_s > now_s)
		duration_sentence(words, claim->ahead, time_s - now_s);
	else
		duration_sentence(words, claim->behind, now_s - time_s);
	return time_s;
}

static void print_time(const struct inspection *inspection, const struct time_claim *claim)
{
	char text[DURATION_SENTENCE_SIZE], time[TIME_SIZE];
	struct buf words = buf_init(text, sizeof(text));
	struct buf buf = buf_init(time, sizeof(time));

	if (json_object_get(inspection->claims, claim->name) == NULL)
		return;
	int64_t time_s = write_time(inspection, claim, &words);

	printf("  %s  ", claim->name);
	if (time_s != NO_TIME) {
		clock_format(&buf, time_s * 1000, false);
		printf("%.*s  ", (int)buf.n, time);
	}
	printf("%.*s\n", (int)words.n, text);
}

static json_t *pack_time(const struct inspection *inspection, const struct time_claim *claim)
{
	char text[DURATION_SENTENCE_SIZE];
	struct buf words = buf_init(text, sizeof(text));
	int64_t time_s = write_time(inspection, claim, &words);

	return json_pack("{s:o, s:o}", "time",
		time_s == NO_TIME ? json_null() : output_time(time_s), "text",
		output_string(buf_view(&words)));
}

/* A part as it stands there, believed or not; NULL: it is no JSON. */
static json_t *decode(struct arena *arena, struct str part)
{
	size_t len, size = part.n / 4 * 3 + 2;
	char *p = arena_alloc(arena, size);
	json_t *json;

	if (p == NULL || !b64url_decode(part, p, size, &len) ||
		json_parse_object((struct str){ p, len }, REASON_JWS_SYNTAX, &json) !=
			REASON_NONE)
		return NULL;
	return json;
}

static enum reason verify_signature(struct inspection *inspection)
{
	struct jws_parts parts;
	enum reason reason = jwt_split(inspection->token, inspection->admin->arena, &parts);

	if (reason != REASON_NONE)
		return reason;
	const struct signing_key *key = keyring_find(
		&inspection->snapshot->keyring, json_text(parts.header, "kid"));

	reason = key == NULL ? REASON_JWS_KID : jws_verify(&parts, key->pkey, key->alg);
	inspection->key = reason == REASON_NONE ? key : NULL;
	jws_parts_clear(&parts);
	return reason;
}

/* Is the claim there, and either no time at all or one that lies ahead? */
static bool is_ahead(const struct inspection *inspection, const char *name)
{
	int64_t time_s;

	if (json_object_get(inspection->claims, name) == NULL)
		return false;
	return !read_time(inspection->claims, name, &time_s) ||
	       time_s > inspection->admin->now_s;
}

/* On the revocation list?  Keeps what kept it from being looked up, if anything did. */
static bool is_revoked(struct inspection *inspection, int64_t expires_s)
{
	const struct str url = inspection->snapshot->state;
	const struct str jti = json_text(inspection->claims, "jti");
	bool revoked = false;

	if (url.n == 0 || jti.n == 0)
		return false;
	struct store *store = store_new(url);

	inspection->list_reason = REASON_MEMORY;
	if (store != NULL)
		inspection->list_reason = revocation_find(
			store, jti, expires_s, inspection->admin->now_s, &revoked);
	store_free(store);
	return inspection->list_reason == REASON_NONE && revoked;
}

static void check_claims(struct inspection *inspection)
{
	bool *failed = inspection->failed;
	int64_t expiry_s;
	bool has_expiry = read_time(inspection->claims, "exp", &expiry_s);

	failed[VERDICT_NO_EXPIRY] = !has_expiry;
	failed[VERDICT_EXPIRED] = has_expiry && expiry_s <= inspection->admin->now_s;
	failed[VERDICT_EARLY] = is_ahead(inspection, "nbf");
	failed[VERDICT_ISSUED_LATER] = is_ahead(inspection, "iat");
	failed[VERDICT_ISSUER] = !str_eq(
		json_text(inspection->claims, "iss"), inspection->snapshot->issuer);
	/* The list forgets a token when it expires. */
	failed[VERDICT_REVOKED] = has_expiry && !failed[VERDICT_EXPIRED] &&
				  is_revoked(inspection, expiry_s);
}

static bool is_valid(const struct inspection *inspection)
{
	bool valid = inspection->reason == REASON_NONE;

	for (size_t i = 0; i < VERDICT__MAX; i++)
		valid = valid && !inspection->failed[i];
	return valid;
}

static void print_claims_verdict(const struct inspection *inspection)
{
	const char *separator = "not valid: ";

	printf("signature: good, by the %s key ", key_state_name(inspection->key->state));
	output_text(inspection->key->kid);
	putchar('\n');
	if (inspection->list_reason != REASON_NONE) {
		printf("revocation: not checked: %s: ",
			reason_info(inspection->list_reason)->name);
		output_text(inspection->snapshot->state);
		putchar('\n');
	}
	printf("verdict: ");
	for (size_t i = 0; i < VERDICT__MAX; i++) {
		if (!inspection->failed[i])
			continue;
		printf("%s%s", separator, verdict_texts[i]);
		separator = "; ";
	}
	puts(is_valid(inspection) ? "valid" : "");
}

static int print_parts(const struct inspection *inspection, bool verified)
{
	int status = output_json(
		verified ? "header" : "header (unverified)", inspection->header);

	if (status == STATUS_DONE)
		status = output_json(
			verified ? "claims" : "claims (unverified)", inspection->claims);
	if (inspection->claims == NULL)
		return status;
	puts(verified ? "times:" : "times (unverified):");
	for (size_t i = 0; i < sizeof(time_claims) / sizeof(time_claims[0]); i++)
		print_time(inspection, &time_claims[i]);
	return status;
}

static int print_inspection(const struct inspection *inspection)
{
	int status = print_parts(inspection, inspection->reason == REASON_NONE);

	if (inspection->reason == REASON_NONE)
		print_claims_verdict(inspection);
	else
		printf("verdict: not valid: %s\n", reason_info(inspection->reason)->name);
	return status;
}

static json_t *pack_times(const struct inspection *inspection)
{
	json_t *times = json_object();

	for (size_t i = 0; i < sizeof(time_claims) / sizeof(time_claims[0]); i++) {
		const char *name = time_claims[i].name;

		if (json_object_get(inspection->claims, name) != NULL)
			output_member(&times, name, pack_time(inspection, &time_claims[i]));
	}
	return times;
}

static json_t *pack_problems(const struct inspection *inspection)
{
	json_t *problems = json_array();

	if (inspection->reason != REASON_NONE)
		output_append(&problems, json_string(reason_info(inspection->reason)->name));
	for (size_t i = 0; i < VERDICT__MAX; i++) {
		if (inspection->failed[i])
			output_append(&problems, json_string(verdict_texts[i]));
	}
	return problems;
}

static json_t *pack_inspection(const struct inspection *inspection)
{
	const struct signing_key *key = inspection->key;
	json_t *result = json_pack("{s:b, s:o, s:b, s:O?, s:O?, s:o}", "valid",
		is_valid(inspection), "problems", pack_problems(inspection), "verified",
		inspection->reason == REASON_NONE, "header", inspection->header, "claims",
		inspection->claims, "times", pack_times(inspection));

	if (key != NULL)
		output_member(&result, "key",
			json_pack("{s:o, s:s}", "kid", output_string(key->kid), "state",
				key_state_name(key->state)));
	if (inspection->list_reason != REASON_NONE)
		output_member(&result, "revocation_unchecked",
			json_string(reason_info(inspection->list_reason)->name));
	return result;
}

static int inspect(struct inspection *inspection)
{
	struct str rest = inspection->token, header, claims;

	inspection->reason = verify_signature(inspection);
	str_cut(&rest, '.', &header);
	str_cut(&rest, '.', &claims);
	inspection->header = decode(inspection->admin->arena, header);
	inspection->claims = decode(inspection->admin->arena, claims);
	if (inspection->reason == REASON_NONE)
		check_claims(inspection);
	int status = is_valid(inspection) ? STATUS_DONE : STATUS_FAILED;

	if (inspection->admin->json)
		status = output_result(pack_inspection(inspection), status);
	else if (print_inspection(inspection) != STATUS_DONE)
		status = STATUS_FAILED;
	json_decref(inspection->header);
	json_decref(inspection->claims);
	return status;
}

static struct str trim(struct str s)
{
	static const struct str white = { " \t\r\n\v\f", 6 };

	while (s.n > 0 && str_has(white, s.p[0]))
		s = str_from(s, 1);
	while (s.n > 0 && str_has(white, s.p[s.n - 1]))
		s.n--;
	return s;
}

static int read_token(struct admin *admin, struct str *token)
{
	char *p = arena_alloc(admin->arena, TOKEN_MAX);

	if (p == NULL)
		return output_reason("standard input", REASON_MEMORY);
	struct buf buf = buf_init(p, TOKEN_MAX);
	enum reason reason = input_all(&buf);

	if (reason != REASON_NONE)
		return output_reason("standard input", reason);
	if (buf.overflow)
		return output_fail("the token is too long: at most %d bytes", TOKEN_MAX - 1);
	*token = buf_view(&buf);
	return STATUS_DONE;
}

int cmd_inspect(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *argument = NULL;
	const struct option options[] = {
		{ "TOKEN", NULL, "the token; without it standard input is read",
			.text = &argument },
		OPTION_JSON(admin),
	};
	struct inspection inspection = { .admin = admin };

	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	inspection.snapshot = admin_load(admin);
	if (inspection.snapshot == NULL)
		return STATUS_FAILED;
	inspection.token = str_of(argument);
	if (argument == NULL)
		status = read_token(admin, &inspection.token);
	if (status != STATUS_DONE)
		return status;
	inspection.token = trim(inspection.token);
	if (inspection.token.n == 0)
		return output_fail("there is no token");
	return inspect(&inspection);
}
