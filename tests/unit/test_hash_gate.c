/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/hash_gate: so many processes and no more, whatever becomes of them. */
#include "entrants.h"

/* The modules are no part of the library that the tests are linked with. */
#include "../../fcgi/hash_gate.c"
#include "../../fcgi/quota.c"

static char file[] = "/tmp/hash-gate.XXXXXX";

static bool enter(void *context)
{
	return hash_gate_enter(context, file);
}

static void leave(void *context)
{
	hash_gate_leave(context);
}

/* As many as there are places get in; each that leaves or dies makes room for one. */
static void check_gate(struct hash_gate gate, size_t places, const char *name)
{
	const struct entrance entrance = { enter, leave, &gate };
	struct entrant entrants[8];
	size_t entered = 0;

	for (size_t i = 0; i < COUNT(entrants); i++)
		entrants[i] = entrant_start(&entrance);
	for (size_t i = 0; i < COUNT(entrants); i++)
		entered += entrant_tell(&entrants[i], order_enter) == 'y';
	CHECK_NUMBER(entered, places, name);
	CHECK(entrant_tell(&entrants[0], order_enter) == 'y', "who is in stays in");
	CHECK(entrant_tell(&entrants[7], order_enter) == 'n', name);
	entrant_tell(&entrants[7], order_leave);
	CHECK(entrant_tell(&entrants[7], order_enter) == 'n', "who was not in cannot leave");
	entrant_tell(&entrants[0], order_leave);
	CHECK(entrant_tell(&entrants[7], order_enter) == 'y', "after one has left");
	CHECK(entrant_tell(&entrants[0], order_enter) == 'n', "after another came in");
	entrant_end(&entrants[7], true);
	CHECK(entrant_tell(&entrants[0], order_enter) == 'y', "after one was killed");
	for (size_t i = 0; i < COUNT(entrants) - 1; i++)
		entrant_end(&entrants[i], false);
}

static void test_among(void **state)
{
	static const struct {
		size_t workers, places;
	} cases[] = { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 5, 2 }, { 8, 4 }, { 14, 7 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hash_gate gate = hash_gate_among(cases[i].workers);

		CHECK(gate.quota.fd >= 0, "opened");
		check_gate(gate, cases[i].places, "among workers");
		hash_gate_close(&gate);
		CHECK_NUMBER(gate.quota.fd + 1, 0, "closed");
	}
	check_end();
}

static void test_alone(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	check_gate(hash_gate_alone(), 1, "alone");
	unlink(file);
	check_end();
}

/* Without locks all hash, as if there were no gate. */
static void test_no_locks(void **state)
{
	struct hash_gate gates[] = { hash_gate_alone(), hash_gate_among(2) };

	(void)state;
	close(gates[1].quota.fd);
	gates[1].quota.fd = -1;
	for (size_t i = 0; i < COUNT(gates); i++) {
		CHECK(hash_gate_enter(&gates[i], "/nonexistent/key.pem"), "open");
		hash_gate_leave(&gates[i]);
		CHECK(hash_gate_enter(&gates[i], "/nonexistent/key.pem"), "again");
		hash_gate_close(&gates[i]);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_among),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_no_locks),
	};

	return cmocka_run_group_tests_name("hash gate", tests, NULL, NULL);
}
