/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/scan: what may be taken apart, and what may not. */
#include "support.h"

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/record.c"
#include "../../fcgi/scan.c"

#define BODY_MAX 1000
#define WIRE_SIZE 200000

/* One record to be written; content is repeated `times`, 0 counts as once. */
struct item {
	unsigned version, type, id;
	struct str content;
	unsigned times;
	unsigned padding;
	struct str more; /* after the content */
};

#define ITEM_MAX 12

struct scan_case {
	const char *name;
	enum scan_verdict verdict;
	int64_t body_len; /* -1: any */
	struct item items[ITEM_MAX];
};

#define BEGIN_BODY "\0\1\0\0\0\0\0\0"
#define BEGIN                                             \
	{                                                 \
		1, 1, 1, TEXT(BEGIN_BODY), 0, 0, TEXT("") \
	}
#define BEGIN_KEEP RECORD(1, 1, "\0\1\1\0\0\0\0\0")
#define PARAMS(text)                                \
	{                                           \
		1, 4, 1, TEXT(text), 0, 0, TEXT("") \
	}
#define PARAMS_END                                \
	{                                         \
		1, 4, 1, TEXT(""), 0, 0, TEXT("") \
	}
#define STDIN(text)                                 \
	{                                           \
		1, 5, 1, TEXT(text), 0, 0, TEXT("") \
	}
#define STDIN_TIMES(text, times)                        \
	{                                               \
		1, 5, 1, TEXT(text), times, 0, TEXT("") \
	}
#define STDIN_END                                 \
	{                                         \
		1, 5, 1, TEXT(""), 0, 0, TEXT("") \
	}
#define RECORD(type, id, text)                          \
	{                                               \
		1, type, id, TEXT(text), 0, 0, TEXT("") \
	}
#define PADDED(type, text, padding)                          \
	{                                                    \
		1, type, 1, TEXT(text), 0, padding, TEXT("") \
	}

#define METHOD "\x0e\x04REQUEST_METHODPOST"
#define LENGTH_5   \
	"\x0e\x01" \
	"CONTENT_LENGTH5"

