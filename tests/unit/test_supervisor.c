/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/supervisor: workers of whose end the kernel does not tell. */
#include "support.h"

#include <sys/mman.h>

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/supervisor.c"

#define WORKER_COUNT 3

static struct log the_log;

/* What it calls of other modules. */

const struct log *reload_log(const struct reload *reload)
{
	(void)reload;
	return &the_log;
}

void reload_be_quiet(struct reload *reload)
{
	(void)reload;
}

void reload_share(struct reload *reload, struct quota *quota)
{
	(void)reload;
	(void)quota;
}

void reload_check(struct reload *reload)
{
	(void)reload;
}

void reload_force(struct reload *reload)
{
	(void)reload;
}

int64_t reload_due_us(const struct reload *reload)
{
	(void)reload;
	return INT64_MAX;
}

enum reason worker_run(struct listener *listener, struct reload *reload, struct hash_gate *gate)
{
	(void)listener;
	(void)reload;
	(void)gate;
	return REASON_INTERNAL;
}

void sandbox_enter(const struct sandbox *sandbox, const struct log *log)
{
	(void)sandbox;
	(void)log;
}

void listener_retire(struct listener *listener)
{
	(void)listener;
}

struct hash_gate hash_gate_among(size_t workers)
{
	(void)workers;
	return (struct hash_gate){ .fd = -1 };
}

void hash_gate_close(struct hash_gate *gate)
{
	(void)gate;
}

struct quota quota_among(size_t workers)
{
	(void)workers;
	return (struct quota){ .fd = -1 };
}

void quota_close(struct quota *quota)
{
	(void)quota;
}

/* Of a process that there was, and that was waited for. */
static pid_t old_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static struct supervisor with_lost_workers(struct slot slots[static WORKER_COUNT])
{
	struct supervisor supervisor = { .slots = slots, .slot_count = WORKER_COUNT };

	for (size_t i = 0; i < WORKER_COUNT; i++)
		slots[i] = (struct slot){ .pid = old_pid(), .started_us = 1 };
	assert_true(block_signals(&supervisor.signals));
	the_log = (struct log){ .level = LOG_LEVEL_INFO };
	log_use(&the_log, memfd_create("log", MFD_CLOEXEC));
	assert_true(the_log.fd >= 0);
	return supervisor;
}

static size_t count_lines(void)
{
	char text[4096];
	ssize_t n = pread(the_log.fd, text, sizeof(text), 0);
	size_t count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += text[i] == '\n';
	return count;
}

/* Their slots are free, so that others can be started there. */
static void test_lost_workers(void **state)
{
	struct slot slots[WORKER_COUNT];
	struct supervisor supervisor = with_lost_workers(slots);

	(void)state;
	slots[0].pid = 0;
	reap(&supervisor, false);
	CHECK_NUMBER(count_workers(&supervisor), 0, "freed");
	CHECK_NUMBER(count_lines(), WORKER_COUNT - 1, "each is told of once");
	reap(&supervisor, false);
	CHECK_NUMBER(count_lines(), WORKER_COUNT - 1, "and no more");
	close(the_log.fd);
	check_end();
}

static void test_end_with_lost_workers(void **state)
{
	struct slot slots[WORKER_COUNT];
	struct supervisor supervisor = with_lost_workers(slots);
	int64_t begin_us = clock_steady_us();

	(void)state;
	/* What waits for ever is ended by this. */
	alarm(60);
	stop(&supervisor);
	alarm(0);
	CHECK(clock_steady_us() - begin_us < 10 * SECOND_US, "it ends");
	CHECK_NUMBER(count_workers(&supervisor), 0, "freed");
	CHECK_NUMBER(count_lines(), 0, "it was told to");
	close(the_log.fd);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_workers),
		cmocka_unit_test(test_end_with_lost_workers),
	};

	return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
