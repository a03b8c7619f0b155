/* SPDX-License-Identifier: MIT */
/*
 * The mapped file of counters, with bytes in it that nobody has written there.
 *
 * Input: changes of a good file, four bytes each (which field, which one of its kind, what to
 * put there), a byte 255, and operations of one byte.
 */
#include "place.h"

#include "state/counters.h"

#include <sys/mman.h>

#define END 255
#define NAMES 12
#define CHANGES_MAX 64
#define HEADER_SIZE 24
#define BUCKETS 65536
#define USED_AT 16       /* where the header says how much is used */
#define HEAD_SIZE 393216 /* all buckets and places, and the first records */

static unsigned char good[COUNTERS_FILE_SIZE];
static size_t buckets[NAMES]; /* offsets of those that are used */
static size_t bucket_count;
static const char *path;
static unsigned char *map; /* of the file */
static struct stat mapped;

static struct counter_step step_of(unsigned number, char name[static 32])
{
	snprintf(name, 32, "name-%u", number % (2 * NAMES));
	return (struct counter_step){ str_of(name), (int64_t)(number % 7) };
}

static void find_buckets(void)
{
	for (size_t i = 0; i < BUCKETS && bucket_count < NAMES; i++) {
		size_t at = HEADER_SIZE + 4 * i;
		uint32_t offset;

		memcpy(&offset, good + at, sizeof(offset));
		if (offset != 0)
			buckets[bucket_count++] = at;
	}
	REQUIRE(bucket_count == NAMES);
}

static void prepare(void)
{
	const struct process_facts facts = { .pid = 1, .version = "1" };
	struct counters *counters;
	char name[32];

	if (path != NULL)
		return;
	path = place_path("counters");
	REQUIRE(counters_open(path, &counters) == REASON_NONE);
	for (unsigned i = 0; i < NAMES; i++) {
		const struct counter_step step = step_of(i, name);

		REQUIRE(counters_add(counters, &step) == REASON_NONE);
	}
	counters_report(counters, &facts);
	counters_free(counters);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0 && read(fd, good, sizeof(good)) == (ssize_t)sizeof(good));
	close(fd);
	find_buckets();
}

/* The offset of a field: of the header, a bucket, a record, a place of a process, or any. */
static size_t field_at(unsigned kind, unsigned which)
{
	uint32_t record;

	switch (kind % 5) {
	case 0:
		return which % HEADER_SIZE / 4 * 4;
	case 1:
		return buckets[which % bucket_count];
	case 2:
		memcpy(&record, good + buckets[which % bucket_count], sizeof(record));
		return record + which / NAMES % 5 * 4;
	case 3:
		return HEADER_SIZE + (size_t)4 * BUCKETS + which % 64 * 4;
	default:
		return (size_t)which * 16384 + kind;
	}
}

static void change(unsigned char *bytes, struct str *rest)
{
	static const uint32_t values[] = { 0, 1, 4, 0x7fffffff, 0x80000000, UINT32_MAX,
		COUNTERS_FILE_SIZE, COUNTERS_FILE_SIZE - 8, 262168, 512, 513, 4194300 };
	size_t kind = fuzz_byte(rest);
	size_t at = field_at((unsigned)kind, fuzz_byte(rest));
	unsigned choice = fuzz_byte(rest), more = fuzz_byte(rest);
	uint32_t value = choice < COUNT(values) ? values[choice] : 0;

	memcpy(&value, choice < COUNT(values) ? (const void *)&value : good + at, 4);
	value += choice < COUNT(values) ? more % 9 : more * 8;
	memcpy(bytes + at, &value, sizeof(value));
}

/* The file anew, in the place of whatever is there now. */
static void write_good(void)
{
	if (map != NULL)
		munmap(map, sizeof(good));
	(void)unlink(path);
	place_write(path, good, sizeof(good));
	int fd = open(path, O_RDWR | O_CLOEXEC);

	REQUIRE(fd >= 0 && fstat(fd, &mapped) == 0);
	map = mmap(NULL, sizeof(good), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(map != MAP_FAILED);
	close(fd);
}

/* All that the input before may have changed is as it was. */
static void restore(void)
{
	struct stat now;
	uint32_t used;

	if (map == NULL || stat(path, &now) != 0 || now.st_ino != mapped.st_ino) {
		write_good();
		return;
	}
	memcpy(&used, map + USED_AT, sizeof(used));
	memcpy(map, good, used < HEAD_SIZE - 8192 ? HEAD_SIZE : sizeof(good));
}

static void write_changed(struct str *rest)
{
	restore();
	for (unsigned i = 0; i < CHANGES_MAX && rest->n >= 4; i++) {
		if ((unsigned char)rest->p[0] == END)
			break;
		change(map, rest);
	}
	fuzz_byte(rest);
}

static void visit(void *context, struct str name, int64_t value)
{
	unsigned *count = context;

	(void)value;
	REQUIRE(name.n > 0 && name.n <= COUNTERS_NAME_MAX);
	(*count)++;
}

static void visit_process(void *context, const struct process_facts *facts)
{
	unsigned *count = context;

	REQUIRE(memchr(facts->version, '\0', sizeof(facts->version)) != NULL);
	(*count)++;
}

static void operate(struct counters *counters, unsigned operation)
{
	const struct process_facts facts = { .pid = 2, .version = "2" };
	unsigned visits = 0;
	char name[32];
	struct counter_step step = step_of(operation / 4, name);
	enum reason reason;

	switch (operation % 4) {
	case 0:
		reason = counters_add(counters, &step);
		REQUIRE(reason == REASON_NONE || reason == REASON_STORE_FULL ||
			reason == REASON_STORE);
		break;
	case 1:
		counters_each(counters, visit, &visits);
		break;
	case 2:
		counters_report(counters, &facts);
		break;
	default:
		counters_each_process(counters, visit_process, &visits);
	}
	(void)counters_is_stale(counters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	struct counters *counters;

	if (size > 1000)
		return 0;
	prepare();
	write_changed(&rest);
	REQUIRE(counters_open(path, &counters) == REASON_NONE);
	for (unsigned i = 0; i < 32 && rest.n > 0; i++)
		operate(counters, fuzz_byte(&rest));
	counters_free(counters);
	return 0;
}
