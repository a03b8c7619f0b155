/* SPDX-License-Identifier: MIT */
/*
 * Does the time of a refusal tell who is a client, or how much of a secret is right?
 *
 *	timing [SAMPLES]     so many of each class; 200,000 of them if it is not said
 *
 * Timed is what a worker does from the last byte of a request to the first byte of its answer:
 * all but the system calls of its socket.  Two classes of requests that should take the same
 * time are drawn by lot, one by one; each request is written anew, and copied to the place
 * where the worker has it.  What differs between two requests of a class, and must not matter,
 * is drawn, too.  Both are of the same length.
 *
 * A few texts and rows of tables are of one class only.  Where these are, in memory and in the
 * processor's caches, is as it happens to be in a process, and makes a nanosecond or two, for
 * one class or for the other.  So there are many processes, and in each the place of the stack
 * is drawn: what is left over is what the program does.
 *
 * The last pair shows that a difference is found: it compares the secret byte by byte, up to
 * the first that is wrong, within the same time.
 *
 * Slow hashes would hide all the rest, and take an hour.  So they are not run but counted, in
 * both classes one for each request, in all rows but one of a tenth of the samples.
 */
#include "../fuzz/place.h"
#include "../fuzz/streams.h"
#include "welch.h"

#include "../../fcgi/exchange.h"
#include "../../fcgi/fcgi_io.h"
#include "util/b64url.h"
#include "util/secret.h"

#include <crypt.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <time.h>

#define SAMPLES 200000
#define SAMPLES_MIN 1000
#define HASHED_SHARE 10
#define BATCH 500
#define WHILE 20     /* requests */
#define DEPTHS 256   /* of the stack, each of a few cache lines */
#define PILOT 20     /* batches, at most */
#define PROCESSES 20 /* of each form, at most */
#define T_MAX 4.5    /* dudect's */
#define CLIENTS 100
#define ID_LEN 12
#define WRONG_LEN 6   /* bytes, of so many that no request comes twice */
#define SECRET_LEN 43 /* 256 bits in base64url */
#define CONFIG_SIZE 65536
#define REQUEST_SIZE 1024

/* How the secrets are kept. */
enum form {
	FORM_SHA256,
	FORM_BCRYPT, /* each was right once: it is remembered */
	FORM__MAX,
};

/* Who somebody claims to be. */
enum who {
	WHO_CLIENT,   /* any client */
	WHO_STRANGER, /* any id that is none's */
	WHO_ONE,      /* for a while the same client */
	WHO_NOBODY,   /* for a while the same id, that is none's */
	WHO_LIKE,     /* that client's id but for its last bytes */
	WHO_UNLIKE,   /* but for its first bytes */
};

/* What is sent as the secret of that client. */
enum what {
	WHAT_WRONG,  /* any other */
	WHAT_BEGIN,  /* its first byte, and others */
	WHAT_UNLIKE, /* others, and surely another first byte */
	WHAT_ALMOST, /* it, but for its last bytes */
	WHAT_OTHER,  /* it, but for its first bytes */
};

struct claim {
	enum who who;
	enum what what;
};

struct pair {
	const char *name;
	struct claim claims[2];
	bool by_basic;
	bool is_control;
	bool runs_hashes;
};

static const struct pair pairs[] = {
	{ .name = "any client | any unknown id",
		.claims = { { WHO_CLIENT, WHAT_WRONG }, { WHO_STRANGER, WHAT_WRONG } } },
	{ .name = "the same by HTTP Basic",
		.claims = { { WHO_CLIENT, WHAT_WRONG }, { WHO_STRANGER, WHAT_WRONG } },
		.by_basic = true },
	{ .name = "one client | one unknown id",
		.claims = { { WHO_ONE, WHAT_WRONG }, { WHO_NOBODY, WHAT_WRONG } } },
	{ .name = "unknown id, a client's but its end | beginning",
		.claims = { { WHO_LIKE, WHAT_WRONG }, { WHO_UNLIKE, WHAT_WRONG } } },
	{ .name = "secret's first byte right | wrong",
		.claims = { { WHO_ONE, WHAT_BEGIN }, { WHO_ONE, WHAT_UNLIKE } } },
	{ .name = "secret right but its end | beginning",
		.claims = { { WHO_ONE, WHAT_ALMOST }, { WHO_ONE, WHAT_OTHER } } },
	{ .name = "the same by HTTP Basic",
		.claims = { { WHO_ONE, WHAT_ALMOST }, { WHO_ONE, WHAT_OTHER } },
		.by_basic = true },
};

