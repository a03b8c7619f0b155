/* SPDX-License-Identifier: MIT */
/*
 * The LMDB store with records that nobody knows how they came there.
 *
 * Input: entries, each a byte of kind and what belongs to it (see put_next), a byte 255, and
 * operations, two bytes each.
 */
#include "place.h"

#include "state/lmdb_env.h"
#include "state/stores.h"

#define NOW_S INT64_C(1640588828)
#define KEYS 4
#define END 255

enum entry_kind {
	ENTRY_RAW,    /* length of key, length of value, both as they are */
	ENTRY_RECORD, /* number of the key, expiry as a signed byte, count, in both tables */
	ENTRY_HALF,   /* the same in one of the tables only */
	ENTRY_FLOOR,  /* kind, expiry */
	ENTRY__KINDS,
};

static struct lmdb_env env;

static struct store_key key_of(unsigned number)
{
	struct store_key key = { { (unsigned char)(number % (STORE__KINDS + 1)) } };

	memset(key.bytes + 1, (int)(number % KEYS) + 1, STORE_KEY_SIZE - 1);
	return key;
}

static void put_number(unsigned char *p, int64_t number)
{
	uint64_t bits = (uint64_t)number ^ (UINT64_C(1) << 63);

	for (size_t i = 0; i < 8; i++)
		p[i] = (unsigned char)(bits >> (56 - 8 * i));
}

static void put(const void *key, size_t key_n, const void *value, size_t value_n)
{
	unsigned char key_copy[512], value_copy[512];
	MDB_val name = { key_n, key_copy }, content = { value_n, value_copy };

	if (key_n == 0 || key_n > 255 || value_n > 255)
		return;
	memcpy(key_copy, key, key_n);
	memcpy(value_copy, value, value_n);
	REQUIRE(mdb_put(env.txn, env.dbi, &name, &content, 0) == MDB_SUCCESS);
}

static void put_raw(struct str *rest)
{
	size_t key_n = fuzz_byte(rest) % 64, value_n = fuzz_byte(rest) % 32;
	struct str key = str_upto(*rest, key_n);

	*rest = str_from(*rest, key_n);
	put(key.p, key.n, rest->p, rest->n < value_n ? rest->n : value_n);
	*rest = str_from(*rest, value_n);
}

static int64_t time_of(struct str *rest)
{
	return NOW_S + (signed char)fuzz_byte(rest);
}

static void put_record(struct str *rest, unsigned tables)
{
	struct store_key key = key_of(fuzz_byte(rest));
	int64_t expires_s = time_of(rest);
	unsigned char name[64], value[16];

	put_number(value, expires_s);
	put_number(value + 8, (signed char)fuzz_byte(rest));
	name[0] = 2;
	memcpy(name + 1, key.bytes, STORE_KEY_SIZE);
	if ((tables & 1) != 0)
		put(name, 1 + STORE_KEY_SIZE, value, 16);
	name[0] = 1;
	put_number(name + 1, expires_s);
	memcpy(name + 9, key.bytes, STORE_KEY_SIZE);
	if ((tables & 2) != 0)
		put(name, 9 + STORE_KEY_SIZE, "", 0);
}

static void put_floor(struct str *rest)
{
	unsigned char name[2] = { 0, (unsigned char)fuzz_byte(rest) }, value[8];

	put_number(value, time_of(rest));
	put(name, 2, value, 8);
}

static void put_next(unsigned kind, struct str *rest)
{
	switch (kind % ENTRY__KINDS) {
	case ENTRY_RAW:
		put_raw(rest);
		break;
	case ENTRY_RECORD:
		put_record(rest, 3);
		break;
	case ENTRY_HALF:
		put_record(rest, 1 + fuzz_byte(rest) % 2);
		break;
	default:
		put_floor(rest);
	}
}

/* A table with these entries and no others. */
static void fill(const char *path, struct str *rest)
{
	static const unsigned char format[1] = { LMDB_ENV_FORMAT };
	unsigned kind;

	REQUIRE(lmdb_env_init(&env, str_of(path)));
	REQUIRE(lmdb_env_prepare(&env) == REASON_NONE);
	if (lmdb_env_begin(&env, true) != REASON_NONE) {
		/* The input before has made it a table of another format. */
		lmdb_env_close(&env);
		place_remove_tree(path);
		REQUIRE(lmdb_env_init(&env, str_of(path)));
		REQUIRE(lmdb_env_prepare(&env) == REASON_NONE);
		REQUIRE(lmdb_env_begin(&env, true) == REASON_NONE);
	}
	REQUIRE(mdb_drop(env.txn, env.dbi, 0) == MDB_SUCCESS);
	put(LMDB_ENV_FORMAT_KEY, LMDB_ENV_FORMAT_KEY_SIZE, format, 1);
	while (rest->n > 0 && (kind = fuzz_byte(rest)) != END)
		put_next(kind, rest);
	REQUIRE(lmdb_env_commit(&env) == REASON_NONE);
	lmdb_env_close(&env);
}

static void check_reason(enum reason reason)
{
	REQUIRE(reason == REASON_NONE || reason_is_store(reason));
}

/* A record is added once, and is there then. */
static void add(struct store *store, const struct store_key *key, int64_t expires_s)
{
	bool added, again, found;

	enum reason reason = store->ops->add(store, key, expires_s, NOW_S, &added);

	check_reason(reason);
	REQUIRE(reason == REASON_NONE || !added);
	if (!added)
		return;
	REQUIRE(expires_s > NOW_S);
	reason = store->ops->has(store, key, expires_s, NOW_S, &found);
	REQUIRE(reason == REASON_NONE && found);
	reason = store->ops->add(store, key, expires_s, NOW_S, &again);
	REQUIRE(reason == REASON_NONE && !again);
}

static void increment(struct store *store, const struct store_key *key, int64_t expires_s)
{
	struct store_counter before, after;
	enum reason reason = store->ops->read(store, key, NOW_S, &before);

	check_reason(reason);
	REQUIRE(reason == REASON_NONE || before.count == 0);
	reason = store->ops->increment(store, key, expires_s, NOW_S, &after);
	check_reason(reason);
	REQUIRE(reason != REASON_NONE || after.count == 1 || after.count == before.count + 1);
}

static void operate(struct store *store, unsigned operation, unsigned number)
{
	struct store_key key = key_of(number);
	int64_t expires_s = NOW_S + (int64_t)(number / 4) - 8, removed;
	struct store_tally tally;
	bool found;

	/* The program makes keys of the three kinds only. */
	key.bytes[0] %= STORE__KINDS;
	switch (operation % 5) {
	case 0:
		add(store, &key, expires_s);
		break;
	case 1:
		increment(store, &key, expires_s);
		break;
	case 2:
		check_reason(store->ops->has(store, &key, expires_s, NOW_S, &found));
		break;
	case 3:
		check_reason(store->ops->tally(store, NOW_S, &tally));
		break;
	default:
		check_reason(store->ops->prune(store, NOW_S, &removed));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *path;
	struct str rest = fuzz_input(data, size);

	if (size > 4000)
		return 0;
	if (path == NULL)
		path = place_path("state");
	fill(path, &rest);
	struct store *store = store_lmdb_new(str_of(path));

	REQUIRE(store != NULL);
	for (unsigned i = 0; i < 32 && rest.n > 0; i++) {
		unsigned operation = fuzz_byte(&rest);

		operate(store, operation, fuzz_byte(&rest));
	}
	store_free(store);
	return 0;
}
