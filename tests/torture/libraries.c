/* SPDX-License-Identifier: MIT */
/* The functions of OpenSSL, libcrypt and other libraries that fail when it is their turn. */
#include "shim.h"

#include <crypt.h>
#include <curl/curl.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <lmdb.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* The function that stands behind the one with this name. */
#define NEXT(name)                       \
	static __typeof__(&(name)) next; \
                                         \
	if (next == NULL)                \
	*(void **)&next = shim_next(#name)

/*
 * A function of OpenSSL, and what it returns when it fails.  What OpenSSL calls of itself is
 * its own business, and fails by its memory.
 */
#define FAILS_HERE(name) (shim_is_program(__builtin_return_address(0)) && fails_here(name))

/* OpenSSL says why. */
static bool fails_here(const char *name)
{
	if (!shim_fails(SHIM_CRYPTO, name))
		return false;
	shim_inside++;
	ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
	shim_inside--;
	return true;
}

#define CRYPTO(type, failure, name, parameters, arguments) \
	SHIM_HOOK type name parameters                     \
	{                                                  \
		NEXT(name);                                \
		if (FAILS_HERE(#name))                     \
			return failure;                    \
		return next arguments;                     \
	}

CRYPTO(int, 0, RAND_bytes, (unsigned char *p, int n), (p, n))
CRYPTO(int, 0, EVP_Digest,
	(const void *p, size_t n, unsigned char *md, unsigned *size, const EVP_MD *type,
		ENGINE *engine),
	(p, n, md, size, type, engine))
CRYPTO(EVP_MD_CTX *, NULL, EVP_MD_CTX_new, (void), ())
CRYPTO(int, 0, EVP_MD_CTX_copy_ex, (EVP_MD_CTX * out, const EVP_MD_CTX *in), (out, in))
CRYPTO(int, 0, EVP_DigestInit_ex, (EVP_MD_CTX * ctx, const EVP_MD *type, ENGINE *engine),
	(ctx, type, engine))
CRYPTO(int, 0, EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *p, size_t n), (ctx, p, n))
CRYPTO(int, 0, EVP_DigestFinal_ex, (EVP_MD_CTX * ctx, unsigned char *md, unsigned *size),
	(ctx, md, size))
CRYPTO(int, 0, EVP_DigestSignInit,
	(EVP_MD_CTX * ctx, EVP_PKEY_CTX **key_ctx, const EVP_MD *type, ENGINE *engine,
		EVP_PKEY *pkey),
	(ctx, key_ctx, type, engine, pkey))
CRYPTO(int, 0, EVP_DigestSignInit_ex,
	(EVP_MD_CTX * ctx, EVP_PKEY_CTX **key_ctx, const char *md, OSSL_LIB_CTX *lib,
		const char *query, EVP_PKEY *pkey, const OSSL_PARAM params[]),
	(ctx, key_ctx, md, lib, query, pkey, params))
CRYPTO(int, 0, EVP_DigestSign,
	(EVP_MD_CTX * ctx, unsigned char *signature, size_t *len, const unsigned char *p,
		size_t n),
	(ctx, signature, len, p, n))
CRYPTO(int, 0, EVP_DigestVerifyInit,
	(EVP_MD_CTX * ctx, EVP_PKEY_CTX **key_ctx, const EVP_MD *type, ENGINE *engine,
		EVP_PKEY *pkey),
	(ctx, key_ctx, type, engine, pkey))
CRYPTO(int, 0, EVP_DigestVerifyInit_ex,
	(EVP_MD_CTX * ctx, EVP_PKEY_CTX **key_ctx, const char *md, OSSL_LIB_CTX *lib,
		const char *query, EVP_PKEY *pkey, const OSSL_PARAM params[]),
	(ctx, key_ctx, md, lib, query, pkey, params))
/* Less than 0: no verdict; 0 would be one. */
CRYPTO(int, -1, EVP_DigestVerify,
	(EVP_MD_CTX * ctx, const unsigned char *signature, size_t len, const unsigned char *p,
		size_t n),
	(ctx, signature, len, p, n))
CRYPTO(unsigned char *, NULL, EVP_Q_mac,
	(OSSL_LIB_CTX * lib, const char *name, const char *query, const char *sub,
		const OSSL_PARAM *params, const void *key, size_t key_n, const unsigned char *p,
		size_t n, unsigned char *out, size_t size, size_t *len),
	(lib, name, query, sub, params, key, key_n, p, n, out, size, len))
CRYPTO(EVP_PKEY_CTX *, NULL, EVP_PKEY_CTX_new_from_name,
	(OSSL_LIB_CTX * lib, const char *name, const char *query), (lib, name, query))
CRYPTO(int, 0, EVP_PKEY_CTX_set_rsa_padding, (EVP_PKEY_CTX * ctx, int padding), (ctx, padding))
CRYPTO(int, 0, EVP_PKEY_CTX_set_rsa_pss_saltlen, (EVP_PKEY_CTX * ctx, int n), (ctx, n))
CRYPTO(int, 0, EVP_PKEY_CTX_set_rsa_keygen_bits, (EVP_PKEY_CTX * ctx, int bits), (ctx, bits))
CRYPTO(int, 0, EVP_PKEY_CTX_set_rsa_keygen_primes, (EVP_PKEY_CTX * ctx, int n), (ctx, n))
CRYPTO(int, 0, EVP_PKEY_keygen_init, (EVP_PKEY_CTX * ctx), (ctx))
CRYPTO(EVP_PKEY *, NULL, EVP_PKEY_dup, (EVP_PKEY * pkey), (pkey))
CRYPTO(int, -2, EVP_PKEY_eq, (const EVP_PKEY *a, const EVP_PKEY *b), (a, b))
CRYPTO(int, 0, EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * ctx), (ctx))
CRYPTO(int, 0, EVP_PKEY_fromdata,
	(EVP_PKEY_CTX * ctx, EVP_PKEY **pkey, int selection, OSSL_PARAM params[]),
	(ctx, pkey, selection, params))
CRYPTO(int, 0, EVP_PKEY_get_bn_param, (const EVP_PKEY *pkey, const char *name, BIGNUM **bn),
	(pkey, name, bn))
CRYPTO(int, 0, EVP_PKEY_get_group_name,
	(const EVP_PKEY *pkey, char *name, size_t size, size_t *len), (pkey, name, size, len))
CRYPTO(int, 0, EVP_PKEY_get_raw_private_key,
	(const EVP_PKEY *pkey, unsigned char *p, size_t *n), (pkey, p, n))
CRYPTO(int, 0, EVP_PKEY_get_raw_public_key, (const EVP_PKEY *pkey, unsigned char *p, size_t *n),
	(pkey, p, n))
CRYPTO(EVP_PKEY *, NULL, EVP_PKEY_new_raw_private_key,
	(int type, ENGINE *engine, const unsigned char *p, size_t n), (type, engine, p, n))
CRYPTO(EVP_PKEY *, NULL, EVP_PKEY_new_raw_public_key,
	(int type, ENGINE *engine, const unsigned char *p, size_t n), (type, engine, p, n))
CRYPTO(int, 0, EVP_PKEY_up_ref, (EVP_PKEY * pkey), (pkey))
CRYPTO(BIGNUM *, NULL, BN_bin2bn, (const unsigned char *p, int n, BIGNUM *bn), (p, n, bn))
CRYPTO(int, -1, BN_bn2binpad, (const BIGNUM *bn, unsigned char *p, int n), (bn, p, n))
CRYPTO(int, -1, BN_bn2nativepad, (const BIGNUM *bn, unsigned char *p, int n), (bn, p, n))
CRYPTO(ECDSA_SIG *, NULL, ECDSA_SIG_new, (void), ())
CRYPTO(ECDSA_SIG *, NULL, d2i_ECDSA_SIG, (ECDSA_SIG * *sig, const unsigned char **p, long n),
	(sig, p, n))
CRYPTO(int, -1, i2d_ECDSA_SIG, (const ECDSA_SIG *sig, unsigned char **p), (sig, p))
CRYPTO(X509 *, NULL, d2i_X509, (X509 * *x509, const unsigned char **p, long n), (x509, p, n))
CRYPTO(void *, NULL, X509_get_ext_d2i, (const X509 *x509, int nid, int *critical, int *index),
	(x509, nid, critical, index))
CRYPTO(EVP_PKEY *, NULL, X509_get0_pubkey, (const X509 *x509), (x509))
CRYPTO(int, -1, ASN1_STRING_to_UTF8, (unsigned char **out, const ASN1_STRING *in), (out, in))
CRYPTO(int, -1, i2d_ASN1_PRINTABLE, (const ASN1_STRING *in, unsigned char **out), (in, out))
CRYPTO(int, -2, ASN1_TIME_cmp_time_t, (const ASN1_TIME *s, time_t t), (s, t))
CRYPTO(int, 0, ASN1_TIME_to_tm, (const ASN1_TIME *s, struct tm *tm), (s, tm))
CRYPTO(int, -1, OBJ_obj2txt, (char *p, int size, const ASN1_OBJECT *object, int numeric),
	(p, size, object, numeric))
CRYPTO(PKCS8_PRIV_KEY_INFO *, NULL, d2i_PKCS8_PRIV_KEY_INFO,
	(PKCS8_PRIV_KEY_INFO * *info, const unsigned char **p, long n), (info, p, n))
CRYPTO(BIO *, NULL, BIO_new, (const BIO_METHOD *method), (method))
CRYPTO(BIO *, NULL, BIO_new_mem_buf, (const void *p, int n), (p, n))
CRYPTO(int, 0, PEM_read_bio,
	(BIO * bio, char **name, char **header, unsigned char **p, long *n),
	(bio, name, header, p, n))
CRYPTO(EVP_PKEY *, NULL, PEM_read_bio_PrivateKey,
	(BIO * bio, EVP_PKEY **pkey, pem_password_cb *callback, void *context),
	(bio, pkey, callback, context))
CRYPTO(int, 0, PEM_write_bio_PKCS8PrivateKey,
	(BIO * bio, const EVP_PKEY *pkey, const EVP_CIPHER *cipher, const char *p, int n,
		pem_password_cb *callback, void *context),
	(bio, pkey, cipher, p, n, callback, context))
CRYPTO(OSSL_PARAM_BLD *, NULL, OSSL_PARAM_BLD_new, (void), ())
CRYPTO(int, 0, OSSL_PARAM_BLD_push_BN,
	(OSSL_PARAM_BLD * bld, const char *key, const BIGNUM *bn), (bld, key, bn))
CRYPTO(int, 0, OSSL_PARAM_BLD_push_octet_string,
	(OSSL_PARAM_BLD * bld, const char *key, const void *p, size_t n), (bld, key, p, n))
CRYPTO(int, 0, OSSL_PARAM_BLD_push_utf8_string,
	(OSSL_PARAM_BLD * bld, const char *key, const char *p, size_t n), (bld, key, p, n))
CRYPTO(OSSL_PARAM *, NULL, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * bld), (bld))
CRYPTO(int, 0, OPENSSL_init_crypto, (uint64_t options, const OPENSSL_INIT_SETTINGS *settings),
	(options, settings))
