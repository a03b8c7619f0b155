/* SPDX-License-Identifier: MIT */
/* Tests of domain/credential, with the hashes of tests/vectors/crypt.json; linked with --wrap
 * of crypt_r, crypt_gensalt_rn, EVP_Q_mac, EVP_Digest, RAND_bytes and mmap, to count and to
 * fail. */
#include "fixture.h"

#include <crypt.h>
#include <errno.h>
#include <sys/mman.h>
#include <openssl/err.h>
#include <openssl/evp.h>

char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__real_crypt_gensalt_rn(const char *prefix, unsigned long count, const char *rbytes,
	int nrbytes, char *output, int size);
char *__wrap_crypt_gensalt_rn(const char *prefix, unsigned long count, const char *rbytes,
	int nrbytes, char *output, int size);
unsigned char *__real_EVP_Q_mac(OSSL_LIB_CTX *libctx, const char *name, const char *propq,
	const char *subalg, const OSSL_PARAM *params, const void *key, size_t keylen,
	const unsigned char *data, size_t datalen, unsigned char *out, size_t outsize,
	size_t *outlen);
unsigned char *__wrap_EVP_Q_mac(OSSL_LIB_CTX *libctx, const char *name, const char *propq,
	const char *subalg, const OSSL_PARAM *params, const void *key, size_t keylen,
	const unsigned char *data, size_t datalen, unsigned char *out, size_t outsize,
	size_t *outlen);
int __real_RAND_bytes(unsigned char *p, int n);
int __wrap_RAND_bytes(unsigned char *p, int n);
int __real_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned *size,
	const EVP_MD *type, ENGINE *impl);
int __wrap_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned *size,
	const EVP_MD *type, ENGINE *impl);
void *__real_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int rights, int flags, int fd, off_t offset);

static unsigned hash_count;
static const char *hash_result; /* what crypt_r returns instead of hashing */
static int hash_error;          /* errno then */
static bool hash_fails, salt_fails, mac_fails, digest_fails, map_fails, random_fails;

char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	static char failure[8];

	hash_count++;
	if (!hash_fails)
		return __real_crypt_r(phrase, setting, data);
	errno = hash_error;
	if (!hash_result)
		return NULL;
	strncpy(failure, hash_result, sizeof(failure) - 1);
	return failure;
}

char *__wrap_crypt_gensalt_rn(const char *prefix, unsigned long count, const char *rbytes,
	int nrbytes, char *output, int size)
{
	if (salt_fails)
		return NULL;
	return __real_crypt_gensalt_rn(prefix, count, rbytes, nrbytes, output, size);
}

unsigned char *__wrap_EVP_Q_mac(OSSL_LIB_CTX *libctx, const char *name, const char *propq,
	const char *subalg, const OSSL_PARAM *params, const void *key, size_t keylen,
	const unsigned char *data, size_t datalen, unsigned char *out, size_t outsize,
	size_t *outlen)
{
	if (mac_fails)
		return NULL;
	return __real_EVP_Q_mac(libctx, name, propq, subalg, params, key, keylen, data, datalen,
		out, outsize, outlen);
}

int __wrap_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned *size,
	const EVP_MD *type, ENGINE *impl)
{
	return digest_fails ? 0 : __real_EVP_Digest(data, count, md, size, type, impl);
}

int __wrap_RAND_bytes(unsigned char *p, int n)
{
	return random_fails ? 0 : __real_RAND_bytes(p, n);
}

void *__wrap_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset)
{
	return map_fails ? MAP_FAILED : __real_mmap(at, n, rights, flags, fd, offset);
}

void *__wrap_mmap64(void *at, size_t n, int rights, int flags, int fd, off_t offset)
{
	return __wrap_mmap(at, n, rights, flags, fd, offset);
}

static struct credential_checker *checker;

/* A check whose failures cost one run of `dummy`, or nothing if that is empty. */
static enum reason check_with(struct credential_checker *with, const struct client *client,
	struct str dummy, struct str secret, int64_t now_s, const struct secret **matched)
{
	const struct secret slow = { .kind = SECRET_CRYPT, .text = dummy };
	const struct client other = { .secrets = &slow, .secret_count = dummy.n > 0 };
	const struct credential_claim claim = { client, secret, now_s, false };
	struct failure_price price = { 0 };

	failure_price_add(&price, &other);
	return credential_check(with, &price, &claim, matched);
}

static int make_checker(void **state)
{
	(void)state;
	checker = credential_checker_new();
	hash_count = 0;
	return checker ? 0 : 1;
}

static int free_checker(void **state)
{
	(void)state;
	credential_checker_free(checker);
	return 0;
}

static const struct str slow_hash = TEXT(FIXTURE_SLOW_HASH);
static const struct str no_hash = TEXT("");

static void test_vectors(void **state)
{
	json_t *vectors = support_vectors("crypt.json");
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		struct str hash = support_member(vector, "hash");
		bool supported = json_is_true(json_object_get(vector, "supported"));
		bool matches = json_is_true(json_object_get(vector, "matches"));
		struct secret secret = { .kind = SECRET_CRYPT, .text = hash };
		struct client client = {
			.id = STR("a"), .secrets = &secret, .secret_count = 1
		};
		const struct secret *matched = &secret;

		CHECK(credential_hash_is_supported(hash) == supported, name);
		if (!supported)
			continue;
		CHECK_REASON(check_with(checker, &client, slow_hash,
				     support_member(vector, "secret"), NOW_S, &matched),
			matches ? REASON_NONE : REASON_SECRET_WRONG, name);
		CHECK(matched == (matches ? &secret : NULL), name);
	}
	json_decref(vectors);
	check_end();
}

