/* SPDX-License-Identifier: MIT */
/* Is this the client's secret?  crypt(3), a memory of what matched, and equal prices. */
#include "domain/credential.h"
#include "util/random.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/err.h>
#include <openssl/evp.h>

/* Sets of remembered secrets; both are powers of two. */
#define MEMORY_SETS_MIN 128
#define MEMORY_SETS_MAX 8192
#define MEMORY_WAYS 8 /* in each set */
/* A secret is forgotten when it was not used for so long; tokens mostly live shorter. */
#define MEMORY_AGE_S INT64_C(7200)
#define HASH_LEN_MAX CRYPT_OUTPUT_SIZE

/* A secret that was right. */
struct memory {
	unsigned char tag[SECRET_DIGEST_SIZE];
	int64_t used_s; /* 0: this is free */
};

/*
 * Each secret may be in one of two sets, and comes into the one that has more room: so sets of
 * which half is used do not overflow.  Filled from the left.
 */
struct memories {
	struct memory *items; /* mapped, so that only what is used takes memory; or NULL */
	size_t set_count;
};

struct credential_checker {
	unsigned char key[SECRET_DIGEST_SIZE];
	bool has_key;
	struct memories memories;
	struct crypt_data crypt;
	char passphrase[CRYPT_MAX_PASSPHRASE_SIZE]; /* what crypt(3) is given: NUL-terminated */
	struct credential_runner runner;            /* run is NULL: there is none */
};

/* Slow hashes under way. */
struct attempt {
	struct credential_checker *checker;
	const struct credential_claim *claim;
	int64_t spent_us;
	bool failed; /* crypt(3) could not do its work */
};

/* How the hashes of one kind look, and what one costs: 0 if its parameters are none. */
struct hash_kind {
	struct str prefix;
	size_t tail_len;   /* characters behind the last '$' */
	size_t secret_max; /* bytes */
	int64_t (*cost_us)(struct str parameters);
};

/* The digits of crypt(3)'s base64, in the order of their values. */
static const struct str crypt_digits = STR_CONST(
	"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

static bool has_crypt_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!str_has(crypt_digits, s.p[i]))
			return false;
	}
	return true;
}

static unsigned crypt_digit(char c)
{
	unsigned value = 0;

	while (value < crypt_digits.n && crypt_digits.p[value] != c)
		value++;
	return value;
}

/* "12$": 2^12 rounds of about 60 us, from 04 to 31. */
static int64_t bcrypt_cost_us(struct str parameters)
{
	int64_t cost;

	if (parameters.n != 3 || parameters.p[2] != '$' ||
		!str_to_number(str_upto(parameters, 2), 31, &cost) || cost < 4)
		return 0;
	return INT64_C(60) << cost;
}

/* "j9T$salt$": flags, the binary logarithm of N, r; a time in proportion to N and r. */
static int64_t yescrypt_cost_us(struct str parameters)
{
	struct str head;

	str_cut(&parameters, '$', &head);
	if (head.n < 3 || head.p[0] != 'j' || !has_crypt_digits(head))
		return 0;
	unsigned n_log2 = crypt_digit(head.p[1]) + 1;
	unsigned r = crypt_digit(head.p[2]) + 1;

	return n_log2 > 24 ? 0 : ((INT64_C(1) << n_log2) * r + 4) / 5;
}

/* "rounds=N$salt$", or 5000 rounds; each takes about 1 us. */
static int64_t sha_cost_us(struct str parameters)
{
	int64_t rounds = 5000;
	struct str head;

	if (!str_starts(parameters, STR("rounds=")))
		return rounds;
	str_cut(&parameters, '$', &head);
	if (!str_to_number(str_from(head, STR("rounds=").n), 999999999, &rounds))
		return 0;
	return rounds < 1000 ? 0 : rounds;
}

static const struct hash_kind hash_kinds[] = {
	{ STR_CONST("$2y$"), 53, CREDENTIAL_BCRYPT_MAX, bcrypt_cost_us },
	{ STR_CONST("$2b$"), 53, CREDENTIAL_BCRYPT_MAX, bcrypt_cost_us },
	{ STR_CONST("$2a$"), 53, CREDENTIAL_BCRYPT_MAX, bcrypt_cost_us },
	{ STR_CONST("$y$"), 43, CRYPT_MAX_PASSPHRASE_SIZE - 1, yescrypt_cost_us },
	{ STR_CONST("$6$"), 86, CRYPT_MAX_PASSPHRASE_SIZE - 1, sha_cost_us },
	{ STR_CONST("$5$"), 43, CRYPT_MAX_PASSPHRASE_SIZE - 1, sha_cost_us },
};

