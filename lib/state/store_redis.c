/* SPDX-License-Identifier: MIT */
/*
 * The store in a Redis server, which removes what has expired by itself.
 *
 * A connection is made when it is needed and kept.  It is non-blocking, so that one deadline
 * covers all that an operation does; hiredis' own timeouts start anew with each byte.  After
 * any failure it is closed: an answer that comes late must not be taken for the next one's.
 * After one that took its whole time the server is left alone for a moment.
 */
#include "state/stores.h"
#include "util/b64url.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#define OPERATION_LIMIT_US INT64_C(150000) /* connecting included; a request may need six */
#define PAUSE_US INT64_C(100000)
#define VISIT_LIMIT_US INT64_C(1000000) /* of all counters; each answer has the limit above */
#define PORT_MAX 65535
#define DATABASE_MAX 2147483647

#define KEY_PREFIX "oauth2-fcgi:"
#define KEY_TEXT_SIZE 80
#define COUNTERS_KEY KEY_PREFIX "metrics"
#define ELEMENTS_MAX 65536   /* of an array in an answer; a page has some 1,000 */
#define COUNTERS_MAX "25000" /* names; a visit must not be too long for its time */
#define NUMBERS_SIZE 32      /* of an amount and a length, as text */

struct store_redis {
	struct store store;
	redisContext *context; /* NULL: not connected */
	int64_t resume_us;     /* before that the server is not asked */
	int port;
	int64_t database;
	char host[]; /* NUL-terminated */
};

#if HIREDIS_MAJOR > 0
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* How hiredis makes the parts of an answer. */
static const redisReplyObjectFunctions *usual_functions;

/* The name of a record in Redis. */
struct key_text {
	char text[KEY_TEXT_SIZE];
};

static const struct str kind_names[STORE__KINDS] = {
	[STORE_REPLAY] = STR_CONST("replay:"),
	[STORE_REVOCATION] = STR_CONST("revocation:"),
	[STORE_THROTTLE] = STR_CONST("throttle:"),
};

/* Found anywhere in an error reply: some versions put the script's name before it. */
static const struct {
	struct str words;
	enum reason reason;
} refusals[] = {
	{ STR_CONST("OOM "), REASON_STORE_FULL },
	{ STR_CONST("READONLY "), REASON_STORE_OPEN },
	{ STR_CONST("MISCONF "), REASON_STORE_OPEN },
};

/*
 * Each operation is a script, and so is atomic.  A record lives until its time has come by the
 * caller's clock and by the server's: else a machine whose clock is behind could use a record
 * again that the server has removed already.
 */
static const char add_script[] =
	"local expires, now = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
	"local clock = tonumber(redis.call('TIME')[1])\n"
	"if expires <= math.max(now, clock) then return 0 end\n"
	"local ttl = string.format('%.0f', expires - math.min(now, clock))\n"
	"if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ttl) then return 1 end\n"
	"return 0\n";

static const char has_script[] = "local expires, now = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
				 "local clock = tonumber(redis.call('TIME')[1])\n"
				 "if expires <= math.max(now, clock) then return 1 end\n"
				 "return redis.call('EXISTS', KEYS[1])\n";

/* A counter that never expires was not made by the script below, and does not count. */
static const char read_script[] = "local left = redis.call('PTTL', KEYS[1])\n"
				  "if left <= 0 then return {0, 0} end\n"
				  "return {tonumber(redis.call('GET', KEYS[1])), left}\n";

static const char increment_script[] =
	"local left = redis.call('PTTL', KEYS[1])\n"
	"if left < 0 or left > 1000 * tonumber(ARGV[2]) then\n"
	"redis.call('SET', KEYS[1], '0')\n"
	"end\n"
	"local count = redis.call('INCR', KEYS[1])\n"
	"if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end\n"
	"return {count, redis.call('PTTL', KEYS[1])}\n";

/*
 * The steps are one text: for each an amount, the length of its name, and that.  All are
 * counted or none: what cannot be added to is set to zero before.  HSET, unlike a removal, is
 * refused as the addition is where Redis has no memory left or is not to be written to.
 */
