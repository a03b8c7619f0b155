/* SPDX-License-Identifier: MIT */
/* Wiping, comparison in constant time, and files that only their owner reads. */
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* Bytes: of pieces that the C library's fastest loop is for. */
#define STACK_PIECE 1024
#define STACK_PIECES 15

/* Called by what no compiler can know: it would see that nobody needs the copy. */
static void *(*const volatile copy)(void *, const void *, size_t) = memcpy;

static enum reason check_open_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return REASON_FILE_OPEN;
	if (!S_ISREG(st.st_mode))
		return REASON_FILE_TYPE;
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return REASON_FILE_MODE;
	return REASON_NONE;
}

void secret_wipe(void *p, size_t size)
{
	OPENSSL_cleanse(p, size);
}

void secret_wipe_stack(void)
{
	unsigned char room[STACK_PIECES][STACK_PIECE];

	for (size_t i = 0; i < STACK_PIECES; i++)
		explicit_bzero(room[i], sizeof(room[i]));
	for (size_t size = STACK_PIECE; size > 0; size /= 2)
		copy(room[0], room[1], size);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

bool secret_digest(struct str s, unsigned char digest[static SECRET_DIGEST_SIZE])
{
	return EVP_Digest(s.p, s.n, digest, NULL, EVP_sha256(), NULL) == 1;
}

enum reason secret_file_open(const char *path, int *fd)
{
	*fd = -1;
	int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (opened < 0)
		return REASON_FILE_OPEN;
	enum reason reason = check_open_file(opened);

	if (reason != REASON_NONE) {
		close(opened);
		return reason;
	}
	*fd = opened;
	return REASON_NONE;
}
