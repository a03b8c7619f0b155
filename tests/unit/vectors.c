/* SPDX-License-Identifier: MIT */
/*
 * vectors DIR - verify Project Wycheproof's JSON web signatures and keys as a client's would
 * be.
 *
 * Says for each file how many vectors were accepted and refused, and names each whose outcome
 * is not the expected one.  Exit status: 0 none, 1 some, 2 wrong usage.
 */
#include "jose/json.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "util/b64url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURES "json_web_signature_test.json"
#define KEYS "json_web_key_test.json"
#define KEY_MAX 8      /* of a set */
#define SECRET_MAX 256 /* bytes */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct key {
	const json_t *json; /* borrowed from the file */
	bool is_secret;
	struct jwk jwk;                   /* of a public key */
	unsigned char secret[SECRET_MAX]; /* else */
	size_t secret_len;
	struct str kid;
};

struct key_set {
	struct key keys[KEY_MAX];
	size_t count;
};

/* What a file came to. */
struct tally {
	unsigned accepted, refused, mislabelled, foreign, deviations;
};

struct test {
	const char *file;
	json_int_t id; /* tcId */
	bool is_valid; /* its label */
	const char *comment;
	const json_t *group;
	struct str jws;
};

/* Labels that a strict verifier cannot share. */
static const struct {
	const char *file;
	json_int_t id;
	json_int_t same_as; /* the valid vector that it equals; else 0 */
	bool is_accepted;
} mislabelled[] = {
	{ SIGNATURES, 367, 357, true }, { SIGNATURES, 370, 357, true },
	{ SIGNATURES, 372, 0, false }, /* a question mark in its header, */
	{ SIGNATURES, 373, 0, false }, /* in its payload: neither is base64url */
};

/* Valid ones that are refused: this software does not have their algorithm. */
static const struct {
	const char *file;
	json_int_t first, last;
	const char *alg;
} foreign[] = {
	{ SIGNATURES, 320, 323, "PS384" },
	{ SIGNATURES, 325, 328, "PS512" },
	{ SIGNATURES, 346, 346, "PS384" },
	{ SIGNATURES, 347, 347, "ES512" },
	{ SIGNATURES, 350, 350, "PS384" },
	{ SIGNATURES, 351, 351, "ES512" },
	{ KEYS, 14, 14, "HS384" },
	{ KEYS, 15, 15, "HS512" },
};

static const char mixed_set[] = "public keys and secrets in one set";
static const char repeated_kid[] = "two keys with one kid";
static const char other_alg[] = "the secret is for another algorithm";

/* Bad keys are refused for what is bad about them. */
static const struct {
	json_int_t id;
	enum reason reason;
	const char *text; /* if it is no reason */
} key_refusals[] = {
	{ 1, REASON_NONE, mixed_set },
	{ 3, REASON_JWS_SIGNATURE, NULL },
	{ 4, REASON_NONE, repeated_kid },
	{ 6, REASON_JWK_USE, NULL },
	{ 7, REASON_KEY_ROCA, NULL },
	{ 8, REASON_KEY_WEAK, NULL },
	{ 9, REASON_KEY_WEAK, NULL },
	{ 10, REASON_KEY_WEAK, NULL },
	{ 11, REASON_NONE, other_alg },
	{ 12, REASON_NONE, other_alg },
	{ 14, REASON_NONE, other_alg },
	{ 15, REASON_NONE, other_alg },
	{ 16, REASON_KEY_WEAK, NULL },
	{ 17, REASON_NONE, other_alg },
	{ 18, REASON_NONE, other_alg },
	{ 19, REASON_KEY_ALG, NULL },
	{ 20, REASON_KEY_ALG, NULL },
	{ 21, REASON_JWK_USE, NULL },
	{ 22, REASON_JWK_POINT, NULL },
	{ 23, REASON_JWK_KTY, NULL },
	{ 24, REASON_JWK_SYNTAX, NULL },
	{ 25, REASON_NONE, other_alg },
	{ 26, REASON_NONE, other_alg },
};

