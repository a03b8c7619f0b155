/* SPDX-License-Identifier: MIT */
/* Tests of state/counters: one process and many, killed ones, files of any content. */
#include "counting.h"
#include "store_fixture.h"

#include "state/counters.h"
#include "util/random.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define PROCESSES 16
#define ADDS 100000
#define RACED_NAMES 1000
#define KILLS 200
#define PATIENCE_S 60

/* What the layout is, seen from outside. */
#define HEADER_SIZE 24
#define AT_LAYOUT 8
#define AT_USED 16
#define INDEX_SIZE (65536 * 4)
#define RECORDS_BEGIN (HEADER_SIZE + INDEX_SIZE + 256 * 56)

/* Which call fails, of all that are counted, and how. */
static struct {
	unsigned calls;
	unsigned n; /* 0: none */
	int code;
} plan;

static bool lacks_blocks; /* they cannot be reserved */

static bool fails_now(void)
{
	if (plan.n == 0 || ++plan.calls != plan.n)
		return false;
	errno = plan.code;
	return true;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int rights, int flags, int fd, off_t offset);
int __real_fallocate(int fd, int mode, off_t offset, off_t n);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t n);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t n);
int __real_posix_fallocate(int fd, off_t offset, off_t n);
int __wrap_posix_fallocate(int fd, off_t offset, off_t n);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t n);
int __real_ftruncate(int fd, off_t n);
int __wrap_ftruncate(int fd, off_t n);
int __wrap_ftruncate64(int fd, off_t n);
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_mmap(void *at, size_t n, int rights, int flags, int fd, off_t offset)
{
	return fails_now() ? MAP_FAILED : __real_mmap(at, n, rights, flags, fd, offset);
}

void *__wrap_mmap64(void *at, size_t n, int rights, int flags, int fd, off_t offset)
{
	return __wrap_mmap(at, n, rights, flags, fd, offset);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t n)
{
	if (fails_now())
		return -1;
	if (!lacks_blocks)
		return __real_fallocate(fd, mode, offset, n);
	errno = EOPNOTSUPP;
	return -1;
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t n)
{
	return __wrap_fallocate(fd, mode, offset, n);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t n)
{
	return fails_now() ? plan.code : __real_posix_fallocate(fd, offset, n);
}

int __wrap_posix_fallocate64(int fd, off_t offset, off_t n)
{
	return __wrap_posix_fallocate(fd, offset, n);
}

int __wrap_ftruncate(int fd, off_t n)
{
	return fails_now() ? -1 : __real_ftruncate(fd, n);
}

int __wrap_ftruncate64(int fd, off_t n)
{
	return __wrap_ftruncate(fd, n);
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return fails_now() ? -1 : __real_pwrite(fd, p, n, offset);
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	return __wrap_pwrite(fd, p, n, offset);
}

int __wrap_rename(const char *from, const char *to)
{
	return fails_now() ? -1 : __real_rename(from, to);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return fails_now() ? -1 : __real_fchmod(fd, mode);
}

/* The file of the counters; its directory is `top`. */
static const char *path(void)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/metrics", top);
	return text;
}

static const char *new_path(void)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/metrics.new", top);
	return text;
}

static const char *other_path(void)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/other", top);
	return text;
}

static struct counters *open_counters(void)
{
	struct counters *counters;

	assert_int_equal(counters_open(path(), &counters), REASON_NONE);
	assert_non_null(counters);
	return counters;
}

static enum reason add_name(struct counters *counters, struct str name, int64_t amount)
{
	const struct counter_step step = { name, amount };

	return counters_add(counters, &step);
}

static enum reason add_number(struct counters *counters, unsigned number, int64_t amount)
{
	char name[32];

	snprintf(name, sizeof(name), "requests %u", number);
	return add_name(counters, str_of(name), amount);
}

static struct findings visit(const struct counters *counters, struct str name)
{
	struct findings findings = { .name = name };

	counters_each(counters, counting_find, &findings);
	return findings;
}

static void check_value(
	const struct counters *counters, struct str name, int64_t wanted, const char *test)
{
	struct findings findings = visit(counters, name);

	CHECK_NUMBER(findings.times, 1, test);
	CHECK_NUMBER(findings.value, wanted, test);
}

static void ignore_process(void *context, const struct process_facts *facts)
{
	CHECK(memchr(facts->version, '\0', sizeof(facts->version)) != NULL, "terminated");
	++*(unsigned *)context;
}

static unsigned listed(const struct counters *counters)
{
	unsigned count = 0;

	counters_each_process(counters, ignore_process, &count);
	return count;
}

