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
};

/* The kinds of crypt(3) hashes that are accepted, and how one of them looks. */
static const struct hash_kind {
	const char *prefix;
	size_t whole_len; /* 0: varies */
	size_t tail_len;  /* characters behind the last '$' */
	size_t secret_max;
} hash_kinds[] = {
	{ "$2y$", 60, 53, CREDENTIAL_BCRYPT_MAX },
	{ "$2b$", 60, 53, CREDENTIAL_BCRYPT_MAX },
	{ "$2a$", 60, 53, CREDENTIAL_BCRYPT_MAX },
	{ "$y$", 0, 43, CRYPT_MAX_PASSPHRASE_SIZE - 1 },
	{ "$6$", 0, 86, CRYPT_MAX_PASSPHRASE_SIZE - 1 },
	{ "$5$", 0, 43, CRYPT_MAX_PASSPHRASE_SIZE - 1 },
};

static const struct hash_kind *find_kind(struct str hash)
{
	for (size_t i = 0; i < sizeof(hash_kinds) / sizeof(hash_kinds[0]); i++) {
		if (str_starts(hash, str_of(hash_kinds[i].prefix)))
			return &hash_kinds[i];
	}
	return NULL;
}

/* Run crypt(3); false if it cannot, or if the secret is none that it could tell from another.
 */
static bool run_crypt(struct credential_checker *checker, struct str secret,
	const char *setting, struct buf *hash)
{
	if (secret.n >= sizeof(checker->passphrase) || str_has(secret, '\0'))
		return false;
	if (secret.n > 0)
		memcpy(checker->passphrase, secret.p, secret.n);
	checker->passphrase[secret.n] = '\0';
	const char *output = crypt_r(checker->passphrase, setting, &checker->crypt);

	if (output != NULL)
		buf_text(hash, output);
	secret_wipe(checker->passphrase, secret.n);
	secret_wipe(&checker->crypt, sizeof(checker->crypt));
	return hash->n > 0 && hash->p[0] == '$' && !hash->overflow;
}

static bool crypt_matches(struct attempt *attempt, struct str hash)
{
	char memory[HASH_LEN_MAX];
	struct buf output = buf_init(memory, sizeof(memory));
	const struct hash_kind *kind = find_kind(hash);

	if (kind == NULL || attempt->secret.n > kind->secret_max)
		return false;
	if (!run_crypt(attempt->checker, attempt->secret, hash.p, &output))
		return false;
	attempt->slow_hash_ran = true;
	bool equal = output.n == hash.n && secret_equal(output.p, hash.p, hash.n);

	secret_wipe(memory, sizeof(memory));
	return equal;
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
	unsigned char tag[SECRET_DIGEST_SIZE];
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
		return REASON_SECRET_WRONG;
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

	if (reason != REASON_NONE && !attempt.slow_hash_ran && dummy_hash.n > 0)
		(void)crypt_matches(&attempt, dummy_hash);
	secret_wipe(attempt.digest, sizeof(attempt.digest));
	*matched = found;
	return reason;
}

bool credential_hash_is_supported(struct str hash)
{
	const struct hash_kind *kind = find_kind(hash);
	size_t tail_len = 0;

	if (kind == NULL || hash.n >= HASH_LEN_MAX ||
		(kind->whole_len > 0 && hash.n != kind->whole_len))
		return false;
	while (tail_len < hash.n && hash.p[hash.n - 1 - tail_len] != '$')
		tail_len++;
	if (tail_len != kind->tail_len)
		return false;
	for (size_t i = 0; i < hash.n; i++) {
		if (hash.p[i] <= ' ' || hash.p[i] > '~' || str_has(STR(":;*!\\"), hash.p[i]))
			return false;
	}
	return true;
}

enum reason credential_hash(
	struct credential_checker *checker, struct str secret, struct buf *hash)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL)
		return REASON_HASHING;
	return run_crypt(checker, secret, setting, hash) ? REASON_NONE : REASON_HASHING;
}