static const struct scan_case cases[] = {
	{ "a request with a body", SCAN_COMPLETE, 5,
		{ BEGIN, PARAMS(METHOD LENGTH_5), PARAMS_END, STDIN("a=b&c"), STDIN_END } },
	{ "without variables and without a body", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS_END, STDIN_END } },
	{ "kept connection, another id", SCAN_COMPLETE, 0,
		{ RECORD(1, 259, "\0\1\1\0\0\0\0\0"), RECORD(4, 259, METHOD),
			RECORD(4, 259, ""), RECORD(5, 259, "") } },
	{ "padding after content", SCAN_COMPLETE, 5,
		{ BEGIN, PADDED(4, METHOD, 7), PARAMS_END, PADDED(5, "a=b&c", 255),
			STDIN_END } },
	{ "a pair over three records", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS("\x0e\x04REQ"), PARAMS("UEST_METHODPO"), PARAMS("ST"),
			PARAMS_END, STDIN_END } },
	{ "a length over two records", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS("\x80\0"), PARAMS("\0\1\1AB"), PARAMS_END, STDIN_END } },
	{ "lengths of four bytes", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS("\x80\0\0\1\x80\0\0\2ABC"), PARAMS_END, STDIN_END } },
	{ "empty name, empty value", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS("\0\0\0\1A\1\0B"), PARAMS_END, STDIN_END } },
	{ "a body of the greatest length", SCAN_COMPLETE, BODY_MAX,
		{ BEGIN,
			PARAMS("\x0e\x04"
			       "CONTENT_LENGTH1000"),
			PARAMS_END, STDIN_TIMES("0123456789", 100), STDIN_END } },
	{ "512 pairs", SCAN_COMPLETE, 0,
		{ BEGIN, { 1, 4, 1, TEXT("\1\1AB"), 512, 0, TEXT("") }, PARAMS_END,
			STDIN_END } },

	{ "nothing", SCAN_INCOMPLETE, 0, { { 0 } } },
	{ "no end of the body", SCAN_INCOMPLETE, 5,
		{ BEGIN, PARAMS(LENGTH_5), PARAMS_END, STDIN("a=b&c") } },
	{ "no end of the variables", SCAN_INCOMPLETE, 0, { BEGIN, PARAMS(METHOD) } },

	{ "announced above the limit", SCAN_LARGE, 0,
		{ BEGIN,
			PARAMS("\x0e\x04"
			       "CONTENT_LENGTH1001"),
			PARAMS_END } },
	{ "announced far above the limit", SCAN_LARGE, 0,
		{ BEGIN,
			PARAMS("\x0e\x1e"
			       "CONTENT_LENGTH999999999999999999999999999999"),
			PARAMS_END } },
	{ "announced in a value over two records", SCAN_LARGE, 0,
		{ BEGIN,
			PARAMS("\x0e\x04"
			       "CONTENT_LENGTH1"),
			PARAMS("001"), PARAMS_END } },
	{ "announced, the variables not at their end", SCAN_INCOMPLETE, 0,
		{ BEGIN, PARAMS("\x0e\x04"
				"CONTENT_LENGTH1001") } },
	{ "sent above the limit", SCAN_LARGE, BODY_MAX + 1,
		{ BEGIN, PARAMS(LENGTH_5), PARAMS_END, STDIN_TIMES("0123456789", 100),
			STDIN("x") } },
	{ "announced above the limit, on a connection to be kept", SCAN_INCOMPLETE, 10,
		{ BEGIN_KEEP,
			PARAMS("\x0e\x04"
			       "CONTENT_LENGTH1001"),
			PARAMS_END, STDIN("0123456789") } },
	{ "sent above the limit, on a connection to be kept", SCAN_COMPLETE, BODY_MAX + 1,
		{ BEGIN_KEEP, PARAMS(LENGTH_5), PARAMS_END, STDIN_TIMES("0123456789", 100),
			STDIN("x"), STDIN_END } },
	{ "the first of two lengths counts", SCAN_COMPLETE, 0,
		{ BEGIN,
			PARAMS(LENGTH_5 "\x0e\x04"
					"CONTENT_LENGTH1001"),
			PARAMS_END, STDIN_END } },
	{ "a length that is no number", SCAN_COMPLETE, 0,
		{ BEGIN,
			PARAMS("\x0e\x06"
			       "CONTENT_LENGTH99999x"),
			PARAMS_END, STDIN_END } },
	{ "ABORT_REQUEST of another request after it", SCAN_COMPLETE, 0,
		{ BEGIN, PARAMS_END, STDIN_END, RECORD(2, 2, "") } },
	{ "the request again behind it, as lighttpd sends it", SCAN_COMPLETE, 5,
		{ BEGIN, PARAMS(LENGTH_5), PARAMS_END, STDIN("abcde"), STDIN_END, BEGIN,
			PARAMS(LENGTH_5), PARAMS_END } },
	{ "an empty length", SCAN_COMPLETE, 0,
		{ BEGIN,
			PARAMS("\x0e\0"
			       "CONTENT_LENGTH"
			       "\x0e\x04"
			       "CONTENT_LENGTH9999"),
			PARAMS_END, STDIN_END } },
	{ "a name that only begins alike", SCAN_COMPLETE, 0,
		{ BEGIN,
			PARAMS("\x0e\x04"
			       "CONTENT_LENGTX9999"),
			PARAMS_END, STDIN_END } },

	{ "version 2", SCAN_BROKEN, -1, { { 2, 1, 1, TEXT(BEGIN_BODY), 0, 0, TEXT("") } } },
	{ "version 0", SCAN_BROKEN, -1, { { 0, 1, 1, TEXT(BEGIN_BODY), 0, 0, TEXT("") } } },
	{ "version 2 later", SCAN_BROKEN, -1,
		{ BEGIN, { 2, 4, 1, TEXT(""), 0, 0, TEXT("") } } },
	{ "GET_VALUES", SCAN_BROKEN, -1,
		{ RECORD(9, 0,
			"\x0e\0"
			"FCGI_MAX_CONNS") } },
	{ "GET_VALUES in a request", SCAN_BROKEN, -1,
		{ BEGIN, RECORD(9, 0,
				 "\x0e\0"
				 "FCGI_MAX_CONNS") } },
	{ "unknown management record", SCAN_BROKEN, -1, { RECORD(77, 0, "") } },
	{ "request id 0", SCAN_BROKEN, -1, { RECORD(1, 0, BEGIN_BODY) } },
	{ "authorizer", SCAN_BROKEN, -1, { RECORD(1, 1, "\0\2\0\0\0\0\0\0") } },
	{ "filter", SCAN_BROKEN, -1, { RECORD(1, 1, "\0\3\0\0\0\0\0\0") } },
	{ "role 257", SCAN_BROKEN, -1, { RECORD(1, 1, "\1\1\0\0\0\0\0\0") } },
	{ "BEGIN_REQUEST too short", SCAN_BROKEN, -1, { RECORD(1, 1, "\0\1\0\0") } },
	{ "BEGIN_REQUEST too long", SCAN_BROKEN, -1, { RECORD(1, 1, BEGIN_BODY "\0") } },
	{ "BEGIN_REQUEST with padding", SCAN_BROKEN, -1, { PADDED(1, BEGIN_BODY, 8) } },
	{ "PARAMS first", SCAN_BROKEN, -1, { PARAMS(METHOD) } },
	{ "two BEGIN_REQUEST", SCAN_BROKEN, -1, { BEGIN, BEGIN } },
	{ "another id in PARAMS", SCAN_BROKEN, -1, { BEGIN, RECORD(4, 2, METHOD) } },
	{ "another id in STDIN", SCAN_BROKEN, -1, { BEGIN, PARAMS_END, RECORD(5, 2, "a") } },
	{ "STDIN before the end of PARAMS", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS(METHOD), STDIN("a") } },
	{ "PARAMS after their end", SCAN_BROKEN, -1, { BEGIN, PARAMS_END, PARAMS(METHOD) } },
	{ "DATA", SCAN_BROKEN, -1, { BEGIN, PARAMS_END, RECORD(8, 1, "a") } },
	{ "ABORT_REQUEST at once", SCAN_BROKEN, -1, { BEGIN, RECORD(2, 1, "") } },
	{ "ABORT_REQUEST in the body", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS(LENGTH_5), PARAMS_END, STDIN("a"), RECORD(2, 1, "") } },
	{ "ABORT_REQUEST after the request", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS_END, STDIN_END, RECORD(2, 1, "") } },
	{ "ABORT_REQUEST after the request, on a connection to be kept", SCAN_BROKEN, -1,
		{ BEGIN_KEEP, PARAMS_END, STDIN_END, RECORD(2, 1, "") } },
	{ "a second request behind the first, on a connection to be kept", SCAN_BROKEN, -1,
		{ BEGIN_KEEP, PARAMS_END, STDIN_END, BEGIN_KEEP, PARAMS_END, STDIN_END } },
	{ "padding at the end of PARAMS", SCAN_BROKEN, -1, { BEGIN, PADDED(4, "", 8) } },
	{ "padding at the end of STDIN", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS_END, PADDED(5, "", 8) } },
	{ "PARAMS end in a name", SCAN_BROKEN, -1, { BEGIN, PARAMS("\5\1AB"), PARAMS_END } },
	{ "PARAMS end in a value", SCAN_BROKEN, -1, { BEGIN, PARAMS("\1\5AB"), PARAMS_END } },
	{ "PARAMS end between the lengths", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS("\1"), PARAMS_END } },
	{ "PARAMS end in a length", SCAN_BROKEN, -1, { BEGIN, PARAMS("\x80\0"), PARAMS_END } },
	{ "NUL in a name", SCAN_BROKEN, -1, { BEGIN, PARAMS("\2\1A\0B") } },
	{ "NUL in a value", SCAN_BROKEN, -1, { BEGIN, PARAMS("\1\2AB\0") } },
	{ "the greatest name and value (CVE-2025-23016)", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS("\xff\xff\xff\xff\xff\xff\xff\xff") } },
	{ "the greatest name alone, five bytes", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS("\xff\xff\xff\xff\1") } },
	{ "a sum that overflows an int", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS("\xff\xff\xff\xfe\x80\0\0\2") } },
	{ "a pair above the limit, by its lengths", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS("\x80\0\x80\0\x80\0\x80\1") } },
	{ "513 pairs", SCAN_BROKEN, -1,
		{ BEGIN, { 1, 4, 1, TEXT("\1\1AB"), 513, 0, TEXT("") } } },
	{ "65,536 bytes of pairs", SCAN_INCOMPLETE, 0,
		{ BEGIN, { 1, 4, 1, TEXT("\x80\0\x7e\xf8\x80\0\0\0"), 0, 0, TEXT("") },
			{ 1, 4, 1, TEXT("12345678"), 4063, 0, TEXT("") },
			{ 1, 4, 1, TEXT("\x80\0\x80\x60\x80\0\0\0"), 0, 0, TEXT("") },
			{ 1, 4, 1, TEXT("12345678"), 4108, 0, TEXT("") },
			{ 1, 4, 1, TEXT("\2\0AB\2\0CD"), 2, 0, TEXT("") } } },
};