static void check_adding(struct counters *counters, const char *test)
{
	static char longest[COUNTERS_NAME_MAX + 1];
	static const struct str names[] = { TEXT("a"), TEXT("ab"), TEXT("requests\tclient"),
		TEXT("\xff\x01\n"), { longest, COUNTERS_NAME_MAX },
		{ longest, COUNTERS_NAME_MAX - 1 }, { longest, 5 } };

	memset(longest, 'x', sizeof(longest));
	CHECK_NUMBER(visit(counters, STR("")).names, 0, test);
	for (size_t i = 0; i < COUNT(names); i++) {
		CHECK_REASON(add_name(counters, names[i], 0), REASON_NONE, test);
		check_value(counters, names[i], 0, test);
		CHECK_REASON(add_name(counters, names[i], 7), REASON_NONE, test);
		CHECK_REASON(add_name(counters, names[i], (int64_t)i), REASON_NONE, test);
	}
	for (size_t i = 0; i < COUNT(names); i++)
		check_value(counters, names[i], 7 + (int64_t)i, test);
	CHECK_REASON(add_name(counters, STR(""), 1), REASON_STORE, test);
	CHECK_REASON(add_name(counters, (struct str){ longest, sizeof(longest) }, 1),
		REASON_STORE, test);
	CHECK_REASON(add_name(counters, names[0], INT64_C(1) << 40), REASON_NONE, test);
	check_value(counters, names[0], (INT64_C(1) << 40) + 7, test);
	CHECK_NUMBER(visit(counters, STR("")).names, COUNT(names), test);
	CHECK(!counters_is_stale(counters), test);
}

static void test_adding(void **state)
{
	struct counters *own = counters_new(), *shared = open_counters();

	(void)state;
	assert_non_null(own);
	check_adding(own, "own memory");
	check_adding(shared, "a file");
	counters_clear(own);
	check_adding(own, "cleared");
	counters_free(own);
	counters_free(shared);
	counters_free(NULL);
	check_end();
}

static void test_all_or_none(void **state)
{
	static const struct counter_step good[] = { { TEXT("a"), 1 }, { TEXT("b"), 2 },
		{ TEXT("a"), 4 } };
	static const struct counter_step bad[] = { { TEXT("a"), 1 }, { TEXT("c"), 2 },
		{ TEXT(""), 4 } };
	static const struct counter_step less[] = { { TEXT("a"), 1 }, { TEXT("b"), -1 } };
	struct counters *counters = counters_new();

	(void)state;
	assert_non_null(counters);
	CHECK_REASON(counters_add_all(counters, good, 0), REASON_NONE, "nothing");
	CHECK_REASON(counters_add_all(counters, good, COUNT(good)), REASON_NONE, "good");
	CHECK_REASON(counters_add_all(counters, bad, COUNT(bad)), REASON_STORE, "bad");
	CHECK_REASON(counters_add_all(counters, less, COUNT(less)), REASON_STORE, "less");
	check_value(counters, STR("a"), 5, "once");
	check_value(counters, STR("b"), 2, "once");
	CHECK_NUMBER(visit(counters, STR("")).total, 7, "nothing else");
	counters_free(counters);
	check_end();
}

/* Two openings share what is in the file, and so does one that comes later. */
static void test_shared(void **state)
{
	struct counters *one = open_counters(), *two = open_counters();

	(void)state;
	CHECK_REASON(add_name(one, STR("a"), 1), REASON_NONE, "one");
	CHECK_REASON(add_name(two, STR("a"), 2), REASON_NONE, "two");
	CHECK_REASON(add_name(two, STR("b"), 4), REASON_NONE, "two");
	check_value(one, STR("a"), 3, "both");
	check_value(one, STR("b"), 4, "both");
	check_value(two, STR("a"), 3, "both");
	counters_free(one);
	counters_free(two);
	one = open_counters();
	check_value(one, STR("a"), 3, "later");
	check_value(one, STR("b"), 4, "later");
	counters_free(one);
	check_end();
}

static struct stat stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st;
}

static void test_rights(void **state)
{
	static const struct {
		mode_t directory, file;
	} cases[] = {
		{ 0700, 0600 },
		{ 0770, 0660 },
		{ 0750, 0640 },
		{ 02775, 0660 },
		{ 0777, 0660 },
	};
	bool is_root = geteuid() == 0;
	mode_t mask = umask(0077);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(is_root ? chown(top, 4321, 1234) : 0, 0);
		assert_int_equal(chmod(top, cases[i].directory), 0);
		counters_free(open_counters());
		struct stat st = stat_of(path());

		CHECK_NUMBER(st.st_mode & 07777, cases[i].file, "rights");
		CHECK_NUMBER(st.st_uid, is_root ? 4321 : geteuid(), "owner");
		CHECK(!is_root || st.st_gid == 1234, "group");
		CHECK_NUMBER(st.st_size, COUNTERS_FILE_SIZE, "size");
		CHECK(st.st_blocks * 512 >= st.st_size, "no holes");
		CHECK(access(new_path(), F_OK) != 0, "nothing else is left");
		assert_int_equal(unlink(path()), 0);
	}
	umask(mask);
	check_end();
}

/* Run a function in many processes that begin at once; how many returned true. */
static unsigned in_processes(bool (*run)(unsigned process))
{
	pid_t pids[PROCESSES];
	int gate[2];
	unsigned good = 0;
	char byte;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] != 0)
			continue;
		alarm(PATIENCE_S);
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) == 0 && run(i) ? 0 : 1);
	}
	close(gate[0]);
	close(gate[1]);
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return good;
}

/* Two names for all, one of its own; opened when all the others do. */
static bool add_many(unsigned process)
{
	struct counters *counters = open_counters();
	bool ok = true;

	for (unsigned i = 0; i < ADDS; i++)
		ok = ok && add_name(counters, STR("all"), 1) == REASON_NONE;
	ok = ok && add_number(counters, process, process) == REASON_NONE &&
	     !counters_is_stale(counters);
	counters_free(counters);
	return ok;
}

