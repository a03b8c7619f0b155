/* SPDX-License-Identifier: MIT */
/* Which changes of a file, a directory or a link are seen. */
#include "config/watch.h"
#include "config_fixtures.h"
#include "util/clock.h"

static void write_again(void)
{
	write_text("file", 0600, "other");
}

static void touch(void)
{
	assert_int_equal(utimensat(AT_FDCWD, in_directory("file"), NULL, 0), 0);
}

static void change_mode(void)
{
	assert_int_equal(chmod(in_directory("file"), 0640), 0);
}

static void replace(void)
{
	write_text("new", 0600, "text");
	assert_int_equal(rename(in_directory("new"), in_directory("file")), 0);
}

static void delete (void)
{
	assert_int_equal(unlink(in_directory("file")), 0);
}

static void make_directory(void)
{
	delete ();
	assert_int_equal(mkdir(in_directory("file"), 0700), 0);
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*change)(void);
	bool seen;
} changes[] = {
	{ "nothing", nothing, false },
	{ "other content", write_again, true },
	{ "other time", touch, true },
	{ "other mode", change_mode, true },
	{ "replaced by a file of the same size", replace, true },
	{ "deleted", delete, true },
	{ "a directory now", make_directory, true },
};

static void test_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct watch *watch = watch_new();

		assert_non_null(watch);
		write_text("file", 0600, "text");
		make_old("file");
		assert_true(watch_add(watch, in_directory("file")));
		changes[i].change();
		if (watch_changed(watch) != changes[i].seen)
			fail_msg("%s", changes[i].name);
		watch_free(watch);
		(void)remove(in_directory("file"));
	}
}

static void test_missing(void **state)
{
	struct watch *watch = watch_new();

	(void)state;
	assert_non_null(watch);
	assert_true(watch_add(watch, in_directory("missing")));
	assert_true(watch_add(watch, in_directory("missing/below")));
	assert_false(watch_changed(watch));
	write_text("missing", 0600, "");
	assert_true(watch_changed(watch));
	watch_free(watch);
	assert_int_equal(unlink(in_directory("missing")), 0);
}

static void test_directory(void **state)
{
	struct watch *watch = watch_new();

	(void)state;
	assert_non_null(watch);
	make_old("clients.d");
	assert_true(watch_add(watch, in_directory("clients.d")));
	assert_false(watch_changed(watch));
	write_text("clients.d/new.yaml", 0600, "");
	assert_true(watch_changed(watch));
	watch_free(watch);
	assert_int_equal(unlink(in_directory("clients.d/new.yaml")), 0);
}

/* As when a secret is mounted: the name stays, the link is turned to another file. */
static void test_link(void **state)
{
	struct watch *watch = watch_new();

	(void)state;
	assert_non_null(watch);
	write_text("one", 0600, "text");
	write_text("two", 0600, "text");
	assert_int_equal(symlink("one", in_directory("link")), 0);
	assert_true(watch_add(watch, in_directory("link")));
	assert_false(watch_changed(watch));
	assert_int_equal(unlink(in_directory("link")), 0);
	assert_int_equal(symlink("two", in_directory("link")), 0);
	assert_true(watch_changed(watch));
	watch_free(watch);
}

static void test_many(void **state)
{
	struct watch *watch = watch_new();

	(void)state;
	assert_non_null(watch);
	int64_t start_us = clock_steady_us();

	for (unsigned i = 0; i < 10000; i++)
		assert_true(watch_add(watch, in_directory("secret")));
	assert_false(watch_changed(watch));
	print_message("10,000 files added and looked at: %lld us\n",
		(long long)(clock_steady_us() - start_us));
	write_text("secret", 0600, "changed");
	assert_true(watch_changed(watch));
	watch_free(watch);
}

static void test_empty(void **state)
{
	struct watch *watch = watch_new();

	(void)state;
	assert_non_null(watch);
	assert_false(watch_changed(watch));
	watch_free(watch);
	watch_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, make_fixtures, remove_fixtures);
}
