/* SPDX-License-Identifier: MIT */
/* A directory with keys, secrets and odd files for the tests of the configuration. */
#ifndef TESTS_CONFIG_FIXTURES_H
#define TESTS_CONFIG_FIXTURES_H

#include "jose/jwk.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#define SHA256_HASH "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define BCRYPT_HASH "$2y$10$abcdefghijklmnopqrstuuJ8Q0m1n2o3p4q5r6s7t8u9v0w1x2y3z"

static char directory[] = "/tmp/oauth2-config-XXXXXX";

/* Valid until the next call but three. */
static const char *in_directory(const char *name)
{
	static char paths[4][512];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, mode_t mode, const void *data, size_t data_len)
{
	const char *path = in_directory(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, data_len), data_len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void write_text(const char *name, mode_t mode, const char *text)
{
	write_file(name, mode, text, strlen(text));
}

static void write_pem(const char *name, EVP_PKEY *pkey)
{
	char *pem;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long length = BIO_get_mem_data(bio, &pem);

	write_file(name, 0600, pem, (size_t)length);
	BIO_free(bio);
}

static void make_key(const char *name, EVP_PKEY *pkey)
{
	assert_non_null(pkey);
	write_pem(name, pkey);
	EVP_PKEY_free(pkey);
}

static void make_public_key(const char *name)
{
	char *pem;
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *pkey = EVP_EC_gen("P-256");

	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	long length = BIO_get_mem_data(bio, &pem);

	write_file(name, 0600, pem, (size_t)length);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void make_encrypted_key(const char *name)
{
	char *pem;
	char passphrase[] = "passphrase";
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *pkey = EVP_EC_gen("P-256");

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
				 bio, pkey, EVP_aes_128_cbc(), passphrase, 10, NULL, NULL),
		1);
	long length = BIO_get_mem_data(bio, &pem);

	write_file(name, 0600, pem, (size_t)length);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

/* The private half of one key with the public half of another. */
static void make_mixed_key(const char *name)
{
	unsigned char point[65];
	size_t point_len;
	BIGNUM *secret = NULL;
	EVP_PKEY *one = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *mixed = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

	assert_int_equal(EVP_PKEY_get_bn_param(one, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
	assert_int_equal(EVP_PKEY_get_octet_string_param(other, OSSL_PKEY_PARAM_PUB_KEY, point,
				 sizeof(point), &point_len),
		1);
	OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, point_len);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret);
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);

	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &mixed, EVP_PKEY_KEYPAIR, parameters), 1);
	make_key(name, mixed);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(ctx);
	BN_free(secret);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}

static void make_keys(void)
{
	make_key("rsa.pem", EVP_RSA_gen(2048));
	make_key("weak.pem", EVP_RSA_gen(1024));
	make_key("ec.pem", EVP_EC_gen("P-256"));
	make_key("ec2.pem", EVP_EC_gen("P-256"));
	make_key("p384.pem", EVP_EC_gen("P-384"));
	make_key("ed.pem", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_key("open.pem", EVP_EC_gen("P-256"));
	make_key("group.pem", EVP_EC_gen("P-256"));
	assert_int_equal(chmod(in_directory("open.pem"), 0644), 0);
	assert_int_equal(chmod(in_directory("group.pem"), 0620), 0);
	make_public_key("public.pem");
	make_encrypted_key("encrypted.pem");
	make_mixed_key("mixed.pem");
	write_text("text.pem", 0600, "no key\n");
}

static void make_large_file(const char *name, off_t size)
{
	write_text(name, 0600, "");
	assert_int_equal(truncate(in_directory(name), size), 0);
}

static void make_other_files(void)
{
	write_text("secret", 0600, "a secret of one line\n");
	write_text("secret-crlf", 0600, "a secret of one line\r\n");
	write_text("secret-32", 0600, "0123456789abcdef0123456789abcdef\n");
	write_text("secret-31", 0600, "0123456789abcdef0123456789abcde\n");
	write_text("secret-empty", 0600, "\n");
	write_text("secret-lines", 0600, "one\ntwo\n");
	write_text("secret-open", 0644, "secret\n");
	write_file("secret-nul", 0600, "a\0b", 3);
	make_large_file("large", 65536 + 1);
	make_large_file("huge.yaml", (off_t)65 << 20);
	assert_int_equal(mkdir(in_directory("directory"), 0700), 0);
	assert_int_equal(mkdir(in_directory("clients.d"), 0700), 0);
	assert_int_equal(mkfifo(in_directory("fifo"), 0600), 0);
	assert_int_equal(symlink("loop", in_directory("loop")), 0);
}

/* Make a file or directory look old, so that the next change of it shows in its times. */
static inline void make_old(const char *name)
{
	const struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };

	assert_int_equal(utimensat(AT_FDCWD, in_directory(name), times, 0), 0);
}

/* For cmocka's group setup. */
static int make_fixtures(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return 1;
	make_keys();
	make_other_files();
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int remove_fixtures(void **state)
{
	(void)state;
	return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