static const struct pair hashed = {
	.name = "any client | any unknown id, hashes run",
	.claims = { { WHO_CLIENT, WHAT_WRONG }, { WHO_STRANGER, WHAT_WRONG } },
	.runs_hashes = true,
};

static const struct pair control = {
	.name = "compared byte by byte: end | beginning wrong",
	.claims = { { WHO_ONE, WHAT_ALMOST }, { WHO_ONE, WHAT_OTHER } },
	.is_control = true,
};

#define ROWS (COUNT(pairs) + 1) /* of each form */

static const char *const form_names[FORM__MAX] = { "sha256", "bcrypt" };

/* All that a worker has. */
struct server {
	struct reload *reload;
	struct exchange *exchange;
	struct fcgi_io *io;
	struct credential_runner counting;
	unsigned hashes; /* that a refusal asks for while they are counted */
	unsigned asked;  /* for how many hashes, each of the full price */
};

struct request {
	char bytes[REQUEST_SIZE];
	size_t n;
	char secret[SECRET_LEN];
	const char *right; /* what it should have been */
};

/* Requests that are made before any of them is served, so that between two of them the same is
 * done in both classes. */
struct batch {
	struct request requests[BATCH];
	unsigned char classes[BATCH];
	int64_t times_ns[BATCH];
};

static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";

static char ids[CLIENTS][ID_LEN];
static size_t one; /* of the clients */
static char nobody[ID_LEN];
static char secrets[CLIENTS][SECRET_LEN];
static const char *log_path;
static struct batch batch;
static uint64_t lot = 88172645463325252; /* where the drawing begins */

static uint64_t draw(void)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return lot;
}

static void draw_text(char *p, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";

	for (size_t i = 0; i < n; i++)
		p[i] = letters[draw() >> 32 & 31];
}

