/* SPDX-License-Identifier: MIT */
/* Is this the client's secret?  crypt(3), a memory of what matched, and equal prices. */
#include "domain/credential.h"
#include "util/random.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define MEMORY_COUNT 1024 /* remembered secrets; a power of two */
#define HASH_LEN_MAX CRYPT_OUTPUT_SIZE

struct credential_checker {
	unsigned char key[SECRET_DIGEST_SIZE];
	unsigned char memory[MEMORY_COUNT][SECRET_DIGEST_SIZE];
	struct crypt_data crypt;
	char passphrase[CRYPT_MAX_PASSPHRASE_SIZE]; /* what crypt(3) is given: NUL-terminated */
};

/* One check under way. */
struct attempt {
	struct credential_checker *checker;
	const struct credential_claim *claim;
	unsigned char digest[SECRET_DIGEST_SIZE];
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

/*
 * The keyed digest under which a match is remembered.  The stored hash is part of it, so a
 * secret that was replaced is never remembered for its client.
 */
static bool memory_tag(const struct attempt *attempt, struct str hash,
	unsigned char tag[static SECRET_DIGEST_SIZE])
{
	char memory[CLIENT_ID_MAX + 1 + HASH_LEN_MAX + 1 + SECRET_DIGEST_SIZE];
	struct buf data = buf_init(memory, sizeof(memory));
	size_t tag_len = 0;

	buf_str(&data, attempt->claim->client->id);
	buf_char(&data, '\0');
	buf_str(&data, hash);
	buf_char(&data, '\0');
	buf_str(&data, (struct str){ (const char *)attempt->digest, SECRET_DIGEST_SIZE });
	bool done = !data.overflow &&
		    EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, attempt->checker->key,
			    sizeof(attempt->checker->key), (const unsigned char *)data.p,
			    data.n, tag, SECRET_DIGEST_SIZE, &tag_len) != NULL;

	ERR_clear_error();
	secret_wipe(memory, sizeof(memory));
	return done;
}

/* A claim that is refused anyway neither uses the memory nor adds to it: it must cost the same.
 */
static bool slow_matches(struct attempt *attempt, const struct secret *secret)
{
	const struct credential_claim *claim = attempt->claim;
	unsigned char tag[SECRET_DIGEST_SIZE] = { 0 };
	bool has_tag = !claim->is_refused && memory_tag(attempt, secret->text, tag);
	unsigned char *slot = attempt->checker
				      ->memory[(tag[0] | (size_t)tag[1] << 8) % MEMORY_COUNT];

	if (has_tag && secret_equal(slot, tag, sizeof(tag)))
		return true;
	bool matches = crypt_matches(attempt, secret->text);

	if (has_tag && matches && secret_is_live(secret, claim->now_s))
		memcpy(slot, tag, sizeof(tag));
	return matches;
}

static bool secret_matches(struct attempt *attempt, const struct secret *secret)
{
	if (secret->kind == SECRET_CRYPT)
		return slow_matches(attempt, secret);
	return secret_equal(secret->digest, attempt->digest, sizeof(attempt->digest));
}

/* The first live secret that matches, else one that matches but is not live, else NULL. */
static const struct secret *find_match(struct attempt *attempt)
{
	const struct client *client = attempt->claim->client;
	const struct secret *found = NULL;

	for (size_t i = 0; client != NULL && i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if (!secret_matches(attempt, secret))
			continue;
		found = secret;
		if (secret_is_live(secret, attempt->claim->now_s))
			break;
	}
	return found;
}

static enum reason judge(const struct attempt *attempt, const struct secret *found)
{
	const struct credential_claim *claim = attempt->claim;

	if (claim->client == NULL)
		return REASON_CLIENT_UNKNOWN;
	if (found == NULL)
		return REASON_SECRET_WRONG;
	if (secret_is_live(found, claim->now_s))
		return REASON_NONE;
	return claim->now_s < found->not_before_s ? REASON_SECRET_EARLY : REASON_SECRET_EXPIRED;
}

struct credential_checker *credential_checker_new(void)
{
	struct credential_checker *checker = calloc(1, sizeof(*checker));

	if (checker == NULL)
		return NULL;
	if (random_bytes(checker->key, sizeof(checker->key)) != REASON_NONE) {
		free(checker);
		return NULL;
	}
	return checker;
}

void credential_checker_free(struct credential_checker *checker)
{
	if (checker == NULL)
		return;
	secret_wipe(checker, sizeof(*checker));
	free(checker);
}

void credential_forget(struct credential_checker *checker)
{
	secret_wipe(checker->memory, sizeof(checker->memory));
}

void failure_price_add(struct failure_price *price, const struct client *client)
{
	int64_t total_us = 0;

	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];
		int64_t cost_us = secret->kind == SECRET_CRYPT ? hash_cost_us(secret->text) : 0;

		total_us += cost_us;
		if (cost_us > price->hash_us) {
			price->hash = secret->text;
			price->hash_us = cost_us;
		}
	}
	if (total_us > price->total_us)
		price->total_us = total_us;
}

enum reason credential_check(struct credential_checker *checker,
	const struct failure_price *price, const struct credential_claim *claim,
	const struct secret **matched)
{
	struct attempt attempt = { .checker = checker, .claim = claim };

	*matched = NULL;
	if (!secret_digest(claim->secret, attempt.digest))
		return REASON_HASHING;
	*matched = find_match(&attempt);
	enum reason reason = judge(&attempt, *matched);

	if (reason != REASON_NONE || claim->is_refused) {
		pay(&attempt, price);
		/* Told alike of all, so that nobody learns which clients exist. */
		if (attempt.failed) {
			*matched = NULL;
			reason = REASON_HASHING;
		}
	}
	secret_wipe(attempt.digest, sizeof(attempt.digest));
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