static void test_sum(void **state)
{
	(void)state;
	CHECK_NUMBER(in_processes(add_many), PROCESSES, "no process failed");
	struct counters *counters = open_counters();
	struct findings findings = visit(counters, STR("all"));

	CHECK_NUMBER(findings.times, 1, "once");
	CHECK_NUMBER(findings.value, PROCESSES * ADDS, "none is lost, none is counted twice");
	CHECK_NUMBER(findings.names, PROCESSES + 1, "and one for each");
	CHECK_NUMBER(findings.total, PROCESSES * ADDS + PROCESSES * (PROCESSES - 1) / 2, "all");
	CHECK(access(new_path(), F_OK) != 0, "nothing else is left");
	counters_free(counters);
	check_end();
}

/* All names that all the others make, from a place of its own on. */
static bool make_names(unsigned process)
{
	struct counters *counters = open_counters();
	bool ok = true;

	for (unsigned i = 0; i < RACED_NAMES; i++) {
		unsigned number = process % 2 == 0 ? i : RACED_NAMES - 1 - i;

		ok = ok && add_number(counters, number, number + 1) == REASON_NONE;
	}
	counters_free(counters);
	return ok;
}

static void test_new_names(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		CHECK_NUMBER(in_processes(make_names), PROCESSES, "no process failed");
		struct counters *counters = open_counters();

		CHECK_NUMBER(visit(counters, STR("")).names, RACED_NAMES, "each name once");
		for (unsigned i = 0; i < RACED_NAMES; i += 99) {
			char name[32];

			snprintf(name, sizeof(name), "requests %u", i);
			check_value(counters, str_of(name), PROCESSES * (int64_t)(i + 1), name);
		}
		counters_free(counters);
		assert_int_equal(unlink(path()), 0);
	}
	check_end();
}

/* Of the memory that a process and its children share. */
static unsigned *done;

/* Add for ever, to new names and known ones; *done is how often it has been done. */
static void add_for_ever(void)
{
	struct counters *counters = open_counters();
	const struct process_facts facts = { .pid = getpid(), .version = "1" };

	for (unsigned i = 0;; i++) {
		const struct counter_step steps[] = { { STR("known"), 1 }, { STR("also"), 1 } };

		counters_report(counters, &facts);
		if (counters_add_all(counters, steps, COUNT(steps)) != REASON_NONE ||
			add_number(counters, *done % 20000, 1) != REASON_NONE)
			_exit(1);
		++*done;
	}
}

static unsigned random_below(unsigned limit)
{
	uint32_t number;

	assert_int_equal(random_bytes(&number, sizeof(number)), REASON_NONE);
	return number % limit;
}

static void kill_in_the_middle(void (*run)(void))
{
	unsigned before = *done;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(PATIENCE_S);
		run();
	}
	while (*(volatile unsigned *)done == before && waitpid(pid, &status, WNOHANG) == 0)
		;
	usleep(random_below(2000));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ran until it was killed");
}

static void share_done(void)
{
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(done != MAP_FAILED);
}

/* Nobody is held up, nothing breaks, and at most what was under way is not counted. */
static void test_kill(void **state)
{
	(void)state;
	share_done();
	struct counters *counters = open_counters();
	ino_t inode = stat_of(path()).st_ino;

	for (unsigned i = 0; i < KILLS; i++) {
		kill_in_the_middle(add_for_ever);
		struct counters *fresh = open_counters();
		int64_t known = visit(fresh, STR("known")).value;

		CHECK(known >= *done && known <= (int64_t)*done + i + 1, "counted");
		CHECK_NUMBER(listed(fresh), 0, "it is listed no more");
		CHECK_REASON(add_number(fresh, 100000 + i, 1), REASON_NONE, "new names");
		CHECK_NUMBER(stat_of(path()).st_ino, inode, "the file is a good one");
		counters_free(fresh);
	}
	CHECK(!counters_is_stale(counters), "who had it open");
	CHECK_REASON(add_name(counters, STR("last"), 1), REASON_NONE, "who had it open");
	unsigned made = *done < 20000 ? *done : 20000;
	unsigned names = visit(counters, STR("")).names;

	CHECK(names >= made + KILLS + 3 && names <= made + KILLS + 4, "each name once");
	CHECK(*done > KILLS, "enough was counted");
	print_message("%u processes killed, %u additions\n", KILLS, 3 * *done);
	counters_free(counters);
	munmap(done, 4096);
	check_end();
}

/* Make the file, and remove it, for ever. */
static void make_for_ever(void)
{
	for (;;) {
		struct counters *counters;

		if (counters_open(path(), &counters) != REASON_NONE ||
			add_name(counters, STR("a"), 1) != REASON_NONE)
			_exit(1);
		counters_free(counters);
		unlink(path());
		++*done;
	}
}

/* What a process leaves that is killed while it makes the file is in nobody's way. */
static void test_kill_making(void **state)
{
	unsigned left = 0;

	(void)state;
	share_done();
	for (unsigned i = 0; i < KILLS; i++) {
		kill_in_the_middle(make_for_ever);
		left += access(new_path(), F_OK) == 0;
		struct counters *counters = open_counters();

		CHECK_REASON(add_name(counters, STR("b"), 1), REASON_NONE, "works");
		check_value(counters, STR("b"), 1, "works");
		counters_free(counters);
		assert_int_equal(unlink(path()), 0);
		CHECK(access(new_path(), F_OK) != 0, "nothing else is left");
	}
	print_message(
		"%u processes killed, %u left a file that was not complete\n", KILLS, left);
	munmap(done, 4096);
	check_end();
}

