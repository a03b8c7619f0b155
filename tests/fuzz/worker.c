/* SPDX-License-Identifier: MIT */
/*
 * A whole worker with some connections: it must answer what is a request, drop what is none,
 * and end when it is told to.
 *
 * Input: what each connection brings, as streams.h says, with a line "%%" between them.
 */
#include "place.h"
#include "streams.h"

#include "../../fcgi/worker.h"
#include "http/request.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECTIONS_MAX 8
#define ANSWER_MAX 262144

#define SECRET_HASH "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static const char config[] = "issuer: https://auth.example.com\n"
			     "signing_keys: [{file: worker.pem, kid: k}]\n"
			     "scopes: {s: }\n"
			     "clients:\n"
			     "  c: {scopes: [s], secrets: [{hash: " SECRET_HASH "}]}\n"
			     "endpoints: {metrics: true}\n"
			     "log: {level: error}\n";
static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";

struct peer {
	int fd;
	enum scan_verdict verdict;
};

static struct reload *reload;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void prepare(void)
{
	char text[1024];
	struct buf problems = buf_init(text, sizeof(text));

	if (reload != NULL)
		return;
	const char *path = place_path("worker.yaml");

	place_text(path, config);
	place_text(place_path("worker.pem"), key_pem);
	/* What is the same in each run: the files are not looked at again. */
	reload = reload_new(path, CONFIG_SERVE);
	REQUIRE(reload != NULL && reload_start(reload, &problems) == REASON_NONE);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place_path("socket"));
}

static void listen_there(struct listener *listener)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(address.sun_path);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(fd, 64) == 0);
	listener_adopt(fd, listener);
}

/* Send all of it; nothing more follows. */
static struct peer call(const struct stream *stream)
{
	struct peer peer = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct scan scan = { 0 };

	fcgi_scan(&scan, (const unsigned char *)stream->bytes, stream->n, HTTP_BODY_MAX);
	peer.verdict = scan.verdict;
	REQUIRE(peer.fd >= 0 &&
		connect(peer.fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(send(peer.fd, stream->bytes, stream->n, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		(ssize_t)stream->n);
	REQUIRE(shutdown(peer.fd, SHUT_WR) == 0);
	return peer;
}

/* One answer, whole: STDOUT records, and the end. */
static void check_answer(struct str bytes)
{
	static char room[ANSWER_MAX];
	struct buf content = buf_init(room, sizeof(room));
	bool ended = false;

	while (bytes.n >= RECORD_HEADER_LEN && !ended) {
		struct record record = record_read((const unsigned char *)bytes.p);

		REQUIRE(record.type == RECORD_STDOUT || record.type == RECORD_END);
		bytes = str_from(bytes, RECORD_HEADER_LEN);
		if (record.type == RECORD_STDOUT)
			buf_str(&content, str_upto(bytes, record.content_len));
		ended = record.type == RECORD_END;
		bytes = str_from(bytes, record.content_len + record.padding_len);
	}
	REQUIRE(ended && bytes.n == 0);
	REQUIRE(str_starts(buf_view(&content), STR("Status: ")));
	REQUIRE(str_contains(buf_view(&content), STR("X-Request-Id: ")));
	REQUIRE(!str_starts(buf_view(&content), STR("Status: 500")));
}

static void hear(const struct peer *peer)
{
	static char answer[ANSWER_MAX];
	size_t n = 0;
	ssize_t got;

	while ((got = recv(peer->fd, answer + n, sizeof(answer) - n, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	close(peer->fd);
	if (peer->verdict == SCAN_COMPLETE || peer->verdict == SCAN_LARGE)
		check_answer((struct str){ answer, n });
	else
		REQUIRE(n == 0);
}

static struct str next_part(struct str *rest)
{
	static const char border[] = "\n%%\n";
	const char *at = rest->n > 0 ? memmem(rest->p, rest->n, border, 4) : NULL;
	struct str part = str_upto(*rest, at != NULL ? (size_t)(at - rest->p) : rest->n);

	*rest = str_from(*rest, part.n + 4);
	return part;
}

/* It is told to stop before it starts, and serves what is there first. */
static void work(struct listener *listener)
{
	struct hash_gate gate = hash_gate_alone();
	sigset_t stop, before;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	REQUIRE(sigprocmask(SIG_BLOCK, &stop, &before) == 0);
	REQUIRE(raise(SIGTERM) == 0);
	REQUIRE(worker_run(listener, reload, &gate) == REASON_NONE);
	REQUIRE(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
	hash_gate_close(&gate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	struct peer peers[CONNECTIONS_MAX];
	struct listener listener;
	size_t count = 0;

	if (size > 8000)
		return 0;
	prepare();
	listen_there(&listener);
	do
		peers[count++] = call(stream_read(next_part(&rest)));
	while (rest.n > 0 && count < CONNECTIONS_MAX);
	work(&listener);
	for (size_t i = 0; i < count; i++)
		hear(&peers[i]);
	return 0;
}
