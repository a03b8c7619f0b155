/* SPDX-License-Identifier: MIT */
/* Tests of state/store_redis, against a real redis-server and against one that lies. */
#include "counting.h"
#include "redis_server.h"

#include "state/stores.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

#define ANSWER_LIMIT_US INT64_C(500000)

/* The one that most tests share, emptied before each. */
static struct redis_server server;

static int64_t now(void)
{
	return clock_wall_ms() / 1000;
}

static struct store *open_store(const struct redis_server *at, const char *database)
{
	struct store *store = store_redis_new(
		STR("127.0.0.1"), redis_server_port(at), str_of(database));

	assert_non_null(store);
	return store;
}

static struct store_key make_key(enum store_kind kind, unsigned number)
{
	struct str part = { (const char *)&number, sizeof(number) };
	struct store_key key;

	assert_int_equal(store_key_make(kind, &part, 1, &key), REASON_NONE);
	return key;
}

/* Add a record for 100 seconds; true if it was not there. */
static bool add(struct store *store, unsigned number)
{
	struct store_key key = make_key(STORE_REPLAY, number);
	bool added = false;
	enum reason reason = store->ops->add(store, &key, now() + 100, now(), &added);

	CHECK_REASON(reason, REASON_NONE, "add");
	return added;
}

static bool has(struct store *store, unsigned number)
{
	struct store_key key = make_key(STORE_REPLAY, number);
	bool found = false;
	enum reason reason = store->ops->has(store, &key, now() + 100, now(), &found);

	CHECK_REASON(reason, REASON_NONE, "has");
	return found;
}

static int64_t increment(struct store *store, unsigned number)
{
	struct store_key key = make_key(STORE_THROTTLE, number);
	struct store_counter counter;
	enum reason reason = store->ops->increment(store, &key, now() + 100, now(), &counter);

	CHECK_REASON(reason, REASON_NONE, "increment");
	return counter.count;
}

/* All that a request may ask for, when it must fail; how long the slowest took is printed. */
static void check_all_fail(struct store *store, enum reason wanted, const char *name)
{
	struct store_key key = make_key(STORE_REPLAY, 999);
	struct store_counter counter = { 7, 7 };
	struct store_tally tally = { { 7, 7, 7 } };
	int64_t start_us = clock_steady_us();
	bool added = true, found = true;

	CHECK_REASON(store->ops->add(store, &key, now() + 100, now(), &added), wanted, name);
	CHECK(!added, name);
	CHECK_REASON(store->ops->has(store, &key, now() + 100, now(), &found), wanted, name);
	CHECK(!found, name);
	CHECK_REASON(store->ops->read(store, &key, now(), &counter), wanted, name);
	CHECK_NUMBER(counter.count, 0, name);
	counter.count = 7;
	CHECK_REASON(
		store->ops->increment(store, &key, now() + 100, now(), &counter), wanted, name);
	CHECK_NUMBER(counter.count, 0, name);
	CHECK_REASON(store_tally(store, now(), &tally), wanted, name);
	CHECK_NUMBER(tally.counts[0] + tally.counts[1] + tally.counts[2], 0, name);
	counting_check_refuses(store, wanted, name);
	CHECK(clock_steady_us() - start_us < 7 * ANSWER_LIMIT_US, name);
}

static void flush(const struct redis_server *at)
{
	freeReplyObject(redis_server_command(at, "FLUSHALL"));
}

static void test_constructor(void **state)
{
	static const struct {
		struct str host, port, database;
	} cases[] = {
		{ TEXT(""), TEXT("6379"), TEXT("0") },
		{ TEXT("a\0b"), TEXT("6379"), TEXT("0") },
		{ TEXT("localhost"), TEXT(""), TEXT("0") },
		{ TEXT("localhost"), TEXT("0"), TEXT("0") },
		{ TEXT("localhost"), TEXT("65536"), TEXT("0") },
		{ TEXT("localhost"), TEXT("-1"), TEXT("0") },
		{ TEXT("localhost"), TEXT("6379x"), TEXT("0") },
		{ TEXT("localhost"), TEXT("6379"), TEXT("") },
		{ TEXT("localhost"), TEXT("6379"), TEXT("-1") },
		{ TEXT("localhost"), TEXT("6379"), TEXT("2147483648") },
		{ TEXT("localhost"), TEXT("6379"), TEXT("zero") },
	};
	struct store *store = store_redis_new(
		STR("localhost"), STR("65535"), STR("2147483647"));

	(void)state;
	assert_non_null(store);
	store_free(store);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_null(store_redis_new(cases[i].host, cases[i].port, cases[i].database));
}

static void test_add(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store *other = open_store(&server, "0");
	struct store *elsewhere = open_store(&server, "3");

	(void)state;
	CHECK(!has(store, 1), "before");
	CHECK(add(store, 1), "first");
	CHECK(!add(store, 1), "second");
	CHECK(!add(other, 1), "another connection");
	CHECK(has(store, 1) && has(other, 1), "found");
	CHECK(add(store, 2), "another key");
	CHECK(!has(elsewhere, 1) && add(elsewhere, 1), "another database");
	store_free(store);
	store_free(other);
	store_free(elsewhere);
	check_end();
}

/* Each kind under its own name, with an end of its own, and none without one. */
static void test_names(void **state)
{
	static const char *const patterns[STORE__KINDS] = {
		[STORE_REPLAY] = "oauth2-fcgi:replay:*",
		[STORE_REVOCATION] = "oauth2-fcgi:revocation:*",
		[STORE_THROTTLE] = "oauth2-fcgi:throttle:*",
	};
	struct store *store = open_store(&server, "0");

	(void)state;
	for (unsigned kind = 0; kind < STORE__KINDS; kind++) {
		struct store_key key = make_key(STORE_REPLAY, 1);
		bool added;

		key.bytes[0] = (unsigned char)kind;
		assert_int_equal(
			store->ops->add(store, &key, now() + 100, now(), &added), REASON_NONE);
		CHECK(added, patterns[kind]);
		redisReply *reply = redis_server_command(&server, "KEYS %s", patterns[kind]);

		assert_int_equal(reply->elements, 1);
		CHECK_NUMBER(reply->element[0]->len, strlen(patterns[kind]) - 1 + 43,
			patterns[kind]);
		int64_t ttl = redis_server_number(&server, "TTL %s", reply->element[0]->str);

		CHECK(ttl >= 99 && ttl <= 101, patterns[kind]);
		freeReplyObject(reply);
	}
	CHECK_NUMBER(redis_server_number(&server, "DBSIZE", ""), 3, "three kinds");
	store_free(store);
	check_end();
}

