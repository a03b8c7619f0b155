/* SPDX-License-Identifier: MIT */
/* keygen: a new private key in a new file. */
#include "save.h"
#include "config/file.h"
#include "jose/jwk.h"
#include "jose/key.h"
#include "options.h"
#include "output.h"
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define PEM_SIZE 16384 /* bytes; RSA with 8192 bits takes 6.4 KiB */
#define RSA_BITS 2048
#define PRIMES_MAX 4

/* The key that is asked for; bits and primes are RSA's. */
struct plan {
	enum jose_alg alg;
	unsigned bits;
	unsigned primes;
};

/* The algorithm of that name, or JOSE_ALG_NONE and a complaint. */
static enum jose_alg choose_alg(const struct admin *admin, const char *name)
{
	struct str names[JOSE_ALG_PAIRS__MAX];
	size_t name_count = 0;
	enum jose_alg alg = alg_find(str_of(name));

	if (alg != JOSE_ALG_NONE && alg < JOSE_ALG_PAIRS__MAX)
		return alg;
	for (enum jose_alg i = JOSE_ALG_NONE + 1; i < JOSE_ALG_PAIRS__MAX; i++)
		names[name_count++] = str_of(alg_info(i)->name);
	struct str nearest = diag_nearest(str_of(name), names, name_count);

	if (nearest.n > 0)
		output_misuse(admin, "unknown algorithm \"%s\"; did you mean \"%.*s\"?", name,
			(int)nearest.n, nearest.p);
	else
		output_misuse(admin,
			"unknown algorithm \"%s\"; there are RS256, RS384, RS512, "
			"PS256, ES256 and EdDSA",
			name);
	return JOSE_ALG_NONE;
}

/* The directory that the file is to be in; -1: errno says why. */
static int open_directory(const char *path)
{
	char directory[PATH_MAX];
	struct buf buf = buf_init(directory, sizeof(directory));

	buf_str(&buf, file_directory(path));
	buf_text(&buf, ".");
	buf_char(&buf, '\0');
	errno = ENAMETOOLONG;
	return buf.overflow ? -1 : open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static enum reason save_owned(const char *path, struct str text)
{
	struct owner owner;
	int dir = open_directory(path);

	if (dir < 0)
		return REASON_FILE_WRITE;
	enum reason reason = owner_become(&owner, dir);

	if (reason == REASON_NONE) {
		reason = save_new(dir, path + file_directory(path).n, 0600, text);
		owner_return(&owner);
	}
	close(dir);
	return reason;
}

static enum reason save_key(struct admin *admin, EVP_PKEY *pkey, const char *path)
{
	char *text = arena_alloc(admin->arena, PEM_SIZE);

	if (text == NULL)
		return REASON_MEMORY;
	struct buf pem = buf_init(text, PEM_SIZE);
	enum reason reason = key_write_pem(pkey, &pem);

	if (reason == REASON_NONE)
		reason = save_owned(path, buf_view(&pem));
	return reason;
}

static enum reason make_key(const struct plan *plan, EVP_PKEY **pkey)
{
	if (alg_info(plan->alg)->kty == JOSE_KTY_RSA)
		return key_generate_rsa(plan->bits, plan->primes, pkey);
	return key_generate(plan->alg, 0, pkey);
}

static void warn_of_primes(unsigned primes)
{
	if (primes > 2)
		output_fail(
			"warning: a key of %u primes is for this program's RSA only: modules "
			"validated for FIPS 140 (FIPS 186) refuse it, and some hardware does",
			primes);
}

static int generate(struct admin *admin, const struct plan *plan, const char *path)
{
	char kid[JWK_THUMBPRINT_LEN + 1];
	EVP_PKEY *pkey = NULL;
	enum reason reason = make_key(plan, &pkey);

	if (reason == REASON_NONE)
		reason = jwk_thumbprint(pkey, kid);
	if (reason == REASON_NONE)
		reason = save_key(admin, pkey, path);
	EVP_PKEY_free(pkey);
	if (reason != REASON_NONE)
		return output_reason(path, reason);
	warn_of_primes(plan->primes);
	if (admin->json)
		return output_result(
			json_pack("{s:s, s:s, s:o}", "kid", kid, "alg",
				alg_info(plan->alg)->name, "file", output_string(str_of(path))),
			STATUS_DONE);
	puts(kid);
	return STATUS_DONE;
}

/* bits, primes: 0 if they are not given. */
static int check_rsa(const struct admin *admin, enum jose_alg alg, int64_t bits, int64_t primes)
{
	const char *name = alg_info(alg)->name;
	unsigned size = bits == 0 ? RSA_BITS : (unsigned)bits;

	if (bits != 0 && alg_info(alg)->kty != JOSE_KTY_RSA)
		return output_misuse(
			admin, "--bits is for RSA keys; %s has one size only", name);
	if (primes != 0 && alg_info(alg)->kty != JOSE_KTY_RSA)
		return output_misuse(
			admin, "--primes is for RSA keys; one for %s has none", name);
	if (primes > (int64_t)key_primes_most(size))
		return output_misuse(admin,
			"an RSA key of %u bits has at most %u primes; --primes 4 needs "
			"--bits 4096 or more",
			size, key_primes_most(size));
	return STATUS_DONE;
}

int cmd_keygen(struct admin *admin, int argc, char **argv)
{
	int status;
	int64_t bits = 0, primes = 0;
	const char *alg_name = NULL, *path = NULL;
	const struct option options[] = {
		{ "--alg", "ALG", "RS256 (default), RS384, RS512, PS256, ES256 or EdDSA",
			.text = &alg_name },
		{ "--bits", "N", "size of an RSA key, 2048 (default) to 8192", .number = &bits,
			.least = 2048, .most = 8192 },
		{ "--primes", "N", "of an RSA key, 2 (default) to 4: more sign faster",
			.number = &primes, .least = 2, .most = PRIMES_MAX },
		{ "--out", "FILE", "the new file; an existing one is left as it is",
			.required = true, .text = &path },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 5, &status))
		return status;
	enum jose_alg alg = choose_alg(admin, alg_name == NULL ? "RS256" : alg_name);

	if (alg == JOSE_ALG_NONE)
		return STATUS_USAGE;
	status = check_rsa(admin, alg, bits, primes);
	if (status != STATUS_DONE)
		return status;
	const struct plan plan = {
		.alg = alg,
		.bits = bits == 0 ? RSA_BITS : (unsigned)bits,
		.primes = primes == 0 ? 2 : (unsigned)primes,
	};

	return generate(admin, &plan, path);
}
