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
	const struct client *client;
	struct str secret;
	unsigned char digest[SECRET_DIGEST_SIZE];
	int64_t now_s;
	bool slow_hash_ran;
	bool failed; /* crypt(3) could not do its work */
};

/* The kinds of crypt(3) hashes that are accepted, and how one of them looks. */
static const struct hash_kind {
	const char *prefix;
	size_t tail_len;   /* characters behind the last '$' */
	size_t secret_max; /* bytes */
	bool is_bcrypt;
} hash_kinds[] = {
	{ "$2y$", 53, CREDENTIAL_BCRYPT_MAX, true },
	{ "$2b$", 53, CREDENTIAL_BCRYPT_MAX, true },
	{ "$2a$", 53, CREDENTIAL_BCRYPT_MAX, true },
	{ "$y$", 43, CRYPT_MAX_PASSPHRASE_SIZE - 1, false },
	{ "$6$", 86, CRYPT_MAX_PASSPHRASE_SIZE - 1, false },
	{ "$5$", 43, CRYPT_MAX_PASSPHRASE_SIZE - 1, false },
};

static const struct hash_kind *find_kind(struct str hash)
{
	for (size_t i = 0; i < sizeof(hash_kinds) / sizeof(hash_kinds[0]); i++) {
		if (str_starts(hash, str_of(hash_kinds[i].prefix)))
			return &hash_kinds[i];
	}
	return NULL;
}

/* "$2y$12$" and 53 characters more; bcrypt's cost is 04 to 31. */
static bool is_bcrypt(struct str hash)
{
	int64_t cost;

	return hash.n == 60 && str_to_number(str_upto(str_from(hash, 4), 2), 31, &cost) &&
	       cost >= 4 && hash.p[6] == '$';
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

	if (kind == NULL || !is_hashable(attempt->secret, kind->secret_max))
		return false;
	struct str output = str_of(run_crypt(attempt->checker, attempt->secret, hash.p));

	attempt->slow_hash_ran = true;
	attempt->failed = attempt->failed || output.n == 0;
	bool matches = output.n == hash.n && secret_equal(output.p, hash.p, hash.n);

	forget_run(attempt->checker);
	return matches;
}

/* What a wrong secret costs, for a failure that cost nothing yet. */
static void pay(struct attempt *attempt, struct str dummy_hash)
{
	const struct hash_kind *kind = find_kind(dummy_hash);

	if (attempt->slow_hash_ran || kind == NULL)
		return;
	bool hashable = is_hashable(attempt->secret, kind->secret_max);

	(void)run_crypt(attempt->checker, hashable ? attempt->secret : STR(""), dummy_hash.p);
	forget_run(attempt->checker);
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

	buf_str(&data, attempt->client->id);
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

static bool slow_matches(struct attempt *attempt, const struct secret *secret)
{
	unsigned char tag[SECRET_DIGEST_SIZE] = { 0 };
	bool has_tag = memory_tag(attempt, secret->text, tag);
	unsigned char *slot = attempt->checker
				      ->memory[(tag[0] | (size_t)tag[1] << 8) % MEMORY_COUNT];

	if (has_tag && secret_equal(slot, tag, sizeof(tag)))
		return true;
	bool matches = crypt_matches(attempt, secret->text);

	if (has_tag && matches && secret_is_live(secret, attempt->now_s))
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
	const struct secret *found = NULL;

	for (size_t i = 0; i < attempt->client->secret_count; i++) {
		const struct secret *secret = &attempt->client->secrets[i];

		if (!secret_matches(attempt, secret))
			continue;
		found = secret;
		if (secret_is_live(secret, attempt->now_s))
			break;
	}
	return found;
}

static enum reason judge(const struct attempt *attempt, const struct secret *found)
{
	if (attempt->client == NULL)
		return REASON_CLIENT_UNKNOWN;
	if (found == NULL)
		return attempt->failed ? REASON_HASHING : REASON_SECRET_WRONG;
	if (secret_is_live(found, attempt->now_s))
		return REASON_NONE;
	return attempt->now_s < found->not_before_s ? REASON_SECRET_EARLY
						    : REASON_SECRET_EXPIRED;
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

enum reason credential_check(struct credential_checker *checker, const struct client *client,
	struct str dummy_hash, struct str secret, int64_t now_s, const struct secret **matched)
{
	struct attempt attempt = {
		.checker = checker,
		.client = client,
		.secret = secret,
		.now_s = now_s,
	};

	*matched = NULL;
	if (!secret_digest(secret, attempt.digest))
		return REASON_HASHING;
	const struct secret *found = client == NULL ? NULL : find_match(&attempt);
	enum reason reason = judge(&attempt, found);

	if (reason != REASON_NONE)
		pay(&attempt, dummy_hash);
	secret_wipe(attempt.digest, sizeof(attempt.digest));
	*matched = found;
	return reason;
}

bool credential_hash_is_supported(struct str hash)
{
	const struct hash_kind *kind = find_kind(hash);
	size_t tail_len = 0;

	if (kind == NULL || hash.n >= HASH_LEN_MAX || !str_is_visible(hash))
		return false;
	/* Characters that crypt(3) never takes. */
	for (size_t i = 0; i < hash.n; i++) {
		if (str_has(STR(" :;*!\\"), hash.p[i]))
			return false;
	}
	while (tail_len < hash.n && hash.p[hash.n - 1 - tail_len] != '$')
		tail_len++;
	return tail_len == kind->tail_len && (!kind->is_bcrypt || is_bcrypt(hash));
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