static void test_digests(void **state)
{
	static const struct {
		const char *name;
		struct str secret;
		bool matches;
	} cases[] = {
		{ "the secret", TEXT("abc"), true },
		{ "other case", TEXT("ABC"), false },
		{ "shorter", TEXT("ab"), false },
		{ "longer", TEXT("abcd"), false },
		{ "a NUL behind it", TEXT("abc\0"), false },
		{ "empty", TEXT(""), false },
		{ "the digest itself",
			TEXT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a"
			     "d"),
			false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned plain = 0; plain < 2; plain++) {
			struct secret secret = fixture_secret("abc");
			struct client client = {
				.id = STR("a"), .secrets = &secret, .secret_count = 1
			};
			const struct secret *matched = NULL;

			if (plain) {
				secret.kind = SECRET_PLAIN;
				secret.text = STR("abc");
			}
			CHECK_REASON(check_with(checker, &client, no_hash, cases[i].secret,
					     NOW_S, &matched),
				cases[i].matches ? REASON_NONE : REASON_SECRET_WRONG,
				cases[i].name);
			CHECK(matched == (cases[i].matches ? &secret : NULL), cases[i].name);
		}
	}
	CHECK_NUMBER(hash_count, 0, "no slow hash");
	check_end();
}

static void test_times(void **state)
{
	static const struct {
		const char *name;
		int64_t limits[2][2]; /* of two equal secrets: not_before_s, expires_s */
		enum reason wanted;
		size_t matched;
	} cases[] = {
		{ "both live", { { 0, 0 }, { 0, 0 } }, REASON_NONE, 2 },
		{ "first expired", { { 0, NOW_S }, { 0, 0 } }, REASON_NONE, 1 },
		{ "first early", { { NOW_S + 1, 0 }, { 0, 0 } }, REASON_NONE, 1 },
		{ "second expired", { { 0, 0 }, { 0, NOW_S } }, REASON_NONE, 0 },
		{ "both expired", { { 0, NOW_S }, { 0, NOW_S - 1 } }, REASON_SECRET_EXPIRED,
			2 },
		{ "both early", { { NOW_S + 1, 0 }, { NOW_S + 9, 0 } }, REASON_SECRET_EARLY,
			2 },
		{ "last second of both", { { NOW_S, NOW_S + 1 }, { NOW_S, NOW_S + 1 } },
			REASON_NONE, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct secret secrets[2] = { fixture_secret("abc"), fixture_secret("abc") };
		struct client client = {
			.id = STR("a"), .secrets = secrets, .secret_count = 2
		};
		const struct secret *matched = NULL;

		for (size_t j = 0; j < 2; j++) {
			secrets[j].not_before_s = cases[i].limits[j][0];
			secrets[j].expires_s = cases[i].limits[j][1];
		}
		CHECK_REASON(check_with(checker, &client, no_hash, STR("abc"), NOW_S, &matched),
			cases[i].wanted, cases[i].name);
		CHECK(matched != NULL, cases[i].name);
		CHECK(cases[i].matched == 2 || matched == &secrets[cases[i].matched],
			cases[i].name);
		CHECK_REASON(check_with(checker, &client, no_hash, STR("abd"), NOW_S, &matched),
			REASON_SECRET_WRONG, cases[i].name);
		CHECK(!matched, cases[i].name);
	}
	check_end();
}

static void test_any_of_them(void **state)
{
	struct secret secrets[4] = { fixture_secret("one"), fixture_slow_secret(),
		fixture_secret("three"), fixture_secret("four") };
	struct client client = { .id = STR("a"), .secrets = secrets, .secret_count = 4 };
	static const char *const texts[] = { "one", FIXTURE_SLOW_SECRET, "three", "four" };
	const struct secret *matched;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		CHECK_REASON(check_with(checker, &client, no_hash, str_of(texts[i]), NOW_S,
				     &matched),
			REASON_NONE, texts[i]);
		CHECK(matched == &secrets[i], texts[i]);
	}
	CHECK_REASON(check_with(checker, &client, no_hash, STR("five"), NOW_S, &matched),
		REASON_SECRET_WRONG, "none of them");
	client.secret_count = 0;
	CHECK_REASON(check_with(checker, &client, no_hash, STR("one"), NOW_S, &matched),
		REASON_SECRET_WRONG, "no secrets");
	check_end();
}