static const struct hash_kind *find_kind(struct str hash)
{
	for (size_t i = 0; i < sizeof(hash_kinds) / sizeof(hash_kinds[0]); i++) {
		if (str_starts(hash, hash_kinds[i].prefix))
			return &hash_kinds[i];
	}
	return NULL;
}

/* What the hash costs; 0 if it is none that crypt(3) could run. */
static int64_t hash_cost_us(struct str hash)
{
	const struct hash_kind *kind = find_kind(hash);
	/* A bcrypt hash has no '$' between its salt and its digest. */
	if (kind == NULL || hash.n < kind->prefix.n + kind->tail_len)
		return 0;
	struct str parameters = str_from(hash, kind->prefix.n);

	return kind->cost_us(str_upto(parameters, parameters.n - kind->tail_len));
}

/* Can a hash that looks at `max` bytes tell the secret from every other? */
static bool is_hashable(struct str secret, size_t max)
{
	return secret.n <= max && !str_has(secret, '\0');
}

/*
 * Run crypt(3) on a secret that is_hashable.  Returns its output, borrowed from the checker
 * until forget_run, or NULL: it failed.
 */
static const char *run_crypt(
	struct credential_checker *checker, struct str secret, const char *setting)
{
	if (secret.n > 0)
		memcpy(checker->passphrase, secret.p, secret.n);
	checker->passphrase[secret.n] = '\0';
	const char *output = crypt_r(checker->passphrase, setting, &checker->crypt);

	return output != NULL && output[0] == '$' ? output : NULL;
}

static void forget_run(struct credential_checker *checker)
{
	secret_wipe(checker->passphrase, sizeof(checker->passphrase));
	secret_wipe(&checker->crypt, sizeof(checker->crypt));
}

static bool crypt_matches(struct attempt *attempt, struct str hash)
{
	const struct hash_kind *kind = find_kind(hash);
	struct str secret = attempt->claim->secret;

	if (kind == NULL || !is_hashable(secret, kind->secret_max))
		return false;
	struct str output = str_of(run_crypt(attempt->checker, secret, hash.p));

	/* Hashes that crypt(3) does not take are refused when they are loaded. */
	attempt->failed = attempt->failed || output.n == 0;
	attempt->spent_us += output.n == 0 ? 0 : hash_cost_us(hash);
	bool matches = output.n == hash.n && secret_equal(output.p, hash.p, hash.n);

	forget_run(attempt->checker);
	return matches;
}

/* The rest of the price; what is left below half a hash is nearer to none than to one. */
static void pay(struct attempt *attempt, const struct failure_price *price)
{
	const struct hash_kind *kind = find_kind(price->hash);

	if (kind == NULL)
		return;
	bool hashable = is_hashable(attempt->claim->secret, kind->secret_max);
	struct str text = hashable ? attempt->claim->secret : STR("");

	while (price->total_us - attempt->spent_us >= (price->hash_us + 1) / 2) {
		if (run_crypt(attempt->checker, text, price->hash.p) == NULL)
			attempt->failed = true;
		forget_run(attempt->checker);
		attempt->spent_us += price->hash_us;
	}
}

/* Made when it is needed: a process without random bytes must be there to say so. */
static bool make_key(struct credential_checker *checker)
{
	if (!checker->has_key)
		checker->has_key = random_bytes(checker->key, sizeof(checker->key)) ==
				   REASON_NONE;
	return checker->has_key;
}

static bool keyed_digest(struct credential_checker *checker, const struct buf *data,
	unsigned char digest[static SECRET_DIGEST_SIZE])
{
	size_t digest_len = 0;
	bool done = !data->overflow && make_key(checker) &&
		    EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, checker->key,
			    sizeof(checker->key), (const unsigned char *)data->p, data->n,
			    digest, SECRET_DIGEST_SIZE, &digest_len) != NULL;

	ERR_clear_error();
	return done;
}

/*
 * The keyed digest under which a match is remembered.  The stored hash is part of it, so a
 * secret that was replaced is never remembered for its client.
 */