static const char count_script[] =
	"local text = ARGV[1]\n"
	"local function each(visit)\n"
	"local at = 1\n"
	"while at <= #text do\n"
	"local _, last, amount, len = string.find(text, '^(%d+) (%d+) ', at)\n"
	"at = last + len + 1\n"
	"visit(string.sub(text, last + 1, at - 1), amount)\n"
	"end\n"
	"end\n"
	"local ok = true\n"
	"if redis.call('HLEN', KEYS[1]) >= " COUNTERS_MAX " then\n"
	"each(function(name) ok = ok and redis.call('HEXISTS', KEYS[1], name) == 1 end)\n"
	"end\n"
	"if not ok then return 0 end\n"
	"each(function(name, amount)\n"
	"if type(redis.pcall('HINCRBY', KEYS[1], name, amount)) == 'number' then return end\n"
	"redis.call('HSET', KEYS[1], name, '0')\n"
	"redis.call('HINCRBY', KEYS[1], name, amount)\n"
	"end)\n"
	"return 1\n";

static struct store_redis *redis_of(struct store *store)
{
	return (struct store_redis *)store;
}

static struct key_text key_text(const struct store_key *key)
{
	struct key_text name;
	struct buf buf = buf_init(name.text, sizeof(name.text) - 1);

	buf_text(&buf, KEY_PREFIX);
	buf_str(&buf, kind_names[key->bytes[0] % STORE__KINDS]);
	b64url_encode(&buf, key->bytes + 1, sizeof(key->bytes) - 1);
	name.text[buf.n] = '\0';
	return name;
}

static void disconnect(struct store_redis *redis)
{
	if (redis->context != NULL)
		redisFree(redis->context);
	redis->context = NULL;
}

/* What went wrong on a connection, by hiredis' account of it. */
static enum reason failure_of(const redisContext *context)
{
	bool is_nonsense = context->err == REDIS_ERR_PROTOCOL || context->err == REDIS_ERR_OOM;

	return is_nonsense ? REASON_STORE : REASON_STORE_UNREACHABLE;
}

static enum reason refusal_of(struct str message)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (str_contains(message, refusals[i].words))
			return refusals[i].reason;
	}
	return REASON_STORE;
}