static void put(const char *name, off_t at, const void *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

/* Everything that can be done, with whatever result, but without a crash. */
static void use(struct counters *counters)
{
	const struct process_facts facts = { .pid = 1, .version = "1" };

	for (unsigned i = 0; i < 3; i++)
		(void)!add_number(counters, i, 1);
	(void)!add_name(counters, STR("another"), 1);
	(void)visit(counters, STR(""));
	counters_report(counters, &facts);
	(void)listed(counters);
	(void)counters_is_stale(counters);
}

/* As the store does it: one that was damaged is replaced, and counting goes on. */
static void check_recovers(struct counters *counters, const char *test)
{
	for (unsigned i = 0; i < 2; i++) {
		if (counters_is_stale(counters)) {
			counters_free(counters);
			counters = open_counters();
		}
		(void)!add_number(counters, 1, 0);
	}
	counters_free(counters);
	counters = open_counters();
	struct findings before = visit(counters, STR("requests 1"));

	CHECK(before.times <= 1, test);
	CHECK_REASON(add_number(counters, 1, 5), REASON_NONE, test);
	check_value(counters, STR("requests 1"), before.value + 5, test);
	CHECK(!counters_is_stale(counters), test);
	CHECK(access(new_path(), F_OK) != 0, test);
	counters_free(counters);
}

/* A file with some counters and a process, open. */
static struct counters *make_some(void)
{
	unlink(path());
	struct counters *counters = open_counters();

	for (unsigned i = 0; i < 50; i++)
		CHECK_REASON(add_number(counters, i, i), REASON_NONE, "some");
	counters_report(counters, &(struct process_facts){ .pid = 1, .version = "1" });
	return counters;
}

/* Each byte of the header, while the file is open, and before it is opened. */
static void test_damaged_header(void **state)
{
	static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned replaced = 0;

	(void)state;
	for (off_t at = 0; at < HEADER_SIZE; at++) {
		for (size_t i = 0; i < COUNT(values); i++) {
			char test[64];
			struct counters *in_use = make_some(), *fresh;
			ino_t inode = stat_of(path()).st_ino;

			snprintf(test, sizeof(test), "byte %d is %u", (int)at, values[i]);
			put(path(), at, &values[i], 1);
			use(in_use);
			fresh = open_counters();
			replaced += stat_of(path()).st_ino != inode;
			use(fresh);
			counters_free(fresh);
			check_recovers(in_use, test);
		}
	}
	/* The last four bytes mean nothing, and some had the value before. */
	CHECK(replaced >= (HEADER_SIZE - 4) * 3, "most are seen");
	check_end();
}

/* Random bytes from somewhere up to somewhere else, in the file that is open, or before. */
static void test_damaged(void **state)
{
	static const struct {
		const char *test;
		off_t from, to;
	} cases[] = {
		{ "all", 0, COUNTERS_FILE_SIZE },
		{ "header", 0, HEADER_SIZE },
		{ "all but the header", HEADER_SIZE, COUNTERS_FILE_SIZE },
		{ "index", HEADER_SIZE, HEADER_SIZE + INDEX_SIZE },
		{ "processes", HEADER_SIZE + INDEX_SIZE, RECORDS_BEGIN },
		{ "records", RECORDS_BEGIN, RECORDS_BEGIN + 50 * 24 },
		{ "first record", RECORDS_BEGIN, RECORDS_BEGIN + 24 },
		{ "its length", RECORDS_BEGIN + 8, RECORDS_BEGIN + 12 },
		{ "one of its length", RECORDS_BEGIN + 10, RECORDS_BEGIN + 11 },
	};
	static unsigned char bytes[COUNTERS_FILE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned round = 0; round < 20; round++) {
			struct counters *in_use = make_some(), *fresh;
			size_t n = (size_t)(cases[i].to - cases[i].from);

			assert_int_equal(random_bytes(bytes, n), REASON_NONE);
			put(path(), cases[i].from, bytes, n);
			if (round % 2 == 0)
				use(in_use);
			fresh = open_counters();
			use(fresh);
			counters_free(fresh);
			check_recovers(in_use, cases[i].test);
		}
	}
	check_end();
}

