/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/fcgi_io and fcgi/record: what is read out of requests, and how answers are put
 * together. */
#include "support.h"

/* The modules are no part of the library that the tests are linked with. */
#include "../../fcgi/fcgi_io.c"
#include "../../fcgi/record.c"
#include "../../fcgi/scan.c"

#define WIRE_SIZE 400000
#define ID 259
#define ANSWER_MAX 200000

static unsigned char wire[WIRE_SIZE];
static size_t wire_len;
static struct fcgi_io *io;

static void add(const void *p, size_t n)
{
	assert_true(n <= sizeof(wire) - wire_len);
	if (n > 0)
		memcpy(wire + wire_len, p, n);
	wire_len += n;
}

static void add_record(unsigned type, const void *p, size_t n, unsigned padding)
{
	static const unsigned char zeros[255];
	struct record record = { type, ID, n, padding };

	record_write(&record, wire + wire_len);
	wire_len += RECORD_HEADER_LEN;
	add(p, n);
	add(zeros, padding);
}

/* A stream in two records, or in more if they would be too long, and its end. */
static void add_stream(unsigned type, struct str content, size_t first, unsigned padding)
{
	struct str head = str_upto(content, first);

	if (head.n > 0)
		add_record(type, head.p, head.n, padding);
	for (content = str_from(content, head.n); content.n > 0;
		content = str_from(content, RECORD_CONTENT_MAX)) {
		head = str_upto(content, RECORD_CONTENT_MAX);
		add_record(type, head.p, head.n, padding);
	}
	add_record(type, NULL, 0, 0);
}

static void begin(bool keeps)
{
	const unsigned char content[8] = { 0, 1, keeps };

	wire_len = 0;
	add_record(RECORD_BEGIN, content, sizeof(content), 0);
}

static enum reason receive(struct http_request *request, enum scan_verdict verdict)
{
	struct scan scan = { 0 };
	const struct str bytes = { (const char *)wire, wire_len };

	fcgi_scan(&scan, wire, wire_len, HTTP_BODY_MAX);
	CHECK_NUMBER(scan.verdict, verdict, "verdict");
	return fcgi_io_receive(io, bytes, &scan, request);
}

static void add_pair(struct buf *buf, struct str name, struct str value, bool wide)
{
	const struct str texts[] = { name, value };

	for (size_t i = 0; i < 2; i++) {
		const size_t n = texts[i].n;

		if (wide || n > 127) {
			buf_char(buf, (char)(0x80 | n >> 24));
			buf_char(buf, (char)(n >> 16));
			buf_char(buf, (char)(n >> 8));
		}
		buf_char(buf, (char)n);
	}
	buf_str(buf, name);
	buf_str(buf, value);
}

/* Wherever the variables and the body are cut into records. */
static void test_cuts(void **state)
{
	static char long_value[300], memory[1024];
	struct buf params = buf_init(memory, sizeof(memory));
	static const struct str body = TEXT("grant_type=client_credentials");
	struct http_request request;

	(void)state;
	memset(long_value, 'v', sizeof(long_value));
	add_pair(&params, STR("CONTENT_LENGTH"), STR("29"), false);
	add_pair(&params, STR(""), STR(""), false);
	add_pair(&params, STR("A"), (struct str){ long_value, 127 }, false);
	add_pair(&params, STR("B"), (struct str){ long_value, 128 }, false);
	add_pair(&params, STR("C"), (struct str){ long_value, 300 }, true);
	add_pair(&params, STR("EMPTY"), STR(""), true);
	add_pair(&params, STR("A"), STR("second"), false);
	for (size_t cut = 0; cut <= params.n; cut++) {
		begin(cut % 2 == 0);
		add_stream(RECORD_PARAMS, buf_view(&params), cut, (unsigned)cut % 9);
		add_stream(RECORD_STDIN, body, cut % 30, (unsigned)cut % 7);
		CHECK_REASON(receive(&request, SCAN_COMPLETE), REASON_NONE, "received");
		CHECK_TEXT(http_variable(&request, "CONTENT_LENGTH"), STR("29"), "length");
		CHECK_NUMBER(http_variable(&request, "A").n, 127, "A");
		CHECK_NUMBER(http_variable(&request, "B").n, 128, "B");
		CHECK_TEXT(http_variable(&request, "C"),
			((struct str){ long_value, sizeof(long_value) }), "C");
		CHECK_NUMBER(http_variable_count(&request, "EMPTY"), 1, "empty");
		CHECK_TEXT(http_variable_at(&request, "A", 1), STR("second"), "second");
		CHECK_TEXT(str_of(request.variables[1]), STR("="), "no name");
		CHECK(request.variables[7] == NULL, "no more");
		CHECK_TEXT(request.body, body, "body");
		CHECK(request.body_is_whole, "whole");
		fcgi_io_forget(io);
	}
	check_end();
}

