/* SPDX-License-Identifier: MIT */
/* inspect: what a token says, whether it is one of ours, and whether it still holds. */
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
#define SENTENCE_SIZE 128

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

static const struct unit {
	const char *name;
	int64_t length_s;
} units[] = {
	{ "d", 86400 },
	{ "h", 3600 },
	{ "min", 60 },
	{ "s", 1 },
};

struct inspection {
	const struct admin *admin;
	const struct snapshot *snapshot;
	struct str token;
	json_t *header; /* new; NULL: cannot be decoded */
	json_t *claims; /* likewise */
};

/* In the largest unit that fits and the next smaller one: "4 min 59 s", "2 h". */
static void write_duration(struct buf *buf, int64_t duration_s)
{
	size_t first = 0;

	while (units[first].length_s > 1 && duration_s < units[first].length_s)
		first++;
	buf_number(buf, duration_s / units[first].length_s);
	buf_char(buf, ' ');
	buf_text(buf, units[first].name);
	if (units[first].length_s == 1)
		return;
	int64_t rest_s = duration_s % units[first].length_s / units[first + 1].length_s;

	if (rest_s == 0)
		return;
	buf_char(buf, ' ');
	buf_number(buf, rest_s);
	buf_char(buf, ' ');
	buf_text(buf, units[first + 1].name);
}

/* A NumericDate (RFC 7519 §2) in whole seconds that has an RFC 3339 form. */
static bool read_time(const json_t *claims, const char *name, int64_t *time_s)
{
	const json_t *value = json_object_get(claims, name);

	*time_s = json_integer_value(value);
	return json_is_integer(value) && *time_s >= 0 && *time_s <= TIME_MAX;
}

/* Print `sentence` with the duration in the place of its %s. */
static void print_sentence(const char *sentence, int64_t duration_s)
{
	char text[SENTENCE_SIZE];
	struct buf buf = buf_init(text, sizeof(text));
	struct str rest = str_of(sentence), head;

	str_cut(&rest, '%', &head);
	buf_str(&buf, head);
	write_duration(&buf, duration_s);
	buf_str(&buf, str_from(rest, 1));
	printf("%.*s\n", (int)buf.n, text);
}

static void print_time(const struct inspection *inspection, const struct time_claim *claim)
{
	char text[SENTENCE_SIZE];
	struct buf buf = buf_init(text, sizeof(text));
	int64_t time_s, now_s = inspection->admin->now_s;

	if (json_object_get(inspection->claims, claim->name) == NULL)
		return;
	printf("  %s  ", claim->name);
	if (!read_time(inspection->claims, claim->name, &time_s)) {
		puts("not a time");
		return;
	}
	clock_format(&buf, time_s * 1000, false);
	printf("%.*s  ", (int)buf.n, text);
	if (time_s > now_s)
		print_sentence(claim->ahead, time_s - now_s);
	else
		print_sentence(claim->behind, now_s - time_s);
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

static enum reason verify_signature(
	const struct inspection *inspection, const struct signing_key **key)
{
	struct jws_parts parts;
	enum reason reason = jwt_split(inspection->token, inspection->admin->arena, &parts);

	*key = NULL;
	if (reason != REASON_NONE)
		return reason;
	*key = keyring_find(&inspection->snapshot->keyring, json_text(parts.header, "kid"));
	reason = *key == NULL ? REASON_JWS_KID : jws_verify(&parts, (*key)->pkey, (*key)->alg);
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

/* On the revocation list?  Prints what keeps it from being looked up, if anything does. */
static bool is_revoked(const struct inspection *inspection, int64_t expires_s)
{
	const struct str url = inspection->snapshot->state;
	const struct str jti = json_text(inspection->claims, "jti");
	bool revoked = false;

	if (url.n == 0 || jti.n == 0)
		return false;
	struct store *store = store_new(url);
	enum reason reason = REASON_MEMORY;

	if (store != NULL)
		reason = revocation_find(
			store, jti, expires_s, inspection->admin->now_s, &revoked);
	store_free(store);
	if (reason == REASON_NONE)
		return revoked;
	printf("revocation: not checked: %s: ", reason_info(reason)->name);
	output_text(url);
	putchar('\n');
	return false;
}

static void check_claims(const struct inspection *inspection, bool failed[VERDICT__MAX])
{
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

static int print_claims_verdict(
	const struct inspection *inspection, const struct signing_key *key)
{
	bool failed[VERDICT__MAX];
	const char *separator = "not valid: ";

	printf("signature: good, by the %s key ", key_state_name(key->state));
	output_text(key->kid);
	putchar('\n');
	check_claims(inspection, failed);
	printf("verdict: ");
	for (size_t i = 0; i < VERDICT__MAX; i++) {
		if (!failed[i])
			continue;
		printf("%s%s", separator, verdict_texts[i]);
		separator = "; ";
	}
	if (separator[0] == ';') {
		putchar('\n');
		return STATUS_FAILED;
	}
	puts("valid");
	return STATUS_DONE;
}

static void print_parts(const struct inspection *inspection, bool verified)
{
	output_json(verified ? "header" : "header (unverified)", inspection->header);
	output_json(verified ? "claims" : "claims (unverified)", inspection->claims);
	if (inspection->claims == NULL)
		return;
	puts(verified ? "times:" : "times (unverified):");
	for (size_t i = 0; i < sizeof(time_claims) / sizeof(time_claims[0]); i++)
		print_time(inspection, &time_claims[i]);
}

static int inspect(struct inspection *inspection)
{
	struct str rest = inspection->token, header, claims;
	const struct signing_key *key;
	enum reason reason = verify_signature(inspection, &key);
	int status = STATUS_FAILED;

	str_cut(&rest, '.', &header);
	str_cut(&rest, '.', &claims);
	inspection->header = decode(inspection->admin->arena, header);
	inspection->claims = decode(inspection->admin->arena, claims);
	print_parts(inspection, reason == REASON_NONE);
	if (reason == REASON_NONE)
		status = print_claims_verdict(inspection, key);
	else
		printf("verdict: not valid: %s\n", reason_info(reason)->name);
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
	};
	struct inspection inspection = { .admin = admin };

	if (!options_read(admin, argc, argv, options, 1, &status))
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
