/* SPDX-License-Identifier: MIT */
/* Tests of util/diag. */
#include "support.h"
#include "util/diag.h"

static void test_add(void **state)
{
	struct diag *diag = diag_new();
	char file[] = "a.yaml";
	char word[] = "lifetme";
	const struct diag_entry *entry;

	(void)state;
	assert_non_null(diag);
	CHECK_NUMBER(diag_count(diag), 0, "new");
	CHECK_NUMBER(diag_error_count(diag), 0, "new");
	diag_add(diag, DIAG_ERROR, (struct place){ file, 3, 5 }, "unknown key '%s' (%d)", word,
		7);
	diag_add(diag, DIAG_WARNING, (struct place){ file, 9, 1 }, "100%% odd");
	memset(file, 'x', sizeof(file) - 1);
	memset(word, 'x', sizeof(word) - 1);
	CHECK_NUMBER(diag_count(diag), 2, "both");
	CHECK_NUMBER(diag_error_count(diag), 1, "a warning is no error");
	entry = diag_get(diag, 0);
	CHECK_TEXT(str_of(entry->file), STR("a.yaml"), "copied");
	CHECK_TEXT(str_of(entry->text), STR("unknown key 'lifetme' (7)"), "copied");
	CHECK_NUMBER(entry->line, 3, "line");
	CHECK_NUMBER(entry->column, 5, "column");
	CHECK_NUMBER(entry->severity, DIAG_ERROR, "severity");
	CHECK_TEXT(str_of(diag_get(diag, 1)->text), STR("100% odd"), "percent");
	diag_free(diag);
	diag_free(NULL);
	check_end();
}

static void test_limit(void **state)
{
	struct diag *diag = diag_new();

	(void)state;
	assert_non_null(diag);
	for (unsigned i = 1; i <= 15000; i++) {
		enum diag_severity severity = i % 3 ? DIAG_ERROR : DIAG_WARNING;

		diag_add(diag, severity, (struct place){ "a.yaml", i, 1 }, "problem %u", i);
	}
	diag_sort(diag);
	CHECK_NUMBER(diag_count(diag), 10000, "ten thousand are kept");
	CHECK_NUMBER(diag_error_count(diag), 10000, "all errors are counted");
	for (size_t i = 0; i < diag_count(diag); i++)
		CHECK_NUMBER(diag_get(diag, i)->severity, DIAG_ERROR,
			"no warning in place of an error");
	CHECK_TEXT(str_of(diag_get(diag, 9999)->text), STR("problem 14999"), "the last error");
	diag_free(diag);
	check_end();
}

static void test_long_text(void **state)
{
	struct diag *diag = diag_new();
	static char text[5001];

	(void)state;
	assert_non_null(diag);
	memset(text, 'x', sizeof(text) - 1);
	diag_add(diag, DIAG_ERROR, (struct place){ "a.yaml", 1, 1 }, "%s", text);
	CHECK_NUMBER(diag_error_count(diag), 1, "counted");
	CHECK_NUMBER(diag_count(diag), 1, "kept");
	CHECK(str_starts(str_of(diag_get(diag, 0)->text), STR("xxxxxxxx")),
		"its start at least");
	diag_free(diag);
	check_end();
}