CRYPTO(OSSL_LIB_CTX *, NULL, OSSL_LIB_CTX_get0_global_default, (void), ())
CRYPTO(int, 0, RAND_set_DRBG_type,
	(OSSL_LIB_CTX * lib, const char *drbg, const char *query, const char *cipher,
		const char *digest),
	(lib, drbg, query, cipher, digest))
CRYPTO(int, 0, CRYPTO_set_mem_functions,
	(CRYPTO_malloc_fn get, CRYPTO_realloc_fn resize, CRYPTO_free_fn release),
	(get, resize, release))
CRYPTO(X509_STORE *, NULL, X509_STORE_new, (void), ())
CRYPTO(int, 0, X509_STORE_load_file, (X509_STORE * store, const char *path), (store, path))
CRYPTO(ASN1_TYPE *, NULL, d2i_ASN1_TYPE, (ASN1_TYPE * *type, const unsigned char **p, long n),
	(type, p, n))
CRYPTO(ASN1_SEQUENCE_ANY *, NULL, d2i_ASN1_SEQUENCE_ANY,
	(ASN1_SEQUENCE_ANY * *items, const unsigned char **p, long n), (items, p, n))
CRYPTO(BIGNUM *, NULL, ASN1_INTEGER_to_BN, (const ASN1_INTEGER *in, BIGNUM *bn), (in, bn))
CRYPTO(int, 0, ASN1_INTEGER_get_int64, (int64_t * out, const ASN1_INTEGER *in), (out, in))
CRYPTO(int, 0, a2d_ASN1_OBJECT, (unsigned char *out, int size, const char *text, int n),
	(out, size, text, n))