/* Another letter than the one that is there. */
static void draw_other(char *p)
{
	char old = *p;

	while (*p == old)
		draw_text(p, 1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The place of a server: its configuration. */

static void write_sha256(struct buf *yaml, struct str secret)
{
	unsigned char digest[SECRET_DIGEST_SIZE];

	REQUIRE(secret_digest(secret, digest));
	buf_text(yaml, "sha256:");
	for (size_t i = 0; i < sizeof(digest); i++) {
		buf_char(yaml, "0123456789abcdef"[digest[i] >> 4]);
		buf_char(yaml, "0123456789abcdef"[digest[i] & 15]);
	}
}

static void write_bcrypt(struct buf *yaml, struct str secret)
{
	static struct crypt_data data;
	char text[SECRET_LEN + 1] = { 0 }, salt[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];

	memcpy(text, secret.p, secret.n);
	draw_text(salt, sizeof(salt));
	REQUIRE(crypt_gensalt_rn("$2y$", 4, salt, sizeof(salt), setting, sizeof(setting)) !=
		NULL);
	const char *hash = crypt_r(text, setting, &data);

	REQUIRE(hash != NULL && hash[0] == '$');
	buf_text(yaml, hash);
}

static void write_client(struct buf *yaml, enum form form, size_t i)
{
	const struct str secret = { secrets[i], SECRET_LEN };

	buf_text(yaml, "  ");
	buf_str(yaml, (struct str){ ids[i], ID_LEN });
	buf_text(yaml, ": {scopes: [s], secrets: [{hash: \"");
	if (form == FORM_SHA256)
		write_sha256(yaml, secret);
	else
		write_bcrypt(yaml, secret);
	buf_text(yaml, "\"}]}\n");
}

static const char *write_config(enum form form)
{
	static char room[CONFIG_SIZE];
	struct buf yaml = buf_init(room, sizeof(room) - 1);
	const char *path = place_path(form_names[form]);

	buf_text(&yaml, "issuer: https://auth.example.com\n"
			"signing_keys: [{file: key.pem, kid: k}]\n"
			"scopes: {s: }\n"
			"log: {file: log}\n"
			"clients:\n");
	for (size_t i = 0; i < CLIENTS; i++)
		write_client(&yaml, form, i);
	REQUIRE(!yaml.overflow);
	place_write(path, yaml.p, yaml.n);
	return path;
}

static enum reason count_hash(
	void *context, const struct credential_work *work, struct credential_verdict *verdict)
{
	struct server *server = context;

	*verdict = (struct credential_verdict){ 0 };
	server->asked += work->price->total_us > 0;
	return REASON_NONE;
}

static enum reason run_hash(
	void *context, const struct credential_work *work, struct credential_verdict *verdict)
{
	(void)context;
	credential_work_run(work, verdict);
	return REASON_NONE;
}

static void open_server(struct server *server, enum form form)
{
	char text[4096];
	struct buf problems = buf_init(text, sizeof(text));

	*server = (struct server){
		.counting = { count_hash, server },
		.hashes = form == FORM_BCRYPT,
	};
	server->reload = reload_new(write_config(form), CONFIG_SERVE);
	REQUIRE(server->reload != NULL &&
		reload_start(server->reload, &problems) == REASON_NONE);
	server->exchange = exchange_new(server->reload);
	server->io = fcgi_io_new();
	REQUIRE(server->exchange != NULL && server->io != NULL);
}

static void close_server(struct server *server)
{
	fcgi_io_free(server->io);
	exchange_free(server->exchange);
	reload_free(server->reload);
}

/* Requests. */

static void choose_id(enum who who, char id[ID_LEN])
{
	memcpy(id, ids[who == WHO_CLIENT ? draw() % CLIENTS : one], ID_LEN);
	if (who == WHO_STRANGER)
		draw_text(id, ID_LEN);
	else if (who == WHO_NOBODY)
		memcpy(id, nobody, ID_LEN);
	else if (who == WHO_LIKE)
		draw_text(&id[ID_LEN - WRONG_LEN], WRONG_LEN);
	else if (who == WHO_UNLIKE)
		draw_text(id, WRONG_LEN);
}

static void choose_secret(enum what what, char secret[SECRET_LEN])
{
	const char *right = secrets[one];

	draw_text(secret, SECRET_LEN);
	if (what == WHAT_ALMOST || what == WHAT_OTHER)
		memcpy(secret, right, SECRET_LEN);
	if (what == WHAT_BEGIN || what == WHAT_UNLIKE)
		secret[0] = right[0];
	if (what == WHAT_OTHER)
		draw_text(secret, WRONG_LEN);
	if (what == WHAT_UNLIKE || what == WHAT_OTHER)
		draw_other(&secret[0]);
	if (what == WHAT_ALMOST) {
		draw_text(&secret[SECRET_LEN - WRONG_LEN], WRONG_LEN);
		draw_other(&secret[SECRET_LEN - WRONG_LEN]);
	}
}

static void add_variable(struct buf *params, const char *name, struct str value)
{
	stream_length(params, strlen(name));
	stream_length(params, value.n);
	buf_text(params, name);
	buf_str(params, value);
}

/* Standard base64 of base64url's: its letters and digits are enough here. */
static struct str basic_header(struct str id, struct str secret, struct buf *header)
{
	char memory[ID_LEN + 1 + SECRET_LEN + 1];
	struct buf both = buf_init(memory, sizeof(memory));

	buf_str(&both, id);
	buf_char(&both, ':');
	buf_str(&both, secret);
	buf_text(header, "Basic ");
	b64url_encode(header, both.p, both.n);
	while ((header->n - strlen("Basic ")) % 4 != 0)
		buf_char(header, '=');
	REQUIRE(!both.overflow && !header->overflow);
	return buf_view(header);
}

static void write_body(struct buf *body, struct str id, struct str secret)
{
	buf_text(body, "grant_type=client_credentials");
	if (id.n == 0)
		return;
	buf_text(body, "&client_id=");
	buf_str(body, id);
	buf_text(body, "&client_secret=");
	buf_str(body, secret);
}

static void write_request(struct request *request, struct str authorization, struct str body)
{
	static const char *const always[][2] = {
		{ "REQUEST_METHOD", "POST" },
		{ "SCRIPT_NAME", "/oauth2" },
		{ "PATH_INFO", "/token" },
		{ "HTTPS", "on" },
		{ "REMOTE_ADDR", "192.0.2.7" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "CONTENT_TYPE", "application/x-www-form-urlencoded" },
	};
	char memory[1024], number[24];
	struct buf params = buf_init(memory, sizeof(memory));
	struct buf length = buf_init(number, sizeof(number));
	struct buf out = buf_init(request->bytes, sizeof(request->bytes));

	for (size_t i = 0; i < COUNT(always); i++)
		add_variable(&params, always[i][0], str_of(always[i][1]));
	buf_number(&length, (int64_t)body.n);
	add_variable(&params, "CONTENT_LENGTH", buf_view(&length));
	if (authorization.n > 0)
		add_variable(&params, "HTTP_AUTHORIZATION", authorization);
	stream_record(&out, RECORD_BEGIN, (struct str){ "\0\1\1\0\0\0\0\0", 8 }, 0);
	stream_content(&out, RECORD_PARAMS, buf_view(&params), RECORD_CONTENT_MAX, 0);
	stream_content(&out, RECORD_STDIN, body, RECORD_CONTENT_MAX, 0);
	REQUIRE(!params.overflow && !out.overflow);
	request->n = out.n;
}

static void make_request(
	struct request *request, const char *id, const char *secret, bool by_basic)
{
	char header[256], text[256];
	struct buf authorization = buf_init(header, sizeof(header));
	struct buf body = buf_init(text, sizeof(text));
	struct str who = { id, ID_LEN }, what = { secret, SECRET_LEN };

	memcpy(request->secret, secret, SECRET_LEN);
	if (by_basic) {
		(void)basic_header(who, what, &authorization);
		who = STR("");
	}
	write_body(&body, who, what);
	write_request(request, buf_view(&authorization), buf_view(&body));
}

/* What a request with `claim` is, until it is there again. */
static void draw_request(
	struct request *request, const struct pair *pair, const struct claim *claim)
{
	static char id[ID_LEN], secret[SECRET_LEN];
	static size_t length[2];

	choose_id(claim->who, id);
	choose_secret(claim->what, secret);
	make_request(request, id, secret, pair->by_basic);
	if (length[pair->by_basic] == 0)
		length[pair->by_basic] = request->n;
	REQUIRE(request->n == length[pair->by_basic]);
}

/* What must never be: it ends at the first byte that is wrong. */
static bool is_equal_by_bytes(const volatile char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* Serve it; how long that took. */
static int64_t serve(struct server *server, const struct request *request, const char *status,
	bool is_control)
{
	static unsigned char buffer[REQUEST_SIZE];
	struct http_request http;
	struct scan scan = { 0 };

	memcpy(buffer, request->bytes, request->n);
	int64_t begin_ns = now_ns();

	fcgi_scan(&scan, buffer, request->n, HTTP_BODY_MAX);
	REQUIRE(fcgi_io_receive(server->io, (struct str){ (char *)buffer, request->n }, &scan,
			&http) == REASON_NONE);
	struct str answer = exchange_answer(server->exchange, &http, begin_ns / 1000);
	struct str rest = answer;
	struct str frame = fcgi_io_frame(server->io, &rest);

	if (is_control && is_equal_by_bytes(request->secret, request->right, SECRET_LEN))
		REQUIRE(false);
	int64_t end_ns = now_ns();

	REQUIRE(str_starts(answer, str_of(status)) && frame.n > answer.n);
	fcgi_io_forget(server->io);
	exchange_forget(server->exchange);
	return end_ns - begin_ns;
}

/* All right secrets once: a slow one is remembered then. */
static void warm(struct server *server)
{
	const struct credential_runner running = { run_hash, NULL };
	struct request request;

	exchange_use_runner(server->exchange, &running);
	for (size_t i = 0; i < CLIENTS; i++) {
		make_request(&request, ids[i], secrets[i], false);
		(void)serve(server, &request, "Status: 200", false);
	}
	exchange_use_runner(server->exchange, &server->counting);
	for (size_t i = 0; i < CLIENTS; i++) {
		make_request(&request, ids[i], secrets[i], true);
		(void)serve(server, &request, "Status: 200", false);
	}
	REQUIRE(server->asked == 0);
}

/* Requests of classes that are drawn. */
static void draw_batch(const struct pair *pair)
{
	for (size_t i = 0; i < BATCH; i++) {
		if (i % WHILE == 0) {
			one = draw() % CLIENTS;
			draw_text(nobody, ID_LEN);
		}
		batch.requests[i].right = secrets[one];
		batch.classes[i] = draw() >> 32 & 1;
		draw_request(&batch.requests[i], pair, &pair->claims[batch.classes[i]]);
	}
}

static void serve_batch(struct server *server, bool is_control)
{
	unsigned asked = server->asked;

	REQUIRE(truncate(log_path, 0) == 0);
	for (size_t i = 0; i < BATCH; i++)
		batch.times_ns[i] = serve(
			server, &batch.requests[i], "Status: 401", is_control);
	REQUIRE(server->asked - asked == server->hashes * BATCH);
}

/* The same, so many frames deeper in the stack; what is returned keeps each of them there. */
static unsigned serve_deep(struct server *server, bool is_control, unsigned depth)
{
	volatile unsigned frame = depth;

	if (depth == 0)
		serve_batch(server, is_control);
	else
		frame += serve_deep(server, is_control, depth - 1);
	return frame;
}

static const struct pair *pair_of(enum form form, size_t row)
{
	if (row < COUNT(pairs))
		return &pairs[row];
	return form == FORM_SHA256 ? &control : &hashed;
}

static size_t samples_of(const struct pair *pair, size_t samples)
{
	return pair->runs_hashes ? samples / HASHED_SHARE : samples;
}

/* Half as many as the others, but for a few: the pilot. */
static void begin(
	struct server *server, const struct pair *pair, size_t samples, struct welch *welch)
{
	static int64_t times_ns[PILOT * BATCH];
	const size_t wanted = samples / 2 < COUNT(times_ns) ? samples / 2 : COUNT(times_ns);
	size_t count = 0;

	for (; count == 0 || count < wanted; count += BATCH) {
		draw_batch(pair);
		(void)serve_deep(server, pair->is_control, draw() % DEPTHS);
		memcpy(&times_ns[count], batch.times_ns, sizeof(batch.times_ns));
	}
	welch_begin(welch, times_ns, count);
}

static void test(
	struct server *server, const struct pair *pair, size_t samples, struct welch *welch)
{
	size_t counts[2] = { 0, 0 };

	begin(server, pair, samples, welch);
	while (counts[0] < samples || counts[1] < samples) {
		draw_batch(pair);
		(void)serve_deep(server, pair->is_control, draw() % DEPTHS);
		for (size_t i = 0; i < BATCH; i++) {
			welch_add(welch, batch.classes[i], batch.times_ns[i]);
			counts[batch.classes[i]]++;
		}
	}
}

/* Clients, the key and the log. */
static void prepare(void)
{
	place_text(place_path("key.pem"), key_pem);
	log_path = place_path("log");
	for (size_t i = 0; i < CLIENTS; i++) {
		draw_text(ids[i], ID_LEN);
		draw_text(secrets[i], SECRET_LEN);
	}
}

/* One of the processes. */
static void run_all(enum form form, size_t samples, struct welch found[static ROWS])
{
	const struct credential_runner running = { run_hash, NULL };
	struct server server;

	prepare();
	open_server(&server, form);
	warm(&server);
	for (size_t i = 0; i < ROWS; i++) {
		const struct pair *pair = pair_of(form, i);

		if (pair->runs_hashes) {
			exchange_use_runner(server.exchange, &running);
			server.hashes = 0;
		}
		test(&server, pair, samples_of(pair, samples), &found[i]);
	}
	close_server(&server);
}

/* A new program is at new addresses.  The pipe has room for what it finds. */
static void run_process(enum form form, size_t samples, struct welch found[static ROWS])
{
	const size_t size = ROWS * sizeof(*found);
	char number[24], from[24];
	int ends[2], status;

	snprintf(number, sizeof(number), "%zu", samples);
	snprintf(from, sizeof(from), "%" PRIu64, draw() >> 1);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	const pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/proc/self/exe", "timing", number, form_names[form], from, NULL);
		_exit(127);
	}
	close(ends[1]);
	REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
	REQUIRE(read(ends[0], found, size) == (ssize_t)size);
	close(ends[0]);
}

static bool has_few(size_t samples)
{
	return samples < SAMPLES;
}

/* False: the times of this pair are not as they should be. */
static bool judge(
	enum form form, const struct pair *pair, const struct welch *welch, size_t samples)
{
	const struct welch_result result = welch_end(welch);
	bool is_good = (fabs(result.t) < T_MAX) != pair->is_control;
	const char *verdict = pair->is_control ? "found, as it must be" : "equal";

	if (has_few(samples))
		verdict = "too few to tell";
	else if (!is_good)
		verdict = pair->is_control ? "NOT FOUND" : "DIFFERENT";
	printf("%-8s%-50s%8zu%10.3f%10.3f%8.2f%7.1f  %s\n", form_names[form], pair->name,
		samples_of(pair, samples), result.means[0] / 1000, result.means[1] / 1000,
		result.t, result.crop / 10.0, verdict);
	return is_good || has_few(samples);
}

static bool judge_form(enum form form, size_t samples)
{
	const size_t most = samples / SAMPLES_MIN;
	const size_t processes = most < PROCESSES ? most : PROCESSES;
	struct welch all[ROWS] = { 0 };
	bool is_good = true;

	for (size_t i = 0; i < processes; i++) {
		struct welch found[ROWS];

		run_process(form, (samples + processes - 1) / processes, found);
		for (size_t row = 0; row < ROWS; row++)
			welch_join(&all[row], &found[row]);
	}
	for (size_t row = 0; row < ROWS; row++)
		is_good = judge(form, pair_of(form, row), &all[row], samples) && is_good;
	fflush(stdout);
	return is_good;
}

static bool judge_all(size_t samples)
{
	bool is_good = true;

	printf("Welch's t of the times of refusals, of each class that many; means in us of "
	       "the times up to\n"
	       "the percentile where t is farthest from 0, of 50, 75, 90, 95, 99, 99.9 and "
	       "100.  |t| < %.1f: equal.\n"
	       "%-8s%-50s%8s%10s%10s%8s%7s\n",
		T_MAX, "secret", "classes", "samples", "first", "second", "t", "%");
	fflush(stdout);
	for (enum form form = 0; form < FORM__MAX; form++)
		is_good = judge_form(form, samples) && is_good;
	return is_good;
}

/* What judge_form wants of one process: timing SAMPLES FORM LOT. */
static void run_part(size_t samples, const char *form, uint64_t from)
{
	struct welch found[ROWS];

	lot ^= from;
	run_all(strcmp(form, form_names[FORM_BCRYPT]) == 0 ? FORM_BCRYPT : FORM_SHA256, samples,
		found);
	REQUIRE(write(STDOUT_FILENO, found, sizeof(found)) == (ssize_t)sizeof(found));
}

int main(int argc, char **argv)
{
	int64_t samples = SAMPLES, from = 0;

	if (argc == 4 && str_to_number(str_of(argv[1]), INT32_MAX, &samples) &&
		str_to_number(str_of(argv[3]), INT64_MAX, &from)) {
		run_part((size_t)samples, argv[2], (uint64_t)from);
		return 0;
	}
	if (argc > 2 || (argc == 2 && (!str_to_number(str_of(argv[1]), INT32_MAX, &samples) ||
					      samples < SAMPLES_MIN))) {
		fprintf(stderr, "usage: timing [SAMPLES]\n");
		return 2;
	}
	return judge_all((size_t)samples) ? 0 : 1;
}