static void test_body(void **state)
{
	static char body[HTTP_BODY_MAX + 1];
	static const struct {
		const char *name;
		const char *length; /* CONTENT_LENGTH; NULL: none */
		size_t body_len;
		bool is_whole;
	} cases[] = {
		{ "none", NULL, 0, true },
		{ "not announced", NULL, 5, true },
		{ "as announced", "5", 5, true },
		{ "less than announced", "6", 5, false },
		{ "more than announced", "4", 5, false },
		{ "announced and none", "5", 0, false },
		{ "no number", "x", 5, true },
		{ "the greatest", "65536", HTTP_BODY_MAX, true },
		{ "above the greatest", "65536", HTTP_BODY_MAX + 1, false },
		{ "above the greatest, not announced", NULL, HTTP_BODY_MAX + 1, false },
	};

	(void)state;
	memset(body, 'b', sizeof(body));
	for (size_t i = 0; i < COUNT(cases); i++) {
		char memory[64];
		struct buf params = buf_init(memory, sizeof(memory));
		struct http_request request;

		if (cases[i].length != NULL)
			add_pair(
				&params, STR("CONTENT_LENGTH"), str_of(cases[i].length), false);
		begin(true);
		add_stream(RECORD_PARAMS, buf_view(&params), 0, 0);
		add_stream(RECORD_STDIN, (struct str){ body, cases[i].body_len }, 10, 3);
		CHECK_REASON(receive(&request, SCAN_COMPLETE), REASON_NONE, cases[i].name);
		CHECK(request.body_is_whole == cases[i].is_whole, cases[i].name);
		CHECK(request.body.n <= HTTP_BODY_MAX, cases[i].name);
		if (cases[i].is_whole)
			CHECK_NUMBER(request.body.n, cases[i].body_len, cases[i].name);
		fcgi_io_forget(io);
	}
	check_end();
}

/* A body that is refused without being awaited. */
static void test_large(void **state)
{
	static const struct str params = TEXT("\x0e\x05"
					      "CONTENT_LENGTH65537");
	struct http_request request;

	(void)state;
	begin(false);
	add_stream(RECORD_PARAMS, params, 0, 0);
	add_record(RECORD_STDIN, "abc", 3, 0);
	for (size_t less = 0; less <= 3 + RECORD_HEADER_LEN; less++) {
		CHECK_REASON(receive(&request, SCAN_LARGE), REASON_NONE, "received");
		CHECK_TEXT(http_variable(&request, "CONTENT_LENGTH"), STR("65537"), "length");
		CHECK(!request.body_is_whole, "not whole");
		fcgi_io_forget(io);
		wire_len--;
	}
	check_end();
}

/* What comes behind the records that were judged is no part of the request, whatever it is. */
static void test_unjudged(void **state)
{
	static const struct {
		const char *name;
		unsigned type;
		struct str content;
	} cases[] = {
		{ "a good variable", RECORD_PARAMS, TEXT("\1\1NV") },
		{ "a part of a pair", RECORD_PARAMS, TEXT("\5") },
		{ "a variable with a NUL", RECORD_PARAMS, TEXT("\1\3NV\0W") },
		{ "more of the body", RECORD_STDIN, TEXT("more") },
		{ "another request", RECORD_BEGIN, TEXT("\0\1\0\0\0\0\0\0") },
	};
	static const struct str params = TEXT("\x0e\x05"
					      "CONTENT_LENGTH65537");

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		const char *name = cases[i / 2].name;
		struct http_request request;

		begin(false);
		add_stream(RECORD_PARAMS, params, 0, 0);
		if (i % 2 == 0)
			add_record(RECORD_STDIN, "abc", 3, 0);
		add_record(
			cases[i / 2].type, cases[i / 2].content.p, cases[i / 2].content.n, 0);
		CHECK_REASON(receive(&request, SCAN_LARGE), REASON_NONE, name);
		CHECK_TEXT(http_variable(&request, "CONTENT_LENGTH"), STR("65537"), name);
		CHECK(request.variables[1] == NULL, name);
		CHECK(!request.body_is_whole, name);
		fcgi_io_forget(io);
	}
	check_end();
}