/* What each failure costs: one slow hash where there are slow hashes, else none. */
static void test_costs(void **state)
{
	struct secret fast = fixture_secret("abc");
	struct secret slow = fixture_slow_secret();
	struct client fast_client = { .id = STR("f"), .secrets = &fast, .secret_count = 1 };
	struct client slow_client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct {
		const char *name;
		const struct client *client;
		struct str dummy_hash;
		struct str secret;
		enum reason wanted;
		unsigned hashes;
	} cases[] = {
		{ "unknown client", NULL, slow_hash, STR("abc"), REASON_CLIENT_UNKNOWN, 1 },
		{ "unknown client, again", NULL, slow_hash, STR("abc"), REASON_CLIENT_UNKNOWN,
			1 },
		{ "unknown client, no slow hashes", NULL, no_hash, STR("abc"),
			REASON_CLIENT_UNKNOWN, 0 },
		{ "fast and wrong", &fast_client, slow_hash, STR("abd"), REASON_SECRET_WRONG,
			1 },
		{ "fast and wrong, no slow hashes", &fast_client, no_hash, STR("abd"),
			REASON_SECRET_WRONG, 0 },
		{ "fast and right", &fast_client, slow_hash, STR("abc"), REASON_NONE, 0 },
		{ "slow and wrong", &slow_client, slow_hash, STR("abc"), REASON_SECRET_WRONG,
			1 },
		{ "slow and wrong, again", &slow_client, slow_hash, STR("abc"),
			REASON_SECRET_WRONG, 1 },
		{ "slow and right", &slow_client, slow_hash, STR(FIXTURE_SLOW_SECRET),
			REASON_NONE, 1 },
		{ "slow and right, remembered", &slow_client, slow_hash,
			STR(FIXTURE_SLOW_SECRET), REASON_NONE, 0 },
		{ "slow and wrong, after that", &slow_client, slow_hash, STR("abc"),
			REASON_SECRET_WRONG, 1 },
		{ "remembered for one client only", &fast_client, slow_hash,
			STR(FIXTURE_SLOW_SECRET), REASON_SECRET_WRONG, 1 },
		{ "remembered for no unknown client", NULL, slow_hash, STR(FIXTURE_SLOW_SECRET),
			REASON_CLIENT_UNKNOWN, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct secret *matched;

		hash_count = 0;
		CHECK_REASON(check_with(checker, cases[i].client, cases[i].dummy_hash,
				     cases[i].secret, NOW_S, &matched),
			cases[i].wanted, cases[i].name);
		CHECK_NUMBER(hash_count, cases[i].hashes, cases[i].name);
		CHECK((matched != NULL) == (cases[i].wanted == REASON_NONE), cases[i].name);
	}
	check_end();
}

/* Whoever the client is said to be, a failure costs what the costliest client's costs. */
static void test_price_of_several(void **state)
{
	const struct secret three[] = { fixture_slow_secret(), fixture_slow_secret(),
		fixture_slow_secret() };
	const struct client clients[] = {
		{ .id = STR("three"), .secrets = three, .secret_count = 3 },
		{ .id = STR("one"), .secrets = three, .secret_count = 1 },
		{ .id = STR("none") },
	};
	const struct credential_claim claims[] = {
		{ &clients[0], STR("wrong"), NOW_S, false },
		{ &clients[1], STR("wrong"), NOW_S, false },
		{ &clients[2], STR("wrong"), NOW_S, false },
		{ NULL, STR("wrong"), NOW_S, false },
		{ &clients[1], STR("wrong"), NOW_S, true },
		{ &clients[1], STR(FIXTURE_SLOW_SECRET), NOW_S, true },
		{ &clients[1], STR(FIXTURE_SLOW_SECRET), NOW_S, true },
	};
	struct failure_price price = { 0 };
	const struct secret *matched;

	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++)
		failure_price_add(&price, &clients[i]);
	for (size_t i = 0; i < COUNT(claims); i++) {
		hash_count = 0;
		(void)!credential_check(checker, &price, &claims[i], &matched);
		CHECK_NUMBER(
			hash_count, 3, claims[i].client ? claims[i].client->id.p : "unknown");
	}
	check_end();
}