CRYPTO(int, 0, PKCS8_pkey_get0,
	(const ASN1_OBJECT **name, const unsigned char **p, int *n,
		const X509_ALGOR **algorithm, const PKCS8_PRIV_KEY_INFO *info),
	(name, p, n, algorithm, info))
CRYPTO(int, 0, ECDSA_SIG_set0, (ECDSA_SIG * sig, BIGNUM *r, BIGNUM *s), (sig, r, s))
CRYPTO(long, 0, BIO_ctrl, (BIO * bio, int command, long n, void *p), (bio, command, n, p))

/* For the two types that are made by it, and for the shim itself. */
SHIM_HOOK EVP_PKEY *EVP_PKEY_Q_keygen(
	OSSL_LIB_CTX *lib, const char *query, const char *type, ...)
{
	NEXT(EVP_PKEY_Q_keygen);
	EVP_PKEY *pkey;
	va_list more;

	if (FAILS_HERE("EVP_PKEY_Q_keygen"))
		return NULL;
	va_start(more, type);
	if (strcmp(type, "RSA") == 0)
		pkey = next(lib, query, type, va_arg(more, size_t));
	else if (strcmp(type, "EC") == 0)
		pkey = next(lib, query, type, va_arg(more, char *));
	else
		pkey = next(lib, query, type);
	va_end(more);
	return pkey;
}

