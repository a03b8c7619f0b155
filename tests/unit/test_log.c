/* SPDX-License-Identifier: MIT */
/* Tests of util/log: a datagram socket shows what each write(2) carried. */
#include "support.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_SIZE 16384

static char line[LINE_MAX_SIZE];
static size_t refusals; /* how many of the next calls of write(2) find no room */

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (refusals == 0)
		return __real_write(fd, bytes, size);
	refusals--;
	errno = EAGAIN;
	return -1;
}

static int open_log(void **state)
{
	static int ends[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends))
		return 1;
	*state = ends;
	return 0;
}

static int close_log(void **state)
{
	int *ends = *state;

	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* The next datagram; empty if there is none. */
static struct str next_line(int *ends)
{
	ssize_t n = recv(ends[0], line, sizeof(line), 0);

	return (struct str){ line, n > 0 ? (size_t)n : 0 };
}

/* The next line as JSON, after the checks that hold for each line. */
static json_t *next_json(int *ends, const char *name)
{
	struct str s = next_line(ends);
	json_t *json;

	CHECK(s.n > 0 && s.p[s.n - 1] == '\n', name);
	CHECK(s.n == 0 || !memchr(s.p, '\n', s.n - 1), name);
	json = json_loadb(s.p, s.n, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(json), name);
	return json;
}

static struct str member(const json_t *json, const char *key)
{
	return str_of(json_string_value(json_object_get(json, key)));
}

static void test_level_names(void **state)
{
	(void)state;
	CHECK_TEXT(str_of(log_level_name(LOG_LEVEL_ERROR)), STR("error"), "error");
	CHECK_TEXT(str_of(log_level_name(LOG_LEVEL_WARNING)), STR("warning"), "warning");
	CHECK_TEXT(str_of(log_level_name(LOG_LEVEL_INFO)), STR("info"), "info");
	CHECK_TEXT(str_of(log_level_name(LOG_LEVEL_DEBUG)), STR("debug"), "debug");
	check_end();
}

static void test_levels(void **state)
{
	int *ends = *state;

	for (int limit = 0; limit < LOG_LEVEL__MAX; limit++) {
		struct log log = { ends[1], (enum log_level)limit, LOG_FORMAT_JSON, false };

		for (int level = 0; level < LOG_LEVEL__MAX; level++) {
			const char *name = log_level_name((enum log_level)level);

			log_message(&log, (enum log_level)level, "test", STR("hello"));
			if (level <= limit) {
				json_t *json = next_json(ends, name);

				CHECK_TEXT(member(json, "level"), str_of(name), name);
				json_decref(json);
			}
			CHECK_NUMBER(next_line(ends).n, 0, name);
		}
	}
	check_end();
}

static void test_members(void **state)
{
	static const struct log_field fields[] = {
		{ "client_id", LOG_TEXT, TEXT("TENANT"), 0 },
		{ "scope", LOG_TEXT, TEXT(""), 0 },
		{ "status", LOG_NUMBER, TEXT(""), 200 },
		{ "pid", LOG_NUMBER, TEXT(""), 0 },
		{ "duration_us", LOG_NUMBER0, TEXT(""), 0 },
		{ "offset", LOG_NUMBER, TEXT(""), -7 },
	};
	static const char *const order[] = { "time", "level", "event", "client_id", "status",
		"duration_us", "offset" };
	int *ends = *state;
	struct log log = { ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON, false };
	int64_t before_ms = clock_wall_ms();
	const char *key;
	json_t *json, *value;
	size_t i = 0;

	log_write(&log, LOG_LEVEL_INFO, "token.issued", fields, COUNT(fields));
	json = next_json(ends, "members");
	CHECK_NUMBER(json_object_size(json), COUNT(order), "members");
	json_object_foreach(json, key, value)
	{
		CHECK_TEXT(str_of(key), str_of(i < COUNT(order) ? order[i] : ""), "order");
		i++;
	}
	CHECK_TEXT(member(json, "event"), STR("token.issued"), "event");
	CHECK_TEXT(member(json, "client_id"), STR("TENANT"), "text");
	CHECK_NUMBER(json_integer_value(json_object_get(json, "status")), 200, "number");
	CHECK_NUMBER(json_integer_value(json_object_get(json, "offset")), -7, "number");
	CHECK(json_is_integer(json_object_get(json, "duration_us")), "a 0 that is kept");

	/* RFC 3339, UTC, with milliseconds */
	int64_t wall_s;
	struct str time_text = member(json, "time");

	CHECK_NUMBER(time_text.n, 24, "time");
	CHECK(str_ends(time_text, STR("Z")) && str_has(time_text, '.'), "time");
	CHECK(clock_parse(time_text, &wall_s), "time");
	CHECK(wall_s >= before_ms / 1000 && wall_s <= clock_wall_ms() / 1000, "time");
	json_decref(json);
	check_end();
}

static void test_escapes(void **state)
{
	static const struct str texts[] = {
		TEXT("\n{\"event\":\"forged\"}"),
		TEXT("\",\"event\":\"forged"),
		TEXT("a\\"),
		TEXT("\r\n\t\x1b[31m\0\x7f"),
		TEXT("x event=forged y=\"z\""),
		TEXT("\xff\xfe"),
	};
	int *ends = *state;

	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct log_field field = { "client_id", LOG_TEXT, texts[i], 0 };
		struct log log = { ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON, false };
		json_t *json;
		struct str s;

		log_write(&log, LOG_LEVEL_INFO, "test", &field, 1);
		json = json_loadb(
			line, next_line(ends).n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		CHECK(json_is_object(json), texts[i].p);
		CHECK_TEXT(member(json, "event"), STR("test"), texts[i].p);
		CHECK_NUMBER(json_object_size(json), 4, texts[i].p);
		json_decref(json);

		log.format = LOG_FORMAT_TEXT;
		log_write(&log, LOG_LEVEL_INFO, "test", &field, 1);
		s = next_line(ends);
		CHECK(s.n > 1 && s.p[s.n - 1] == '\n', texts[i].p);
		for (size_t j = 0; j + 1 < s.n; j++)
			CHECK((unsigned char)s.p[j] >= 0x20 && s.p[j] != 0x7f, texts[i].p);
		CHECK(str_is_utf8(s), texts[i].p);
		CHECK_NUMBER(next_line(ends).n, 0, texts[i].p);
	}
	check_end();
}

static void test_text_format(void **state)
{
	static const struct log_field fields[] = {
		{ "client_id", LOG_TEXT, TEXT("TENANT"), 0 },
		{ "scope", LOG_TEXT, TEXT(""), 0 },
		{ "status", LOG_NUMBER, TEXT(""), 401 },
	};
	int *ends = *state;
	struct log log = { ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT, false };
	struct str s;

	log_write(&log, LOG_LEVEL_WARNING, "token.denied", fields, COUNT(fields));
	s = next_line(ends);
	CHECK(s.n > 24 && s.p[23] == 'Z', "starts with the time");
	CHECK(str_contains(s, STR("warning")), "level");
	CHECK(str_contains(s, STR("token.denied")), "event");
	CHECK(str_contains(s, STR("client_id")) && str_contains(s, STR("TENANT")), "text");
	CHECK(str_contains(s, STR("status")) && str_contains(s, STR("401")), "number");
	CHECK(!str_contains(s, STR("scope")), "empty text");
	CHECK(s.n > 0 && s.p[0] != '{', "no JSON");
	check_end();
}

static void test_long_line(void **state)
{
	static char text[20000];
	static const size_t lengths[] = { 3900, 4000, 4096, 9000, 20000 };
	int *ends = *state;

	memset(text, 'x', sizeof(text));
	for (int format = 0; format < LOG_FORMAT__MAX; format++) {
		for (size_t i = 0; i < COUNT(lengths); i++) {
			struct log log = { ends[1], LOG_LEVEL_INFO, (enum log_format)format,
				false };
			struct str s;

			log_message(&log, LOG_LEVEL_ERROR, "test",
				(struct str){ text, lengths[i] });
			s = next_line(ends);
			CHECK(s.n > 0 && s.n <= PIPE_BUF && s.p[s.n - 1] == '\n', "one line");
			CHECK(lengths[i] > 3900 || s.n > 3900, "whole");
			CHECK(s.n > 1024, "cut, not lost");
			if (format == LOG_FORMAT_JSON) {
				json_t *json = json_loadb(s.p, s.n, 0, NULL);

				CHECK(json_is_object(json), "JSON");
				json_decref(json);
			}
			CHECK_NUMBER(next_line(ends).n, 0, "in one write");
		}
	}
	check_end();
}

static void test_message(void **state)
{
	int *ends = *state;
	struct log log = { ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON, false };
	json_t *json;

	log_message(&log, LOG_LEVEL_INFO, "config.loaded", STR("12 clients"));
	json = next_json(ends, "message");
	CHECK_TEXT(member(json, "message"), STR("12 clients"), "message");
	CHECK_NUMBER(json_object_size(json), 4, "message");
	json_decref(json);
	check_end();
}

static void test_write_fails(void **state)
{
	struct log log = { .fd = open("/dev/full", O_WRONLY), .level = LOG_LEVEL_INFO };

	(void)state;
	assert_true(log.fd >= 0);
	/* Nothing to expect but that it comes back. */
	log_message(&log, LOG_LEVEL_INFO, "test", STR("lost"));
	CHECK(errno == ENOSPC, "was tried");
	close(log.fd);
	check_end();
}

/* Which descriptors are waited for is decided by what they are. */
static void test_use(void **state)
{
	struct log log = { .level = LOG_LEVEL_INFO };
	char path[] = "/tmp/test_log.XXXXXX";
	int file = mkstemp(path), ends[2];

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(pipe(ends), 0);
	log_use(&log, file);
	CHECK(log.fd == file && log.is_file, "a file");
	log_message(&log, LOG_LEVEL_INFO, "test", STR("kept"));
	CHECK(lseek(file, 0, SEEK_END) > 0, "written to");
	log_use(&log, ends[1]);
	CHECK(log.fd == ends[1] && !log.is_file, "a pipe");
	close(ends[0]);
	close(ends[1]);
	log_use(&log, file);
	CHECK(log.is_file, "the file again");
	log_use(&log, ends[1]);
	CHECK(!log.is_file, "a closed one");
	close(file);
	unlink(path);
	check_end();
}

/* A pipe that nobody reads: the line is lost, but the writer goes on. */
static void test_nobody_reads(void **state)
{
	int ends[2];
	int64_t begin_us = clock_steady_us();

	(void)state;
	assert_int_equal(pipe(ends), 0);
	struct log log = { .level = LOG_LEVEL_INFO };

	log_use(&log, ends[1]);
	for (int i = 0; i < 1200; i++) {
		if (clock_steady_us() - begin_us < 500000)
			log_message(&log, LOG_LEVEL_INFO, "test", STR("lost"));
	}
	CHECK(clock_steady_us() - begin_us < 5000000, "comes back");
	close(ends[0]);
	close(ends[1]);
	check_end();
}

/* Another process was faster, again and again: the next try may do. */
static void test_room_is_taken(void **state)
{
	int *ends = *state;
	struct log log = { ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON, false };
	int64_t begin_us = clock_steady_us();

	refusals = 3;
	log_message(&log, LOG_LEVEL_INFO, "test", STR("kept"));
	CHECK_NUMBER(refusals, 0, "tried again");
	CHECK(str_contains(next_line(ends), STR("kept")), "the line is there");
	CHECK_NUMBER(next_line(ends).n, 0, "once");
	refusals = SIZE_MAX;
	log_message(&log, LOG_LEVEL_INFO, "test", STR("lost"));
	refusals = 0;
	CHECK_NUMBER(next_line(ends).n, 0, "the line is lost");
	CHECK(clock_steady_us() - begin_us < 5000000, "comes back");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_names),
		cmocka_unit_test_setup_teardown(test_levels, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_members, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_escapes, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_text_format, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_long_line, open_log, close_log),
		cmocka_unit_test_setup_teardown(test_message, open_log, close_log),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test_setup_teardown(test_room_is_taken, open_log, close_log),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
