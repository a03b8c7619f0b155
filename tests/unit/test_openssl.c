/* SPDX-License-Identifier: MIT */
/* Tests of util/openssl: a lack of memory is known; linked with --wrap=malloc. */
#include "support.h"
#include "jose/jws.h"
#include "util/openssl.h"

#include <openssl/crypto.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* How many calls are left until one fails; below 0: none does. */
static int left = -1;

void *__wrap_malloc(size_t size)
{
	if (left >= 0 && left-- == 0)
		return NULL;
	return __real_malloc(size);
}

static void test_lacks_memory(void **state)
{
	(void)state;
	openssl_forget();
	void *p = OPENSSL_malloc(10);

	CHECK(p != NULL && !openssl_lacks_memory(), "there is some");
	left = 0;
	CHECK(OPENSSL_malloc(10) == NULL && openssl_lacks_memory(), "none");
	OPENSSL_free(p);
	CHECK(openssl_lacks_memory(), "until it is forgotten");
	openssl_forget();
	left = 0;
	p = OPENSSL_realloc(NULL, 10);
	CHECK(p == NULL && openssl_lacks_memory(), "nor to grow");
	openssl_forget();
	CHECK(!openssl_lacks_memory(), "forgotten");
	left = -1;
	check_end();
}

/* Verify with the n-th call failing; returns whether there was an n-th. */
static bool verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg, int n)
{
	char name[32];

	snprintf(name, sizeof(name), "%s, call %d", alg_info(alg)->name, n);
	openssl_forget();
	left = n;
	enum reason reason = jws_verify(parts, pkey, alg);
	bool has_failed = left < 0;

	left = -1;
	CHECK(reason == REASON_NONE || (has_failed && reason == REASON_MEMORY), name);
	return has_failed;
}

/* A right signature is never called wrong. */
static void test_verify(void **state)
{
	static const struct {
		const char *key;
		enum jose_alg alg;
	} cases[] = {
		{ KEY_RSA, JOSE_ALG_RS256 },
		{ KEY_RSA, JOSE_ALG_PS256 },
		{ KEY_EC, JOSE_ALG_ES256 },
		{ KEY_OKP, JOSE_ALG_EDDSA },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = support_key(cases[i].key);
		struct jws_signer *signer = jws_signer_new(pkey, cases[i].alg);
		struct arena *arena = arena_new(4096, 65536);
		char header[32], space[1024];
		struct buf jws = buf_init(space, sizeof(space));
		struct jws_parts parts;
		int n = 0;

		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}",
			alg_info(cases[i].alg)->name);
		CHECK_REASON(jws_sign(signer, str_of(header), STR("{}"), &jws), REASON_NONE,
			cases[i].key);
		CHECK_REASON(jws_split(buf_view(&jws), arena, &parts), REASON_NONE, header);
		while (verify(&parts, pkey, cases[i].alg, n))
			n++;
		CHECK(n > 3, "some calls have failed");
		jws_parts_clear(&parts);
		arena_free(arena);
		jws_signer_free(signer);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lacks_memory),
		cmocka_unit_test(test_verify),
	};

	/* Before any other use of it. */
	if (openssl_start(OPENSSL_ANSWERS) != REASON_NONE)
		return 1;
	return cmocka_run_group_tests_name("openssl", tests, NULL, NULL);
}