static const char *name_of(enum reason reason)
{
	return reason == REASON_NONE ? NULL : reason_info(reason)->name;
}

static bool allows_verifying(const json_t *json)
{
	const json_t *operations = json_object_get(json, "key_ops");
	bool found = operations == NULL;

	for (size_t i = 0; i < json_array_size(operations); i++) {
		const char *operation = json_string_value(json_array_get(operations, i));

		found = found || (operation && strcmp(operation, "verify") == 0);
	}
	return found && (json_object_get(json, "use") == NULL ||
				str_eq(json_text(json, "use"), STR("sig")));
}

/* Each of these returns NULL, or why it refuses. */
static const char *read_secret(struct key *key)
{
	const json_t *json = key->json;

	if (!allows_verifying(json))
		return name_of(REASON_JWK_USE);
	if (json_object_get(json, "alg") && !str_eq(json_text(json, "alg"), STR("HS256")))
		return other_alg;
	if (!b64url_decode(
		    json_text(json, "k"), key->secret, sizeof(key->secret), &key->secret_len))
		return name_of(REASON_JWK_SYNTAX);
	return key->secret_len < JWS_SECRET_LEN_MIN ? name_of(REASON_KEY_WEAK) : NULL;
}

/* The public half of what may be a private key: that is what a client registers. */
static const char *read_public(struct key *key)
{
	static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi" };
	json_t *public = json_deep_copy(key->json);
	enum reason reason;

	for (size_t i = 0; i < COUNT(private_members); i++)
		json_object_del(public, private_members[i]);
	reason = jwk_parse(public, &key->jwk);
	json_decref(public);
	return name_of(reason);
}

static const char *check_set(const struct key_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (set->keys[i].is_secret != set->keys[j].is_secret)
				return mixed_set;
			if (str_eq(set->keys[i].kid, set->keys[j].kid))
				return repeated_kid;
		}
	}
	return NULL;
}

/* Read a key, or a set of keys; what was read is freed by clear_set, also on failure. */
static const char *read_set(const json_t *json, struct key_set *set)
{
	const json_t *list = json_object_get(json, "keys");
	size_t count = list ? json_array_size(list) : 1;
	const char *refusal;

	if (count > KEY_MAX)
		return "too many keys for this program";
	for (size_t i = 0; i < count; i++) {
		const json_t *member = list ? json_array_get(list, i) : json;

		set->keys[i].json = member;
		set->keys[i].is_secret = str_eq(json_text(member, "kty"), STR("oct"));
		set->keys[i].kid = json_text(member, "kid");
	}
	set->count = count;
	refusal = check_set(set);
	for (size_t i = 0; i < count && !refusal; i++)
		refusal = set->keys[i].is_secret ? read_secret(&set->keys[i])
						 : read_public(&set->keys[i]);
	return refusal;
}

static void clear_set(struct key_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		jwk_clear(&set->keys[i].jwk);
}

static enum reason verify_by(struct key *key, const struct jws_parts *parts)
{
	enum jose_alg alg = alg_find(json_text(parts->header, "alg"));

	if (key->is_secret)
		return jws_verify_secret(
			parts, (struct str){ (const char *)key->secret, key->secret_len });
	return jwk_accepts(&key->jwk, alg) ? jws_verify(parts, key->jwk.pkey, alg)
					   : REASON_JWS_ALG;
}

static const char *verify_parts(struct key_set *set, const struct jws_parts *parts)
{
	struct str kid = json_text(parts->header, "kid");
	enum reason reason = REASON_JWS_KID;

	for (size_t i = 0; i < set->count && reason != REASON_NONE; i++) {
		if (kid.n == 0 || str_eq(kid, set->keys[i].kid))
			reason = verify_by(&set->keys[i], parts);
	}
	return name_of(reason);
}

