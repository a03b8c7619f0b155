/* SPDX-License-Identifier: MIT */
/* FastCGI requests: judged at once and in pieces, then taken apart.  Input: streams.h. */
#include "streams.h"

#include "../../fcgi/fcgi_io.h"

#define BODY_MAX 2048 /* small, so that bodies above it are found */

static struct scan scan_at_once(const unsigned char *p, size_t n)
{
	struct scan scan = { 0 };

	fcgi_scan(&scan, p, n, BODY_MAX);
	return scan;
}

/* What follows the end of a request breaks it, if somebody awaits it, or nobody its answer. */
static bool is_spoilt(const unsigned char *p, size_t end, size_t n, bool keeps)
{
	const unsigned char *next = p + end;

	return keeps || (n - end >= RECORD_HEADER_LEN && next[1] == RECORD_ABORT &&
				memcmp(next + 2, p + 2, 2) == 0);
}

/* The verdict does not depend on how the bytes came. */
static void check_pieces(
	const unsigned char *p, size_t n, size_t step, const struct scan *whole)
{
	struct scan scan = { 0 };

	for (size_t there = step; there < n; there += step) {
		fcgi_scan(&scan, p, there, BODY_MAX);
		if (scan.verdict == SCAN_COMPLETE || scan.verdict == SCAN_BROKEN) {
			bool is_broken = scan.verdict == SCAN_BROKEN ||
					 is_spoilt(p, scan.at, n, scan.keeps);

			REQUIRE(whole->verdict == (is_broken ? SCAN_BROKEN : SCAN_COMPLETE));
			return;
		}
		if (scan.verdict == SCAN_LARGE) {
			REQUIRE(whole->verdict == SCAN_LARGE);
			return;
		}
	}
	fcgi_scan(&scan, p, n, BODY_MAX);
	REQUIRE(scan.verdict == whole->verdict);
	REQUIRE(scan.verdict != SCAN_COMPLETE || scan.body_len == whole->body_len);
}

/* One BEGIN, PARAMS to an empty one, STDIN to an empty one; all of version 1 and one id. */
static void check_records(const unsigned char *p, size_t n, bool is_last)
{
	const unsigned char *begin = p;
	unsigned wanted = RECORD_BEGIN;

	while (wanted != 0) {
		REQUIRE(n >= RECORD_HEADER_LEN);
		size_t content_n = (size_t)p[4] << 8 | p[5], record_n = 8 + content_n + p[6];

		REQUIRE(p[0] == RECORD_VERSION && p[1] == wanted && record_n <= n);
		REQUIRE(memcmp(p + 2, begin + 2, 2) == 0);
		if (wanted == RECORD_BEGIN)
			wanted = RECORD_PARAMS;
		else if (content_n == 0)
			wanted = wanted == RECORD_PARAMS ? RECORD_STDIN : 0;
		p += record_n;
		n -= record_n;
	}
	REQUIRE(n == 0 || is_last);
}

static void check_request(const struct http_request *request, const struct scan *scan)
{
	size_t count = 0;

	for (; request->variables[count] != NULL; count++)
		REQUIRE(strchr(request->variables[count], '=') != NULL);
	REQUIRE(count <= SCAN_PAIR_MAX);
	if (scan->verdict == SCAN_COMPLETE) {
		REQUIRE(count == scan->walk.pairs.count);
		REQUIRE(request->body.n == scan->body_len);
	} else {
		REQUIRE(!request->body_is_whole);
	}
}

static void take_apart(const struct stream *stream, struct str bytes, const struct scan *scan)
{
	static struct fcgi_io *io;
	struct http_request request;

	if (io == NULL)
		io = fcgi_io_new();
	REQUIRE(io != NULL);
	REQUIRE(fcgi_io_receive(io, bytes, scan, &request) == REASON_NONE);
	check_request(&request, scan);
	if (stream->is_whole && scan->verdict == SCAN_COMPLETE) {
		REQUIRE(scan->walk.pairs.count == stream->pair_count);
		REQUIRE(str_eq(request.body, stream->body));
	}
	fcgi_io_forget(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = fuzz_input(data, size);

	if (size > 8000 || size == 0)
		return 0;
	size_t step = fuzz_byte(&input) % 64 + 1;
	const struct stream *stream = stream_read(input);
	char *copy = fuzz_copy((struct str){ stream->bytes, stream->n });
	const unsigned char *p = (const unsigned char *)copy;
	struct scan scan = scan_at_once(p, stream->n);

	if (stream->is_whole)
		REQUIRE(scan.verdict == SCAN_COMPLETE || scan.verdict == SCAN_LARGE);
	check_pieces(p, stream->n, step, &scan);
	if (scan.verdict == SCAN_COMPLETE)
		check_records(p, stream->n, !scan.keeps);
	if (scan.verdict == SCAN_COMPLETE || scan.verdict == SCAN_LARGE)
		take_apart(stream, (struct str){ copy, stream->n }, &scan);
	free(copy);
	return 0;
}
