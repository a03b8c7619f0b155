/* SPDX-License-Identifier: MIT */
/* Tests of config/file: what is checked is what is read, while a name leads now here, now
 * there. */
#include "support.h"

#include "config/file.h"
#include "util/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD "the key\n"
#define BAD "not the key\n" /* in a file that others may read */
#define SEEN_MIN 200        /* of each outcome that there can be */
#define LIMIT_US INT64_C(60000000)

static char place[64];
static const char *const others[] = { "good", "bad", "fifo", "directory", "missing" };

static void put_file(const char *name, mode_t mode, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* All of it has relative names: this process works there. */
static int make_place(void **state)
{
	(void)state;
	snprintf(place, sizeof(place), "/tmp/oauth2-file-XXXXXX");
	assert_non_null(mkdtemp(place));
	assert_int_equal(chdir(place), 0);
	put_file("good", 0600, GOOD);
	put_file("bad", 0644, BAD);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_int_equal(mkdir("directory/good", 0700), 0);
	assert_int_equal(mkdir("directory/bad", 0700), 0);
	put_file("directory/good/key", 0600, GOOD);
	put_file("directory/bad/key", 0644, BAD);
	return 0;
}

static int remove_place(void **state)
{
	char command[128];

	(void)state;
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", place);
	return system(command);
}

/* Never missing, unless it leads to what is not there. */
static void point(const char *name, const char *target)
{
	(void)unlink("next");
	(void)!symlink(target, "next");
	(void)!rename("next", name);
}

/* The file itself, under another name. */
static void become(const char *name, const char *target)
{
	(void)unlink("next");
	(void)!link(target, "next");
	(void)!rename("next", name);
}

static void swap_files(void)
{
	for (size_t i = 0;; i++) {
		point("key", others[i % COUNT(others)]);
		become("key", i % 2 == 0 ? "good" : "bad");
	}
}

static void swap_directories(void)
{
	for (size_t i = 0;; i++)
		point("keys", i % 2 == 0 ? "directory/good" : "directory/bad");
}

static pid_t start(void (*swap)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		swap();
	return pid;
}

/* How often what came of reading a secret; never another file than the one that was checked. */
static void read_often(const char *path, const enum reason *wanted, size_t wanted_count)
{
	const int64_t until_us = clock_steady_us() + LIMIT_US;
	unsigned seen[REASON__MAX] = { 0 };
	size_t rarest = 0;

	while (rarest < SEEN_MIN && clock_steady_us() < until_us) {
		struct buf content;
		enum reason reason = file_read(path, FILE_SECRET, 4096, &content);

		seen[reason]++;
		if (reason == REASON_NONE)
			CHECK_TEXT(buf_view(&content), STR(GOOD), "what was checked is read");
		else
			CHECK_NUMBER(content.n, 0, "nothing is read of what is refused");
		file_clear(&content);
		rarest = SEEN_MIN;
		for (size_t i = 0; i < wanted_count; i++)
			rarest = seen[wanted[i]] < rarest ? seen[wanted[i]] : rarest;
	}
	for (size_t i = 0; i < wanted_count; i++) {
		CHECK(seen[wanted[i]] >= SEEN_MIN, reason_info(wanted[i])->name);
		seen[wanted[i]] = 0;
	}
	for (size_t i = 0; i < REASON__MAX; i++)
		CHECK_NUMBER(seen[i], 0, reason_info((enum reason)i)->name);
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_swapped_files(void **state)
{
	static const enum reason wanted[] = { REASON_NONE, REASON_FILE_MODE, REASON_FILE_TYPE,
		REASON_FILE_OPEN };

	(void)state;
	become("key", "good");
	pid_t pid = start(swap_files);

	/* What waits for a FIFO for ever is ended by this. */
	alarm(120);
	read_often("key", wanted, COUNT(wanted));
	alarm(0);
	stop(pid);
	check_end();
}

static void test_swapped_directories(void **state)
{
	static const enum reason wanted[] = { REASON_NONE, REASON_FILE_MODE };

	(void)state;
	point("keys", "directory/good");
	pid_t pid = start(swap_directories);

	read_often("keys/key", wanted, COUNT(wanted));
	stop(pid);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_swapped_files, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			test_swapped_directories, make_place, remove_place),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
