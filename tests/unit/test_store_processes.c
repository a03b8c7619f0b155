/* SPDX-License-Identifier: MIT */
/* The LMDB store between processes: races, processes that are killed, a disk that is full. */
#include "counting.h"
#include "store_fixture.h"
#include "../shims/small_disk.c"

#include "state/throttle.h"
#include "util/random.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>

#define PROCESSES 16
#define RACED_KEYS 1000
#define ROUNDS 60
#define WRITERS 3
#define PATIENCE_S 10 /* after which a process that waits for a lock is ended */

/* What a writer reports: the number of a record that is made. */
static unsigned acknowledged[200000];
static size_t acknowledged_count;
static size_t checked_count; /* of them, seen to be there after a later kill */
static unsigned series;      /* each writer has numbers of its own */

static int receipts[2]; /* a pipe */

static unsigned random_below(unsigned limit)
{
	uint32_t number;

	assert_int_equal(random_bytes(&number, sizeof(number)), REASON_NONE);
	return number % limit;
}

/* Add all keys, from a place of its own on, and return how many were new. */
static unsigned race(unsigned process)
{
	struct store *store = open_store();
	unsigned won = 0;

	alarm(6 * PATIENCE_S);
	for (unsigned i = 0; i < RACED_KEYS; i++) {
		unsigned number = process % 2 == 0 ? i : RACED_KEYS - 1 - i;
		bool added;

		if (add(store, STORE_REPLAY, number, LATER_S, NOW_S, &added) != REASON_NONE)
			return RACED_KEYS + 1;
		won += added;
	}
	store_free(store);
	return won;
}

/* Everybody adds everything at once, the directory included. */
static void test_race(void **state)
{
	pid_t pids[PROCESSES];
	int results[2], gate[2];
	unsigned total = 0;
	struct store_tally tally;
	char byte;

	(void)state;
	assert_int_equal(pipe2(results, O_CLOEXEC), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] != 0)
			continue;
		close(gate[1]);
		unsigned won = read(gate[0], &byte, 1) == 0 ? race(i) : RACED_KEYS + 1;

		_exit(write(results[1], &won, sizeof(won)) == sizeof(won) ? 0 : 1);
	}
	close(gate[1]);
	for (unsigned i = 0; i < PROCESSES; i++) {
		unsigned won;

		assert_int_equal(read(results[0], &won, sizeof(won)), sizeof(won));
		CHECK(won <= RACED_KEYS, "no process failed");
		total += won;
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	close(gate[0]);
	close(results[0]);
	close(results[1]);
	CHECK_NUMBER(total, RACED_KEYS, "each key is new once");
	struct store *store = open_store();

	CHECK_REASON(store_tally(store, NOW_S, &tally), REASON_NONE, "tally");
	CHECK_NUMBER(tally.counts[STORE_REPLAY], RACED_KEYS, "tally");
	store_free(store);
	check_end();
}

static const struct throttle_limits limits = {
	.failures = 3, .address_failures = 100, .window_s = 60
};

/* Be let through, wait until all were, and fail; the exit status is what came of that. */
static int fail_at_once(int gate, int let_through)
{
	struct throttle_subject subject = { .client_id = STR("A") };
	struct store *store = open_store();
	int64_t wait_s;
	char byte = 0;

	alarm(PATIENCE_S);
	if (throttle_check(store, &limits, &subject, NOW_S, &wait_s) != REASON_NONE ||
		write(let_through, &byte, 1) != 1 || read(gate, &byte, 1) != 0)
		return 2;
	enum reason reason = throttle_count(store, &limits, &subject, NOW_S, &wait_s);

	store_free(store);
	if (reason == REASON_NONE)
		return wait_s == 0 ? 0 : 2;
	return reason == REASON_THROTTLED && wait_s == limits.window_s ? 1 : 2;
}