static size_t put_record(unsigned char *p, const struct item *item)
{
	unsigned times = item->times == 0 ? 1 : item->times;
	size_t len = item->content.n * times + item->more.n;
	const unsigned char header[] = { (unsigned char)item->version,
		(unsigned char)item->type, (unsigned char)(item->id >> 8),
		(unsigned char)item->id, (unsigned char)(len >> 8), (unsigned char)len,
		(unsigned char)item->padding, 0 };
	size_t at = sizeof(header);

	memcpy(p, header, sizeof(header));
	for (unsigned i = 0; i < times; i++, at += item->content.n)
		memcpy(p + at, item->content.p, item->content.n);
	memcpy(p + at, item->more.p, item->more.n);
	at += item->more.n;
	/* Padding that would be a record itself for a reader that does not skip it. */
	memset(p + at, 1, item->padding);
	return at + item->padding;
}

static size_t put_case(unsigned char *p, const struct scan_case *scan_case)
{
	size_t n = 0;

	for (size_t i = 0; i < ITEM_MAX && scan_case->items[i].content.p != NULL; i++)
		n += put_record(p + n, &scan_case->items[i]);
	return n;
}

static struct scan scan_of(const unsigned char *p, size_t n)
{
	struct scan scan = { 0 };

	fcgi_scan(&scan, p, n, BODY_MAX);
	return scan;
}