/* Keys with any bytes: none is cut at a NUL, none is taken for a part of the protocol. */
static void test_binary(void **state)
{
	static const unsigned char fillings[] = { 0x00, 0x0a, 0x0d, 0x20, 0x25, 0x2a, 0xff };
	struct store *store = open_store(&server, "0");

	(void)state;
	for (size_t i = 0; i < COUNT(fillings); i++) {
		struct store_key key;
		bool added = false;

		memset(key.bytes, fillings[i], sizeof(key.bytes));
		key.bytes[0] = STORE_REPLAY;
		for (unsigned last = 1; last <= 2; last++) {
			key.bytes[STORE_KEY_SIZE - 1] = (unsigned char)last;
			assert_int_equal(
				store->ops->add(store, &key, now() + 100, now(), &added),
				REASON_NONE);
			CHECK(added, "differs in the last byte");
		}
	}
	CHECK_NUMBER(
		redis_server_number(&server, "DBSIZE", ""), 2 * COUNT(fillings), "all of them");
	store_free(store);
	check_end();
}

static void test_counter(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_THROTTLE, 1);
	int64_t now_s = now();
	struct store_counter counter = { 7, 7 };

	(void)state;
	CHECK_REASON(store->ops->read(store, &key, now_s, &counter), REASON_NONE, "none");
	CHECK_NUMBER(counter.count, 0, "none");
	for (int64_t i = 1; i <= 3; i++) {
		CHECK_REASON(
			store->ops->increment(store, &key, now_s + 100 * i, now_s, &counter),
			REASON_NONE, "increment");
		CHECK_NUMBER(counter.count, i, "count");
		CHECK(counter.expires_s >= now_s + 98 && counter.expires_s <= now_s + 100,
			"the end is that of the first time");
	}
	CHECK_REASON(store->ops->read(store, &key, now_s, &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, 3, "read");
	CHECK(counter.expires_s >= now_s + 98 && counter.expires_s <= now_s + 100, "read");
	store_free(store);
	check_end();
}

/* One that lasts longer than it should was begun by a clock that was ahead. */
static void test_counter_too_long(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_THROTTLE, 1);
	struct store_counter counter;
	int64_t now_s = now();

	(void)state;
	for (int64_t i = 1; i <= 3; i++) {
		CHECK_REASON(store->ops->increment(store, &key, now_s + 1000, now_s, &counter),
			REASON_NONE, "long");
		CHECK_NUMBER(counter.count, i, "long");
	}
	for (int64_t i = 1; i <= 2; i++) {
		CHECK_REASON(store->ops->increment(store, &key, now_s + 60, now_s, &counter),
			REASON_NONE, "anew");
		CHECK_NUMBER(counter.count, i, "anew");
		CHECK(counter.expires_s >= now_s + 58 && counter.expires_s <= now_s + 60,
			"anew");
	}
	CHECK_REASON(store->ops->read(store, &key, now_s, &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, 2, "read");
	CHECK(counter.expires_s <= now_s + 60, "read");
	CHECK_REASON(store->ops->increment(store, &key, now_s + 1000, now_s, &counter),
		REASON_NONE, "and not made longer");
	CHECK_NUMBER(counter.count, 3, "and not made longer");
	CHECK(counter.expires_s <= now_s + 60, "and not made longer");
	store_free(store);
	check_end();
}

/* A window of no length leaves nothing. */
static void test_counter_over(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_THROTTLE, 1);
	struct store_counter counter;
	int64_t now_s = now();

	(void)state;
	CHECK_REASON(store->ops->increment(store, &key, now_s, now_s, &counter), REASON_NONE,
		"over at once");
	CHECK_NUMBER(counter.count, 1, "over at once");
	CHECK_NUMBER(counter.expires_s, now_s, "over at once");
	CHECK_NUMBER(redis_server_number(&server, "DBSIZE", ""), 0, "nothing is left");
	CHECK_NUMBER(increment(store, 1), 1, "one with an end");
	CHECK_REASON(store->ops->increment(store, &key, now_s - 1, now_s, &counter),
		REASON_NONE, "begun anew, and over at once");
	CHECK_NUMBER(counter.count, 1, "begun anew, and over at once");
	store_free(store);
	check_end();
}

static void with_first_name(const char *command)
{
	redisReply *names = redis_server_command(&server, "KEYS oauth2-fcgi:*");

	assert_int_equal(names->elements, 1);
	freeReplyObject(redis_server_command(&server, command, names->element[0]->str));
	freeReplyObject(names);
}

/* As if somebody had changed it: it locks nobody out for ever, and ends again. */
static void test_counter_without_end(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_THROTTLE, 1);
	struct store_counter counter;

	(void)state;
	CHECK_NUMBER(increment(store, 1), 1, "first");
	with_first_name("PERSIST %s");
	CHECK_REASON(store->ops->read(store, &key, now(), &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, 0, "does not count");
	CHECK_NUMBER(increment(store, 1), 1, "begun anew");
	CHECK_NUMBER(increment(store, 1), 2, "goes on");
	CHECK_REASON(store->ops->read(store, &key, now(), &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, 2, "counts");
	CHECK(counter.expires_s <= now() + 100, "ends");
	with_first_name("SET %s nonsense EX 100");
	CHECK_REASON(store->ops->read(store, &key, now(), &counter), REASON_STORE, "no number");
	CHECK_REASON(store->ops->increment(store, &key, now() + 100, now(), &counter),
		REASON_STORE, "no number");
	with_first_name("DEL %s");
	CHECK_NUMBER(increment(store, 1), 1, "anew");
	store_free(store);
	check_end();
}

/* What is over, by the clock of either side, cannot be added and is taken as found. */
static void test_over(void **state)
{
	static const struct {
		const char *name;
		int64_t now_s, expires_s; /* from the server's clock on */
		bool usable;
	} cases[] = {
		{ "both say it lives", 0, 100, true },
		{ "one second", 0, 2, true },
		{ "over", 0, -10, false },
		{ "over at this second", 0, 0, false },
		{ "long ago", 0, -1000000000, false },
		{ "this clock is behind, but it lives", -50, 50, true },
		{ "this clock is behind, and it is over there", -50, -10, false },
		{ "this clock is ahead, but it lives", 50, 100, true },
		{ "this clock is ahead, and it is over here", 50, 40, false },
		{ "this clock is years ahead", 315360000, 315360060, true },
		{ "the far future", 0, INT64_C(4611686018427387), true },
	};
	struct store *store = open_store(&server, "0");

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct store_key key = make_key(STORE_REPLAY, 100 + i);
		int64_t base_s = now();
		bool added = !cases[i].usable, found = cases[i].usable;

		CHECK_REASON(store->ops->has(store, &key, base_s + cases[i].expires_s,
				     base_s + cases[i].now_s, &found),
			REASON_NONE, cases[i].name);
		CHECK(found == !cases[i].usable, cases[i].name);
		CHECK_REASON(store->ops->add(store, &key, base_s + cases[i].expires_s,
				     base_s + cases[i].now_s, &added),
			REASON_NONE, cases[i].name);
		CHECK(added == cases[i].usable, cases[i].name);
	}
	store_free(store);
	check_end();
}