/* Of those that fail at the same moment, no more than the limit get to know. */
static void test_throttle_race(void **state)
{
	pid_t pids[PROCESSES];
	unsigned results[3] = { 0 };
	int gate[2], let_through[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(let_through, O_CLOEXEC), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] != 0)
			continue;
		close(gate[1]);
		_exit(fail_at_once(gate[0], let_through[1]));
	}
	close(let_through[1]);
	for (unsigned i = 0; i < PROCESSES; i++)
		CHECK_NUMBER(read(let_through[0], &byte, 1), 1, "all are let through");
	close(gate[1]);
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		results[WIFEXITED(status) && WEXITSTATUS(status) < 2 ? WEXITSTATUS(status)
								     : 2]++;
	}
	close(gate[0]);
	close(let_through[0]);
	CHECK_NUMBER(results[0], 3, "told that they failed");
	CHECK_NUMBER(results[1], PROCESSES - 3, "told to wait");
	CHECK_NUMBER(results[2], 0, "anything else");
	check_end();
}

/* Counting is atomic, too. */
static void test_count_race(void **state)
{
	pid_t pids[PROCESSES];
	struct store_counter counter;

	(void)state;
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] != 0)
			continue;
		struct store *store = open_store();
		bool ok = true;

		for (unsigned j = 0; j < 25; j++)
			ok = ok && increment(store, 1, LATER_S, NOW_S, &counter) == REASON_NONE;
		store_free(store);
		_exit(ok ? 0 : 1);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		CHECK_NUMBER(status, 0, "no process failed");
	}
	struct store *store = open_store();

	CHECK_REASON(read_counter(store, 1, NOW_S, &counter), REASON_NONE, "read");
	CHECK_NUMBER(counter.count, PROCESSES * 25, "none is lost");
	store_free(store);
	check_end();
}