/* The costliest hash is the one that all pay for, not the first. */
static void test_price_of_kinds(void **state)
{
	static const struct {
		struct str hash;
		int64_t cost_us;
	} cases[] = {
		{ TEXT("$2y$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"), 960 },
		{ TEXT("$2y$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
			245760 },
		{ TEXT("$y$j9T$salt$1234567890123456789012345678901234567890123"), 26215 },
		{ TEXT("$y$j75$salt$1234567890123456789012345678901234567890123"), 1639 },
		{ TEXT("$5$salt$1234567890123456789012345678901234567890123"), 5000 },
		{ TEXT("$5$rounds=90000$salt$1234567890123456789012345678901234567890123"),
			90000 },
		{ TEXT("$5$rounds=1$salt$1234567890123456789012345678901234567890123"), 0 },
		{ TEXT("$y$ZZZ$salt$1234567890123456789012345678901234567890123"), 0 },
		{ TEXT("$5$rounds=many$salt$1234567890123456789012345678901234567890123"), 0 },
		{ TEXT("$y$j9!$salt$1234567890123456789012345678901234567890123"), 0 },
		{ TEXT("$y$J9T$salt$1234567890123456789012345678901234567890123"), 0 },
		{ TEXT("$1$salt$1234567890123456789012"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct secret secret = { .kind = SECRET_CRYPT, .text = cases[i].hash };
		const struct client client = { .secrets = &secret, .secret_count = 1 };
		struct failure_price price = { 0 };

		failure_price_add(&price, &client);
		CHECK_NUMBER(price.hash_us, cases[i].cost_us, cases[i].hash.p);
		CHECK(credential_hash_is_supported(cases[i].hash) == (cases[i].cost_us > 0),
			cases[i].hash.p);
	}
	check_end();
}

#define SHA_TAIL "$1234567890123456789012345678901234567890123"

/* Parameters alone make no hash: one that crypt(3) would not take is not loaded. */
static void test_unsupported(void **state)
{
	static const struct {
		const char *name;
		struct str hash;
		bool supported;
	} cases[] = {
		{ "as it should be", TEXT("$5$salt" SHA_TAIL), true },
		{ "a control", TEXT("$5$sa\x7ft" SHA_TAIL), false },
		{ "a blank", TEXT("$5$sa t" SHA_TAIL), false },
		{ "a byte above ASCII", TEXT("$5$sa\xc3t" SHA_TAIL), false },
		{ "a colon", TEXT("$5$sa:t" SHA_TAIL), false },
	};
	char longest[CRYPT_OUTPUT_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(credential_hash_is_supported(cases[i].hash) == cases[i].supported,
			cases[i].name);
	for (size_t n = CRYPT_OUTPUT_SIZE - 1; n <= CRYPT_OUTPUT_SIZE; n++) {
		memset(longest, 'x', sizeof(longest));
		memcpy(longest, "$5$", 3);
		memcpy(longest + n - strlen(SHA_TAIL), SHA_TAIL, strlen(SHA_TAIL));
		CHECK(credential_hash_is_supported((struct str){ longest, n }) ==
				(n < CRYPT_OUTPUT_SIZE),
			"longer than any output of crypt(3)");
	}
	check_end();
}

/* A kind that is not known is never run, and nothing matches it. */
static void test_unknown_kind(void **state)
{
	const struct secret unknown = { .kind = SECRET_CRYPT,
		.text = STR("$1$salt$1234567890123456789012") };
	const struct client client = { .id = STR("u"), .secrets = &unknown, .secret_count = 1 };
	const struct secret *matched;

	(void)state;
	CHECK_REASON(check_with(checker, &client, no_hash, STR("abc"), NOW_S, &matched),
		REASON_SECRET_WRONG, "not run");
	CHECK_NUMBER(hash_count, 0, "not run");
	CHECK(!matched, "not run");
	check_end();
}

/* A hash that crypt(3) refuses is refused when it is loaded; later it is no wrong secret. */
static void test_unusable_hash(void **state)
{
	const struct secret unusable = { .kind = SECRET_CRYPT,
		.text = STR("$y$jzz$salt$1234567890123456789012345678901234567890123") };
	const struct client client = {
		.id = STR("u"), .secrets = &unusable, .secret_count = 1
	};
	const struct secret *matched;

	(void)state;
	CHECK(!credential_hash_is_supported(unusable.text), "unusable");
	CHECK_REASON(check_with(checker, &client, slow_hash, STR("abc"), NOW_S, &matched),
		REASON_HASHING, "unusable");
	check_end();
}

static void test_too_long_for_bcrypt(void **state)
{
	struct secret slow = fixture_slow_secret();
	struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	static char text[CREDENTIAL_BCRYPT_MAX + 1];
	const struct secret *matched;

	(void)state;
	memset(text, 'x', sizeof(text));
	hash_count = 0;
	CHECK_REASON(check_with(checker, &client, slow_hash, (struct str){ text, sizeof(text) },
			     NOW_S, &matched),
		REASON_SECRET_WRONG, "73 bytes");
	CHECK_NUMBER(hash_count, 1, "costs as much as any failure");
	hash_count = 0;
	CHECK_REASON(check_with(checker, NULL, slow_hash, (struct str){ text, sizeof(text) },
			     NOW_S, &matched),
		REASON_CLIENT_UNKNOWN, "73 bytes, unknown client");
	CHECK_NUMBER(hash_count, 1, "costs as much as any failure");
	check_end();
}

static void test_memory(void **state)
{
	struct secret slow = fixture_slow_secret();
	struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct secret *matched;

	(void)state;
	CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET), NOW_S,
			     &matched),
		REASON_NONE, "first");
	slow.expires_s = NOW_S + 5;
	CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET), NOW_S + 5,
			     &matched),
		REASON_SECRET_EXPIRED, "remembered, but expired");
	slow.expires_s = 0;
	slow.not_before_s = NOW_S + 5;
	CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET), NOW_S,
			     &matched),
		REASON_SECRET_EARLY, "remembered, but early");
	slow.not_before_s = 0;

	/* What is remembered belongs to the hash, not to the client. */
	slow.text = STR("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
	CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET), NOW_S,
			     &matched),
		REASON_SECRET_WRONG, "another hash");
	check_end();
}

static void test_memory_age(void **state)
{
	static const struct {
		const char *name;
		int64_t tidied_s; /* 0: not */
		int64_t now_s;
		unsigned hashes;
	} steps[] = {
		{ "first", 0, NOW_S, 1 },
		{ "nearly two hours", NOW_S + 7199, NOW_S + 7199, 0 },
		{ "the age counts from the last use", NOW_S + 14398, NOW_S + 14398, 0 },
		{ "two hours", 0, NOW_S + 21598, 1 },
		{ "a clock that was set back", NOW_S + 14399, NOW_S + 14399, 0 },
		{ "set back by two hours", 0, NOW_S + 7199, 1 },
		{ "both are kept", NOW_S + 10000, NOW_S + 10000, 0 },
		{ "wiped", NOW_S + 90000, NOW_S + 10000, 1 },
		{ "wiped, too", NOW_S - 90000, NOW_S + 10000, 1 },
	};
	struct secret slow = fixture_slow_secret();
	struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct secret *matched;

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		hash_count = 0;
		if (steps[i].tidied_s != 0)
			credential_tidy(checker, steps[i].tidied_s);
		CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET),
				     steps[i].now_s, &matched),
			REASON_NONE, steps[i].name);
		CHECK_NUMBER(hash_count, steps[i].hashes, steps[i].name);
	}
	check_end();
}