/* Before a request nothing is to be read: then it is the end, or an answer to nothing. */
static bool is_idle(const redisContext *context)
{
	struct pollfd pollfd = { .fd = context->fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 0;
}

static bool wait_for(const redisContext *context, short events, int64_t deadline_us)
{
	struct pollfd pollfd = { .fd = context->fd, .events = events };

	for (;;) {
		int64_t left_us = deadline_us - clock_steady_us();

		if (left_us <= 0)
			return false;
		int ready = poll(&pollfd, 1, (int)(left_us / 1000) + 1);

		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

/* As hiredis does it, which takes as much memory as an answer of a few bytes asks for. */
static void *make_array(const redisReadTask *task, element_count count)
{
	return count > ELEMENTS_MAX ? NULL : usual_functions->createArray(task, count);
}

static void bound_arrays(redisReader *reader)
{
	static redisReplyObjectFunctions functions;

	usual_functions = reader->fn;
	functions = *usual_functions;
	functions.createArray = make_array;
	reader->fn = &functions;
}

/* Begin to connect, and to choose the database. */
static enum reason open_context(struct store_redis *redis)
{
	redisContext *context = redisConnectNonBlock(redis->host, redis->port);

	if (context == NULL)
		return REASON_STORE;
	redis->context = context;
	if (context->err != 0)
		return failure_of(context);
	bound_arrays(context->reader);
	if (fcntl(context->fd, F_SETFD, FD_CLOEXEC) != 0 ||
		redisEnableKeepAlive(context) != REDIS_OK ||
		redisAppendCommand(context, "SELECT %lld", (long long)redis->database) !=
			REDIS_OK)
		return REASON_STORE;
	return REASON_NONE;
}

/*
 * Is all sent?  That is not asked of redisBufferWrite: when it has no memory for a new buffer,
 * hiredis 0.14 looks into the one that is not there.  A request has no NUL in it.
 */
static enum reason transmit(redisContext *context, int64_t deadline_us)
{
	for (;;) {
		if (redisBufferWrite(context, NULL) != REDIS_OK)
			return failure_of(context);
		if (context->obuf == NULL)
			return REASON_STORE;
		if (context->obuf[0] == '\0')
			return REASON_NONE;
		if (!wait_for(context, POLLOUT, deadline_us))
			return REASON_STORE_UNREACHABLE;
	}
}

/* The next answer, for freeReplyObject. */
static enum reason receive_any(redisContext *context, int64_t deadline_us, redisReply **reply)
{
	void *object = NULL;

	*reply = NULL;
	for (;;) {
		if (redisGetReplyFromReader(context, &object) != REDIS_OK)
			return failure_of(context);
		if (object != NULL)
			break;
		if (!wait_for(context, POLLIN, deadline_us))
			return REASON_STORE_UNREACHABLE;
		if (redisBufferRead(context) != REDIS_OK)
			return failure_of(context);
	}
	*reply = object;
	return REASON_NONE;
}

/* The same; an error that the answer tells becomes the reason. */
static enum reason receive(redisContext *context, int64_t deadline_us, redisReply **reply)
{
	enum reason reason = receive_any(context, deadline_us, reply);

	if (reason != REASON_NONE || (*reply)->type != REDIS_REPLY_ERROR)
		return reason;
	reason = refusal_of((struct str){ (*reply)->str, (*reply)->len });
	freeReplyObject(*reply);
	*reply = NULL;
	return reason;
}

/* Send what was appended, and take the answer; on a new connection after that to SELECT. */
static enum reason exchange(
	redisContext *context, bool is_new, int64_t deadline_us, redisReply **reply)
{
	enum reason reason = transmit(context, deadline_us);

	if (reason == REASON_NONE && is_new) {
		reason = receive(context, deadline_us, reply);
		freeReplyObject(*reply);
		*reply = NULL;
	}
	if (reason == REASON_NONE)
		reason = receive(context, deadline_us, reply);
	if (reason == REASON_NONE && context->reader->pos != context->reader->len) {
		freeReplyObject(*reply);
		*reply = NULL;
		reason = REASON_STORE;
	}
	return reason;
}

/* One command and its answer, for freeReplyObject; NULL on failure.  Never sent twice. */
PRINTF(3, 0)
static enum reason vask(
	struct store_redis *redis, redisReply **reply, const char *command, va_list arguments)
{
	const int64_t begin_us = clock_steady_us(), deadline_us = begin_us + OPERATION_LIMIT_US;
	enum reason reason = REASON_NONE;

	*reply = NULL;
	if (begin_us < redis->resume_us)
		return REASON_STORE_UNREACHABLE;
	if (redis->context != NULL && !is_idle(redis->context))
		disconnect(redis);
	bool is_new = redis->context == NULL;

	if (is_new)
		reason = open_context(redis);
	if (reason == REASON_NONE &&
		redisvAppendCommand(redis->context, command, arguments) != REDIS_OK)
		reason = REASON_STORE;
	if (reason == REASON_NONE)
		reason = exchange(redis->context, is_new, deadline_us, reply);
	if (reason != REASON_NONE)
		disconnect(redis);
	/* Requests that have queued up meanwhile must not wait one after the other. */
	if (reason == REASON_STORE_UNREACHABLE && clock_steady_us() >= deadline_us)
		redis->resume_us = clock_steady_us() + PAUSE_US;
	return reason;
}

PRINTF(3, 4)
static enum reason ask(struct store_redis *redis, redisReply **reply, const char *command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	enum reason reason = vask(redis, reply, command, arguments);

	va_end(arguments);
	return reason;
}

/* The same for what no request waits for: if it fails, requests may ask all the same. */
PRINTF(3, 4)
static enum reason ask_aside(
	struct store_redis *redis, redisReply **reply, const char *command, ...)
{
	const int64_t resume_us = redis->resume_us;
	va_list arguments;

	va_start(arguments, command);
	enum reason reason = vask(redis, reply, command, arguments);

	va_end(arguments);
	redis->resume_us = resume_us;
	return reason;
}

/* An answer that no Redis would give: nothing that follows on this connection can be used. */
static enum reason distrust(struct store_redis *redis)
{
	disconnect(redis);
	return REASON_STORE;
}

/* Ask a script about a record; *flag is whether it returned 1. */
static enum reason ask_flag(struct store_redis *redis, const char *script,
	const struct store_key *key, int64_t expires_s, int64_t now_s, bool *flag)
{
	struct key_text name = key_text(key);
	redisReply *reply;

	*flag = false;
	enum reason reason = ask(redis, &reply, "EVAL %s 1 %s %lld %lld", script, name.text,
		(long long)expires_s, (long long)now_s);

	if (reason != REASON_NONE)
		return reason;
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 || reply->integer > 1)
		reason = distrust(redis);
	else
		*flag = reply->integer == 1;
	freeReplyObject(reply);
	return reason;
}

/* Ask a script about a counter. */
static enum reason ask_counter(struct store_redis *redis, const char *script,
	const struct store_key *key, int64_t ttl_s, int64_t now_s,
	struct store_counter *counter)
{
	struct key_text name = key_text(key);
	redisReply *reply;

	*counter = (struct store_counter){ 0 };
	enum reason reason = ask(redis, &reply, "EVAL %s 1 %s %lld %lld", script, name.text,
		(long long)ttl_s, (long long)ttl_s + STORE_CLOCK_SLACK_S);

	if (reason != REASON_NONE)
		return reason;
	bool is_pair = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
		       reply->element[0]->type == REDIS_REPLY_INTEGER &&
		       reply->element[1]->type == REDIS_REPLY_INTEGER;

	if (!is_pair) {
		reason = distrust(redis);
	} else if (reply->element[0]->integer > 0) {
		int64_t left_ms = reply->element[1]->integer;

		counter->count = reply->element[0]->integer;
		counter->expires_s = now_s + (left_ms > 0 ? (left_ms - 1) / 1000 + 1 : 0);
	}
	freeReplyObject(reply);
	return reason;
}

static enum reason redis_add(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, bool *added)
{
	return ask_flag(redis_of(store), add_script, key, expires_s, now_s, added);
}

static enum reason redis_has(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, bool *found)
{
	return ask_flag(redis_of(store), has_script, key, expires_s, now_s, found);
}

static enum reason redis_read(struct store *store, const struct store_key *key, int64_t now_s,
	struct store_counter *counter)
{
	return ask_counter(redis_of(store), read_script, key, 0, now_s, counter);
}

static enum reason redis_increment(struct store *store, const struct store_key *key,
	int64_t expires_s, int64_t now_s, struct store_counter *counter)
{
	return ask_counter(
		redis_of(store), increment_script, key, expires_s - now_s, now_s, counter);
}

static void count_key(const redisReply *name, struct store_tally *tally)
{
	struct str rest = str_from((struct str){ name->str, name->len }, STR(KEY_PREFIX).n);

	for (unsigned i = 0; i < STORE__KINDS; i++) {
		if (str_starts(rest, kind_names[i]))
			tally->counts[i]++;
	}
}

/* An answer to SCAN or HSCAN: where to go on, and some texts.  False: something else. */
static bool read_page(const redisReply *page, int64_t *cursor, const redisReply **texts)
{
	if (page->type != REDIS_REPLY_ARRAY || page->elements != 2 ||
		page->element[0]->type != REDIS_REPLY_STRING ||
		page->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	const redisReply *next = page->element[0];

	*texts = page->element[1];
	for (size_t i = 0; i < (*texts)->elements; i++) {
		if ((*texts)->element[i]->type != REDIS_REPLY_STRING)
			return false;
	}
	return str_to_number((struct str){ next->str, next->len }, INT64_MAX, cursor);
}

static bool count_page(const redisReply *page, struct store_tally *tally, int64_t *cursor)
{
	const redisReply *names;

	if (!read_page(page, cursor, &names))
		return false;
	for (size_t i = 0; i < names->elements; i++)
		count_key(names->element[i], tally);
	return true;
}

/* While the table of keys changes its size, SCAN may name one twice: a tally may be a bit high.
 */
static enum reason redis_tally(struct store *store, int64_t now_s, struct store_tally *tally)
{
	struct store_redis *redis = redis_of(store);
	int64_t cursor = 0;

	(void)now_s;
	*tally = (struct store_tally){ 0 };
	do {
		redisReply *page;
		enum reason reason = ask(redis, &page, "SCAN %lld MATCH %s COUNT 1000",
			(long long)cursor, KEY_PREFIX "*");

		if (reason == REASON_NONE && !count_page(page, tally, &cursor))
			reason = distrust(redis);
		freeReplyObject(page);
		if (reason != REASON_NONE) {
			*tally = (struct store_tally){ 0 };
			return reason;
		}
	} while (cursor != 0);
	return REASON_NONE;
}

static enum reason redis_prune(struct store *store, int64_t now_s, int64_t *removed)
{
	(void)store;
	(void)now_s;
	*removed = 0;
	return REASON_NONE;
}

/* The steps as the script takes them, in new memory (free); NULL if they cannot be. */
static char *pack_steps(const struct counter_step *steps, size_t step_count)
{
	size_t size = 1;

	for (size_t i = 0; i < step_count; i++) {
		struct str name = steps[i].name;

		if (name.n == 0 || name.n > COUNTERS_NAME_MAX || str_has(name, '\0') ||
			steps[i].amount < 0)
			return NULL;
		size += NUMBERS_SIZE + name.n;
	}
	char *text = malloc(size);

	if (text == NULL)
		return NULL;
	struct buf buf = buf_init(text, size);

	for (size_t i = 0; i < step_count; i++) {
		buf_number(&buf, steps[i].amount);
		buf_char(&buf, ' ');
		buf_number(&buf, (int64_t)steps[i].name.n);
		buf_char(&buf, ' ');
		buf_str(&buf, steps[i].name);
	}
	buf_char(&buf, '\0');
	return text;
}

static enum reason redis_count(
	struct store *store, const struct counter_step *steps, size_t step_count)
{
	struct store_redis *redis = redis_of(store);
	char *text = pack_steps(steps, step_count);
	redisReply *reply;

	if (text == NULL)
		return REASON_STORE;
	enum reason reason = ask_aside(
		redis, &reply, "EVAL %s 1 %s %s", count_script, COUNTERS_KEY, text);

	free(text);
	if (reason != REASON_NONE)
		return reason;
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 || reply->integer > 1)
		reason = distrust(redis);
	else if (reply->integer == 0)
		reason = REASON_STORE_FULL;
	freeReplyObject(reply);
	return reason;
}

/* Names and values by turns; what cannot be a counter of ours is left out. */
static bool visit_page(
	const redisReply *page, counter_visitor *visitor, void *context, int64_t *cursor)
{
	const redisReply *texts;

	if (!read_page(page, cursor, &texts) || texts->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < texts->elements; i += 2) {
		const redisReply *name = texts->element[i], *text = texts->element[i + 1];
		int64_t value;

		if (name->len > 0 && name->len <= COUNTERS_NAME_MAX &&
			str_to_number((struct str){ text->str, text->len }, INT64_MAX, &value))
			visitor(context, (struct str){ name->str, name->len }, value);
	}
	return true;
}

static enum reason redis_each_count(
	struct store *store, counter_visitor *visitor, void *context)
{
	struct store_redis *redis = redis_of(store);
	const int64_t until_us = clock_steady_us() + VISIT_LIMIT_US;
	int64_t cursor = 0;

	do {
		redisReply *page;
		enum reason reason = ask_aside(redis, &page, "HSCAN %s %lld COUNT 1000",
			COUNTERS_KEY, (long long)cursor);

		if (reason == REASON_NONE && !visit_page(page, visitor, context, &cursor))
			reason = distrust(redis);
		freeReplyObject(page);
		if (reason != REASON_NONE)
			return reason;
		if (cursor != 0 && clock_steady_us() >= until_us)
			return REASON_STORE_UNREACHABLE;
	} while (cursor != 0);
	return REASON_NONE;
}

static void redis_report(struct store *store, const struct process_facts *facts)
{
	(void)store;
	(void)facts;
}

static void redis_each_process(struct store *store, process_visitor *visitor, void *context)
{
	(void)store;
	(void)visitor;
	(void)context;
}

static void redis_close(struct store *store)
{
	disconnect(redis_of(store));
	free(store);
}

struct store *store_redis_new(struct str host, struct str port, struct str database)
{
	static const struct store_ops ops = {
		.add = redis_add,
		.has = redis_has,
		.read = redis_read,
		.increment = redis_increment,
		.tally = redis_tally,
		.prune = redis_prune,
		.count = redis_count,
		.each_count = redis_each_count,
		.report = redis_report,
		.each_process = redis_each_process,
		.close = redis_close,
	};
	int64_t port_number, database_number;

	if (host.n == 0 || str_has(host, '\0') ||
		!str_to_number(port, PORT_MAX, &port_number) || port_number == 0 ||
		!str_to_number(database, DATABASE_MAX, &database_number))
		return NULL;
	struct store_redis *redis = malloc(sizeof(*redis) + host.n + 1);

	if (redis == NULL)
		return NULL;
	*redis = (struct store_redis){
		.store = { .ops = &ops },
		.port = (int)port_number,
		.database = database_number,
	};
	memcpy(redis->host, host.p, host.n);
	redis->host[host.n] = '\0';
	return (struct store *)redis;
}
