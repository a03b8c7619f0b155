/* SPDX-License-Identifier: MIT */
/* Tests of http/response. */
#include "support.h"
#include "http/response.h"

static void test_add(void **state)
{
	static const struct {
		const char *name;
		struct str value;
		struct str wanted;
	} cases[] = {
		{ "plain", TEXT("application/json;charset=UTF-8"),
			TEXT("application/json;charset=UTF-8") },
		{ "spaces and quotes", TEXT("Basic realm=\"a b\", charset=\"UTF-8\""),
			TEXT("Basic realm=\"a b\", charset=\"UTF-8\"") },
		{ "empty", TEXT(""), TEXT("") },
		{ "CRLF", TEXT("a\r\nSet-Cookie: x"), TEXT("a") },
		{ "LF", TEXT("a\nb"), TEXT("a") },
		{ "CR", TEXT("a\rb"), TEXT("a") },
		{ "NUL", TEXT("a\0b"), TEXT("a") },
		{ "TAB", TEXT("a\tb"), TEXT("a") },
		{ "ESC", TEXT("a\x1b[31m"), TEXT("a") },
		{ "DEL", TEXT("a\x7f"), TEXT("a") },
		{ "bytes beyond ASCII", TEXT("a\xc3\xa4"), TEXT("a") },
		{ "at the start", TEXT("\r\nb"), TEXT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_response response = { .status = 200 };

		http_response_add(&response, "X-Test", cases[i].value);
		CHECK_NUMBER(response.header_count, 1, cases[i].name);
		CHECK_TEXT(str_of(response.headers[0].name), STR("X-Test"), cases[i].name);
		CHECK_TEXT(response.headers[0].value, cases[i].wanted, cases[i].name);
	}
	check_end();
}

static void test_add_too_many(void **state)
{
	struct {
		struct http_response response;
		char guard[16];
	} both = { { .status = 200 }, "###############" };

	(void)state;
	for (unsigned i = 0; i < 3 * HTTP_RESPONSE_HEADER_MAX; i++)
		http_response_add(&both.response, "X-Test", STR("1"));
	CHECK_NUMBER(both.response.header_count, HTTP_RESPONSE_HEADER_MAX,
		"no more than there is room");
	CHECK(both.guard[0] == '#', "nothing behind it");
	check_end();
}

/* How many lines of the head start with this text. */
static unsigned lines_with(struct str head, struct str start)
{
	unsigned count = 0;
	struct str line;

	while (head.n) {
		str_cut(&head, '\n', &line);
		count += str_starts(line, start);
	}
	return count;
}

static void test_head(void **state)
{
	static const int statuses[] = { 200, 204, 304, 400, 401, 403, 404, 405, 411, 413, 429,
		500, 503, 299 };
	char space[HTTP_RESPONSE_HEAD_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		struct http_response response = { .status = statuses[i],
			.body = STR("{\"a\":1}") };
		struct buf buf = buf_init(space, sizeof(space));
		struct str head;
		char status[16];

		http_response_add(&response, "Content-Type", STR("application/json"));
		http_response_add(&response, "Cache-Control", STR("no-store"));
		http_response_write_head(&response, &buf);
		head = buf_view(&buf);
		snprintf(status, sizeof(status), "Status: %d", statuses[i]);
		CHECK(str_starts(head, str_of(status)), status);
		CHECK_NUMBER(lines_with(head, STR("Status:")), 1, status);
		CHECK_NUMBER(
			lines_with(head, STR("Content-Type: application/json\r")), 1, status);
		CHECK_NUMBER(lines_with(head, STR("Cache-Control: no-store\r")), 1, status);
		CHECK(lines_with(head, STR("Content-Length:")) <= 1, status);
		CHECK(str_ends(head, STR("\r\n\r\n")), status);
		CHECK(!str_contains(str_upto(head, head.n - 2), STR("\r\n\r\n")), status);
		for (size_t j = 0; j < head.n; j++) {
			CHECK(head.p[j] != '\n' || (j && head.p[j - 1] == '\r'), status);
			CHECK(head.p[j] != '\r' || head.p[j + 1] == '\n', status);
		}
	}
	check_end();
}

static void test_head_no_room(void **state)
{
	struct http_response response = { .status = 200 };
	char space[16];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	http_response_add(&response, "Content-Type", STR("application/json"));
	http_response_write_head(&response, &buf);
	CHECK(buf.overflow, "said so");
	check_end();
}

static void test_body(void **state)
{
	struct http_response response = { .status = 200, .body = STR("hello") };

	(void)state;
	CHECK_TEXT(http_response_body(&response), STR("hello"), "GET");
	response.omit_body = true;
	CHECK_TEXT(http_response_body(&response), STR(""), "HEAD");
	check_end();
}

/* RFC 9110 §8.6: what HEAD says of the length is what GET sends. */
static void test_head_tells_the_length(void **state)
{
	struct http_response response = {
		.status = 200, .body = STR("hello"), .omit_body = true
	};
	char space[HTTP_RESPONSE_HEAD_MAX];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	http_response_write_head(&response, &buf);
	CHECK_NUMBER(lines_with(buf_view(&buf), STR("Content-Length: 5\r")), 1, "HEAD");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_add_too_many),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_head_no_room),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_head_tells_the_length),
	};

	return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