/* A machine whose clock is ahead must not make records that end too early for others. */
static void test_clock_ahead(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_REPLAY, 1);
	int64_t now_s = now();
	bool added;

	(void)state;
	CHECK_REASON(store->ops->add(store, &key, now_s + 110, now_s + 100, &added),
		REASON_NONE, "ahead");
	CHECK(added, "ahead");
	redisReply *names = redis_server_command(&server, "KEYS *");

	assert_int_equal(names->elements, 1);
	CHECK(redis_server_number(&server, "TTL %s", names->element[0]->str) >= 108, "110 s");
	freeReplyObject(names);
	store_free(store);
	check_end();
}

static void test_expiry(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_REPLAY, 1);
	struct store_key counter_key = make_key(STORE_THROTTLE, 1);
	struct store_counter counter;
	int64_t end_s = now() + 1;
	bool added, found;

	(void)state;
	assert_int_equal(store->ops->increment(store, &counter_key, now() + 1, now(), &counter),
		REASON_NONE);
	CHECK_NUMBER(counter.count, 1, "counter");
	assert_int_equal(store->ops->add(store, &key, end_s, end_s - 1, &added), REASON_NONE);
	CHECK(added || now() >= end_s, "added");
	while (redis_server_number(&server, "DBSIZE", "") > 0)
		usleep(50000);
	CHECK(now() >= end_s, "not before its end");
	CHECK(now() <= end_s + 3, "soon after its end");
	assert_int_equal(store->ops->has(store, &key, end_s + 100, now(), &found), REASON_NONE);
	CHECK(!found, "gone");
	assert_int_equal(store->ops->has(store, &key, end_s, end_s - 1, &found), REASON_NONE);
	CHECK(found, "gone, but for a clock that is behind it may have been there");
	assert_int_equal(store->ops->add(store, &key, end_s, end_s - 1, &added), REASON_NONE);
	CHECK(!added, "not again by a clock that is behind");
	assert_int_equal(store->ops->read(store, &counter_key, now(), &counter), REASON_NONE);
	CHECK_NUMBER(counter.count, 0, "counter");
	store_free(store);
	check_end();
}

static void test_tally(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_tally tally;
	int64_t removed = 7;
	bool added;

	(void)state;
	freeReplyObject(redis_server_command(&server, "SET replay:x 1"));
	freeReplyObject(redis_server_command(&server, "SET oauth2-fcgi:other:x 1"));
	freeReplyObject(redis_server_command(&server, "SET oauth2-fcgi: 1"));
	for (unsigned i = 0; i < 2500; i++)
		CHECK(add(store, i), "add");
	for (unsigned i = 0; i < 3; i++) {
		struct store_key key = make_key(STORE_REVOCATION, i);

		assert_int_equal(
			store->ops->add(store, &key, now() + 100, now(), &added), REASON_NONE);
	}
	increment(store, 1);
	assert_int_equal(store_tally(store, now(), &tally), REASON_NONE);
	/* The table has its size by now, so that none is named twice. */
	CHECK_NUMBER(tally.counts[STORE_REPLAY], 2500, "replay");
	CHECK_NUMBER(tally.counts[STORE_REVOCATION], 3, "revocation");
	CHECK_NUMBER(tally.counts[STORE_THROTTLE], 1, "throttle");
	assert_int_equal(store_prune(store, now(), &removed), REASON_NONE);
	CHECK_NUMBER(removed, 0, "Redis prunes by itself");
	store_free(store);
	check_end();
}

static void test_named_counters(void **state)
{
	const struct process_facts facts = { .pid = getpid(), .version = "1.0" };
	struct store *store = open_store(&server, "0");
	struct store *other = open_store(&server, "0");
	struct store *elsewhere = open_store(&server, "3");
	struct store_tally tally;
	struct findings findings;

	(void)state;
	counting_check_contract(store);
	CHECK_REASON(counting_add(store, (struct str)TEXT("a\0b"), 1), REASON_STORE, "NUL");
	CHECK_REASON(counting_add(other, STR("a"), 5), REASON_NONE, "another connection");
	counting_check(store, STR("a"), 5, 6, "another connection");
	CHECK_REASON(counting_visit(elsewhere, STR("a"), &findings), REASON_NONE, "elsewhere");
	CHECK_NUMBER(findings.names, 0, "another database");
	CHECK_NUMBER(redis_server_number(&server, "DBSIZE", ""), 1, "one hash");
	CHECK_NUMBER(
		redis_server_number(&server, "HLEN %s", "oauth2-fcgi:metrics"), 6, "names");
	CHECK_NUMBER(redis_server_number(&server, "TTL %s", "oauth2-fcgi:metrics"), -1, "kept");
	CHECK_REASON(store_tally(store, now(), &tally), REASON_NONE, "tally");
	CHECK_NUMBER(tally.counts[0] + tally.counts[1] + tally.counts[2], 0, "no record");
	store->ops->report(store, &facts);
	CHECK_NUMBER(counting_processes(store), 0, "nobody can tell who runs elsewhere");
	store_free(store);
	store_free(other);
	store_free(elsewhere);
	check_end();
}

