/* SPDX-License-Identifier: MIT */
/* The CGI side: what arrives is read whole and in time, what leaves is written whole. */
#include "cgi_io.h"
#include "exchange.h"
#include "hasher.h"
#include "util/clock.h"
#include "util/secret.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_LIMIT_US INT64_C(10000000)
#define CHUNK 65536

struct input {
	int64_t until_us;
	char body[HTTP_BODY_MAX + 1];
	size_t body_len;
	char rest[CHUNK]; /* what is read and not wanted */
};

/* At most `size` bytes, or 0 at the end, at the time given, and after an error. */
static size_t read_some(char *p, size_t size, int64_t until_us)
{
	for (;;) {
		int64_t wait_us = until_us - clock_steady_us();
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
		int ready = poll(&input, 1, wait_us > 0 ? (int)(wait_us / 1000) : 0);
		ssize_t n = ready > 0 ? read(STDIN_FILENO, p, size) : ready;

		if (n > 0)
			return (size_t)n;
		if (n == 0 || errno != EINTR)
			return 0;
	}
}

/* The announced length, at most what there is room for; false if there is none. */
static bool announced_length(const struct http_request *request, size_t *length)
{
	int64_t number = 0;
	bool announced = str_to_number(
		http_variable(request, "CONTENT_LENGTH"), INT64_MAX, &number);

	*length = number < HTTP_BODY_MAX + 1 ? (size_t)number : HTTP_BODY_MAX + 1;
	return announced;
}

static void receive(struct input *input, struct http_request *request)
{
	/* The environment lasts as long as the process. */
	request->variables = (const char *const *)environ;
	size_t length, n = 1;
	bool announced = announced_length(request, &length);

	while (input->body_len < length && n > 0) {
		n = read_some(input->body + input->body_len, length - input->body_len,
			input->until_us);
		input->body_len += n;
	}
	bool whole = input->body_len == length && length <= HTTP_BODY_MAX;

	/* More than announced: only what is there already, as no end of file is promised. */
	if (announced && whole && read_some(input->rest, sizeof(input->rest), 0) > 0)
		whole = false;
	request->body = (struct str){ input->body, input->body_len };
	request->body_is_whole = whole;
}

/* A web server that still has something to write loses the answer if nobody reads it. */
static void drain(struct input *input)
{
	while (!isatty(STDIN_FILENO) &&
		read_some(input->rest, sizeof(input->rest), input->until_us) > 0)
		;
}

static bool write_all(struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			bytes = str_from(bytes, (size_t)n);
	}
	return true;
}

/* A token request needs its client's part of the configuration, all others the whole. */
static void load(struct reload *reload, struct exchange *exchange, struct http_request *request,
	struct buf *problems)
{
	struct str_list clients;
	enum reason reason = exchange_clients(exchange, request, &clients)
				     ? reload_start_part(reload, &clients, problems)
				     : reload_start(reload, problems);

	if (reason != REASON_NONE && problems->n == 0)
		buf_text(problems, reason_info(REASON_MEMORY)->name);
}

enum reason cgi_io_serve(struct reload *reload, struct buf *problems)
{
	enum reason reason = REASON_MEMORY;
	struct exchange *exchange = exchange_new(reload);
	struct hash_gate gate = hash_gate_alone();
	struct hasher *hasher = hasher_new(&gate, reload, HASHER_HERE);
	struct input *input = calloc(1, sizeof(*input));
	struct http_request request = { 0 };

	if (exchange == NULL || hasher == NULL || input == NULL)
		goto out;
	const struct credential_runner runner = hasher_runner(hasher);

	exchange_use_runner(exchange, &runner);
	input->until_us = clock_steady_us() + READ_LIMIT_US;
	receive(input, &request);
	load(reload, exchange, &request, problems);
	struct str answer = exchange_answer(exchange, &request, clock_steady_us());

	hasher_end(hasher);
	reason = write_all(answer) ? REASON_NONE : REASON_INTERNAL;
	close(STDOUT_FILENO);
	drain(input);
	secret_wipe(input, sizeof(*input));
out:
	free(input);
	exchange_free(exchange);
	hasher_free(hasher);
	return reason;
}