/* The same quick hash, of the secret "a", for each of them. */
static struct secret quick_secret(void)
{
	static struct crypt_data data; /* 32 KiB: not for the stack */

	return (struct secret){ .kind = SECRET_CRYPT,
		.text = str_of(__real_crypt_r("a", "$5$rounds=1000$abc$", &data)) };
}

/* How many hashes it takes to check the secrets of these clients, once each. */
static unsigned hash_round(size_t first, size_t end, size_t configured)
{
	const struct secret slow = quick_secret();
	struct failure_price price = { .hash_count = configured };

	hash_count = 0;
	for (size_t i = first; i < end; i++) {
		char id[24];
		struct client client = { .secrets = &slow, .secret_count = 1 };
		const struct credential_claim claim = { &client, STR("a"), NOW_S, false };
		const struct secret *matched;

		snprintf(id, sizeof(id), "c%zu", i);
		client.id = str_of(id);
		CHECK_REASON(
			credential_check(checker, &price, &claim, &matched), REASON_NONE, id);
	}
	return hash_count;
}

/* As many clients as there are do not drive each other out, nor do half as many old ones. */
static void test_memory_of_several(void **state)
{
	static const size_t counts[] = { 100, 300, 500, 1000, 2000 };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct credential_checker *outer = checker;
		char name[32];

		snprintf(name, sizeof(name), "%zu clients", counts[i]);
		checker = credential_checker_new();
		assert_non_null(checker);
		CHECK_NUMBER(hash_round(0, counts[i], counts[i]), counts[i], name);
		CHECK_NUMBER(hash_round(0, counts[i], counts[i]), 0, name);
		CHECK_NUMBER(hash_round(0, counts[i], counts[i]), 0, name);
		credential_checker_free(checker);
		checker = outer;
	}
	check_end();
}

/* More clients after a reload: what was remembered before still is. */
static void test_memory_grows(void **state)
{
	static const size_t counts[] = { 400, 1000, 1001, 2000, 400 };
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		size_t end = counts[i] > known ? counts[i] : known;

		CHECK_NUMBER(hash_round(0, known, counts[i]), 0, "before");
		CHECK_NUMBER(hash_round(known, end, counts[i]), end - known, "new ones");
		CHECK_NUMBER(hash_round(0, end, counts[i]), 0, "all of them");
		known = end;
	}
	credential_tidy(checker, NOW_S + 7200);
	CHECK_NUMBER(hash_round(0, 1000, 1000), 1000, "wiped");
	check_end();
}

/* Without memory for more, it goes on with what there is. */
static void test_memory_cannot_grow(void **state)
{
	(void)state;
	map_fails = true;
	CHECK_NUMBER(hash_round(0, 2, 400), 2, "nothing is remembered");
	CHECK_NUMBER(hash_round(0, 2, 400), 2, "nothing is remembered");
	credential_tidy(checker, NOW_S);
	map_fails = false;
	CHECK_NUMBER(hash_round(0, 400, 400), 400, "it is, now");
	map_fails = true;
	CHECK_NUMBER(hash_round(0, 400, 4000), 0, "and stays");
	CHECK_NUMBER(hash_round(400, 401, 4000), 1, "with a new one");
	CHECK_NUMBER(hash_round(0, 401, 4000), 0, "with a new one");
	map_fails = false;
	CHECK_NUMBER(hash_round(401, 2000, 4000), 1599, "grown");
	CHECK_NUMBER(hash_round(0, 2000, 4000), 0, "grown");
	check_end();
}

/* There is an end to it: more hashes than it has places for take no more memory. */
static void test_memory_is_bounded(void **state)
{
	(void)state;
	CHECK_NUMBER(hash_round(0, 20, 1000000), 20, "a million hashes");
	CHECK_NUMBER(hash_round(0, 20, 1000000), 0, "remembered");
	CHECK_NUMBER(hash_round(0, 20, 2000000), 0, "it is as large as it gets");
	check_end();
}

/* Slow ones only, of all clients. */
static void test_count_of_hashes(void **state)
{
	const struct secret secrets[] = { fixture_slow_secret(), fixture_secret("a"),
		fixture_slow_secret() };
	const struct client clients[] = {
		{ .secrets = secrets, .secret_count = 3 },
		{ .secrets = secrets, .secret_count = 2 },
		{ .secrets = secrets + 1, .secret_count = 1 },
		{ .secret_count = 0 },
	};
	struct failure_price price = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++)
		failure_price_add(&price, &clients[i]);
	CHECK_NUMBER(price.hash_count, 3, "of two clients");
	check_end();
}