static void write_for_ever(unsigned first)
{
	struct store *store = open_store();

	for (unsigned number = first;; number++) {
		bool added;
		enum reason reason = add(
			store, STORE_REVOCATION, number, LATER_S, NOW_S, &added);

		if (reason != REASON_NONE || !added)
			_exit(2);
		if (write(receipts[1], &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

static pid_t start_writer(void)
{
	unsigned first = ++series * 100000;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(6 * PATIENCE_S);
		close(receipts[0]);
		write_for_ever(first);
	}
	return pid;
}

static void kill_writer(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"a writer was running until it was killed");
}

/* Take the receipts that are there; wait for the first of them. */
static size_t collect(int patience_ms)
{
	struct pollfd pollfd = { .fd = receipts[0], .events = POLLIN };
	size_t before = acknowledged_count;

	while (poll(&pollfd, 1, acknowledged_count == before ? patience_ms : 0) == 1) {
		assert_true(acknowledged_count < COUNT(acknowledged));
		assert_int_equal(read(receipts[0], &acknowledged[acknowledged_count],
					 sizeof(acknowledged[0])),
			sizeof(acknowledged[0]));
		acknowledged_count++;
	}
	return acknowledged_count - before;
}

/* In a process of its own: what was acknowledged is there, and a record can be made. */
static bool check_records(void)
{
	struct store *store = open_store();
	bool answer = true;
	enum reason reason = REASON_NONE;

	alarm(PATIENCE_S);
	for (size_t i = checked_count; i < acknowledged_count && answer; i++) {
		reason = has(store, STORE_REVOCATION, acknowledged[i], LATER_S, NOW_S, &answer);
		answer = answer && reason == REASON_NONE;
	}
	if (answer)
		reason = add(store, STORE_REPLAY, (unsigned)getpid(), LATER_S, NOW_S, &answer);
	store_free(store);
	return reason == REASON_NONE && answer;
}

/*
 * One of several writers is killed at a random moment, again and again, and the others go on.
 * Each tenth time all are killed, so that the next one is the first to open the files.
 */
static void test_kill(void **state)
{
	pid_t pids[WRITERS];
	unsigned killed = 0;

	(void)state;
	assert_int_equal(pipe2(receipts, O_CLOEXEC), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start_writer();
	for (unsigned round = 0; round < ROUNDS; round++) {
		CHECK(collect(PATIENCE_S * 1000) > 0, "the other writers go on");
		usleep(random_below(10000));
		for (unsigned i = 0; i < WRITERS; i++) {
			if (round % 10 != 9 && i != round % WRITERS)
				continue;
			kill_writer(pids[i]);
			pids[i] = 0;
			killed++;
		}
		collect(0);
		CHECK(in_process(check_records), "all that was acknowledged is there");
		checked_count = acknowledged_count;
		for (unsigned i = 0; i < WRITERS; i++)
			pids[i] = pids[i] == 0 ? start_writer() : pids[i];
	}
	for (unsigned i = 0; i < WRITERS; i++)
		kill_writer(pids[i]);
	collect(0);
	checked_count = 0;
	CHECK(in_process(check_records), "all that was ever acknowledged is there");
	CHECK(acknowledged_count >= 1000, "enough was written");
	print_message("%zu records acknowledged, %u processes killed\n", acknowledged_count,
		killed + WRITERS);
	close(receipts[0]);
	close(receipts[1]);
	check_end();
}

/* A pair of processes that take turns; each turn is one call. */
static struct {
	int to_child[2], to_parent[2];
} turns;

static void pass(int fd)
{
	assert_int_equal(write(fd, "", 1), 1);
}

static void await(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 1);
}

static pid_t begin_turns(bool (*child)(void))
{
	assert_int_equal(pipe2(turns.to_child, O_CLOEXEC), 0);
	assert_int_equal(pipe2(turns.to_parent, O_CLOEXEC), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child() ? 0 : 1);
	return pid;
}

/* The child has found all that it was to find. */
static void end_turns(pid_t pid, const char *name)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	CHECK_NUMBER(status, 0, name);
	for (unsigned i = 0; i < 2; i++) {
		close(turns.to_child[i]);
		close(turns.to_parent[i]);
	}
}

/* Adds 1, and 3 when the directory has been replaced, and finds 2 and 4. */
static bool other_process(void)
{
	struct store *store = open_store();
	bool ok = true, answer;

	alarm(PATIENCE_S);
	for (unsigned i = 1; i <= 3; i += 2) {
		await(turns.to_child[0]);
		ok = ok &&
		     add(store, STORE_REVOCATION, i, LATER_S, NOW_S, &answer) == REASON_NONE &&
		     answer;
		pass(turns.to_parent[1]);
		await(turns.to_child[0]);
		ok = ok &&
		     has(store, STORE_REVOCATION, i + 1, LATER_S, NOW_S, &answer) ==
			     REASON_NONE &&
		     answer;
	}
	store_free(store);
	return ok;
}

/* What one has done, the other sees at once; also in a directory that has been replaced. */
static void test_two(void **state)
{
	bool answer;

	(void)state;
	pid_t pid = begin_turns(other_process);
	struct store *store = open_store();

	for (unsigned i = 1; i <= 3; i += 2) {
		CHECK_REASON(has(store, STORE_REVOCATION, i, LATER_S, NOW_S, &answer),
			REASON_NONE, "before");
		CHECK(!answer, "before");
		pass(turns.to_child[1]);
		await(turns.to_parent[0]);
		CHECK_REASON(has(store, STORE_REVOCATION, i, LATER_S, NOW_S, &answer),
			REASON_NONE, "after");
		CHECK(answer, "after");
		CHECK_REASON(add(store, STORE_REVOCATION, i + 1, LATER_S, NOW_S, &answer),
			REASON_NONE, "add");
		pass(turns.to_child[1]);
		if (i == 3)
			break;
		usleep(50000);
		remove_tree(store_path);
		assert_int_equal(mkdir(store_path, 0700), 0);
	}
	end_turns(pid, "the other process");
	store_free(store);
	check_end();
}

#define LOCK_RECORDS 6 /* before the second of them the lock file is removed */

/* Finds each record when it is told that it is there. */
static bool read_along(void)
{
	struct store *store = open_store();
	bool ok = true, answer;

	alarm(PATIENCE_S);
	for (unsigned i = 0; i < LOCK_RECORDS; i++) {
		await(turns.to_child[0]);
		ok = ok &&
		     has(store, STORE_REVOCATION, i, LATER_S, NOW_S, &answer) == REASON_NONE &&
		     answer;
		pass(turns.to_parent[1]);
	}
	store_free(store);
	return ok;
}

/* LMDB's readers learn from the lock file what the last commit is. */
static void test_lock_removed(void **state)
{
	bool added;

	(void)state;
	pid_t pid = begin_turns(read_along);
	struct store *store = open_store();

	for (unsigned i = 0; i < LOCK_RECORDS; i++) {
		if (i == 1)
			assert_int_equal(unlink(file_of("lock.mdb")), 0);
		CHECK_REASON(add(store, STORE_REVOCATION, i, LATER_S, NOW_S, &added),
			REASON_NONE, "add");
		pass(turns.to_child[1]);
		await(turns.to_parent[0]);
	}
	end_turns(pid, "the reader");
	store_free(store);
	check_end();
}

/*
 * The operator removes the data file alone, while an idle process still has it and the lock
 * file open: the lock file is not for the new data.  With an odd and an even number of commits
 * before, because LMDB has two meta pages, which it uses in turn.
 */
static void test_data_removed(void **state)
{
	(void)state;
	for (unsigned commits = 8; commits < 10; commits++) {
		int gate[2], status;
		bool answer;

		assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct store *idle = open_store();
			bool ok = true;

			alarm(PATIENCE_S);
			for (unsigned i = 0; i < commits; i++)
				ok = ok &&
				     add(idle, STORE_REPLAY, i, LATER_S, NOW_S, &answer) ==
					     REASON_NONE &&
				     answer;
			pass(gate[1]);
			sleep(PATIENCE_S);
			_exit(ok ? 1 : 2);
		}
		await(gate[0]);
		assert_int_equal(unlink(file_of("data.mdb")), 0);
		struct store *store = open_store();

		for (unsigned i = 0; i < 5; i++) {
			CHECK_REASON(add(store, STORE_REPLAY, i, LATER_S, NOW_S, &answer),
				REASON_NONE, "new data");
			CHECK(answer, "new data");
			CHECK_REASON(has(store, STORE_REPLAY, i, LATER_S, NOW_S, &answer),
				REASON_NONE, "new data");
			CHECK(answer, "new data");
		}
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it was idle");
		store_free(store);
		remove_tree(store_path);
		close(gate[0]);
		close(gate[1]);
	}
	check_end();
}

