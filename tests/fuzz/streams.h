/* SPDX-License-Identifier: MIT */
/*
 * FastCGI streams for fuzz targets, as they are or built from text.
 *
 * The first byte's STREAM_RAW: the rest is the stream.  Else two bytes say how content is cut
 * into records and padded; then come lines "NAME=VALUE", an empty line, and the body.
 */
#ifndef TESTS_FUZZ_STREAMS_H
#define TESTS_FUZZ_STREAMS_H

#include "fuzz.h"

#include "../../fcgi/record.h"
#include "../../fcgi/scan.h"

#define STREAM_RAW 1U
#define STREAM_KEEPS 2U
#define STREAM_CUT 4U   /* the last bytes are missing */
#define STREAM_WRONG 8U /* one byte is changed */
#define STREAM_ID 0x0102
#define STREAM_SIZE 262144

struct stream {
	char bytes[STREAM_SIZE];
	size_t n;
	bool is_whole; /* built from text, and not damaged */
	size_t pair_count;
	struct str body;
};

static inline void stream_record(
	struct buf *out, enum record_type type, struct str content, size_t padding)
{
	const struct record record = {
		.type = type, .id = STREAM_ID, .content_len = content.n, .padding_len = padding
	};
	unsigned char header[RECORD_HEADER_LEN];

	record_write(&record, header);
	buf_str(out, (struct str){ (const char *)header, sizeof(header) });
	buf_str(out, content);
	for (size_t i = 0; i < padding; i++)
		buf_char(out, '\0');
}

/* A stream in records of at most `most` bytes, and its end. */
static inline void stream_content(
	struct buf *out, enum record_type type, struct str content, size_t most, size_t padding)
{
	while (content.n > 0) {
		struct str part = str_upto(content, most);

		stream_record(out, type, part, padding);
		content = str_from(content, part.n);
	}
	stream_record(out, type, content, 0);
}

static inline void stream_length(struct buf *out, size_t n)
{
	if (n > 127) {
		buf_char(out, (char)(0x80 | n >> 24));
		buf_char(out, (char)(n >> 16));
		buf_char(out, (char)(n >> 8));
	}
	buf_char(out, (char)n);
}

/* Name-value pairs; true if they are as they must be. */
static inline bool stream_pairs(struct stream *stream, struct buf *params, struct str *rest)
{
	bool good = true;

	while (rest->n > 0) {
		struct str value = fuzz_line(rest), name;

		if (value.n == 0)
			break;
		good = good && !str_has(value, '\0');
		str_cut(&value, '=', &name);
		stream_length(params, name.n);
		stream_length(params, value.n);
		buf_str(params, name);
		buf_str(params, value);
		stream->pair_count++;
	}
	return good && params->n <= SCAN_PARAMS_MAX && stream->pair_count <= SCAN_PAIR_MAX;
}

static inline void stream_damage(struct stream *stream, unsigned flags, struct str rest)
{
	if ((flags & STREAM_CUT) != 0)
		stream->n -= fuzz_byte(&rest) % stream->n;
	if ((flags & STREAM_WRONG) != 0) {
		size_t at = fuzz_byte(&rest);

		stream->bytes[at % stream->n] ^= (char)fuzz_byte(&rest);
	}
	stream->is_whole = false;
}

static inline void stream_build(struct stream *stream, unsigned flags, struct str rest)
{
	static char room[STREAM_SIZE];
	const unsigned char begin[8] = { 0, 1, (flags & STREAM_KEEPS) != 0 };
	struct buf params = buf_init(room, sizeof(room));
	struct buf out = buf_init(stream->bytes, sizeof(stream->bytes));
	size_t most = fuzz_byte(&rest) + 1, padding = fuzz_byte(&rest) % 16;

	if (most > 128)
		most = RECORD_CONTENT_MAX;
	stream->is_whole = stream_pairs(stream, &params, &rest);
	stream->body = rest;
	stream_record(&out, RECORD_BEGIN, (struct str){ (const char *)begin, 8 }, 0);
	stream_content(&out, RECORD_PARAMS, buf_view(&params), most, padding);
	stream_content(&out, RECORD_STDIN, rest, most, padding);
	REQUIRE(!out.overflow && !params.overflow);
	stream->n = out.n;
	if ((flags & (STREAM_CUT | STREAM_WRONG)) != 0)
		stream_damage(stream, flags, rest);
}

/* At most 8 KiB of input; borrowed until the next call. */
static inline struct stream *stream_read(struct str rest)
{
	static struct stream stream;
	unsigned flags = fuzz_byte(&rest);

	stream.n = stream.pair_count = 0;
	stream.is_whole = false;
	stream.body = STR("");
	if ((flags & STREAM_RAW) == 0) {
		stream_build(&stream, flags, rest);
	} else {
		memcpy(stream.bytes, rest.n > 0 ? rest.p : "", rest.n);
		stream.n = rest.n;
	}
	return &stream;
}

#endif