/* As many pairs and bytes as the scan lets through. */
static void test_limits(void **state)
{
	static char memory[SCAN_PARAMS_MAX + 2], value[SCAN_PARAMS_MAX];
	struct buf params = buf_init(memory, sizeof(memory));
	struct http_request request;
	size_t count = 0;

	(void)state;
	memset(value, 'v', sizeof(value));
	for (size_t i = 1; i < SCAN_PAIR_MAX; i++)
		add_pair(&params, STR("N"), STR("V"), false);
	add_pair(&params, STR("L"),
		(struct str){ value, SCAN_PARAMS_MAX - params.n - 1 - 4 - 1 }, false);
	CHECK_NUMBER(params.n, SCAN_PARAMS_MAX, "bytes");
	begin(false);
	add_stream(RECORD_PARAMS, buf_view(&params), 0, 0);
	add_stream(RECORD_STDIN, STR(""), 0, 0);
	CHECK_REASON(receive(&request, SCAN_COMPLETE), REASON_NONE, "received");
	while (request.variables[count] != NULL)
		count++;
	CHECK_NUMBER(count, SCAN_PAIR_MAX, "pairs");
	CHECK_TEXT(http_variable(&request, "N"), STR("V"), "short one");
	CHECK(http_variable(&request, "L").n > 60000, "long one");
	fcgi_io_forget(io);
	check_end();
}

/* What no scan has found good is refused, and nothing of it stays. */
static void test_unscanned(void **state)
{
	static char many[2 * (SCAN_PAIR_MAX + 1)], much[SCAN_PARAMS_MAX + 1];
	static const char none[64];
	const struct {
		const char *name;
		struct str params;
	} cases[] = {
		{ "no second length", TEXT("\1") },
		{ "first length cut", TEXT("\x80\0\0") },
		{ "second length cut", TEXT("\1\x80\0\0") },
		{ "no name", TEXT("\1\0") },
		{ "no value", TEXT("\1\1N") },
		{ "far more than there is", TEXT("\xff\xff\xff\xff\xff\xff\xff\xffNV") },
		{ "sum overflows", TEXT("\xff\xff\xff\xff\1NV") },
		{ "one pair too many", { many, sizeof(many) } },
		{ "one byte too many", { much, sizeof(much) } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request request;

		begin(false);
		add_stream(RECORD_PARAMS, cases[i].params, 0, 0);
		add_stream(RECORD_STDIN, STR("secret"), 0, 0);
		const struct scan scan = { .verdict = SCAN_COMPLETE, .at = wire_len };
		struct str bytes = { (const char *)wire, wire_len };

		CHECK_REASON(fcgi_io_receive(io, bytes, &scan, &request), REASON_INTERNAL,
			cases[i].name);
		CHECK(request.variables == NULL && request.body.n == 0, cases[i].name);
		CHECK(memcmp(io->params, none, sizeof(none)) == 0 &&
				memcmp(io->body, none, sizeof(none)) == 0,
			cases[i].name);
	}
	check_end();
}

/* The same numbers in each run. */
static unsigned next_number(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*seed >> 33);
}

/* Whatever the scan says of bytes that were changed: what it finds good can be read. */
static void test_changed_bytes(void **state)
{
	static const struct str params = TEXT("\1\1NV\x80\0\0\1\2NVV\0\0\4\3NAMEVAL\1\0N");
	struct str changed = { (const char *)wire, 0 };
	uint64_t seed = 1;
	unsigned good = 0;

	(void)state;
	for (unsigned round = 0; round < 300000; round++) {
		struct scan scan = { 0 };
		struct http_request request;
		size_t seen = 0;

		begin(true);
		add_stream(RECORD_PARAMS, params, next_number(&seed) % 30, round % 4);
		add_stream(RECORD_STDIN, STR("body"), next_number(&seed) % 5, round % 3);
		for (unsigned i = 0; i <= round % 3; i++)
			wire[next_number(&seed) % wire_len] =
				(unsigned char)(next_number(&seed) % (round % 2 ? 8 : 256));
		changed.n = wire_len;
		fcgi_scan(&scan, wire, wire_len, HTTP_BODY_MAX);
		if (scan.verdict != SCAN_COMPLETE)
			continue;
		good++;
		CHECK_REASON(
			fcgi_io_receive(io, changed, &scan, &request), REASON_NONE, "received");
		while (request.variables[seen] != NULL)
			CHECK(strchr(request.variables[seen++], '=') != NULL, "a variable");
		CHECK_NUMBER(seen, scan.walk.pairs.count, "variables");
		CHECK_NUMBER(request.body.n, scan.body_len, "body");
		fcgi_io_forget(io);
	}
	CHECK(good > 1000, "some were good");
	check_end();
}