/* Readers that are killed leave their places taken; there are fewer places than these. */
static void test_dead_readers(void **state)
{
	struct store *store = open_store();
	bool answer;

	(void)state;
	CHECK_REASON(add(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer), REASON_NONE, "add");
	for (unsigned i = 0; i < 700; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct store *own = open_store();

			if (has(own, STORE_REPLAY, 1, LATER_S, NOW_S, &answer) == REASON_NONE &&
				answer)
				kill(getpid(), SIGKILL);
			_exit(1);
		}
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "reads");
	}
	CHECK_REASON(has(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer), REASON_NONE, "has");
	store_free(store);
	check_end();
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

/* Mount a file system of 1 MiB on `top`, which only this process and its children see. */
static bool mount_small(void)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	bool ok = unshare(CLONE_NEWNS) == 0 ||
		  (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
			  write_file("/proc/self/setgroups", "deny") &&
			  write_file("/proc/self/uid_map", uids) &&
			  write_file("/proc/self/gid_map", gids));

	return ok && mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
	       mount("none", top, "tmpfs", 0, "size=1m,mode=0700") == 0;
}

/* Make `top` a disk of 1 MiB: a real one, or where that is forbidden what behaves so. */
static bool make_small(void)
{
	char path[PATH_MAX];

	/* A process that has failed half-way is in a state of its own. */
	if (in_process(mount_small)) {
		print_message("the small disk is a tmpfs\n");
		return mount_small();
	}
	print_message("no file system can be mounted here: small_disk.c is the small disk\n");
	return realpath(top, path) != NULL && setenv("SMALL_DISK", path, 1) == 0;
}

