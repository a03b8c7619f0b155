/* SPDX-License-Identifier: MIT */
/* Tests of util/secret. */
#include "support.h"
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_wipe(void **state)
{
	char text[16] = "0123456789abcde";

	(void)state;
	secret_wipe(text + 4, 8);
	CHECK_TEXT(((struct str){ text, 15 }), STR("0123\0\0\0\0\0\0\0\0cde"), "just these");
	secret_wipe(text, 0);
	CHECK_NUMBER(text[0], '0', "none");
	check_end();
}

static void test_equal(void **state)
{
	unsigned char a[32], b[32];

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(b));
	CHECK(secret_equal(a, b, 32), "equal");
	CHECK(secret_equal(a, b, 0), "nothing");
	for (size_t i = 0; i < 32; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			b[i] ^= (unsigned char)(1U << bit);
			CHECK(!secret_equal(a, b, 32), "one bit differs");
			CHECK(secret_equal(a, b, i), "the bytes before do not");
			b[i] ^= (unsigned char)(1U << bit);
		}
	}
	check_end();
}

static void test_digest(void **state)
{
	/* FIPS 180-4 example, and the digest of nothing. */
	static const struct {
		struct str s;
		struct str digest;
	} cases[] = {
		{ TEXT("abc"),
			TEXT("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
			     "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15"
			     "\xad") },
		{ TEXT(""),
			TEXT("\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
			     "\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8"
			     "\x55") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char digest[SECRET_DIGEST_SIZE];

		CHECK(secret_digest(cases[i].s, digest), cases[i].s.p);
		CHECK_TEXT(((struct str){ (const char *)digest, sizeof(digest) }),
			cases[i].digest, cases[i].s.p);
	}
	check_end();
}

static int make_directory(void **state)
{
	static char directory[64];

	strncpy(directory, "/tmp/test_secret.XXXXXX", sizeof(directory) - 1);
	*state = directory;
	return mkdtemp(directory) ? 0 : 1;
}

static int remove_directory(void **state)
{
	return rmdir(*state);
}

static void test_file_modes(void **state)
{
	static const struct {
		mode_t mode;
		enum reason wanted;
	} cases[] = {
		{ 0600, REASON_NONE },
		{ 0400, REASON_NONE },
		{ 0440, REASON_NONE },
		{ 0640, REASON_NONE },
		{ 0700, REASON_NONE },
		{ 0620, REASON_FILE_MODE },
		{ 0660, REASON_FILE_MODE },
		{ 0604, REASON_FILE_MODE },
		{ 0602, REASON_FILE_MODE },
		{ 0601, REASON_FILE_MODE },
		{ 0644, REASON_FILE_MODE },
		{ 0666, REASON_FILE_MODE },
		{ 0777, REASON_FILE_MODE },
	};
	char path[96];

	snprintf(path, sizeof(path), "%s/key", (const char *)*state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int made = open(path, O_CREAT | O_WRONLY, 0600);
		char name[16];
		char byte = 0;
		int fd = 4711;

		snprintf(name, sizeof(name), "mode %o", cases[i].mode);
		assert_true(made >= 0);
		assert_int_equal(write(made, "x", 1), 1);
		assert_int_equal(fchmod(made, cases[i].mode), 0);
		close(made);
		CHECK_REASON(secret_file_open(path, &fd), cases[i].wanted, name);
		if (cases[i].wanted == REASON_NONE) {
			CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, name);
			CHECK(read(fd, &byte, 1) == 1 && byte == 'x', name);
			close(fd);
		} else {
			CHECK_NUMBER(fd, -1, name);
		}
		unlink(path);
	}
	check_end();
}

static void test_file_types(void **state)
{
	char path[96];
	int fd = 4711;

	CHECK_REASON(secret_file_open(*state, &fd), REASON_FILE_TYPE, "directory");
	CHECK_NUMBER(fd, -1, "directory");
	fd = 4711;
	CHECK_REASON(secret_file_open("/dev/null", &fd), REASON_FILE_TYPE, "device");
	CHECK_NUMBER(fd, -1, "device");

	snprintf(path, sizeof(path), "%s/fifo", (const char *)*state);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = 4711;
	alarm(10); /* opening a FIFO must not wait for a writer */
	CHECK_REASON(secret_file_open(path, &fd), REASON_FILE_TYPE, "FIFO");
	alarm(0);
	CHECK_NUMBER(fd, -1, "FIFO");
	unlink(path);

	snprintf(path, sizeof(path), "%s/missing", (const char *)*state);
	fd = 4711;
	errno = 0;
	CHECK_REASON(secret_file_open(path, &fd), REASON_FILE_OPEN, "missing");
	CHECK_NUMBER(errno, ENOENT, "missing");
	CHECK_NUMBER(fd, -1, "missing");

	assert_int_equal(symlink("missing", path), 0);
	CHECK_REASON(secret_file_open(path, &fd), REASON_FILE_OPEN, "dangling link");
	unlink(path);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_digest),
		cmocka_unit_test_setup_teardown(
			test_file_modes, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(
			test_file_types, make_directory, remove_directory),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