/* What can be told without slow hashes: that a secret is right, and nothing else. */
static void test_fast(void **state)
{
	struct secret secrets[] = { fixture_secret("fast"), fixture_slow_secret(),
		fixture_secret("late"), fixture_secret("early") };
	const struct client client = { .id = STR("a"), .secrets = secrets, .secret_count = 4 };
	const struct {
		const char *name;
		struct credential_claim claim;
		bool is_learned, is_right; /* the slow one was checked before */
	} cases[] = {
		{ "by its digest", { &client, STR("fast"), NOW_S, false }, false, true },
		{ "refused", { &client, STR("fast"), NOW_S, true }, false, false },
		{ "wrong", { &client, STR("wrong"), NOW_S, false }, false, false },
		{ "unknown", { NULL, STR("fast"), NOW_S, false }, false, false },
		{ "expired", { &client, STR("late"), NOW_S, false }, false, false },
		{ "early", { &client, STR("early"), NOW_S, false }, false, false },
		{ "slow", { &client, STR(FIXTURE_SLOW_SECRET), NOW_S, false }, false, false },
		{ "remembered", { &client, STR(FIXTURE_SLOW_SECRET), NOW_S, false }, true,
			true },
		{ "remembered, refused", { &client, STR(FIXTURE_SLOW_SECRET), NOW_S, true },
			true, false },
	};
	const struct secret *matched;

	(void)state;
	secrets[2].expires_s = NOW_S;
	secrets[3].not_before_s = NOW_S + 1;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].is_learned)
			CHECK_REASON(check_with(checker, &client, no_hash,
					     STR(FIXTURE_SLOW_SECRET), NOW_S, &matched),
				REASON_NONE, "learned");
		hash_count = 0;
		matched = secrets;
		CHECK(credential_is_right(checker, &cases[i].claim, &matched) ==
				cases[i].is_right,
			cases[i].name);
		CHECK((matched != NULL) == cases[i].is_right, cases[i].name);
		CHECK_NUMBER(hash_count, 0, cases[i].name);
	}
	check_end();
}

static void take_id(const struct client *client, struct str secret, bool is_refused,
	unsigned char id[static SECRET_DIGEST_SIZE])
{
	const struct failure_price price = { 0 };
	const struct credential_claim claim = { client, secret, NOW_S, is_refused };
	struct credential_work work = { .checker = checker, .price = &price, .claim = &claim };

	assert_true(secret_digest(secret, work.digest));
	assert_true(credential_work_id(&work, id));
}

/* The same work has the same id, wherever its client is kept; other work has another. */
static void test_work_id(void **state)
{
	const struct secret slow = fixture_slow_secret();
	struct secret late = slow, early = slow, other = slow;
	const struct secret fast = fixture_secret("abc");
	const struct secret secrets[][2] = { { slow, fast }, { fast, slow }, { slow, slow } };

	late.expires_s = NOW_S;
	early.not_before_s = NOW_S;
	other.text = STR("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
	const struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct {
		const char *name;
		struct client client; /* its id empty: unknown */
		struct str secret;
		bool is_refused, same;
	} cases[] = {
		{ "a copy", client, TEXT("abc"), false, true },
		{ "a fast secret behind it",
			{ .id = STR("s"), .secrets = secrets[0], .secret_count = 2 },
			TEXT("abc"), false, true },
		{ "a fast secret before it",
			{ .id = STR("s"), .secrets = secrets[1], .secret_count = 2 },
			TEXT("abc"), false, false },
		{ "a second slow hash",
			{ .id = STR("s"), .secrets = secrets[2], .secret_count = 2 },
			TEXT("abc"), false, false },
		{ "no slow hash", { .id = STR("s"), .secrets = &fast, .secret_count = 1 },
			TEXT("abc"), false, false },
		{ "expired", { .id = STR("s"), .secrets = &late, .secret_count = 1 },
			TEXT("abc"), false, false },
		{ "early", { .id = STR("s"), .secrets = &early, .secret_count = 1 },
			TEXT("abc"), false, false },
		{ "another hash", { .id = STR("s"), .secrets = &other, .secret_count = 1 },
			TEXT("abc"), false, false },
		{ "another client", { .id = STR("t"), .secrets = &slow, .secret_count = 1 },
			TEXT("abc"), false, false },
		{ "unknown", { .id = STR("") }, TEXT("abc"), false, false },
		{ "another secret", client, TEXT("abd"), false, false },
		{ "refused", client, TEXT("abc"), true, false },
	};
	unsigned char wanted[SECRET_DIGEST_SIZE], id[SECRET_DIGEST_SIZE];

	(void)state;
	take_id(&client, STR("abc"), false, wanted);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct client *claimed = cases[i].client.id.n ? &cases[i].client : NULL;

		take_id(claimed, cases[i].secret, cases[i].is_refused, id);
		CHECK(secret_equal(id, wanted, sizeof(id)) == cases[i].same, cases[i].name);
	}
	check_end();
}

static void test_work_id_fails(void **state)
{
	static const unsigned char zeros[SECRET_DIGEST_SIZE];
	const struct credential_claim claim = { .secret = STR("abc") };
	const struct credential_work work = { .checker = checker, .claim = &claim };
	unsigned char id[SECRET_DIGEST_SIZE] = { 1 };

	(void)state;
	mac_fails = true;
	CHECK(!credential_work_id(&work, id), "EVP_Q_mac");
	mac_fails = false;
	CHECK(secret_equal(id, zeros, sizeof(id)), "zeros");
	check_end();
}