/* Take all space of the small disk. */
static int take_space(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, SMALL_DISK_SIZE), 0);
	return fd;
}

static void check_answer(struct store *store, unsigned number, bool wanted)
{
	bool answer;

	CHECK_REASON(has(store, STORE_REPLAY, number, LATER_S, NOW_S, &answer), REASON_NONE,
		"reads go on");
	CHECK_NUMBER(answer, wanted, "what was acknowledged, and nothing else");
}

/* No place for the files at first, then for some records; then all is given back. */
static bool fill_disk(void)
{
	char ballast[80];
	enum reason reason = REASON_NONE;
	struct store *store = open_store();
	unsigned count = 0, refused = 0;
	static bool made[5000];
	bool answer;

	if (!make_small())
		return false;
	snprintf(ballast, sizeof(ballast), "%s/ballast", top);
	int fd = take_space(ballast);

	CHECK_REASON(add(store, STORE_REPLAY, 1, LATER_S, NOW_S, &answer), REASON_STORE_FULL,
		"no file can be made");
	CHECK_NUMBER(ftruncate(fd, 300 << 10), 0, "room");
	for (; count < COUNT(made) && refused < 50; count++) {
		reason = add(store, STORE_REPLAY, count, LATER_S, NOW_S, &made[count]);
		refused += reason == REASON_STORE_FULL;
		CHECK(reason == REASON_NONE || reason == REASON_STORE_FULL, "full");
		CHECK_NUMBER(made[count], reason == REASON_NONE, "full");
	}
	CHECK(refused == 50 && count > 1000, "full");
	counting_check_refuses(store, REASON_STORE_FULL, "the counters' file cannot be made");
	CHECK(access(file_of("metrics"), F_OK) != 0, "nor is a part of it left");
	CHECK(access(file_of("metrics.new"), F_OK) != 0, "nor is a part of it left");
	for (unsigned i = 0; i < count; i++)
		check_answer(store, i, made[i]);
	store_free(store);
	store = open_store();
	for (unsigned i = 0; i < count; i++)
		check_answer(store, i, made[i]);
	CHECK_NUMBER(ftruncate(fd, 0), 0, "space is back");
	for (unsigned i = 0; i < count; i++) {
		CHECK_REASON(add(store, STORE_REPLAY, i, LATER_S, NOW_S, &answer), REASON_NONE,
			"works again");
		CHECK_NUMBER(answer, !made[i], "works again");
		if (i == 100)
			break;
	}
	CHECK_REASON(add(store, STORE_REPLAY, count, LATER_S, NOW_S, &answer), REASON_NONE,
		"works again");
	CHECK(answer, "works again");
	close(fd);
	store_free(store);
	return check_failures == 0;
}

static void test_full_disk(void **state)
{
	(void)state;
	assert_true(in_process(fill_disk));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_top, remove_top)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_race),
		TEST(test_count_race),
		TEST(test_throttle_race),
		TEST(test_kill),
		TEST(test_two),
		TEST(test_lock_removed),
		TEST(test_data_removed),
		TEST(test_dead_readers),
		TEST(test_full_disk),
	};

	return cmocka_run_group_tests_name("store_processes", tests, NULL, NULL);
}