static const char *verify(const struct test *test, struct arena *arena)
{
	const json_t *public = json_object_get(test->group, "public");
	struct key_set set = { 0 };
	struct jws_parts parts;
	const char *refusal = read_set(
		public ? public : json_object_get(test->group, "private"), &set);

	if (!refusal)
		refusal = name_of(jws_split(test->jws, arena, &parts));
	else
		parts = (struct jws_parts){ 0 };
	if (!refusal)
		refusal = verify_parts(&set, &parts);
	jws_parts_clear(&parts);
	clear_set(&set);
	return refusal;
}

static const char *foreign_alg(const struct test *test)
{
	for (size_t i = 0; i < COUNT(foreign); i++) {
		if (strcmp(foreign[i].file, test->file) == 0 && foreign[i].first <= test->id &&
			test->id <= foreign[i].last)
			return foreign[i].alg;
	}
	return NULL;
}

/* Does the table tell the truth: a valid JWS of an algorithm that has no row here? */
static bool is_foreign(const struct test *test, const char *alg, struct arena *arena)
{
	struct jws_parts parts;
	bool is;

	if (jws_split(test->jws, arena, &parts) != REASON_NONE)
		return false;
	is = test->is_valid && str_eq(json_text(parts.header, "alg"), str_of(alg)) &&
	     alg_find(str_of(alg)) == JOSE_ALG_NONE;
	jws_parts_clear(&parts);
	return is;
}

static struct str find_jws(const json_t *file, json_int_t id)
{
	const json_t *groups = json_object_get(file, "testGroups");

	for (size_t i = 0; i < json_array_size(groups); i++) {
		const json_t *tests = json_object_get(json_array_get(groups, i), "tests");

		for (size_t j = 0; j < json_array_size(tests); j++) {
			const json_t *test = json_array_get(tests, j);

			if (json_integer_value(json_object_get(test, "tcId")) == id)
				return json_text(test, "jws");
		}
	}
	return STR("");
}

/* The row of `mislabelled`, or COUNT(mislabelled). */
static size_t find_mislabelled(const struct test *test)
{
	size_t i = 0;

	while (i < COUNT(mislabelled) &&
		(strcmp(mislabelled[i].file, test->file) != 0 || mislabelled[i].id != test->id))
		i++;
	return i;
}

static void deviate(struct tally *tally, const struct test *test, const char *what)
{
	tally->deviations++;
	printf("%s: tcId %lld (%s): %s\n", test->file, (long long)test->id, test->comment,
		what);
}

static void check_key_refusal(struct tally *tally, const struct test *test, const char *refusal)
{
	for (size_t i = 0; i < COUNT(key_refusals); i++) {
		const char *wanted = key_refusals[i].text ? key_refusals[i].text
							  : name_of(key_refusals[i].reason);

		if (key_refusals[i].id != test->id)
			continue;
		if (refusal && strcmp(refusal, wanted) != 0)
			deviate(tally, test, refusal);
		return;
	}
	if (refusal)
		deviate(tally, test, refusal);
}

static void judge(
	const json_t *file, const struct test *test, struct arena *arena, struct tally *tally)
{
	const char *alg = foreign_alg(test);
	size_t row = find_mislabelled(test);
	bool is_mislabelled = row < COUNT(mislabelled);
	bool wanted = is_mislabelled ? mislabelled[row].is_accepted : test->is_valid && !alg;
	const char *refusal;

	arena_reset(arena);
	refusal = verify(test, arena);
	tally->accepted += !refusal;
	tally->refused += refusal != NULL;
	tally->mislabelled += is_mislabelled;
	tally->foreign += alg != NULL;
	if (!refusal && !wanted)
		deviate(tally, test, "accepted, but must be refused");
	if (refusal && wanted)
		deviate(tally, test, refusal);
	if (alg && !is_foreign(test, alg, arena))
		deviate(tally, test, "is no valid vector of an algorithm that is not there");
	if (is_mislabelled && mislabelled[row].is_accepted == test->is_valid)
		deviate(tally, test, "is not labelled wrongly");
	if (is_mislabelled && mislabelled[row].same_as != 0 &&
		!str_eq(test->jws, find_jws(file, mislabelled[row].same_as)))
		deviate(tally, test, "is not the same as the valid vector");
	if (strcmp(test->file, KEYS) == 0)
		check_key_refusal(tally, test, refusal);
}