/* Offsets that lead nowhere, or into the middle, in each bucket that can be the first. */
static void test_damaged_index(void **state)
{
	static const uint32_t offsets[] = { 1, 8, RECORDS_BEGIN - 8, RECORDS_BEGIN + 1,
		RECORDS_BEGIN + 8, COUNTERS_FILE_SIZE - 8, COUNTERS_FILE_SIZE - 16,
		COUNTERS_FILE_SIZE, UINT32_MAX, UINT32_MAX - 7, UINT32_C(1) << 31 };
	static uint32_t index[INDEX_SIZE / 4];

	(void)state;
	for (size_t i = 0; i < COUNT(offsets); i++) {
		struct counters *in_use = make_some();

		for (size_t j = 0; j < COUNT(index); j++)
			index[j] = offsets[i];
		put(path(), HEADER_SIZE, index, sizeof(index));
		CHECK_REASON(add_name(in_use, STR("new"), 1), REASON_STORE, "seen");
		CHECK(counters_is_stale(in_use), "seen");
		(void)visit(in_use, STR(""));
		check_recovers(in_use, "index");
	}
	/* The end of what is used, which is where the next name would go. */
	for (uint32_t used = RECORDS_BEGIN; used < RECORDS_BEGIN + 48; used += 4) {
		struct counters *in_use = make_some();

		put(path(), AT_USED, &used, sizeof(used));
		CHECK_REASON(add_name(in_use, STR("new"), 1), REASON_STORE, "seen");
		CHECK(counters_is_stale(in_use), "seen");
		check_recovers(in_use, "used");
	}
	check_end();
}

/* Bytes where the next record would go, as a machine that stopped may leave them. */
static void test_damaged_space(void **state)
{
	static const unsigned char junk[] = { 0x55 };

	(void)state;
	/* Of its value, and of its length. */
	for (off_t at = 0; at < 12; at++) {
		struct counters *in_use = make_some(), *fresh;
		uint32_t used = RECORDS_BEGIN + 50 * 24;

		put(path(), used + at, junk, sizeof(junk));
		fresh = open_counters();
		CHECK_REASON(add_name(fresh, STR("new"), 1), REASON_STORE, "seen");
		CHECK(counters_is_stale(fresh), "seen");
		counters_free(fresh);
		fresh = open_counters();
		CHECK_REASON(
			add_name(fresh, STR("new"), 1), REASON_NONE, "there is a new file");
		check_value(fresh, STR("new"), 1, "there is a new file");
		CHECK(counters_is_stale(in_use), "who has the old one open sees that");
		counters_free(fresh);
		check_recovers(in_use, "space");
	}
	check_end();
}

/* Buckets of an index by hand, in a file that is open, and that is opened. */
static void fill_index(uint32_t offset, size_t step, const char *test)
{
	static uint32_t index[INDEX_SIZE / 4];
	struct counters *in_use = make_some(), *fresh;

	for (size_t i = 0; i < COUNT(index); i++)
		index[i] = i % step == 0 ? offset : 0;
	put(path(), HEADER_SIZE, index, sizeof(index));
	CHECK(visit(in_use, STR("")).names <= 1, test);
	fresh = open_counters();
	CHECK(visit(fresh, STR("")).names <= 1, test);
	CHECK_REASON(add_name(fresh, STR("new"), 1), REASON_NONE, test);
	counters_free(fresh);
	check_recovers(in_use, test);
}

/* Many buckets that lead to one record, which is visited once. */
static void test_damaged_twice(void **state)
{
	(void)state;
	fill_index(RECORDS_BEGIN, 1, "all");
	fill_index(RECORDS_BEGIN, 2, "every other");
	fill_index(RECORDS_BEGIN, 2000, "some");
	fill_index(RECORDS_BEGIN + 24, 60000, "two");
	check_end();
}

/* A file of another layout, of another program, of another size: a new one takes its place. */
static void test_replaced(void **state)
{
	static const unsigned char layout = 2;
	struct counters *old = make_some(), *fresh;
	struct stat st = stat_of(path());

	(void)state;
	put(path(), AT_LAYOUT, &layout, 1);
	CHECK(!counters_is_stale(old), "another layout");
	fresh = open_counters();
	CHECK(stat_of(path()).st_ino != st.st_ino, "another layout");
	CHECK_NUMBER(visit(fresh, STR("")).names, 0, "begun anew");
	CHECK(counters_is_stale(old), "who has the old one open sees that");
	CHECK_REASON(add_number(old, 1, 1), REASON_NONE, "and does no harm until then");
	counters_free(old);
	counters_free(fresh);
	for (off_t size = 0; size <= 2 * COUNTERS_FILE_SIZE; size += COUNTERS_FILE_SIZE / 4) {
		if (size == COUNTERS_FILE_SIZE)
			continue;
		fresh = make_some();
		counters_free(fresh);
		assert_int_equal(truncate(path(), size), 0);
		fresh = open_counters();
		CHECK_NUMBER(visit(fresh, STR("")).names, 0, "another size");
		CHECK_NUMBER(stat_of(path()).st_size, COUNTERS_FILE_SIZE, "another size");
		counters_free(fresh);
	}
	check_end();
}

static void test_stale(void **state)
{
	char away[80];
	struct counters *counters = make_some();

	(void)state;
	CHECK(!counters_is_stale(counters), "fresh");
	assert_int_equal(truncate(path(), COUNTERS_FILE_SIZE / 2), 0);
	CHECK(counters_is_stale(counters), "cut short");
	counters_free(counters);
	counters = make_some();
	assert_int_equal(unlink(path()), 0);
	CHECK(counters_is_stale(counters), "removed");
	struct counters *fresh = open_counters();

	CHECK(counters_is_stale(counters), "another is there");
	CHECK(!counters_is_stale(fresh), "which is good");
	counters_free(counters);
	snprintf(away, sizeof(away), "%s.away", top);
	assert_int_equal(rename(top, away), 0);
	CHECK(counters_is_stale(fresh), "the directory is somewhere else");
	assert_int_equal(mkdir(top, 0700), 0);
	CHECK(counters_is_stale(fresh), "and there is another");
	remove_tree(top);
	assert_int_equal(rename(away, top), 0);
	CHECK(!counters_is_stale(fresh), "it is back");
	counters_free(fresh);
	check_end();
}

