/* SPDX-License-Identifier: MIT */
/* The bare signature, unit of all figures: by libcrypto alone, with contexts that are kept. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 400 /* about a token's header and claims */
#define SIGNATURE_MAX 1024
#define PROCESS_MAX 256

struct signer {
	EVP_MD_CTX *prepared; /* copied for each signature */
	EVP_MD_CTX *ctx;
	unsigned char text[TEXT_SIZE];
};

/* What one process has done; in memory that all share. */
struct work {
	uint64_t signs;
	int64_t cpu_ns;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY *key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, NULL, NULL);

	if (file != NULL)
		fclose(file);
	return key;
}

static bool open_signer(struct signer *signer, const char *path)
{
	EVP_PKEY *key = read_key(path);
	bool has_digest = key != NULL && EVP_PKEY_get_id(key) != EVP_PKEY_ED25519;

	memset(signer->text, 'x', sizeof(signer->text));
	signer->prepared = EVP_MD_CTX_new();
	signer->ctx = EVP_MD_CTX_new();
	return key != NULL && signer->prepared != NULL && signer->ctx != NULL &&
	       EVP_DigestSignInit(signer->prepared, NULL, has_digest ? EVP_sha256() : NULL,
		       NULL, key) == 1;
}

static bool sign(struct signer *signer)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof(signature);

	return EVP_MD_CTX_copy_ex(signer->ctx, signer->prepared) == 1 &&
	       EVP_DigestSign(signer->ctx, signature, &n, signer->text, sizeof(signer->text)) ==
		       1;
}

static bool sign_many(struct signer *signer, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		if (!sign(signer))
			return false;
	}
	return true;
}

static bool sign_for(struct signer *signer, int64_t duration_ns, struct work *work)
{
	int64_t until_ns = now_ns(CLOCK_MONOTONIC) + duration_ns;
	int64_t before_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	while (now_ns(CLOCK_MONOTONIC) < until_ns) {
		if (!sign(signer))
			return false;
		work->signs++;
	}
	work->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - before_ns;
	return true;
}

static struct work *start(struct signer *signer, int64_t duration_ns, int processes)
{
	struct work *work = mmap(NULL, PROCESS_MAX * sizeof(*work), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; work != MAP_FAILED && i < processes; i++) {
		if (fork() == 0)
			_exit(sign_for(signer, duration_ns, &work[i]) ? 0 : 1);
	}
	return work == MAP_FAILED ? NULL : work;
}

/* Until all have ended; false if one of them failed. */
static bool await(int processes)
{
	bool good = true;

	for (int i = 0; i < processes; i++) {
		int status;

		good = wait(&status) > 0 && status == 0 && good;
	}
	return good;
}

/* Prints CPU microseconds of a signature, and signatures a second of all processes. */
static bool measure(struct signer *signer, double duration_s, int processes)
{
	const struct work *work = start(signer, (int64_t)(duration_s * 1e9), processes);
	struct work all = { 0 };

	if (work == NULL || !await(processes))
		return false;
	for (int i = 0; i < processes; i++) {
		all.signs += work[i].signs;
		all.cpu_ns += work[i].cpu_ns;
	}
	if (all.signs == 0)
		return false;
	printf("%.3f %.1f\n", (double)all.cpu_ns / 1e3 / (double)all.signs,
		(double)all.signs / duration_s);
	return true;
}

int main(int argc, char **argv)
{
	struct signer signer;
	int processes = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;

	if (argc < 3 || argc > 4 || (argc == 4 && (processes < 1 || processes > PROCESS_MAX))) {
		fprintf(stderr,
			"usage: unit KEY COUNT             make this many signatures\n"
			"       unit KEY SECONDS PROCESSES  sign for a time, and print\n"
			"                                   CPU us of one, and signs a "
			"second\n");
		return 2;
	}
	if (!open_signer(&signer, argv[1])) {
		fprintf(stderr, "unit: %s: no private key that signs\n", argv[1]);
		return 1;
	}
	bool good = argc == 3 ? sign_many(&signer, strtoul(argv[2], NULL, 10))
			      : measure(&signer, strtod(argv[2], NULL), processes);

	if (!good)
		fprintf(stderr, "unit: a signature failed\n");
	return good ? 0 : 1;
}