static bool memory_tag(const struct credential_work *work, struct str hash,
	unsigned char tag[static SECRET_DIGEST_SIZE])
{
	char memory[CLIENT_ID_MAX + 1 + HASH_LEN_MAX + 1 + SECRET_DIGEST_SIZE];
	struct buf data = buf_init(memory, sizeof(memory));

	buf_str(&data, work->claim->client->id);
	buf_char(&data, '\0');
	buf_str(&data, hash);
	buf_char(&data, '\0');
	buf_str(&data, (struct str){ (const char *)work->digest, SECRET_DIGEST_SIZE });
	bool done = keyed_digest(work->checker, &data, tag);

	secret_wipe(memory, sizeof(memory));
	return done;
}

/* The places of a tag, those of its two sets by turns. */
static struct memory *memory_place(
	const struct memories *memories, const unsigned char *tag, size_t i)
{
	const unsigned char *bytes = tag + i % 2 * 2;
	size_t set = (size_t)(bytes[0] | bytes[1] << 8) % memories->set_count;

	return &memories->items[set * MEMORY_WAYS + i / 2];
}

static size_t memory_count(const struct memories *memories)
{
	return memories->set_count * MEMORY_WAYS;
}

/* The clock may have been set back meanwhile. */
static bool is_fresh(const struct memory *memory, int64_t now_s)
{
	return memory->used_s != 0 && now_s - memory->used_s < MEMORY_AGE_S &&
	       memory->used_s - now_s < MEMORY_AGE_S;
}

static struct memory *find_memory(const struct credential_work *work, const unsigned char *tag)
{
	const struct memories *memories = &work->checker->memories;

	if (memories->items == NULL)
		return NULL;
	for (size_t i = 0; i < 2 * MEMORY_WAYS; i++) {
		struct memory *place = memory_place(memories, tag, i);

		if (is_fresh(place, work->claim->now_s) &&
			secret_equal(place->tag, tag, sizeof(place->tag)))
			return place;
	}
	return NULL;
}

/* Into a free place, or instead of the one that was not used for longest. */
static void put_memory(const struct memories *memories, const struct memory *memory)
{
	struct memory *oldest = memory_place(memories, memory->tag, 0);

	for (size_t i = 1; i < 2 * MEMORY_WAYS; i++) {
		struct memory *place = memory_place(memories, memory->tag, i);

		if (place->used_s < oldest->used_s)
			oldest = place;
	}
	*oldest = *memory;
}

static void unmap_memories(struct memories *memories)
{
	if (memories->items == NULL)
		return;
	/* Only what was used: else all of it would be touched. */
	for (size_t i = 0; i < memory_count(memories); i++) {
		if (memories->items[i].used_s != 0)
			secret_wipe(&memories->items[i], sizeof(struct memory));
	}
	munmap(memories->items, memory_count(memories) * sizeof(struct memory));
	*memories = (struct memories){ 0 };
}

/* Twice as many places as hashes, of which some may have been replaced lately. */
static size_t wanted_sets(const struct failure_price *price)
{
	size_t set_count = MEMORY_SETS_MIN;

	while (set_count < MEMORY_SETS_MAX && set_count * MEMORY_WAYS / 2 < price->hash_count)
		set_count *= 2;
	return set_count;
}

/* What is remembered comes along.  Without memory it stays as it is. */
static void grow_memories(struct memories *memories, size_t set_count)
{
	size_t size = set_count * MEMORY_WAYS * sizeof(struct memory);
	void *items = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct memories grown = { items, set_count };

	if (items == MAP_FAILED)
		return;
	for (size_t i = 0; i < memory_count(memories); i++) {
		if (memories->items[i].used_s != 0)
			put_memory(&grown, &memories->items[i]);
	}
	unmap_memories(memories);
	*memories = grown;
}

/* A claim that is refused anyway does not use the memory, nor add to it: it must cost the same
 * as a secret that is wrong. */
static bool is_remembered(const struct credential_work *work, struct str hash)
{
	unsigned char tag[SECRET_DIGEST_SIZE];

	if (!memory_tag(work, hash, tag))
		return false;
	struct memory *found = find_memory(work, tag);

	if (found == NULL || work->claim->is_refused)
		return false;
	found->used_s = work->claim->now_s;
	return true;
}

static void remember(const struct credential_work *work, const struct secret *secret)
{
	struct memories *memories = &work->checker->memories;
	struct memory memory = { .used_s = work->claim->now_s };
	size_t set_count = wanted_sets(work->price);

	if (work->claim->is_refused || secret->kind != SECRET_CRYPT ||
		!secret_is_live(secret, work->claim->now_s) ||
		!memory_tag(work, secret->text, memory.tag))
		return;
	if (memories->set_count < set_count)
		grow_memories(memories, set_count);
	if (memories->items != NULL)
		put_memory(memories, &memory);
}