/* A hash that is longer than any must not be cut off, and so be taken for another. */
static void test_work_id_of_long(void **state)
{
	static const unsigned char zeros[SECRET_DIGEST_SIZE];
	static char text[CRYPT_OUTPUT_SIZE + 200];
	const struct secret slow = { .kind = SECRET_CRYPT, .text = { text, sizeof(text) } };
	const struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct credential_claim claim = { .client = &client, .secret = STR("abc") };
	const struct credential_work work = { .checker = checker, .claim = &claim };
	unsigned char id[SECRET_DIGEST_SIZE] = { 1 };

	(void)state;
	memset(text, 'x', sizeof(text));
	CHECK(!credential_work_id(&work, id), "too long");
	CHECK(secret_equal(id, zeros, sizeof(id)), "zeros");
	check_end();
}

/* More clients than any memory keeps: each answer stays right. */
static void test_many(void **state)
{
	const struct secret slow = quick_secret();
	static char ids[3000][8];

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct client client = { .secrets = &slow, .secret_count = 1 };
		const struct secret *matched;

		snprintf(ids[i], sizeof(ids[i]), "c%zu", i);
		client.id = str_of(ids[i]);
		CHECK_REASON(check_with(checker, &client, no_hash, STR("a"), NOW_S, &matched),
			REASON_NONE, ids[i]);
		if (i % 100 == 0)
			CHECK_REASON(check_with(checker, &client, no_hash, STR("b"), NOW_S,
					     &matched),
				REASON_SECRET_WRONG, ids[i]);
	}
	check_end();
}

static void test_hash(void **state)
{
	static const struct str texts[] = { TEXT("correct horse"), TEXT("\xc3\xa4"),
		TEXT("x") };
	char first[256], space[256];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf buf = buf_init(space, sizeof(space));
		struct buf other = buf_init(first, sizeof(first));
		struct secret secret = { .kind = SECRET_CRYPT };
		struct client client = {
			.id = STR("a"), .secrets = &secret, .secret_count = 1
		};
		const struct secret *matched;

		CHECK_REASON(credential_hash(checker, texts[i], &buf), REASON_NONE, texts[i].p);
		CHECK_REASON(
			credential_hash(checker, texts[i], &other), REASON_NONE, texts[i].p);
		CHECK(str_starts(buf_view(&buf), STR("$y$")), texts[i].p);
		CHECK(credential_hash_is_supported(buf_view(&buf)), texts[i].p);
		CHECK(!str_eq(buf_view(&buf), buf_view(&other)), "its own salt");
		CHECK(!str_contains(buf_view(&buf), texts[i]) || texts[i].n == 1, texts[i].p);
		secret.text = buf_view(&buf);
		buf_char(&buf, '\0');
		other = buf_init(first, sizeof(first));
		buf_text(&other, "hash: ");
		CHECK_REASON(
			credential_hash(checker, texts[i], &other), REASON_NONE, "appended");
		CHECK(str_starts(buf_view(&other), STR("hash: $y$")), "appended");
		CHECK_REASON(check_with(checker, &client, no_hash, texts[i], NOW_S, &matched),
			REASON_NONE, texts[i].p);
	}
	check_end();
}

static void test_hash_fails(void **state)
{
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	salt_fails = true;
	CHECK_REASON(credential_hash(checker, STR("a"), &buf), REASON_HASHING, "no salt");
	salt_fails = false;
	hash_fails = true;
	CHECK_REASON(credential_hash(checker, STR("a"), &buf), REASON_HASHING, "no hash");
	hash_result = "*0";
	CHECK_REASON(
		credential_hash(checker, STR("a"), &buf), REASON_HASHING, "a failure token");
	hash_fails = false;
	CHECK(!str_contains(buf_view(&buf), STR("*")), "nothing is appended");
	CHECK_REASON(credential_hash(checker, STR("a\0b"), &buf), REASON_HASHING,
		"crypt(3) would read a part of it");
	CHECK_NUMBER(buf.n, 0, "nothing is appended");
	buf = buf_init(space, 20);
	CHECK_REASON(credential_hash(checker, STR("a"), &buf), REASON_HASHING, "no room");
	check_end();
}

static void test_check_fails(void **state)
{
	static const char *const results[] = { NULL, "*0", "*1" };
	struct secret slow = fixture_slow_secret();
	struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct secret *matched;

	(void)state;
	hash_fails = true;
	for (size_t i = 0; i < COUNT(results); i++) {
		hash_result = results[i];
		CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET),
				     NOW_S, &matched),
			REASON_HASHING, "crypt_r");
		CHECK(!matched, "crypt_r");
	}
	hash_fails = false;
	mac_fails = true;
	CHECK_REASON(check_with(checker, &client, no_hash, STR("wrong"), NOW_S, &matched),
		REASON_SECRET_WRONG, "EVP_Q_mac");
	CHECK(!matched, "EVP_Q_mac");
	mac_fails = false;
	CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET), NOW_S,
			     &matched),
		REASON_NONE, "and then it works");
	credential_checker_free(NULL);
	check_end();
}

