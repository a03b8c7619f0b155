/* SPDX-License-Identifier: MIT */
/* Another text in the place of a file's, before it is written. */
#include "config/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/nonexistent/oauth2.yaml"

/* The first problem of a load. */
static void check(
	const struct config_draft *draft, const char *file, unsigned line, const char *part)
{
	struct config *config = config_load_draft(PATH, CONFIG_SERVE, 0, draft);

	assert_non_null(config);
	assert_null(config_snapshot(config));
	const struct diag_entry *entry = diag_get(config_diag(config), 0);

	assert_string_equal(entry->file, file);
	assert_int_equal(entry->line, line);
	assert_non_null(strstr(entry->text, part));
	config_free(config);
}

static void test_the_draft_is_read(void **state)
{
	const struct config_draft main_file = { PATH, STR("\nisuer: x\n") };
	const struct config_draft other = { "/nonexistent/other.yaml", STR("isuer: x\n") };

	(void)state;
	check(&main_file, PATH, 2, "isuer");
	check(&other, PATH, 0, "cannot be opened");
	check(NULL, PATH, 0, "cannot be opened");
}

/* With the name that the main file has for it. */
static void test_an_included_draft(void **state)
{
	char directory[] = "/tmp/test_draft.XXXXXX", path[64], included[64];
	struct buf name = buf_init(path, sizeof(path));
	struct buf other = buf_init(included, sizeof(included));

	(void)state;
	assert_non_null(mkdtemp(directory));
	buf_text(&name, directory);
	buf_text(&name, "/oauth2.yaml");
	buf_char(&name, '\0');
	buf_text(&other, directory);
	buf_text(&other, "/clients.yaml");
	buf_char(&other, '\0');
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("include: [clients.yaml]\n", file);
	fclose(file);
	const struct config_draft draft = { included, STR("clients: {a: {nmae: b}}\n") };
	struct config *config = config_load_draft(path, CONFIG_SERVE, 0, &draft);
	const struct str keys[] = { STR("clients"), STR("a") };
	struct place place;

	assert_non_null(config);
	assert_true(config_locate(config, keys, 2, &place));
	assert_string_equal(place.file, included);
	config_free(config);
	remove(path);
	remove(directory);
}

static void test_a_draft_that_is_too_large(void **state)
{
	size_t size = ((size_t)64 << 20) + 1;
	char *p = malloc(size);

	(void)state;
	assert_non_null(p);
	memset(p, '\n', size);
	const struct config_draft draft = { PATH, { p, size } };

	check(&draft, PATH, 0, "too large");
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_draft_is_read),
		cmocka_unit_test(test_an_included_draft),
		cmocka_unit_test(test_a_draft_that_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