/* No more names, but counting goes on, and several are counted all or not at all. */
static void test_full(void **state)
{
	struct counters *counters = open_counters();
	char name[COUNTERS_NAME_MAX];
	unsigned count = 0;
	enum reason reason = REASON_NONE;

	(void)state;
	memset(name, 'x', sizeof(name));
	for (; reason == REASON_NONE && count < 100000; count++) {
		int n = snprintf(name, sizeof(name), "%u", count);

		name[n] = ' ';
		/* As long as one with a client is. */
		reason = add_name(counters, (struct str){ name, 140 }, 1);
	}
	CHECK_REASON(reason, REASON_STORE_FULL, "full");
	count--;
	CHECK(count > 20000 && count < 30000, "room for many names");
	CHECK_NUMBER(visit(counters, STR("")).names, count, "all are there");
	memcpy(name, "0 xxxx", 6);
	CHECK_REASON(add_name(counters, (struct str){ name, 140 }, 1), REASON_NONE, "known");
	check_value(counters, (struct str){ name, 140 }, 2, "known");
	const struct counter_step steps[] = { { { name, 140 }, 1 }, { { name, 141 }, 1 } };

	CHECK_REASON(counters_add_all(counters, steps, 2), REASON_STORE_FULL, "full");
	check_value(counters, steps[0].name, 2, "none of them");
	CHECK(!counters_is_stale(counters), "that is no damage");
	counters_free(counters);
	counters = open_counters();
	CHECK_NUMBER(visit(counters, STR("")).names, count, "still there");
	CHECK_REASON(add_name(counters, steps[1].name, 1), REASON_STORE_FULL, "still full");
	counters_free(counters);
	check_end();
}

/* Names that are so short that the index is full before the file is. */
static void test_full_index(void **state)
{
	struct counters *counters = counters_new();
	enum reason reason = REASON_NONE;
	unsigned count = 0;

	(void)state;
	assert_non_null(counters);
	for (; reason == REASON_NONE && count < 200000; count++)
		reason = add_name(counters, (struct str){ (const char *)&count, 3 }, 1);
	CHECK_REASON(reason, REASON_STORE_FULL, "full");
	CHECK(count > 30000 && count <= 65537, "most of it");
	CHECK_NUMBER(visit(counters, STR("")).total, count - 1, "all that was counted");
	counters_free(counters);
	check_end();
}

static bool with_small_files(void)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	struct counters *counters;

	signal(SIGXFSZ, SIG_IGN);
	for (unsigned i = 0; i < 2; i++) {
		lacks_blocks = i == 1;
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			return false;
		CHECK_REASON(counters_open(path(), &counters), REASON_STORE_FULL, "no room");
		CHECK(counters == NULL, "no room");
		CHECK(access(path(), F_OK) != 0, "nothing is left");
		CHECK(access(new_path(), F_OK) != 0, "nothing is left");
	}
	return check_failures == 0;
}

static void test_no_room(void **state)
{
	(void)state;
	assert_true(in_process(with_small_files));
}

/* Where blocks cannot be reserved, they are written. */
static void test_no_fallocate(void **state)
{
	(void)state;
	lacks_blocks = true;
	struct counters *counters = open_counters();

	CHECK(stat_of(path()).st_blocks * 512 >= COUNTERS_FILE_SIZE, "no holes");
	check_adding(counters, "written");
	counters_free(counters);
	counters = open_counters();
	CHECK_NUMBER(visit(counters, STR("ab")).value, 8, "opened again");
	counters_free(counters);
	lacks_blocks = false;
	check_end();
}

static void make_directory(const char *name)
{
	assert_int_equal(mkdir(name, 0700), 0);
}

static void make_link(const char *name)
{
	assert_int_equal(symlink("/dev/null", name), 0);
}

static void make_fifo(const char *name)
{
	assert_int_equal(mkfifo(name, 0600), 0);
}

/* Another name of a file that is not ours to write. */
static void make_hard_link(const char *name)
{
	int fd = open(other_path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(link(other_path(), name), 0);
}

static void make_garbage(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, COUNTERS_FILE_SIZE + 9), 0);
	close(fd);
	put(name, 3, "garbage", 7);
}

/* What is no file is left alone. */
static void test_no_file(void **state)
{
	static void (*const makes[])(
		const char *name) = { make_directory, make_link, make_fifo };
	static char longest[PATH_MAX + 2];
	struct counters *counters;

	(void)state;
	for (size_t i = 0; i < COUNT(makes); i++) {
		makes[i](path());
		ino_t inode = stat_of(path()).st_ino;

		CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "no file");
		CHECK(counters == NULL, "no file");
		CHECK_NUMBER(stat_of(path()).st_ino, inode, "left alone");
		assert_int_equal(remove(path()), 0);
	}
	memset(longest, '/', PATH_MAX - 3);
	CHECK_REASON(counters_open(longest, &counters), REASON_STORE_OPEN, "too long");
	remove_tree(top);
	CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "no directory");
	assert_int_equal(mkdir(top, 0700), 0);
	check_end();
}

