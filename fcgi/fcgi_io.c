/* SPDX-License-Identifier: MIT */
/* Takes FastCGI requests that were found good apart, and puts their answers together. */
#include "fcgi_io.h"
#include "record.h"
#include "util/buf.h"
#include "util/secret.h"

#include <stdlib.h>
#include <string.h>

#define END_LEN 8 /* of an END_REQUEST; zeros: the application's status, and "complete" */

struct fcgi_io {
	unsigned id; /* of the request */
	const char *variables[SCAN_PAIR_MAX + 1];
	/* A name and a value need no more room as "NAME=VALUE" than with their lengths. */
	char params[SCAN_PARAMS_MAX];
	size_t params_len;
	char body[HTTP_BODY_MAX];
	size_t body_len;
	/* A record of the answer, and the two that end it. */
	char output[3 * RECORD_HEADER_LEN + RECORD_CONTENT_MAX + END_LEN];
	size_t output_len;
};

/* The contents of both streams. */
static void gather(struct str bytes, struct buf *params, struct buf *body)
{
	while (bytes.n >= RECORD_HEADER_LEN) {
		struct record record = record_read((const unsigned char *)bytes.p);
		struct str rest = str_from(bytes, RECORD_HEADER_LEN);
		struct str content = str_upto(rest, record.content_len);

		if (record.type == RECORD_PARAMS)
			buf_str(params, content);
		else if (record.type == RECORD_STDIN)
			buf_str(body, content);
		bytes = str_from(rest, record.content_len + record.padding_len);
	}
}

/* One byte, or four if the first bit is set (FastCGI 1.0 §3.4). */
static bool take_length(struct str *rest, size_t *length)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	const size_t size = rest->n > 0 && p[0] >= 0x80 ? 4 : 1;

	*length = 0;
	if (rest->n < size)
		return false;
	*length = size == 1 ? p[0]
			    : (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
				      (size_t)p[2] << 8 | p[3];
	*rest = str_from(*rest, size);
	return true;
}

/* Both lengths; what they announce is there. */
static bool take_lengths(struct str *rest, size_t *name_len, size_t *value_len)
{
	return take_length(rest, name_len) && take_length(rest, value_len) &&
	       *name_len <= rest->n && *value_len <= rest->n - *name_len;
}

/* Turn the name-value pairs into variables, each in its own place but for its lengths. */
static bool split_params(struct fcgi_io *io)
{
	struct str rest = { io->params, io->params_len };
	char *end = io->params;
	size_t count = 0, name_len, value_len;

	while (rest.n > 0) {
		if (count == SCAN_PAIR_MAX || !take_lengths(&rest, &name_len, &value_len))
			return false;
		io->variables[count++] = end;
		memmove(end, rest.p, name_len);
		end += name_len;
		*end++ = '=';
		memmove(end, rest.p + name_len, value_len);
		end += value_len;
		*end++ = '\0';
		rest = str_from(rest, name_len + value_len);
	}
	io->variables[count] = NULL;
	return true;
}

static void wipe_request(struct fcgi_io *io)
{
	secret_wipe(io->params, io->params_len);
	secret_wipe(io->body, io->body_len);
	io->params_len = io->body_len = 0;
}

static void wipe_output(struct fcgi_io *io)
{
	secret_wipe(io->output, io->output_len);
	io->output_len = 0;
}

static bool length_is_announced(const struct http_request *request)
{
	size_t announced;

	if (http_content_length(request, &announced) != REASON_NONE)
		return true;
	return announced == request->body.n;
}

static void write_record(
	const struct fcgi_io *io, enum record_type type, struct str content, struct buf *output)
{
	const struct record record = { .type = type, .id = io->id, .content_len = content.n };
	char header[RECORD_HEADER_LEN];

	record_write(&record, (unsigned char *)header);
	buf_str(output, (struct str){ header, sizeof(header) });
	buf_str(output, content);
}

struct fcgi_io *fcgi_io_new(void)
{
	return calloc(1, sizeof(struct fcgi_io));
}

void fcgi_io_free(struct fcgi_io *io)
{
	if (io != NULL)
		fcgi_io_forget(io);
	free(io);
}

enum reason fcgi_io_receive(struct fcgi_io *io, struct str bytes, const struct scan *scan,
	struct http_request *request)
{
	struct buf params = buf_init(io->params, sizeof(io->params));
	struct buf body = buf_init(io->body, sizeof(io->body));

	*request = (struct http_request){ 0 };
	gather(str_upto(bytes, scan->at), &params, &body);
	io->params_len = params.n;
	io->body_len = body.n;
	if (params.overflow || !split_params(io)) {
		wipe_request(io);
		return REASON_INTERNAL;
	}
	io->id = scan->walk.id;
	request->variables = io->variables;
	request->body = buf_view(&body);
	request->body_is_whole = scan->verdict == SCAN_COMPLETE && !body.overflow &&
				 length_is_announced(request);
	return REASON_NONE;
}

struct str fcgi_io_frame(struct fcgi_io *io, struct str *answer)
{
	static const char end[END_LEN];
	struct buf output = buf_init(io->output, sizeof(io->output));
	struct str content = str_upto(*answer, RECORD_CONTENT_MAX);

	wipe_output(io);
	*answer = str_from(*answer, content.n);
	if (content.n > 0)
		write_record(io, RECORD_STDOUT, content, &output);
	if (answer->n == 0) {
		write_record(io, RECORD_STDOUT, STR(""), &output);
		write_record(io, RECORD_END, (struct str){ end, END_LEN }, &output);
	}
	io->output_len = output.n;
	return buf_view(&output);
}

void fcgi_io_forget(struct fcgi_io *io)
{
	wipe_request(io);
	wipe_output(io);
}