static void test_sort(void **state)
{
	static const struct {
		const char *file;
		unsigned line;
		unsigned column;
		const char *text;
	} added[] = {
		{ "z.yaml", 9, 1, "5" },
		{ "a.yaml", 1, 1, "6" },
		{ "z.yaml", 2, 7, "3" },
		{ "z.yaml", 2, 1, "1" },
		{ "a.yaml", 1, 1, "7" },
		{ "z.yaml", 2, 1, "2" },
		{ "a.yaml", 10, 1, "9" },
		{ "a.yaml", 2, 1, "8" },
		{ "z.yaml", 0, 0, "0" },
		{ "z.yaml", 2, 10, "4" },
	};
	struct diag *diag = diag_new();

	(void)state;
	assert_non_null(diag);
	for (size_t i = 0; i < COUNT(added); i++) {
		/* The same name at another address is the same file. */
		char file[] = "?.yaml";

		file[0] = added[i].file[0];
		diag_add(diag, DIAG_ERROR,
			(struct place){ file, added[i].line, added[i].column }, "%s",
			added[i].text);
	}
	diag_sort(diag);
	CHECK_NUMBER(diag_count(diag), COUNT(added), "all are there");
	for (size_t i = 0; i < diag_count(diag); i++)
		CHECK_NUMBER(diag_get(diag, i)->text[0] - '0', i, added[i].text);
	diag_free(diag);
	check_end();
}

static void test_render(void **state)
{
	char file[] = "etc/oauth2.yaml";
	char text[] = "unknown key";
	struct diag_entry entry = { file, 12, 3, DIAG_ERROR, text };
	char space[100];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	diag_render(&buf, &entry);
	CHECK_TEXT(buf_view(&buf), STR("etc/oauth2.yaml:12:3: error: unknown key"), "error");
	buf = buf_init(space, sizeof(space));
	entry.severity = DIAG_WARNING;
	diag_render(&buf, &entry);
	CHECK_TEXT(
		buf_view(&buf), STR("etc/oauth2.yaml:12:3: warning: unknown key"), "warning");
	check_end();
}

static void test_nearest(void **state)
{
	static const struct str names[] = {
		TEXT("issuer"),
		TEXT("lifetime"),
		TEXT("audience"),
		TEXT("scopes"),
		TEXT("hash"),
		TEXT("resources"),
		TEXT("tls_client_auth_subject_dn"),
	};
	static const struct {
		struct str word;
		struct str nearest;
	} cases[] = {
		{ TEXT("lifetme"), TEXT("lifetime") },
		{ TEXT("lifetimes"), TEXT("lifetime") },
		{ TEXT("lifetimexx"), TEXT("lifetime") },
		{ TEXT("lifetimexxx"), TEXT("") },
		{ TEXT("lifftyme"), TEXT("lifetime") },
		{ TEXT("audeince"), TEXT("audience") },
		{ TEXT("isuer"), TEXT("issuer") },
		{ TEXT("Issuer"), TEXT("issuer") },
		{ TEXT("scope"), TEXT("scopes") },
		{ TEXT("scops"), TEXT("scopes") },
		{ TEXT("tls_client_auth_subjct_d"), TEXT("tls_client_auth_subject_dn") },
		{ TEXT("hush"), TEXT("hash") },
		{ TEXT("hu"), TEXT("") },
		{ TEXT("hush!"), TEXT("hash") },
		{ TEXT("mush"), TEXT("") },
		{ TEXT("ha"), TEXT("") },
		{ TEXT("h"), TEXT("") },
		{ TEXT(""), TEXT("") },
		{ TEXT("clients"), TEXT("") },
		{ TEXT("\xff\xff\xff\xff"), TEXT("") },
	};
	static char word[100000];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_TEXT(diag_nearest(cases[i].word, names, COUNT(names)), cases[i].nearest,
			cases[i].word.p);
	CHECK_NUMBER(diag_nearest(STR("issuer"), NULL, 0).n, 0, "no names");
	memset(word, 'x', sizeof(word));
	CHECK_NUMBER(diag_nearest((struct str){ word, sizeof(word) }, names, COUNT(names)).n, 0,
		"a long word");
	check_end();
}

static void test_nearest_is_the_nearest(void **state)
{
	static const struct str names[] = { TEXT("allowed_ix"), TEXT("allowed_ips"),
		TEXT("allow_ips") };

	(void)state;
	CHECK_TEXT(diag_nearest(STR("allowed_ipss"), names, 3), names[1], "the nearer one");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_nearest_is_the_nearest),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