/* What cannot be digested is not right, and no wrong secret either. */
static void test_digest_fails(void **state)
{
	const struct secret fast = fixture_secret("abc");
	const struct client client = { .id = STR("f"), .secrets = &fast, .secret_count = 1 };
	const struct credential_claim claim = { &client, STR("abc"), NOW_S, false };
	const struct secret *matched = &fast;

	(void)state;
	digest_fails = true;
	CHECK(!credential_is_right(checker, &claim, &matched) && !matched, "unknown");
	CHECK_REASON(check_with(checker, &client, no_hash, STR("abc"), NOW_S, &matched),
		REASON_HASHING, "EVP_Digest");
	digest_fails = false;
	CHECK(credential_is_right(checker, &claim, &matched), "and then it works");
	CHECK(matched == &fast, "and then it works");
	check_end();
}

/* Without random bytes there is no key for the memory: what is right is right all the same. */
static void test_no_random(void **state)
{
	const struct secret slow = fixture_slow_secret();
	const struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	const struct secret *matched;

	(void)state;
	random_fails = true;
	for (unsigned i = 0; i < 2; i++)
		CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET),
				     NOW_S, &matched),
			REASON_NONE, "right");
	CHECK_NUMBER(hash_count, 2, "not remembered");
	CHECK_REASON(check_with(checker, &client, no_hash, STR("wrong"), NOW_S, &matched),
		REASON_SECRET_WRONG, "wrong");
	random_fails = false;
	hash_count = 0;
	for (unsigned i = 0; i < 2; i++)
		CHECK_REASON(check_with(checker, &client, no_hash, STR(FIXTURE_SLOW_SECRET),
				     NOW_S, &matched),
			REASON_NONE, "and then it works");
	CHECK_NUMBER(hash_count, 1, "remembered");
	check_end();
}

/* One hash that crypt(3) cannot do keeps nobody out who has another secret that is right. */
static void test_check_fails_for_one(void **state)
{
	const struct secret unusable = { .kind = SECRET_CRYPT,
		.text = STR("$y$jzz" SHA_TAIL "45678901234567890123456789012345") };
	const struct secret secrets[] = { unusable, unusable, fixture_slow_secret() };
	const struct client client = { .id = STR("u"), .secrets = secrets, .secret_count = 3 };
	struct failure_price price = { 0 };
	const struct secret *matched;
	const struct {
		const char *name;
		struct credential_claim claim;
		enum reason wanted;
	} cases[] = {
		{ "refused, whatever the secret",
			{ &client, STR(FIXTURE_SLOW_SECRET), NOW_S, true }, REASON_HASHING },
		{ "wrong", { &client, STR("wrong"), NOW_S, false }, REASON_HASHING },
		{ "right", { &client, STR(FIXTURE_SLOW_SECRET), NOW_S, false }, REASON_NONE },
	};

	(void)state;
	failure_price_add(&price, &client);
	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK_REASON(credential_check(checker, &price, &cases[i].claim, &matched),
			cases[i].wanted, cases[i].name);
		CHECK((matched != NULL) == (cases[i].wanted == REASON_NONE), cases[i].name);
	}
	check_end();
}

/* Another process, that was to hash, has died. */
static enum reason run_fails(
	void *context, const struct credential_work *work, struct credential_verdict *verdict)
{
	(void)context;
	(void)work;
	*verdict = (struct credential_verdict){ .failed = true };
	return REASON_NONE;
}

/* What crypt(3) cannot do is no wrong secret, and is told alike of all: yescrypt reports a lack
 * of memory as EINVAL. */
static void test_check_fails_alike(void **state)
{
	struct secret slow = fixture_slow_secret();
	struct client client = { .id = STR("s"), .secrets = &slow, .secret_count = 1 };
	struct failure_price price = { 0 };
	const struct secret *matched;
	const struct credential_claim claims[] = {
		{ .client = &client, .secret = STR(FIXTURE_SLOW_SECRET), .now_s = NOW_S },
		{ .client = &client, .secret = STR("wrong"), .now_s = NOW_S },
		{ .client = &client,
			.secret = STR(FIXTURE_SLOW_SECRET),
			.now_s = NOW_S,
			.is_refused = true },
		{ .secret = STR("wrong"), .now_s = NOW_S },
	};

	(void)state;
	failure_price_add(&price, &client);
	hash_fails = true;
	hash_result = "*0";
	hash_error = EINVAL;
	for (size_t i = 0; i < COUNT(claims); i++) {
		CHECK_REASON(credential_check(checker, &price, &claims[i], &matched),
			REASON_HASHING, "alike");
		CHECK(!matched, "alike");
	}
	hash_fails = false;
	hash_error = 0;
	credential_use_runner(checker, &(struct credential_runner){ .run = run_fails });
	for (size_t i = 0; i < COUNT(claims); i++) {
		CHECK_REASON(credential_check(checker, &price, &claims[i], &matched),
			REASON_HASHING, "alike, by a runner");
		CHECK(!matched, "alike, by a runner");
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vectors, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_digests, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_times, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_any_of_them, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_costs, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_price_of_several, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_price_of_kinds, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_unsupported, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_unknown_kind, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_unusable_hash, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_too_long_for_bcrypt, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_memory, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_memory_age, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_memory_of_several, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_memory_grows, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_memory_cannot_grow, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_memory_is_bounded, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_count_of_hashes, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_fast, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_work_id, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_work_id_fails, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_work_id_of_long, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_many, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_hash, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_hash_fails, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_check_fails, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_digest_fails, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(test_no_random, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_check_fails_for_one, make_checker, free_checker),
		cmocka_unit_test_setup_teardown(
			test_check_fails_alike, make_checker, free_checker),
	};

	return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