/* What somebody else has written there: what is no counter begins anew. */
static void test_named_counters_strange(void **state)
{
	static const struct counter_step steps[] = { { TEXT("a"), 1 }, { TEXT("b"), 2 },
		{ TEXT("d"), 3 }, { TEXT("e"), 4 }, { TEXT("f"), 5 } };
	struct store *store = open_store(&server, "0");

	(void)state;
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "count");
	freeReplyObject(redis_server_command(&server,
		"HSET oauth2-fcgi:metrics b nonsense c -1 d 1.5 e 99999999999999999999 "
		"f 9223372036854775807"));
	counting_check(store, STR("a"), 1, 2, "others are left out");
	for (int i = 0; i < 2; i++)
		CHECK_REASON(store->ops->count(store, steps, COUNT(steps)), REASON_NONE, "all");
	counting_check(store, STR("a"), 3, 5, "once each time");
	counting_check(store, STR("b"), 4, 5, "anew");
	counting_check(store, STR("e"), 8, 5, "anew");
	counting_check(store, STR("f"), 10, 5, "anew");
	freeReplyObject(redis_server_command(&server, "SET oauth2-fcgi:metrics nonsense"));
	counting_check_refuses(store, REASON_STORE, "no hash");
	flush(&server);
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "anew");
	counting_check(store, STR("a"), 1, 1, "anew");
	store_free(store);
	check_end();
}

/* There is no end of names, but of their number: then known ones are counted. */
static void test_named_counters_full(void **state)
{
	static const struct counter_step steps[] = { { TEXT("a"), 1 }, { TEXT("new"), 1 } };
	struct store *store = open_store(&server, "0");
	const char *fill = "for i = 1, 24999 do redis.call('HSET', KEYS[1], string.rep('x', "
			   "100) .. i, 1) end return 1";
	redisReply *reply;

	(void)state;
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "the first");
	reply = redis_server_command(&server, "EVAL %s 1 oauth2-fcgi:metrics", fill);
	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	CHECK_REASON(counting_add(store, STR("new"), 1), REASON_STORE_FULL, "a new one");
	CHECK_REASON(store->ops->count(store, steps, 2), REASON_STORE_FULL, "a new one");
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_NONE, "a known one");
	int64_t start_us = clock_steady_us();

	counting_check(store, STR("a"), 2, 25000, "all");
	print_message("microseconds: visit 25000 names %lld\n",
		(long long)(clock_steady_us() - start_us));
	store_free(store);
	check_end();
}

/* No connection before the first use; it is not passed on to programs; one is enough. */
static void test_connection(void **state)
{
	struct stat before[64], after;
	unsigned made = 0;

	(void)state;
	for (int fd = 0; fd < 64; fd++) {
		if (fstat(fd, &before[fd]) != 0)
			before[fd].st_mode = 0;
	}
	struct store *store = open_store(&server, "0");

	for (int fd = 0; fd < 64; fd++)
		CHECK((fstat(fd, &after) == 0) == (before[fd].st_mode != 0), "lazy");
	for (unsigned i = 0; i < 10; i++)
		CHECK(add(store, i), "add");
	for (int fd = 0; fd < 64; fd++) {
		if (before[fd].st_mode != 0 || fstat(fd, &after) != 0)
			continue;
		made++;
		CHECK(S_ISSOCK(after.st_mode), "a socket");
		CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
	}
	CHECK_NUMBER(made, 1, "one connection");
	store_free(store);
	for (int fd = 0; fd < 64; fd++)
		CHECK((fstat(fd, &after) == 0) == (before[fd].st_mode != 0), "closed");
	check_end();
}

static void ignore_signal(int number)
{
	(void)number;
}

/* A signal each 200 us, that interrupts what can be interrupted. */
static void test_signals(void **state)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } },
			       never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = ignore_signal };

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (unsigned i = 0; i < 100; i++) {
		struct store *store = store_redis_new(
			STR("127.0.0.1"), redis_server_port(&server), STR("0"));

		assert_non_null(store);
		for (unsigned j = 0; j < 10; j++)
			CHECK(add(store, 10 * i + j), "add");
		store_free(store);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	/* The handler stays: one signal may be on its way. */
	check_end();
}

/* The server ends and begins between two operations: not one of them fails. */
static void test_restart(void **state)
{
	struct store *store = open_store(&server, "0");

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		CHECK(add(store, 1), "it lost all that it had");
		CHECK(!add(store, 1), "and then remembers");
		redis_server_halt(&server);
		assert_true(redis_server_launch(&server));
	}
	freeReplyObject(redis_server_command(&server, "CLIENT KILL TYPE normal"));
	CHECK(add(store, 2), "after the server closed the connection");
	store_free(store);
	check_end();
}

static void test_down(void **state)
{
	struct store *store = open_store(&server, "0");

	(void)state;
	CHECK(add(store, 1), "before");
	redis_server_halt(&server);
	check_all_fail(store, REASON_STORE_UNREACHABLE, "down");
	assert_true(redis_server_launch(&server));
	CHECK(add(store, 1), "at once when it is back");
	store_free(store);
	check_end();
}

/* It stops in the middle, and answers when nobody waits any more. */
static void test_stopped(void **state)
{
	struct store *store = open_store(&server, "0");
	struct store_key key = make_key(STORE_THROTTLE, 1);
	struct store_counter counter;
	int64_t longest_us = 0, total_us;

	(void)state;
	for (int64_t i = 1; i <= 5; i++)
		CHECK_NUMBER(increment(store, 1), i, "before");
	assert_int_equal(kill(server.pid, SIGSTOP), 0);
	total_us = clock_steady_us();
	for (unsigned i = 0; i < 100; i++) {
		int64_t start_us = clock_steady_us();

		CHECK_REASON(store->ops->read(store, &key, now(), &counter),
			REASON_STORE_UNREACHABLE, "stopped");
		int64_t took_us = clock_steady_us() - start_us;

		longest_us = took_us > longest_us ? took_us : longest_us;
	}
	assert_int_equal(kill(server.pid, SIGCONT), 0);
	print_message("a stopped server: %lld us\n", (long long)longest_us);
	CHECK(longest_us < ANSWER_LIMIT_US, "within the limit");
	CHECK(clock_steady_us() - total_us < 2 * ANSWER_LIMIT_US,
		"those that have queued up do not wait one after the other");
	poll(NULL, 0, 150);
	for (unsigned i = 0; i < 10; i++) {
		CHECK(!has(store, 1), "not the late answer");
		CHECK_NUMBER(increment(store, 2), i + 1, "not the late answer");
		CHECK_NUMBER(increment(store, 1), i + 6, "not the late answer");
	}
	store_free(store);
	check_end();
}