static void judge_file(
	const char *name, const json_t *file, struct arena *arena, struct tally *tally)
{
	const json_t *groups = json_object_get(file, "testGroups");

	for (size_t i = 0; i < json_array_size(groups); i++) {
		const json_t *group = json_array_get(groups, i);
		const json_t *tests = json_object_get(group, "tests");

		for (size_t j = 0; j < json_array_size(tests); j++) {
			const json_t *json = json_array_get(tests, j);
			struct test test = { .file = name,
				.id = json_integer_value(json_object_get(json, "tcId")),
				.is_valid = str_eq(json_text(json, "result"), STR("valid")),
				.comment = json_string_value(json_object_get(json, "comment")),
				.group = group,
				.jws = json_text(json, "jws") };

			judge(file, &test, arena, tally);
		}
	}
}

/* How many vectors of this file the tables name. */
static unsigned count_foreign(const char *name)
{
	json_int_t count = 0;

	for (size_t i = 0; i < COUNT(foreign); i++) {
		if (strcmp(foreign[i].file, name) == 0)
			count += foreign[i].last - foreign[i].first + 1;
	}
	return (unsigned)count;
}

static unsigned count_mislabelled(const char *name)
{
	unsigned count = 0;

	for (size_t i = 0; i < COUNT(mislabelled); i++)
		count += strcmp(mislabelled[i].file, name) == 0;
	return count;
}

/* Was everything there that has to be? */
static bool is_complete(
	const char *name, const json_t *file, unsigned count, const struct tally *tally)
{
	json_int_t announced = json_integer_value(json_object_get(file, "numberOfTests"));
	unsigned run = tally->accepted + tally->refused;
	bool is_whole = run == count && announced == (json_int_t)count;
	bool is_named = tally->foreign == count_foreign(name) &&
			tally->mislabelled == count_mislabelled(name);

	if (!is_whole)
		printf("%s: %u vectors, but %u are expected\n", name, run, count);
	if (!is_named)
		printf("%s: not every vector that this program names is there\n", name);
	return is_whole && is_named;
}

static bool run_file(const char *directory, const char *name, unsigned count)
{
	char path[4096];
	json_error_t error;
	struct tally tally = { 0 };
	struct arena *arena = arena_new(65536, 1048576);
	bool is_complete_file;
	json_t *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!file || !arena) {
		fprintf(stderr, "vectors: %s: %s\n", path, file ? "out of memory" : error.text);
		arena_free(arena);
		json_decref(file);
		return false;
	}
	judge_file(name, file, arena, &tally);
	is_complete_file = is_complete(name, file, count, &tally);
	printf("%s: %u vectors: %u accepted, %u refused (%u valid ones of algorithms that are "
	       "not there), %u of them against their label; %u not as expected\n",
		name, tally.accepted + tally.refused, tally.accepted, tally.refused,
		tally.foreign, tally.mislabelled, tally.deviations);
	arena_free(arena);
	json_decref(file);
	return is_complete_file && tally.deviations == 0;
}

int main(int argc, char **argv)
{
	bool is_good;

	if (argc != 2) {
		fprintf(stderr, "usage: vectors DIR\nDIR has " SIGNATURES " and " KEYS
				" of Project Wycheproof.\n");
		return 2;
	}
	is_good = run_file(argv[1], SIGNATURES, 401);
	is_good = run_file(argv[1], KEYS, 26) && is_good;
	return is_good ? 0 : 1;
}