CRYPTO(char *, NULL, crypt_r,
	(const char *phrase, const char *setting, struct crypt_data *data),
	(phrase, setting, data))
CRYPTO(char *, NULL, crypt_gensalt_rn,
	(const char *prefix, unsigned long count, const char *random, int n, char *out,
		int size),
	(prefix, count, random, n, out, size))

/* An RSA key that was made already saves a tenth of a second each time. */
static EVP_PKEY *ready;

void shim_make_rsa(void)
{
	ready = EVP_RSA_gen(2048);
}

SHIM_HOOK int EVP_PKEY_generate(EVP_PKEY_CTX *ctx, EVP_PKEY **pkey)
{
	NEXT(EVP_PKEY_generate);
	if (FAILS_HERE("EVP_PKEY_generate"))
		return 0;
	if (ready == NULL || EVP_PKEY_CTX_is_a(ctx, "RSA") != 1)
		return next(ctx, pkey);
	shim_inside++;
	*pkey = EVP_PKEY_dup(ready);
	shim_inside--;
	return *pkey != NULL;
}

/* Other libraries; all else in them fails by its memory. */
#define OTHER(type, failure, name, parameters, arguments)                           \
	SHIM_HOOK type name parameters                                              \
	{                                                                           \
		NEXT(name);                                                         \
		return shim_fails(SHIM_SYSTEM, #name) ? (failure) : next arguments; \
	}

OTHER(scmp_filter_ctx, NULL, seccomp_init, (uint32_t action), (action))
OTHER(int, -EFAULT, seccomp_export_bpf, (const scmp_filter_ctx filter, int fd), (filter, fd))
OTHER(CURL *, NULL, curl_easy_init, (void), ())
OTHER(CURLcode, CURLE_RECV_ERROR, curl_easy_perform, (CURL * curl), (curl))
OTHER(struct curl_slist *, NULL, curl_slist_append,
	(struct curl_slist * list, const char *text), (list, text))
OTHER(CURLcode, CURLE_FAILED_INIT, curl_global_init_mem,
	(long flags, curl_malloc_callback get, curl_free_callback release,
		curl_realloc_callback resize, curl_strdup_callback copy,
		curl_calloc_callback clear),
	(flags, get, release, resize, copy, clear))

/* A function of LMDB; what it returns is one of two errors. */
#define LMDB(name, parameters, arguments, first, second)                        \
	SHIM_HOOK int name parameters                                           \
	{                                                                       \
		NEXT(name);                                                     \
		if (shim_fails(SHIM_STORE, #name))                              \
			return shim_control->variant == 0 ? (first) : (second); \
		return next arguments;                                          \
	}

LMDB(mdb_env_create, (MDB_env * *env), (env), ENOMEM, ENOMEM)
LMDB(mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode),
	(env, path, flags, mode), EIO, MDB_INVALID)
LMDB(mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size), EINVAL, ENOMEM)
LMDB(mdb_env_set_maxreaders, (MDB_env * env, unsigned n), (env, n), EINVAL, EINVAL)
LMDB(mdb_env_stat, (MDB_env * env, MDB_stat *stat), (env, stat), EINVAL, EINVAL)
LMDB(mdb_env_info, (MDB_env * env, MDB_envinfo *info), (env, info), EINVAL, EINVAL)
LMDB(mdb_env_get_fd, (MDB_env * env, mdb_filehandle_t *fd), (env, fd), EINVAL, EINVAL)
LMDB(mdb_reader_check, (MDB_env * env, int *dead), (env, dead), EINVAL, ENOMEM)
LMDB(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
	(env, parent, flags, txn), ENOMEM, MDB_PANIC)
LMDB(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
	(txn, name, flags, dbi), MDB_DBS_FULL, MDB_INCOMPATIBLE)
LMDB(mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat *stat), (txn, dbi, stat), EINVAL,
	MDB_BAD_TXN)
