/* SPDX-License-Identifier: MIT */
/* What the unit tests share: checks that name their case, files of vectors, fixed randomness.
 */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "jose/key.h"
#include "util/random.h"
#include "util/reason.h"
#include "util/str.h"

/* A struct str in a static table, where STR is no constant. */
#define TEXT(literal)                           \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The tests' time: 2021-12-27T07:07:08Z, that of the reference token. */
#define NOW_S INT64_C(1640588828)

static unsigned check_failures;

static inline void check_report(const char *file, int line, const char *name)
{
	check_failures++;
	fprintf(stderr, "%s:%d: case '%s': ", file, line, name);
}

static inline void check_true(
	bool ok, const char *what, const char *name, int line, const char *file)
{
	if (ok)
		return;
	check_report(file, line, name);
	fprintf(stderr, "not true: %s\n", what);
}

static inline void check_number(
	int64_t got, int64_t wanted, const char *name, int line, const char *file)
{
	if (got == wanted)
		return;
	check_report(file, line, name);
	fprintf(stderr, "got %lld, wanted %lld\n", (long long)got, (long long)wanted);
}

static inline void check_text(
	struct str got, struct str wanted, const char *name, int line, const char *file)
{
	if (str_eq(got, wanted))
		return;
	check_report(file, line, name);
	fprintf(stderr, "got %zu bytes '%.*s', wanted %zu bytes '%.*s'\n", got.n, (int)got.n,
		got.n ? got.p : "", wanted.n, (int)wanted.n, wanted.n ? wanted.p : "");
}

static inline void check_reason(
	enum reason got, enum reason wanted, const char *name, int line, const char *file)
{
	if (got == wanted)
		return;
	check_report(file, line, name);
	fprintf(stderr, "got reason '%s', wanted '%s'\n", reason_info(got)->name,
		reason_info(wanted)->name);
}

/* They report and go on, so that one run shows every case that fails. */
#define CHECK(condition, name) check_true((condition), #condition, (name), __LINE__, __FILE__)
#define CHECK_NUMBER(got, wanted, name) \
	check_number((int64_t)(got), (int64_t)(wanted), (name), __LINE__, __FILE__)
#define CHECK_TEXT(got, wanted, name) check_text((got), (wanted), (name), __LINE__, __FILE__)
#define CHECK_REASON(got, wanted, name) \
	check_reason((got), (wanted), (name), __LINE__, __FILE__)

/* The end of a test function: fails if one of its checks did. */
static inline void check_end(void)
{
	unsigned failures = check_failures;

	check_failures = 0;
	assert_int_equal(failures, 0);
}

/* The content of a file under tests/vectors, for free(); tests run from the top of the tree. */
static inline char *support_read(const char *name, size_t *size)
{
	char path[256];
	long length;
	char *content;
	FILE *file;

	snprintf(path, sizeof(path), "tests/vectors/%s", name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be opened; run the tests from the top of the tree", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	length = ftell(file);
	assert_true(length > 0);
	rewind(file);
	*size = (size_t)length;
	content = malloc(*size + 1);
	assert_non_null(content);
	assert_int_equal(fread(content, 1, *size, file), *size);
	content[*size] = '\0';
	fclose(file);
	return content;
}

/* A file of vectors: a list of objects, for json_decref(). */
static inline json_t *support_vectors(const char *name)
{
	size_t size;
	char *text = support_read(name, &size);
	json_error_t error;
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	free(text);
	if (!json)
		fail_msg("tests/vectors/%s:%d: %s", name, error.line, error.text);
	assert_true(json_array_size(json) > 0);
	return json;
}

/* A member that is a text; empty if it is not there. */
static inline struct str support_member(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

/* The reason with this identifier in reason.def. */
static inline enum reason support_reason(struct str id)
{
	static const char *const ids[] = {
#define REASON(id, name, status, error, description) #id,
#include "util/reason.def"
#undef REASON
	};

	for (unsigned i = 0; i < REASON__MAX; i++) {
		if (str_eq(id, str_of(ids[i])))
			return (enum reason)i;
	}
	fail_msg("no reason has the identifier '%.*s'", (int)id.n, id.n ? id.p : "");
	return REASON_INTERNAL;
}

/* The private key of pem.json with this name, for EVP_PKEY_free(). */
static inline EVP_PKEY *support_key(const char *name)
{
	json_t *vectors = support_vectors("pem.json");
	EVP_PKEY *pkey = NULL;
	json_t *vector;
	size_t i;

	json_array_foreach(vectors, i, vector)
	{
		if (str_eq(support_member(vector, "name"), str_of(name)))
			assert_int_equal(key_read_pem(support_member(vector, "pem"), &pkey),
				REASON_NONE);
	}
	json_decref(vectors);
	assert_non_null(pkey);
	return pkey;
}

#define KEY_RSA "RFC 7515 A.2, PKCS#8"
#define KEY_EC "RFC 7515 A.3, PKCS#8"
#define KEY_OKP "RFC 8037 A.1, PKCS#8"

/* Random bytes that are the same each time: 00 01 02 … */
static inline enum reason support_random_fill(void *context, void *p, size_t size)
{
	unsigned char *bytes = p;

	(void)context;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)i;
	return REASON_NONE;
}

static const struct random_source support_random = { .fill = support_random_fill };

/* A source that fails. */
static inline enum reason support_no_random_fill(void *context, void *p, size_t size)
{
	(void)context;
	memset(p, 0, size);
	return REASON_RANDOM;
}

static const struct random_source support_no_random = { .fill = support_no_random_fill };

#endif