/* Something that is left where the new file is to be made: not for longer than one attempt. */
static void test_left(void **state)
{
	static const struct {
		void (*make)(const char *name);
		enum reason reason;
	} cases[] = {
		{ make_garbage, REASON_NONE },
		{ make_link, REASON_STORE_OPEN },
		{ make_fifo, REASON_STORE_OPEN },
		{ make_hard_link, REASON_STORE_OPEN },
	};
	struct counters *counters;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		cases[i].make(new_path());
		CHECK_REASON(counters_open(path(), &counters), cases[i].reason, "left");
		counters_free(counters);
		counters = open_counters();
		check_adding(counters, "left");
		CHECK(access(new_path(), F_OK) != 0, "no longer");
		counters_free(counters);
		assert_int_equal(unlink(path()), 0);
	}
	struct stat st = stat_of(other_path());

	CHECK_NUMBER(st.st_size, 8, "the file of the hard link");
	CHECK_NUMBER(st.st_mode & 07777, 0640, "the file of the hard link");
	check_end();
}

/* Another process that is making the file, and takes its time, is waited for, for a moment. */
static void test_held(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct counters *counters;
	int fd = open(new_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int64_t begin_us = clock_steady_us(), spent_us;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "held");
	spent_us = clock_steady_us() - begin_us;
	CHECK(spent_us >= 200000 && spent_us < 600000, "for a moment");
	CHECK(access(new_path(), F_OK) == 0, "the other's file is left alone");
	close(fd);
	counters = open_counters();
	CHECK_REASON(add_name(counters, STR("a"), 1), REASON_NONE, "given back");
	counters_free(counters);
	check_end();
}

/* As a user who has no rights, which root would have in any case. */
static bool without_rights(void)
{
	struct counters *counters;

	if (geteuid() == 0 &&
		(chown(top, 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
		return false;
	chmod(top, 0500);
	CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "directory");
	chmod(top, 0700);
	counters_free(open_counters());
	chmod(path(), 0400);
	CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "read only");
	chmod(path(), 0600);
	chmod(top, 0500);
	counters = open_counters();
	CHECK_REASON(add_name(counters, STR("a"), 1), REASON_NONE, "directory read only");
	counters_free(counters);
	chmod(top, 0700);
	assert_int_equal(unlink(path()), 0);
	make_garbage(new_path());
	chmod(new_path(), 0);
	CHECK_REASON(counters_open(path(), &counters), REASON_STORE_OPEN, "left by another");
	counters_free(open_counters());
	return check_failures == 0;
}

static void test_no_rights(void **state)
{
	(void)state;
	assert_true(in_process(without_rights));
}

/* One failing call costs one answer at most, and leaves nothing behind. */
static void test_failing_calls(void **state)
{
	static const struct {
		int code;
		enum reason reason;
	} cases[] = {
		{ ENOSPC, REASON_STORE_FULL },
		{ EDQUOT, REASON_STORE_FULL },
		{ EIO, REASON_STORE_OPEN },
	};
	unsigned refused = 0;
	struct counters *counters;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned n = 1; n <= 12; n++) {
			plan.code = cases[i].code;
			plan.calls = 0;
			plan.n = n;
			lacks_blocks = n % 2 == 0;
			enum reason reason = counters_open(path(), &counters);

			plan.n = 0;
			CHECK_NUMBER(counters == NULL, reason != REASON_NONE, "failing");
			CHECK(reason == REASON_NONE || reason == cases[i].reason ||
					reason == REASON_MEMORY || reason == REASON_STORE_OPEN,
				"failing");
			CHECK(access(new_path(), F_OK) != 0, "nothing is left");
			refused += reason != REASON_NONE;
			counters_free(counters);
			counters = open_counters();
			CHECK_REASON(add_name(counters, STR("a"), 1), REASON_NONE, "works");
			counters_free(counters);
			assert_int_equal(unlink(path()), 0);
		}
	}
	CHECK(refused >= 3 * 6, "they are reported");
	lacks_blocks = false;
	for (plan.n = 1; plan.n <= 2; plan.n++) {
		plan.calls = 0;
		plan.code = ENOMEM;
		assert_null(counters_new());
		plan.calls = 0;
	}
	plan.n = 0;
	check_end();
}

struct seen {
	unsigned count;
	struct process_facts last;
	bool is_torn;
};

/* The facts of these tests have the same number everywhere. */
static void see(void *context, const struct process_facts *facts)
{
	struct seen *seen = context;
	char version[sizeof(facts->version)];

	seen->count++;
	seen->last = *facts;
	snprintf(version, sizeof(version), "%lld", (long long)facts->pid);
	seen->is_torn |= facts->started_s != facts->pid || facts->loaded_s != facts->pid ||
			 facts->degraded != (facts->pid % 2 == 1) ||
			 strcmp(facts->version, version) != 0;
}

static struct process_facts facts_of(int64_t number)
{
	struct process_facts facts = { number, number, number, number % 2 == 1, "" };

	snprintf(facts.version, sizeof(facts.version), "%lld", (long long)number);
	return facts;
}

static struct seen look(const struct counters *counters)
{
	struct seen seen = { 0 };

