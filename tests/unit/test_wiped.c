/* SPDX-License-Identifier: MIT */
/* Tests of util/wiped, also as OpenSSL's memory; linked with --wrap=malloc,--wrap=free. */
#include "support.h"

#include "util/openssl.h"
#include "util/wiped.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define SIZE 100

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

static bool no_memory;

/* What is to be freed, and what was in it then. */
static struct {
	const unsigned char *p;
	bool was_freed;
	bool was_wiped;
} watched;

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

void __wrap_free(void *p)
{
	static const unsigned char zeros[SIZE];

	if (p != NULL && p == watched.p) {
		watched.was_freed = true;
		watched.was_wiped = memcmp(p, zeros, SIZE) == 0;
	}
	__real_free(p);
}

static void *fill(void *p)
{
	assert_non_null(p);
	memset(p, 'x', SIZE);
	watched.p = p;
	watched.was_freed = watched.was_wiped = false;
	return p;
}

static void check_moved(void *moved, size_t size, const char *name)
{
	char wanted[SIZE];

	memset(wanted, 'x', SIZE);
	CHECK(watched.was_freed && watched.was_wiped, name);
	CHECK(moved != NULL && memcmp(moved, wanted, size) == 0, name);
}

static void test_freed(void **state)
{
	(void)state;
	wiped_free(fill(malloc(SIZE)));
	CHECK(watched.was_freed && watched.was_wiped, "wiped");
	wiped_free(NULL);
	check_end();
}

static void test_moved(void **state)
{
	static const size_t sizes[] = { 10, SIZE, 10 * SIZE };
	void *p;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		p = wiped_realloc(fill(malloc(SIZE)), sizes[i]);
		check_moved(p, sizes[i] < SIZE ? sizes[i] : SIZE, "moved");
		free(p);
	}
	p = wiped_realloc(NULL, SIZE);
	CHECK(p != NULL, "new");
	free(p);
	check_end();
}

/* Then all stays as it was. */
static void test_no_memory(void **state)
{
	char *p = fill(malloc(SIZE));

	(void)state;
	no_memory = true;
	void *moved = wiped_realloc(p, 2 * SIZE);

	no_memory = false;
	CHECK(moved == NULL && !watched.was_freed, "none");
	CHECK(p[0] == 'x' && p[SIZE - 1] == 'x', "as it was");
	wiped_free(p);
	check_end();
}

static void test_memory_of_openssl(void **state)
{
	void *p;

	(void)state;
	OPENSSL_free(fill(OPENSSL_malloc(SIZE)));
	CHECK(watched.was_freed && watched.was_wiped, "free");
	p = OPENSSL_realloc(fill(OPENSSL_malloc(SIZE)), 2 * SIZE);
	check_moved(p, SIZE, "realloc");
	OPENSSL_free(p);
	CHECK(OPENSSL_realloc(fill(OPENSSL_malloc(SIZE)), 0) == NULL, "realloc to nothing");
	CHECK(watched.was_freed && watched.was_wiped, "realloc to nothing");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_memory_of_openssl),
	};

	/* Before any other use of it. */
	if (openssl_start(OPENSSL_ANSWERS) != REASON_NONE)
		return 1;
	return cmocka_run_group_tests_name("wiped", tests, NULL, NULL);
}