static void test_cases(void **state)
{
	static unsigned char wire[WIRE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = put_case(wire, &cases[i]);
		struct scan scan = scan_of(wire, n);

		CHECK_NUMBER(scan.verdict, cases[i].verdict, cases[i].name);
		if (cases[i].body_len >= 0)
			CHECK_NUMBER(scan.body_len, cases[i].body_len, cases[i].name);
	}
	check_end();
}

/* Wherever the bytes are cut, what is there so far is good, and whole only at the end. */
static void test_prefixes(void **state)
{
	static unsigned char wire[WIRE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases) && cases[i].verdict == SCAN_COMPLETE; i++) {
		size_t n = put_case(wire, &cases[i]);

		for (size_t cut = 0; cut < n; cut++)
			CHECK_NUMBER(
				scan_of(wire, cut).verdict, SCAN_INCOMPLETE, cases[i].name);
	}
	check_end();
}

/* What is broken stays so whatever follows, and what is large stays large or becomes broken. */
static void test_verdicts_last(void **state)
{
	static unsigned char wire[WIRE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = put_case(wire, &cases[i]);
		bool broken = false;

		for (size_t cut = 0; cut <= n; cut++) {
			enum scan_verdict verdict = scan_of(wire, cut).verdict;

			CHECK(!broken || verdict == SCAN_BROKEN, cases[i].name);
			broken = verdict == SCAN_BROKEN;
			cut += n > 4096 ? 97 : 0;
		}
	}
	check_end();
}

