/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/hasher: no process to hash in, and what counts as learned. */
#include "fixture.h"

#include <sys/mman.h>

/* The modules are no part of the library that the tests are linked with. */
#include "../../fcgi/hash_gate.c"
#include "../../fcgi/hasher.c"
#include "../../fcgi/quota.c"

static struct fixture fixture;
static struct log lines;
static struct hash_gate gate;
static struct hasher *hasher;
static struct client *client;
static bool can_fork;
static unsigned forks;
static int read_error; /* the next read fails by it, once; 0: none does */

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	forks++;
	if (can_fork)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);

ssize_t __wrap_read(int fd, void *p, size_t n)
{
	if (read_error == 0)
		return __real_read(fd, p, n);
	errno = read_error;
	read_error = 0;
	return -1;
}

const struct snapshot *reload_snapshot(const struct reload *reload)
{
	(void)reload;
	return fixture.snapshot;
}

const struct log *reload_log(const struct reload *reload)
{
	(void)reload;
	return &lines;
}

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	client = fixture_add(&fixture, "SLOW");
	fixture_secrets(&fixture, client, 1)[0] = fixture_slow_secret();
	fixture_seal(&fixture);
	lines = (struct log){ .level = LOG_LEVEL_INFO };
	log_use(&lines, memfd_create("log", MFD_CLOEXEC));
	gate = hash_gate_among(2);
	hasher = hasher_new(&gate, NULL, HASHER_APART);
	assert_non_null(hasher);
	const struct credential_runner runner = hasher_runner(hasher);

	credential_use_runner(fixture.services.credentials, &runner);
	can_fork = true;
	forks = 0;
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	hasher_free(hasher);
	hash_gate_close(&gate);
	close(lines.fd);
	fixture_close(&fixture);
	return 0;
}

/* A request that checks this secret, once. */
static enum reason ask(const char *secret, struct hasher_turn turn)
{
	const struct credential_claim claim = {
		.client = client,
		.secret = str_of(secret),
		.now_s = NOW_S,
	};
	const struct secret *matched;

	hasher_take_turn(hasher, turn);
	enum reason reason = credential_check(fixture.services.credentials,
		&fixture.snapshot->failure_price, &claim, &matched);

	hasher_end(hasher);
	return reason;
}

/* And again, when what it needs is there. */
static enum reason ask_twice(const char *secret)
{
	const struct hasher_turn turn = { .may_start = true, .may_wait = true };

	CHECK_REASON(ask(secret, turn), REASON_HASH_AWAITED, secret);
	hasher_collect(hasher);
	return ask(secret, turn);
}

static size_t count_lines(void)
{
	char text[8192];
	ssize_t n = pread(lines.fd, text, sizeof(text), 0);
	size_t count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += text[i] == '\n';
	return count;
}

static void test_no_child(void **state)
{
	const struct hasher_turn waits = { .may_start = true, .may_wait = true };
	const struct hasher_turn last = { .may_start = true };

	(void)state;
	can_fork = false;
	for (size_t i = 0; i < 4; i++) {
		CHECK_REASON(ask(FIXTURE_SLOW_SECRET, waits), REASON_HASH_AWAITED, "it waits");
		CHECK_NUMBER(hasher_fd(hasher), -1, "no child");
		CHECK(!gate.entered, "the gate is for others");
		CHECK(!hasher_has_place(hasher), "a pause");
		CHECK_REASON(ask(FIXTURE_SLOW_SECRET, last), REASON_HASH_BUSY, "too long");
		CHECK_NUMBER(forks, i + 1, "one try in each pause");
		usleep((useconds_t)FORK_PAUSE_US);
	}
	CHECK_NUMBER(count_lines(), 1, "one line in the log for all of them");
	CHECK_NUMBER(hasher_learned(hasher), 0, "nothing was hashed");
	can_fork = true;
	CHECK(hasher_has_place(hasher), "after the pause");
	CHECK_REASON(ask_twice(FIXTURE_SLOW_SECRET), REASON_NONE, "there is a child again");
	check_end();
}

static void test_learned(void **state)
{
	struct secret *secret = fixture_secrets(&fixture, client, 1);

	(void)state;
	secret[0] = fixture_slow_secret();
	secret[0].expires_s = NOW_S;
	CHECK_REASON(ask_twice(FIXTURE_SLOW_SECRET), REASON_SECRET_EXPIRED, "expired");
	CHECK_NUMBER(hasher_learned(hasher), 0, "expired: not remembered");
	secret[0].expires_s = 0;
	secret[0].not_before_s = NOW_S + 1;
	CHECK_REASON(ask_twice(FIXTURE_SLOW_SECRET), REASON_SECRET_EARLY, "early");
	CHECK_NUMBER(hasher_learned(hasher), 0, "early: not remembered");
	secret[0].not_before_s = 0;
	CHECK_REASON(ask_twice("wrong"), REASON_SECRET_WRONG, "wrong");
	CHECK_NUMBER(hasher_learned(hasher), 0, "wrong: not remembered");
	CHECK_REASON(ask_twice(FIXTURE_SLOW_SECRET), REASON_NONE, "right");
	CHECK_NUMBER(hasher_learned(hasher), 1, "right: remembered");
	CHECK_REASON(ask(FIXTURE_SLOW_SECRET, (struct hasher_turn){ 0 }), REASON_NONE, "again");
	check_end();
}

/* What a child says must not be taken for what it says next: that is the verdict. */
static void test_unread_begin(void **state)
{
	const struct hasher_turn turn = { .may_start = true, .may_wait = true };

	(void)state;
	read_error = EIO;
	CHECK_REASON(ask("wrong", turn), REASON_HASH_AWAITED, "it waits");
	CHECK_NUMBER(hasher_fd(hasher), -1, "no child that nobody understands");
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "it is gone");
	usleep((useconds_t)FORK_PAUSE_US);
	CHECK_REASON(ask_twice("wrong"), REASON_SECRET_WRONG, "still wrong");
	read_error = EINTR;
	CHECK_REASON(ask_twice("wrong too"), REASON_SECRET_WRONG, "read again");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_child, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_learned, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_unread_begin, open_fixture, close_fixture),
	};

	return cmocka_run_group_tests_name("hasher", tests, NULL, NULL);
}