/* Of a slow hash: where it stands, when it is live, what it is. */
static void add_secret(struct buf *data, const struct client *client, size_t i)
{
	const struct secret *secret = &client->secrets[i];

	buf_number(data, (int64_t)i);
	buf_char(data, ' ');
	buf_number(data, secret->not_before_s);
	buf_char(data, ' ');
	buf_number(data, secret->expires_s);
	buf_char(data, ' ');
	buf_str(data, secret->text);
}

/* The digest of what is digested so far, and of one more slow hash. */
static bool digest_secret(const struct credential_work *work, size_t i,
	unsigned char id[static SECRET_DIGEST_SIZE])
{
	char memory[SECRET_DIGEST_SIZE + 64 + HASH_LEN_MAX];
	struct buf data = buf_init(memory, sizeof(memory));

	buf_str(&data, (struct str){ (const char *)id, SECRET_DIGEST_SIZE });
	add_secret(&data, work->claim->client, i);
	return keyed_digest(work->checker, &data, id);
}

static bool digest_claim(
	const struct credential_work *work, unsigned char id[static SECRET_DIGEST_SIZE])
{
	char memory[SECRET_DIGEST_SIZE + 1 + CLIENT_ID_MAX];
	const struct client *client = work->claim->client;
	struct buf data = buf_init(memory, sizeof(memory));

	buf_str(&data, (struct str){ (const char *)work->digest, SECRET_DIGEST_SIZE });
	buf_char(&data, work->claim->is_refused ? 'r' : ' ');
	buf_str(&data, client != NULL ? client->id : STR(""));
	bool done = keyed_digest(work->checker, &data, id);

	secret_wipe(memory, sizeof(memory));
	return done;
}

static bool matches_fast(const struct credential_work *work, const struct secret *secret)
{
	if (secret->kind == SECRET_CRYPT)
		return is_remembered(work, secret->text);
	return secret_equal(secret->digest, work->digest, sizeof(work->digest));
}

/* Without slow hashes: the first live secret that matches, else one that is not live, else
 * NULL. */
static const struct secret *find_fast(const struct credential_work *work)
{
	const struct client *client = work->claim->client;
	const struct secret *found = NULL;

	for (size_t i = 0; client != NULL && i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if (!matches_fast(work, secret))
			continue;
		found = secret;
		if (secret_is_live(secret, work->claim->now_s))
			break;
	}
	return found;
}

static bool is_success(const struct credential_claim *claim, const struct secret *found)
{
	return found != NULL && !claim->is_refused && secret_is_live(found, claim->now_s);
}

static bool has_slow_hash(const struct client *client)
{
	for (size_t i = 0; client != NULL && i < client->secret_count; i++) {
		if (client->secrets[i].kind == SECRET_CRYPT)
			return true;
	}
	return false;
}

static enum reason run_work(
	const struct credential_work *work, struct credential_verdict *verdict)
{
	const struct credential_runner *runner = &work->checker->runner;

	*verdict = (struct credential_verdict){ 0 };
	if (work->price->hash.n == 0 && !has_slow_hash(work->claim->client))
		return REASON_NONE;
	if (runner->run != NULL)
		return runner->run(runner->context, work, verdict);
	credential_work_run(work, verdict);
	return REASON_NONE;
}

static enum reason judge(const struct credential_claim *claim, const struct secret *found)
{
	if (claim->client == NULL)
		return REASON_CLIENT_UNKNOWN;
	if (found == NULL)
		return REASON_SECRET_WRONG;
	if (secret_is_live(found, claim->now_s))
		return REASON_NONE;
	return claim->now_s < found->not_before_s ? REASON_SECRET_EARLY : REASON_SECRET_EXPIRED;
}

static enum reason check(const struct credential_work *work, const struct secret **matched)
{
	const struct credential_claim *claim = work->claim;
	const struct secret *found = find_fast(work);
	struct credential_verdict verdict = { 0 };
	enum reason reason = REASON_NONE;

	if (!is_success(claim, found))
		reason = run_work(work, &verdict);
	if (reason != REASON_NONE)
		return reason;
	if (verdict.matches) {
		found = &claim->client->secrets[verdict.matched];
		remember(work, found);
	}
	reason = judge(claim, found);
	/* Told alike of all, so that nobody learns which clients exist. */
	if (verdict.failed && (reason != REASON_NONE || claim->is_refused))
		return REASON_HASHING;
	*matched = found;
	return reason;
}