/* Packets to it are lost: its queue of new connections is full. */
static void test_no_connection(void **state)
{
	struct redis_server full = { 0 };
	int listener = redis_server_listen(0, &full.port);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)full.port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fds[4];

	(void)state;
	snprintf(full.port_text, sizeof(full.port_text), "%d", full.port);
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	struct store *store = open_store(&full, "0");

	check_all_fail(store, REASON_STORE_UNREACHABLE, "no connection");
	store_free(store);
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
	close(listener);
	check_end();
}

static void test_full(void **state)
{
	static const char *const options[] = { "--maxmemory", "1mb", "--maxmemory-policy",
		"noeviction", NULL };
	struct redis_server small;
	struct store *store;
	enum reason reason = REASON_NONE;
	struct store_counter counter;
	struct store_key key;
	unsigned count;
	bool added;

	(void)state;
	redis_server_start(&small, options);
	store = open_store(&small, "0");
	CHECK_REASON(counting_add(store, STR("a"), 7), REASON_NONE, "named counter");
	for (count = 0; reason == REASON_NONE && count < 100000; count++) {
		key = make_key(STORE_REPLAY, count);
		reason = store->ops->add(store, &key, now() + 100, now(), &added);
		CHECK(added == (reason == REASON_NONE), "added or failed");
	}
	print_message("full after %u records\n", count);
	CHECK_REASON(reason, REASON_STORE_FULL, "full");
	key = make_key(STORE_THROTTLE, 1);
	CHECK_REASON(store->ops->increment(store, &key, now() + 100, now(), &counter),
		REASON_STORE_FULL, "counter");
	CHECK_NUMBER(counter.count, 0, "counter");
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_STORE_FULL, "named counter");
	freeReplyObject(redis_server_command(&small, "CONFIG SET maxmemory 0"));
	CHECK(add(store, count + 1), "there is room again");
	counting_check(store, STR("a"), 7, 1, "what was counted stays");
	CHECK(count < 2 || has(store, 0), "what was added stays");
	store_free(store);
	redis_server_stop(&small);
	check_end();
}

static void test_read_only(void **state)
{
	static const char *const options[] = { "--replicaof", "127.0.0.1 1", NULL };
	struct redis_server replica;
	struct store_counter counter;
	struct store_key key = make_key(STORE_REPLAY, 1);
	bool added = true;

	(void)state;
	redis_server_start(&replica, options);
	struct store *store = open_store(&replica, "0");

	CHECK_REASON(store->ops->add(store, &key, now() + 100, now(), &added),
		REASON_STORE_OPEN, "add");
	CHECK(!added, "add");
	CHECK_REASON(store->ops->increment(store, &key, now() + 100, now(), &counter),
		REASON_STORE_OPEN, "increment");
	CHECK_REASON(counting_add(store, STR("a"), 1), REASON_STORE_OPEN, "named counter");
	freeReplyObject(redis_server_command(&replica, "REPLICAOF NO ONE"));
	CHECK(add(store, 1), "when it has become the master");
	store_free(store);
	redis_server_stop(&replica);
	check_end();
}

/* It cannot save what it has, and so takes no more. */
static void test_no_disk(void **state)
{
	static const char *const options[] = { "--save", "3600 1", NULL };
	struct redis_server broken;
	struct store_key key = make_key(STORE_REPLAY, 1);
	enum reason reason = REASON_NONE;
	bool added;

	(void)state;
	redis_server_start(&broken, options);
	struct store *store = open_store(&broken, "0");
	char log[sizeof(broken.directory) + 8];

	snprintf(log, sizeof(log), "%s/log", broken.directory);
	do {
		(void)unlink(log);
	} while (rmdir(broken.directory) != 0 && errno == ENOTEMPTY);
	freeReplyObject(redis_server_command(&broken, "BGSAVE"));
	for (unsigned i = 0; i < 500 && reason == REASON_NONE; i++) {
		key = make_key(STORE_REPLAY, i);
		reason = store->ops->add(store, &key, now() + 100, now(), &added);
		usleep(10000);
	}
	CHECK_REASON(reason, REASON_STORE_OPEN, "nothing can be saved");
	CHECK(!added, "nothing can be saved");
	store_free(store);
	redis_server_stop(&broken);
	check_end();
}

static void test_password(void **state)
{
	static const char *const options[] = { "--requirepass", "PASSWORD", NULL };
	struct redis_server closed;

	(void)state;
	redis_server_start(&closed, options);
	struct store *store = open_store(&closed, "0");

	check_all_fail(store, REASON_STORE, "password");
	store_free(store);
	redis_server_stop(&closed);
	check_end();
}

static void test_no_database(void **state)
{
	struct store *store = open_store(&server, "1000");

	(void)state;
	check_all_fail(store, REASON_STORE, "no such database");
	store_free(store);
	check_end();
}

enum ending {
	THEN_CLOSE,
	THEN_WAIT,
};

