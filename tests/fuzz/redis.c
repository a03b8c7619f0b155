/* SPDX-License-Identifier: MIT */
/* Whatever a server answers to the Redis store.  Input: a byte that says what is asked, and the
 * answers. */
#include "fuzz.h"

#include "state/stores.h"

#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_S INT64_C(1640588828)

static struct str answers;
static int peer = -1;

redisContext *__wrap_redisConnectNonBlock(const char *host, int port);
int __wrap_redisEnableKeepAlive(redisContext *context);

/* A connection on which the answers have come already, and after them its end. */
redisContext *__wrap_redisConnectNonBlock(const char *host, int port)
{
	int ends[2];

	(void)host;
	(void)port;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	if (peer >= 0)
		close(peer);
	peer = ends[1];
	REQUIRE(write(peer, answers.p, answers.n) == (ssize_t)answers.n);
	/* Once: a page that names itself as the next one would be asked for without an end. */
	answers.n = 0;
	REQUIRE(shutdown(peer, SHUT_WR) == 0);
	redisContext *context = redisConnectFd(ends[0]);

	REQUIRE(context != NULL);
	return context;
}

int __wrap_redisEnableKeepAlive(redisContext *context)
{
	(void)context;
	return REDIS_OK;
}

static void visit(void *context, struct str name, int64_t value)
{
	unsigned *count = context;

	REQUIRE(name.n > 0 && name.n <= COUNTERS_NAME_MAX && value >= 0);
	(*count)++;
}

static enum reason count(struct store *store, struct store_tally *tally)
{
	enum reason reason = store->ops->tally(store, NOW_S, tally);

	for (unsigned i = 0; i < STORE__KINDS; i++) {
		REQUIRE(tally->counts[i] >= 0);
		REQUIRE(reason == REASON_NONE || tally->counts[i] == 0);
	}
	return reason;
}

static enum reason ask(struct store *store, unsigned what, const struct store_key *key)
{
	const struct counter_step step = { STR("name"), 1 };
	struct store_counter counter = { 0 };
	struct store_tally tally;
	bool flag = false;
	unsigned visits = 0;
	enum reason reason;

	switch (what % 7) {
	case 0:
		reason = store->ops->add(store, key, NOW_S + 60, NOW_S, &flag);
		break;
	case 1:
		reason = store->ops->has(store, key, NOW_S + 60, NOW_S, &flag);
		break;
	case 2:
		reason = store->ops->read(store, key, NOW_S, &counter);
		break;
	case 3:
		reason = store->ops->increment(store, key, NOW_S + 60, NOW_S, &counter);
		break;
	case 4:
		reason = count(store, &tally);
		break;
	case 5:
		reason = store->ops->count(store, &step, 1);
		break;
	default:
		reason = store->ops->each_count(store, visit, &visits);
	}
	REQUIRE(reason == REASON_NONE || (!flag && counter.count == 0));
	REQUIRE(counter.count >= 0 && (counter.count == 0 || counter.expires_s >= NOW_S));
	return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_key key = { { STORE_REPLAY } };
	struct store *store = store_redis_new(STR("127.0.0.1"), STR("1"), STR("0"));
	struct str rest = fuzz_input(data, size);
	unsigned what = fuzz_byte(&rest);

	REQUIRE(store != NULL);
	answers = rest;
	if (size < 65536) {
		enum reason reason = ask(store, what, &key);

		REQUIRE(reason == REASON_NONE || reason_is_store(reason));
	}
	store_free(store);
	return 0;
}