/* Take the records of an answer apart; false: they are not what they must be. */
static bool read_answer(struct str bytes, struct buf *content)
{
	static const char end[RECORD_HEADER_LEN] = { 0 };
	bool closed = false;

	while (bytes.n >= RECORD_HEADER_LEN) {
		struct record record = record_read((const unsigned char *)bytes.p);
		bool is_end = record.type == RECORD_END;

		if (bytes.p[0] != 1 || record.id != ID || closed != is_end ||
			(!is_end && record.type != RECORD_STDOUT))
			return false;
		bytes = str_from(bytes, RECORD_HEADER_LEN);
		if (is_end)
			return str_eq(bytes, (struct str){ end, sizeof(end) });
		closed = record.content_len == 0;
		buf_str(content, str_upto(bytes, record.content_len));
		bytes = str_from(bytes, record.content_len + record.padding_len);
	}
	return false;
}

static void receive_simple(bool keeps)
{
	struct http_request request;

	begin(keeps);
	add_stream(RECORD_PARAMS, STR("\1\1NV"), 0, 0);
	add_stream(RECORD_STDIN, STR("secret"), 0, 0);
	CHECK_REASON(receive(&request, SCAN_COMPLETE), REASON_NONE, "received");
}

static bool is_wiped(void)
{
	static const char none[64];

	return memcmp(io->params, none, sizeof(none)) == 0 &&
	       memcmp(io->body, none, sizeof(none)) == 0 &&
	       memcmp(io->output, none, sizeof(none)) == 0;
}

/* In parts of up to 64 KiB, of which the last one has the end, too. */
static void test_answers(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, 65534, 65535, 65536, 131070, ANSWER_MAX };
	static char answer[ANSWER_MAX], taken[ANSWER_MAX + 1000], content[ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(answer); i++)
		answer[i] = (char)(i * 31 + i / 256);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct buf got = buf_init(content, sizeof(content));
		struct buf parts = buf_init(taken, sizeof(taken));
		const struct str whole = { answer, sizes[i] };
		struct str left = whole;
		size_t count = 0;

		receive_simple(true);
		do {
			buf_str(&parts, fcgi_io_frame(io, &left));
			count++;
		} while (left.n > 0);
		CHECK_NUMBER(count, sizes[i] == 0 ? 1 : (sizes[i] + 65534) / 65535, "parts");
		CHECK(!parts.overflow && read_answer(buf_view(&parts), &got), "records");
		CHECK(str_eq(buf_view(&got), whole), "the same bytes");
		fcgi_io_forget(io);
		CHECK(is_wiped(), "wiped");
	}
	check_end();
}

/* Of a part that is longer than the next one nothing is left, either. */
static void test_answer_is_wiped(void **state)
{
	static char answer[RECORD_CONTENT_MAX + 1];
	struct str left = { answer, sizeof(answer) };

	(void)state;
	memset(answer, 's', sizeof(answer));
	receive_simple(true);
	CHECK(fcgi_io_frame(io, &left).n > RECORD_CONTENT_MAX, "a long part");
	CHECK(fcgi_io_frame(io, &left).n < 100, "a short part");
	fcgi_io_forget(io);
	for (size_t i = 0; i < sizeof(io->output); i++)
		assert_int_equal(io->output[i], 0);
	check_end();
}

static int make_io(void **state)
{
	(void)state;
	io = fcgi_io_new();
	return io == NULL;
}

static int free_io(void **state)
{
	(void)state;
	fcgi_io_free(io);
	fcgi_io_free(NULL);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_unjudged),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unscanned),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answer_is_wiped),
	};

	return cmocka_run_group_tests_name("fcgi_io", tests, make_io, free_io);
}
