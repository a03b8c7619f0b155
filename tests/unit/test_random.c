/* SPDX-License-Identifier: MIT */
/* Tests of util/random; linked with --wrap=RAND_bytes. */
#include "support.h"
#include "util/random.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOCATIONS 100 /* of OpenSSL's start, and more */

int __real_RAND_bytes(unsigned char *p, int n);
int __wrap_RAND_bytes(unsigned char *p, int n);

static bool generator_fails;
static unsigned calls;

int __wrap_RAND_bytes(unsigned char *p, int n)
{
	calls++;
	if (!generator_fails)
		return __real_RAND_bytes(p, n);
	memset(p, 0x5a, (size_t)n);
	return 0;
}

/* Which of OpenSSL's allocations is the first to fail, and do all that follow? */
static struct {
	unsigned n;
	unsigned calls;
	bool from_then_on;
} plan;

static bool fails_now(void)
{
	plan.calls++;
	return plan.calls == plan.n || (plan.from_then_on && plan.calls > plan.n);
}

static void *failing_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_now() ? NULL : malloc(n);
}

static void *failing_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_now() ? NULL : realloc(p, n);
}

static void plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* In a new process; true if it ended well. */
static bool starts_or_refuses(void)
{
	unsigned char bytes[16];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A crash is to end it, not to be caught by cmocka. */
		signal(SIGSEGV, SIG_DFL);
		if (CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free) != 1)
			_exit(1);
		enum reason reason = random_bytes(bytes, sizeof(bytes));

		_exit(reason == REASON_NONE || reason == REASON_RANDOM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Before all other tests: OpenSSL has not been used yet. */
static void test_start_without_memory(void **state)
{
	(void)state;
	for (plan.n = 1; plan.n <= ALLOCATIONS; plan.n++) {
		plan.from_then_on = false;
		CHECK(starts_or_refuses(), "one fails");
		plan.from_then_on = true;
		CHECK(starts_or_refuses(), "all fail");
	}
	check_end();
}

static void test_fills(void **state)
{
	unsigned char seen[64] = { 0 };
	unsigned char bytes[66];

	(void)state;
	/* In 64 rounds each byte inside changes, and those around it never. */
	for (unsigned round = 0; round < 64; round++) {
		memset(bytes, 0, sizeof(bytes));
		CHECK_REASON(random_bytes(bytes + 1, 64), REASON_NONE, "works");
		CHECK(bytes[0] == 0 && bytes[65] == 0, "just these");
		for (size_t i = 0; i < 64; i++)
			seen[i] |= bytes[i + 1];
	}
	for (size_t i = 0; i < 64; i++)
		CHECK(seen[i] != 0, "all of them");
	check_end();
}

static void test_differ(void **state)
{
	unsigned char a[16], b[16];

	(void)state;
	CHECK_REASON(random_bytes(a, sizeof(a)), REASON_NONE, "first");
	CHECK_REASON(random_bytes(b, sizeof(b)), REASON_NONE, "second");
	CHECK(!str_eq((struct str){ (char *)a, 16 }, (struct str){ (char *)b, 16 }), "differ");
	check_end();
}

static void test_failure(void **state)
{
	unsigned char bytes[16];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	generator_fails = true;
	CHECK_REASON(random_bytes(bytes, sizeof(bytes)), REASON_RANDOM, "generator fails");
	generator_fails = false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		CHECK_NUMBER(bytes[i], 0, "zeroed");
	check_end();
}

static enum reason take(const struct random_source *source, void *p, size_t size)
{
	return source->fill(source->context, p, size);
}

static void test_system(void **state)
{
	unsigned char bytes[16];

	(void)state;
	CHECK_REASON(take(&random_system, bytes, sizeof(bytes)), REASON_NONE, "works");
	generator_fails = true;
	CHECK_REASON(take(&random_system, bytes, sizeof(bytes)), REASON_RANDOM, "fails");
	generator_fails = false;
	check_end();
}

/* What has been given is given once, and is nowhere else any more. */
static void test_pool(void **state)
{
	static unsigned char given[400 * 16];
	static const unsigned char none[RANDOM_POOL_SIZE];
	struct random_pool pool = { .left = 0 };
	const struct random_source source = random_pool_source(&pool);

	(void)state;
	calls = 0;
	for (size_t i = 0; i < 400; i++) {
		unsigned char *bytes = given + 16 * i;

		CHECK_REASON(take(&source, bytes, 16), REASON_NONE, "given");
		CHECK(memcmp(bytes, none, 16) != 0, "random");
		for (size_t k = 0; k < i; k++)
			CHECK(memcmp(given + 16 * k, bytes, 16) != 0, "never twice");
		CHECK(memcmp(pool.bytes + pool.left, none, sizeof(none) - pool.left) == 0,
			"wiped");
	}
	CHECK_NUMBER(calls, (400 * 16 + RANDOM_POOL_SIZE - 1) / RANDOM_POOL_SIZE, "calls");
	check_end();
}

static void test_pool_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, RANDOM_POOL_SIZE - 2, 3, RANDOM_POOL_SIZE,
		RANDOM_POOL_SIZE + 1, 2 * RANDOM_POOL_SIZE, 7 };
	unsigned char bytes[2 * RANDOM_POOL_SIZE + 1];
	struct random_pool pool = { .left = 0 };
	const struct random_source source = random_pool_source(&pool);

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(bytes, 0, sizeof(bytes));
		CHECK_REASON(take(&source, bytes, sizes[i]), REASON_NONE, "given");
		CHECK(bytes[sizes[i]] == 0, "nothing behind");
		CHECK(pool.left <= RANDOM_POOL_SIZE, "in its limits");
	}
	check_end();
}

/* A pool that cannot be filled gives nothing, and is filled when it can be. */
static void test_pool_fails(void **state)
{
	unsigned char bytes[16];
	static const unsigned char none[16];
	struct random_pool pool = { .left = 0 };
	const struct random_source source = random_pool_source(&pool);

	(void)state;
	generator_fails = true;
	for (unsigned i = 0; i < 3; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		CHECK_REASON(take(&source, bytes, sizeof(bytes)), REASON_RANDOM, "fails");
		CHECK(memcmp(bytes, none, sizeof(none)) == 0, "zeroed");
		CHECK_NUMBER(pool.left, 0, "nothing in it");
	}
	generator_fails = false;
	CHECK_REASON(take(&source, bytes, sizeof(bytes)), REASON_NONE, "works again");
	CHECK(memcmp(bytes, none, sizeof(none)) != 0, "random");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_without_memory),
		cmocka_unit_test(test_fills),
		cmocka_unit_test(test_differ),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_sizes),
		cmocka_unit_test(test_pool_fails),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