/* What a server may answer that is no Redis, or a broken one. */
static const struct lie {
	const char *name;
	struct str answer;
	enum ending ending;
	enum reason add, read; /* what the operations make of it */
} lies[] = {
	{ "closes at once", TEXT(""), THEN_CLOSE, REASON_STORE_UNREACHABLE,
		REASON_STORE_UNREACHABLE },
	{ "is silent", TEXT(""), THEN_WAIT, REASON_STORE_UNREACHABLE,
		REASON_STORE_UNREACHABLE },
	{ "stops after SELECT", TEXT("+OK\r\n"), THEN_WAIT, REASON_STORE_UNREACHABLE,
		REASON_STORE_UNREACHABLE },
	{ "closes in the middle", TEXT("+OK\r\n:1"), THEN_CLOSE, REASON_STORE_UNREACHABLE,
		REASON_STORE_UNREACHABLE },
	{ "closes in an array", TEXT("+OK\r\n*2\r\n:1\r\n"), THEN_CLOSE,
		REASON_STORE_UNREACHABLE, REASON_STORE_UNREACHABLE },
	{ "promises much", TEXT("+OK\r\n$500000000\r\nx"), THEN_WAIT, REASON_STORE_UNREACHABLE,
		REASON_STORE_UNREACHABLE },
	{ "another protocol", TEXT("HTTP/1.1 400 Bad Request\r\n\r\n"), THEN_CLOSE,
		REASON_STORE, REASON_STORE },
	{ "binary", TEXT("\x15\x03\x01\0\2\2\x16"), THEN_CLOSE, REASON_STORE, REASON_STORE },
	{ "one NUL", TEXT("\0"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "deep", TEXT("+OK\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"),
		THEN_CLOSE, REASON_STORE, REASON_STORE },
	{ "a number that is none", TEXT("+OK\r\n:one\r\n"), THEN_CLOSE, REASON_STORE,
		REASON_STORE },
	{ "status", TEXT("+OK\r\n+OK\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "text", TEXT("+OK\r\n$1\r\n1\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "nothing", TEXT("+OK\r\n$-1\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "no array", TEXT("+OK\r\n*-1\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "an empty array", TEXT("+OK\r\n*0\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "an array of one", TEXT("+OK\r\n*1\r\n:1\r\n"), THEN_WAIT, REASON_STORE,
		REASON_STORE },
	{ "an array of texts", TEXT("+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n1\r\n"), THEN_WAIT,
		REASON_STORE, REASON_STORE },
	{ "two, neither 0 nor 1", TEXT("+OK\r\n:2\r\n"), THEN_WAIT, REASON_STORE,
		REASON_STORE },
	{ "below 0", TEXT("+OK\r\n:-1\r\n"), THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "one", TEXT("+OK\r\n:1\r\n"), THEN_WAIT, REASON_NONE, REASON_STORE },
	{ "one, and one more", TEXT("+OK\r\n:1\r\n:1\r\n"), THEN_WAIT, REASON_STORE,
		REASON_STORE },
	{ "one, and a part of more", TEXT("+OK\r\n:1\r\n:"), THEN_WAIT, REASON_STORE,
		REASON_STORE },
	{ "a counter", TEXT("+OK\r\n*2\r\n:5\r\n:1001\r\n"), THEN_WAIT, REASON_STORE,
		REASON_NONE },
	{ "full, as older versions say it",
		TEXT("+OK\r\n-ERR Error running script (call to f_0): @user_script:5: "
		     "@user_script: 5: -OOM command not allowed when used memory > "
		     "'maxmemory'.\r\n"),
		THEN_WAIT, REASON_STORE_FULL, REASON_STORE_FULL },
	{ "read-only, as older versions say it",
		TEXT("+OK\r\n-ERR Error running script (call to f_0): @user_script:5: "
		     "-READONLY You can't write against a read only replica.\r\n"),
		THEN_WAIT, REASON_STORE_OPEN, REASON_STORE_OPEN },
	{ "loading", TEXT("+OK\r\n-LOADING Redis is loading the dataset in memory\r\n"),
		THEN_WAIT, REASON_STORE, REASON_STORE },
	{ "an error without words", TEXT("+OK\r\n-\r\n"), THEN_WAIT, REASON_STORE,
		REASON_STORE },
};

/* In the child: answer each connection with the lie, until killed. */
static void tell_lie(int listener, const struct lie *lie)
{
	char request[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || recv(fd, request, sizeof(request), 0) <= 0)
			_exit(1);
		(void)send(fd, lie->answer.p, lie->answer.n, MSG_NOSIGNAL);
		if (lie->ending == THEN_CLOSE)
			close(fd);
	}
}

static pid_t start_liar(struct redis_server *liar, int *listener, const struct lie *lie)
{
	*liar = (struct redis_server){ 0 };
	*listener = redis_server_listen(8, &liar->port);
	snprintf(liar->port_text, sizeof(liar->port_text), "%d", liar->port);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		tell_lie(*listener, lie);
	return pid;
}

static void check_lie(const struct lie *lie)
{
	struct redis_server liar;
	int listener;
	pid_t pid = start_liar(&liar, &listener, lie);
	struct store *store = open_store(&liar, "0");
	struct store_key key = make_key(STORE_REPLAY, 1);
	struct store_counter counter = { 7, 7 };
	int64_t start_us = clock_steady_us();
	bool added = false;

	CHECK_REASON(
		store->ops->add(store, &key, now() + 100, now(), &added), lie->add, lie->name);
	CHECK(added == (lie->add == REASON_NONE), lie->name);
	/* It lies once a connection; after a failure there must be a new one. */
	if (lie->add == REASON_NONE) {
		store_free(store);
		store = open_store(&liar, "0");
	}
	CHECK_REASON(store->ops->read(store, &key, NOW_S, &counter), lie->read, lie->name);
	CHECK_NUMBER(counter.count, lie->read == REASON_NONE ? 5 : 0, lie->name);
	CHECK_NUMBER(counter.expires_s, lie->read == REASON_NONE ? NOW_S + 2 : 0, lie->name);
	CHECK(clock_steady_us() - start_us < 2 * ANSWER_LIMIT_US, lie->name);
	store_free(store);
	redis_server_kill(pid);
	close(listener);
}

static void test_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++)
		check_lie(&lies[i]);
	check_end();
}

/* The same for SCAN; the first two are no lies. */
static void test_tally_lies(void **state)
{
	static const struct {
		struct lie lie;
		enum reason reason;
		int64_t count;
	} cases[] = {
		{ { .name = "empty", .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*0\r\n") },
			REASON_NONE, 0 },
		{ { .name = "one",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$19\r\n"
					 "oauth2-fcgi:replay:\r\n") },
			REASON_NONE, 1 },
		{ { .name = "no array", .answer = TEXT("+OK\r\n$1\r\n0\r\n") }, REASON_STORE,
			0 },
		{ { .name = "no names", .answer = TEXT("+OK\r\n*1\r\n$1\r\n0\r\n") },
			REASON_STORE, 0 },
		{ { .name = "a number as names",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n:1\r\n") },
			REASON_STORE, 0 },
		{ { .name = "a number as name",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*2\r\n$19\r\n"
					 "oauth2-fcgi:replay:\r\n:1\r\n") },
			REASON_STORE, 0 },
		{ { .name = "a number as place", .answer = TEXT("+OK\r\n*2\r\n:0\r\n*0\r\n") },
			REASON_STORE, 0 },
		{ { .name = "more names than there can be",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*288888888\r\n") },
			REASON_STORE, 0 },
		{ { .name = "no place to go on",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\nx\r\n*0\r\n") },
			REASON_STORE, 0 },
		{ { .name = "then nothing",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n5\r\n*1\r\n$19\r\n"
					 "oauth2-fcgi:replay:\r\n") },
			REASON_STORE_UNREACHABLE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].lie.name;
		struct redis_server liar;
		struct store_tally tally;
		int listener;
		pid_t pid = start_liar(&liar, &listener, &cases[i].lie);
		struct store *store = open_store(&liar, "0");

		CHECK_REASON(store_tally(store, now(), &tally), cases[i].reason, name);
		CHECK_NUMBER(tally.counts[STORE_REPLAY], cases[i].count, name);
		store_free(store);
		redis_server_kill(pid);
		close(listener);
	}
	check_end();
}

/* The same for the named counters; the first three are no lies. */
static void test_counting_lies(void **state)
{
	static const struct {
		struct lie lie;
		enum reason add, visit;
		unsigned names;
	} cases[] = {
		{ { .name = "one", .answer = TEXT("+OK\r\n:1\r\n") }, REASON_NONE, REASON_STORE,
			0 },
		{ { .name = "no room", .answer = TEXT("+OK\r\n:0\r\n") }, REASON_STORE_FULL,
			REASON_STORE, 0 },
		{ { .name = "a counter",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n"
					 "$2\r\n17\r\n") },
			REASON_STORE, REASON_NONE, 1 },
		{ { .name = "no place to go on",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\nx\r\n*0\r\n") },
			REASON_STORE, REASON_STORE, 0 },
		{ { .name = "two", .answer = TEXT("+OK\r\n:2\r\n") }, REASON_STORE,
			REASON_STORE, 0 },
		{ { .name = "text", .answer = TEXT("+OK\r\n$1\r\n1\r\n") }, REASON_STORE,
			REASON_STORE, 0 },
		{ { .name = "no array", .answer = TEXT("+OK\r\n*-1\r\n") }, REASON_STORE,
			REASON_STORE, 0 },
		{ { .name = "a name without a value",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n") },
			REASON_STORE, REASON_STORE, 0 },
		{ { .name = "a number as value",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n"
					 "1\r\n$1\r\nb\r\n:1\r\n") },
			REASON_STORE, REASON_STORE, 0 },
		{ { .name = "nothing as name",
			  .answer = TEXT("+OK\r\n*2\r\n$1\r\n0\r\n*2\r\n$-1\r\n$1\r\n"
					 "1\r\n") },
			REASON_STORE, REASON_STORE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].lie.name;
		struct redis_server liar;
		struct findings findings;
		int listener;
		pid_t pid = start_liar(&liar, &listener, &cases[i].lie);
		struct store *store = open_store(&liar, "0");

		CHECK_REASON(counting_add(store, STR("a"), 1), cases[i].add, name);
		store_free(store);
		store = open_store(&liar, "0");
		CHECK_REASON(counting_visit(store, STR("a"), &findings), cases[i].visit, name);
		CHECK_NUMBER(findings.names, cases[i].names, name);
		store_free(store);
		redis_server_kill(pid);
		close(listener);
	}
	check_end();
}

/* In the child: pages of one counter, each after 80 ms; after `pages` of them it is the end.
 */
static void tell_pages(int listener, unsigned pages)
{
	const struct str more = STR("*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
	const struct str last = STR("*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
	char request[4096];
	int fd = accept(listener, NULL, NULL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 1; recv(fd, request, sizeof(request), 0) > 0; i++) {
		const struct str page = i == pages ? last : more;

		usleep(80000);
		if (i == 1)
			(void)send(fd, "+OK\r\n", 5, MSG_NOSIGNAL);
		(void)send(fd, page.p, page.n, MSG_NOSIGNAL);
	}
	_exit(0);
}

/* A visit may take longer than one answer, but not for ever. */
static void test_slow_visit(void **state)
{
	static const struct {
		const char *name;
		unsigned pages;
		enum reason reason;
	} cases[] = { { "two pages", 2, REASON_NONE }, { "four pages", 4, REASON_NONE },
		{ "without end", 0, REASON_STORE_UNREACHABLE } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct redis_server slow = { 0 };
		struct findings findings;
		int listener = redis_server_listen(8, &slow.port);
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			tell_pages(listener, cases[i].pages);
		snprintf(slow.port_text, sizeof(slow.port_text), "%d", slow.port);
		struct store *store = open_store(&slow, "0");
		int64_t start_us = clock_steady_us();

		CHECK_REASON(counting_visit(store, STR("b"), &findings), cases[i].reason,
			cases[i].name);
		CHECK(clock_steady_us() - start_us < 3 * ANSWER_LIMIT_US, cases[i].name);
		if (cases[i].pages > 0) {
			CHECK_NUMBER(findings.names, cases[i].pages, cases[i].name);
			CHECK_NUMBER(findings.value, 2, cases[i].name);
		}
		store_free(store);
		redis_server_kill(pid);
		close(listener);
	}
	check_end();
}

/* Counters that Redis has no time for do not keep requests from asking it. */
static void test_counting_does_not_pause(void **state)
{
	struct store *store = open_store(&server, "0");
	struct findings findings;
	struct store_key key = make_key(STORE_REPLAY, 1);
	bool found;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		static const struct counter_step step = { TEXT("a"), 1 };

		kill(server.pid, SIGSTOP);
		CHECK_REASON(i == 0   ? counting_visit(store, STR("a"), &findings)
			     : i == 1 ? store->ops->count(store, &step, 1)
				      : store->ops->count(store, NULL, 0),
			REASON_STORE_UNREACHABLE, "no time");
		kill(server.pid, SIGCONT);
		CHECK_REASON(store->ops->has(store, &key, now() + 100, now(), &found),
			REASON_NONE, "what a request asks");
	}
	store_free(store);
	check_end();
}

/* In the child: an endless answer, a byte each 20 ms. */
static void trickle(int listener)
{
	int fd = accept(listener, NULL, NULL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (fd >= 0 && send(fd, "+", 1, MSG_NOSIGNAL) == 1)
		usleep(20000);
	_exit(0);
}

/* The deadline is for the whole answer, not for its next byte. */
static void test_trickle(void **state)
{
	struct redis_server slow = { 0 };
	int listener = redis_server_listen(8, &slow.port);
	struct store_key key = make_key(STORE_REPLAY, 1);
	struct store_counter counter;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		trickle(listener);
	snprintf(slow.port_text, sizeof(slow.port_text), "%d", slow.port);
	struct store *store = open_store(&slow, "0");
	int64_t start_us = clock_steady_us();

	CHECK_REASON(store->ops->read(store, &key, now(), &counter), REASON_STORE_UNREACHABLE,
		"slow");
	CHECK(clock_steady_us() - start_us < ANSWER_LIMIT_US, "slow");
	store_free(store);
	redis_server_kill(pid);
	close(listener);
	check_end();
}

#define RACERS 16
#define RACE_KEYS 1000

struct race {
	atomic_uint ready;
	atomic_uint failures;
	atomic_uint wins[RACE_KEYS];
	atomic_llong counted; /* sum of what increment has returned */
};

/* In the child. */
static void run_race(struct race *race)
{
	struct store *store = open_store(&server, "0");
	struct store_key counter_key = make_key(STORE_THROTTLE, 1);

	atomic_fetch_add(&race->ready, 1);
	while (atomic_load(&race->ready) < RACERS)
		usleep(100);
	for (unsigned i = 0; i < RACE_KEYS; i++) {
		struct store_key key = make_key(STORE_REPLAY, i);
		bool added;

		if (store->ops->add(store, &key, now() + 100, now(), &added) != REASON_NONE)
			atomic_fetch_add(&race->failures, 1);
		else if (added)
			atomic_fetch_add(&race->wins[i], 1);
	}
	for (unsigned i = 0; i < 10; i++) {
		struct store_counter counter;

		if (store->ops->increment(store, &counter_key, now() + 100, now(), &counter) !=
			REASON_NONE)
			atomic_fetch_add(&race->failures, 1);
		atomic_fetch_add(&race->counted, counter.count);
		if (counting_add(store, STR("raced"), (int64_t)i) != REASON_NONE)
			atomic_fetch_add(&race->failures, 1);
	}
	store_free(store);
	_exit(0);
}

/* All try to add the same keys at the same time: each is added once. */
static void test_race(void **state)
{
	struct race *race = mmap(
		NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned total = 0, others = 0;
	pid_t pids[RACERS];
	const long long increments = 10 * RACERS;

	(void)state;
	assert_true(race != MAP_FAILED);
	for (unsigned i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			run_race(race);
	}
	for (unsigned i = 0; i < RACERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		CHECK_NUMBER(status, 0, "racer");
	}
	for (unsigned i = 0; i < RACE_KEYS; i++) {
		total += race->wins[i];
		others += race->wins[i] != 1;
	}
	CHECK_NUMBER(race->failures, 0, "failures");
	CHECK_NUMBER(total, RACE_KEYS, "added");
	CHECK_NUMBER(others, 0, "keys not added exactly once");
	CHECK_NUMBER(race->counted, increments * (increments + 1) / 2, "each count once");
	struct store *store = open_store(&server, "0");

	counting_check(store, STR("raced"), RACERS * 45, 1, "each count once");
	store_free(store);
	munmap(race, sizeof(*race));
	check_end();
}

static void test_speed(void **state)
{
	enum {
		ROUNDS = 2000
	};
	struct store *store = open_store(&server, "0");
	int64_t start_us = clock_steady_us();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		CHECK(add(store, i), "add");
	int64_t added_us = clock_steady_us();

	for (unsigned i = 0; i < ROUNDS; i++)
		CHECK(has(store, i), "has");
	int64_t found_us = clock_steady_us();

	for (unsigned i = 0; i < ROUNDS; i++)
		CHECK_NUMBER(increment(store, 1), i + 1, "increment");
	print_message("microseconds: add %lld, has %lld, increment %lld\n",
		(long long)(added_us - start_us) / ROUNDS,
		(long long)(found_us - added_us) / ROUNDS,
		(long long)(clock_steady_us() - found_us) / ROUNDS);
	start_us = clock_steady_us();
	for (unsigned i = 0; i < 100; i++) {
		store_free(store);
		store = open_store(&server, "0");
		CHECK(!add(store, i), "add");
	}
	print_message("microseconds: connect and add %lld\n",
		(long long)(clock_steady_us() - start_us) / 100);
	store_free(store);
	check_end();
}

static int start(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	redis_server_start(&server, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redis_server_stop(&server);
	return 0;
}

static int empty(void **state)
{
	(void)state;
	flush(&server);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constructor),
		cmocka_unit_test_setup(test_add, empty),
		cmocka_unit_test_setup(test_names, empty),
		cmocka_unit_test_setup(test_binary, empty),
		cmocka_unit_test_setup(test_counter, empty),
		cmocka_unit_test_setup(test_counter_too_long, empty),
		cmocka_unit_test_setup(test_counter_over, empty),
		cmocka_unit_test_setup(test_counter_without_end, empty),
		cmocka_unit_test_setup(test_over, empty),
		cmocka_unit_test_setup(test_clock_ahead, empty),
		cmocka_unit_test_setup(test_expiry, empty),
		cmocka_unit_test_setup(test_tally, empty),
		cmocka_unit_test_setup(test_named_counters, empty),
		cmocka_unit_test_setup(test_named_counters_strange, empty),
		cmocka_unit_test_setup(test_named_counters_full, empty),
		cmocka_unit_test_setup(test_connection, empty),
		cmocka_unit_test_setup(test_signals, empty),
		cmocka_unit_test_setup(test_restart, empty),
		cmocka_unit_test_setup(test_down, empty),
		cmocka_unit_test_setup(test_stopped, empty),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_no_disk),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_no_database),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_tally_lies),
		cmocka_unit_test(test_counting_lies),
		cmocka_unit_test(test_slow_visit),
		cmocka_unit_test_setup(test_counting_does_not_pause, empty),
		cmocka_unit_test(test_trickle),
		cmocka_unit_test_setup(test_race, empty),
		cmocka_unit_test_setup(test_speed, empty),
	};

	return cmocka_run_group_tests_name("store_redis", tests, start, stop);
}