struct credential_checker *credential_checker_new(void)
{
	return calloc(1, sizeof(struct credential_checker));
}

void credential_checker_free(struct credential_checker *checker)
{
	if (checker == NULL)
		return;
	unmap_memories(&checker->memories);
	secret_wipe(checker, sizeof(*checker));
	free(checker);
}

void credential_tidy(struct credential_checker *checker, int64_t now_s)
{
	for (size_t i = 0; i < memory_count(&checker->memories); i++) {
		struct memory *memory = &checker->memories.items[i];

		if (memory->used_s != 0 && !is_fresh(memory, now_s))
			secret_wipe(memory, sizeof(*memory));
	}
}

void failure_price_add(struct failure_price *price, const struct client *client)
{
	int64_t total_us = 0;

	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];
		int64_t cost_us = secret->kind == SECRET_CRYPT ? hash_cost_us(secret->text) : 0;

		price->hash_count += secret->kind == SECRET_CRYPT;
		total_us += cost_us;
		if (cost_us > price->hash_us) {
			price->hash = secret->text;
			price->hash_us = cost_us;
		}
	}
	if (total_us > price->total_us)
		price->total_us = total_us;
}

void credential_use_runner(
	struct credential_checker *checker, const struct credential_runner *runner)
{
	checker->runner = *runner;
}

bool credential_work_id(
	const struct credential_work *work, unsigned char id[static SECRET_DIGEST_SIZE])
{
	const struct client *client = work->claim->client;
	bool done = digest_claim(work, id);

	for (size_t i = 0; done && client != NULL && i < client->secret_count; i++) {
		if (client->secrets[i].kind == SECRET_CRYPT)
			done = digest_secret(work, i, id);
	}
	if (!done)
		secret_wipe(id, SECRET_DIGEST_SIZE);
	return done;
}

void credential_work_run(const struct credential_work *work, struct credential_verdict *verdict)
{
	const struct credential_claim *claim = work->claim;
	const struct client *client = claim->client;
	struct attempt attempt = { .checker = work->checker, .claim = claim };
	bool live = false;

	*verdict = (struct credential_verdict){ 0 };
	for (size_t i = 0; !live && client != NULL && i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if (secret->kind != SECRET_CRYPT || !crypt_matches(&attempt, secret->text))
			continue;
		verdict->matches = true;
		verdict->matched = i;
		live = secret_is_live(secret, claim->now_s);
	}
	if (!live || claim->is_refused)
		pay(&attempt, work->price);
	verdict->failed = attempt.failed;
}

bool credential_is_right(struct credential_checker *checker,
	const struct credential_claim *claim, const struct secret **matched)
{
	struct credential_work work = { .checker = checker, .claim = claim };

	*matched = NULL;
	if (!secret_digest(claim->secret, work.digest))
		return false;
	const struct secret *found = find_fast(&work);

	secret_wipe(work.digest, sizeof(work.digest));
	if (is_success(claim, found))
		*matched = found;
	return *matched != NULL;
}

enum reason credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched)
{
	struct credential_work work = { .checker = checker, .price = price, .claim = claim };

	*matched = NULL;
	if (!secret_digest(claim->secret, work.digest))
		return REASON_HASHING;
	enum reason reason = check(&work, matched);

	secret_wipe(work.digest, sizeof(work.digest));
	return reason;
}

bool credential_hash_is_supported(struct str hash)
{
	const struct hash_kind *kind = find_kind(hash);

	if (kind == NULL || hash.n >= HASH_LEN_MAX || hash_cost_us(hash) == 0)
		return false;
	/* Characters that crypt(3) never takes. */
	for (size_t i = 0; i < hash.n; i++) {
		if (hash.p[i] <= ' ' || hash.p[i] > '~' || str_has(STR(":;*!\\"), hash.p[i]))
			return false;
	}
	size_t head_len = hash.n - kind->tail_len;

	return hash.p[head_len - 1] == '$' && has_crypt_digits(str_from(hash, head_len));
}

enum reason credential_hash(
	struct credential_checker *checker, struct str secret, struct buf *hash)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	enum reason reason = REASON_HASHING;

	if (!is_hashable(secret, CRYPT_MAX_PASSPHRASE_SIZE - 1) ||
		crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL)
		return REASON_HASHING;
	const char *output = run_crypt(checker, secret, setting);

	if (output != NULL) {
		buf_text(hash, output);
		reason = hash->overflow ? REASON_HASHING : REASON_NONE;
	}
	forget_run(checker);
	return reason;
}