/* Only a whole header tells that nobody wants the answer any more. */
static void test_abort_cut(void **state)
{
	static const struct scan_case aborted = { "aborted", SCAN_BROKEN, -1,
		{ BEGIN, PARAMS_END, STDIN_END, RECORD(2, 1, "") } };
	unsigned char wire[64];
	size_t n = put_case(wire, &aborted);

	(void)state;
	for (size_t cut = 1; cut <= RECORD_HEADER_LEN; cut++)
		CHECK_NUMBER(scan_of(wire, n - cut).verdict, SCAN_COMPLETE, aborted.name);
	CHECK_NUMBER(scan_of(wire, n).verdict, SCAN_BROKEN, aborted.name);
	check_end();
}

/* In how many parts the bytes come makes no difference. */
static void test_parts(void **state)
{
	static unsigned char wire[WIRE_SIZE];
	static const size_t parts[] = { 1, 3, 8, 1000 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(parts); i++) {
		const struct scan_case *one = &cases[i / COUNT(parts)];
		size_t part = parts[i % COUNT(parts)];
		size_t n = put_case(wire, one);
		struct scan scan = { 0 };

		for (size_t there = 0; there < n && scan.verdict == SCAN_INCOMPLETE;) {
			there = there + part < n ? there + part : n;
			fcgi_scan(&scan, wire, there, BODY_MAX);
			struct scan whole = scan_of(wire, there);

			CHECK_NUMBER(scan.verdict, whole.verdict, one->name);
			CHECK_NUMBER(scan.body_len, whole.body_len, one->name);
			/* Large ones, byte by byte: enough is seen at their start. */
			if (n > 20000 && part < 8 && there > 1000)
				break;
		}
	}
	check_end();
}

/* Any byte of a good request changed to anything: a verdict, and never a read outside. */
static void test_changed_bytes(void **state)
{
	static unsigned char wire[WIRE_SIZE];
	size_t n = put_case(wire, &cases[0]);
	unsigned char *copy = malloc(n);
	size_t broken = 0;

	(void)state;
	assert_non_null(copy);
	for (size_t at = 0; at < n; at++) {
		for (unsigned value = 0; value < 256; value++) {
			memcpy(copy, wire, n);
			copy[at] = (unsigned char)value;
			struct scan scan = scan_of(copy, n);

			broken += scan.verdict == SCAN_BROKEN;
			CHECK(scan.body_len <= n, "changed byte");
		}
	}
	free(copy);
	CHECK(broken > n, "changed bytes are noticed");
	check_end();
}

/* Whether the connection goes on is known from the first record on. */
static void test_keeps(void **state)
{
	static const struct {
		unsigned char flags;
		bool keeps;
	} begins[] = { { 0, false }, { 1, true }, { 0xfe, false }, { 0xff, true } };

	(void)state;
	for (size_t i = 0; i < COUNT(begins); i++) {
		unsigned char bytes[] = { 1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
		struct scan scan = { 0 };

		bytes[RECORD_HEADER_LEN + 2] = begins[i].flags;
		fcgi_scan(&scan, bytes, sizeof(bytes), BODY_MAX);
		CHECK_NUMBER(scan.verdict, SCAN_INCOMPLETE, "verdict");
		CHECK(scan.keeps == begins[i].keeps, "keeps");
	}
	check_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_verdicts_last),
		cmocka_unit_test(test_abort_cut),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