LMDB(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
	(txn, dbi, key, value), MDB_CORRUPTED, MDB_PAGE_NOTFOUND)
LMDB(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags),
	(txn, dbi, key, value, flags), MDB_MAP_FULL, EIO)
LMDB(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
	(txn, dbi, key, value), MDB_MAP_FULL, EIO)
LMDB(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor),
	ENOMEM, MDB_BAD_TXN)
LMDB(mdb_cursor_get,
	(MDB_cursor * cursor, MDB_val *key, MDB_val *value, MDB_cursor_op operation),
	(cursor, key, value, operation), MDB_CORRUPTED, EIO)

/* A transaction that could not be committed is gone, too. */
SHIM_HOOK int mdb_txn_commit(MDB_txn *txn)
{
	NEXT(mdb_txn_commit);
	if (!shim_fails(SHIM_STORE, "mdb_txn_commit"))
		return next(txn);
	mdb_txn_abort(txn);
	return shim_control->variant == 0 ? ENOSPC : EIO;
}

/* hiredis: its functions tell what is wrong in the connection. */
static int break_connection(redisContext *context)
{
	context->err = shim_control->variant == 0 ? REDIS_ERR_IO : REDIS_ERR_OOM;
	snprintf(context->errstr, sizeof(context->errstr), "failed on purpose");
	errno = ECONNRESET;
	return REDIS_ERR;
}

#define REDIS(name, parameters, arguments)                \
	SHIM_HOOK int name parameters                     \
	{                                                 \
		NEXT(name);                               \
		if (shim_fails(SHIM_STORE, #name))        \
			return break_connection(context); \
		return next arguments;                    \
	}

REDIS(redisEnableKeepAlive, (redisContext * context), (context))
REDIS(redisBufferRead, (redisContext * context), (context))
REDIS(redisBufferWrite, (redisContext * context, int *done), (context, done))
REDIS(redisGetReplyFromReader, (redisContext * context, void **reply), (context, reply))
REDIS(redisvAppendCommand, (redisContext * context, const char *format, va_list arguments),
	(context, format, arguments))

SHIM_HOOK int redisAppendCommand(redisContext *context, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int result = redisvAppendCommand(context, format, arguments);

	va_end(arguments);
	return result;
}

SHIM_HOOK redisContext *redisConnectNonBlock(const char *host, int port)
{
	NEXT(redisConnectNonBlock);
	return shim_fails(SHIM_STORE, "redisConnectNonBlock") ? NULL : next(host, port);
}