	counters_each_process(counters, see, &seen);
	return seen;
}

static void report(struct counters *counters, int64_t number)
{
	struct process_facts facts = facts_of(number);

	counters_report(counters, &facts);
}

/* Several openings count as several processes. */
static void check_listed(struct counters *counters, struct counters *other, const char *test)
{
	CHECK_NUMBER(look(other).count, 0, test);
	report(counters, 3);
	CHECK_NUMBER(look(counters).count, 1, test);
	CHECK_NUMBER(look(other).count, 1, test);
	CHECK_NUMBER(look(other).last.pid, 3, test);
	report(counters, 4);
	struct seen seen = look(other);

	CHECK_NUMBER(seen.count, 1, test);
	CHECK_NUMBER(seen.last.pid, 4, test);
	CHECK(!seen.is_torn && !seen.last.degraded, test);
}

static void test_processes(void **state)
{
	struct counters *own = counters_new(), *one = open_counters(), *two = open_counters();

	(void)state;
	check_listed(own, own, "own memory");
	counters_clear(own);
	check_listed(own, own, "cleared");
	check_listed(one, two, "a file");
	report(two, 5);
	CHECK_NUMBER(look(one).count, 2, "both");
	CHECK_NUMBER(look(two).count, 2, "both");
	counters_free(one);
	CHECK_NUMBER(look(two).count, 1, "the other has ended");
	CHECK_NUMBER(look(two).last.pid, 5, "the other has ended");
	one = open_counters();
	CHECK_NUMBER(look(one).count, 1, "it is listed when it reports");
	report(one, 7);
	CHECK_NUMBER(look(two).count, 2, "it has the place that was free");
	/* A version that is none comes from damage. */
	struct process_facts facts = facts_of(7);

	memset(facts.version, 1, sizeof(facts.version));
	counters_report(one, &facts);
	CHECK_NUMBER(look(two).count, 1, "no text");
	counters_free(one);
	counters_free(two);
	counters_free(own);
	check_end();
}

static void test_many_processes(void **state)
{
	static struct counters *many[COUNTERS_PROCESSES_MAX + 4];

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++) {
		many[i] = open_counters();
		report(many[i], (int64_t)i);
		CHECK_REASON(add_name(many[i], STR("a"), 1), REASON_NONE, "counts");
	}
	CHECK_NUMBER(look(many[0]).count, COUNTERS_PROCESSES_MAX, "as many as there is room");
	check_value(many[0], STR("a"), COUNT(many), "all count");
	counters_free(many[9]);
	CHECK_NUMBER(look(many[0]).count, COUNTERS_PROCESSES_MAX - 1, "one has ended");
	report(many[COUNT(many) - 1], 999);
	CHECK_NUMBER(look(many[0]).count, COUNTERS_PROCESSES_MAX, "its place is taken");
	CHECK(!look(many[0]).is_torn, "each its own");
	many[9] = NULL;
	for (size_t i = 0; i < COUNT(many); i++)
		counters_free(many[i]);
	check_end();
}

/* Change the facts all the time. */
static void report_for_ever(void)
{
	struct counters *counters = open_counters();

	for (int64_t i = 0;; i++) {
		report(counters, i % 1000 * 1000003);
		++*done;
	}
}

static void reopen_for_ever(void)
{
	for (int64_t i = 0;; i++) {
		struct counters *counters = open_counters();

		report(counters, i % 1000 * 1000003);
		counters_free(counters);
		++*done;
	}
}

/* Nobody sees half of them, nor those of a process that has ended. */
static void test_facts_whole(void **state)
{
	static void (*const runs[])(void) = { report_for_ever, reopen_for_ever };

	(void)state;
	share_done();
	struct counters *counters = open_counters();

	for (size_t i = 0; i < COUNT(runs); i++) {
		unsigned seen_count = 0;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			alarm(PATIENCE_S);
			runs[i]();
		}
		int64_t begin_us = clock_steady_us();

		for (int64_t us = 0;
			us < 300000 || (seen_count <= 10 && us < PATIENCE_S * INT64_C(1000000));
			us = clock_steady_us() - begin_us) {
			struct seen seen = look(counters);

			CHECK(seen.count <= 1 && !seen.is_torn, "whole");
			seen_count += seen.count;
		}
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		CHECK(seen_count > 10, "enough were seen");
		CHECK_NUMBER(look(counters).count, 0, "it has ended");
	}
	counters_free(counters);
	munmap(done, 4096);
	check_end();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_top, remove_top)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_adding),
		TEST(test_all_or_none),
		TEST(test_shared),
		TEST(test_rights),
		TEST(test_sum),
		TEST(test_new_names),
		TEST(test_kill),
		TEST(test_kill_making),
		TEST(test_damaged_header),
		TEST(test_damaged),
		TEST(test_damaged_index),
		TEST(test_damaged_space),
		TEST(test_damaged_twice),
		TEST(test_replaced),
		TEST(test_stale),
		TEST(test_full),
		TEST(test_full_index),
		TEST(test_no_room),
		TEST(test_no_fallocate),
		TEST(test_no_file),
		TEST(test_left),
		TEST(test_held),
		TEST(test_no_rights),
		TEST(test_failing_calls),
		TEST(test_processes),
		TEST(test_many_processes),
		TEST(test_facts_whole),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
