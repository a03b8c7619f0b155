/* SPDX-License-Identifier: MIT */
/*
 * Named counters in mapped memory.
 *
 * The table is an index, the places of processes, and behind them records, which are only ever
 * appended.  A new name gets space first, is written there, and is then published: an empty
 * bucket of the index is changed to its offset, by one atomic exchange.  Who loses it to the
 * same name uses that of the winner.  So a process that is killed wastes the space of a record
 * at worst.  No bucket is ever emptied: whoever looks for a name passes the same ones.
 *
 * Nothing in a file is trusted: each offset and length is looked at before it is used, and the
 * whole index when the file is opened.  The atomic types are those of C11, which must be free
 * of locks to work between processes.
 *
 * A process is listed as long as it holds a lock on a byte of the file that stands for its
 * place.  The kernel takes these locks back, however a process ends.  They belong to the open
 * file, not to the process (F_OFD_SETLK), so a second opening of the file does not disturb
 * them.
 */
#include "state/counters.h"
#include "state/path.h"
#include "util/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((uint32_t)COUNTERS_FILE_SIZE)
#define MAGIC UINT64_C(0x6f61757468326663) /* also says the order of bytes */
#define LAYOUT 1                           /* raised with each change of what follows */
#define BUCKETS 65536
#define PROBES_MAX 1024 /* buckets that are looked at for a name */
#define RECORD_ALIGN 8
#define FACTS_WORDS 6
#define READS_MAX 100 /* of facts that are changed meanwhile */

#define LOCK_LIMIT_US 300000 /* making a file takes a few milliseconds */
#define LOCK_PAUSE_MS 2

/* The bytes of the file that are locked; what is stored there is another matter. */
#define BYTE_MAKING 0
#define BYTE_CLAIMED 1 /* and one for each further place */
#define BYTE_LISTED (BYTE_CLAIMED + COUNTERS_PROCESSES_MAX)

struct header {
	uint64_t magic;
	uint32_t layout;
	uint32_t size;
	_Atomic uint32_t used; /* where the next record begins */
	uint32_t unused;
};

/* The facts of a process; the sequence number is odd while they are changed, 0 at first. */
struct place {
	_Atomic uint32_t sequence;
	uint32_t unused;
	_Atomic uint64_t words[FACTS_WORDS];
};

struct record {
	_Atomic int64_t value;
	_Atomic uint32_t len; /* of the name */
	char name[];
};

struct table {
	struct header header;
	_Atomic uint32_t buckets[BUCKETS]; /* offsets of records; 0: empty */
	struct place places[COUNTERS_PROCESSES_MAX];
};

static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
	"counters are shared between processes");
static_assert(sizeof(struct table) % RECORD_ALIGN == 0, "records are aligned");

struct counters {
	struct table *table;
	int fd; /* -1: memory of this process alone */
	dev_t device;
	ino_t inode;
	bool is_damaged;
	size_t place; /* of this process; COUNTERS_PROCESSES_MAX: none */
	char path[PATH_MAX];
	char new_path[PATH_MAX]; /* a file that is being made */
};

static enum reason reason_of(int code)
{
	bool is_full = code == ENOSPC || code == EDQUOT || code == EFBIG;

	return is_full ? REASON_STORE_FULL : REASON_STORE_OPEN;
}

static uint32_t record_size(size_t len)
{
	size_t size = offsetof(struct record, name) + len;

	return (uint32_t)((size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN);
}

/* FNV-1a, of which the upper half is mixed in. */
static uint32_t hash_of(struct str name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.n; i++)
		hash = (hash ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 32);
}

/* Can a record of this size be there? */
static bool is_room(uint32_t offset, uint32_t size)
{
	return offset >= sizeof(struct table) && offset % RECORD_ALIGN == 0 &&
	       offset <= SIZE - size;
}

static struct record *record_of(struct table *table, uint32_t offset)
{
	return (struct record *)((unsigned char *)table + offset);
}

/* The record at an offset that a bucket tells, and its name; NULL if there can be none. */
static struct record *look_at(struct table *table, uint32_t offset, struct str *name)
{
	*name = (struct str){ 0 };
	if (!is_room(offset, sizeof(struct record)))
		return NULL;
	struct record *record = record_of(table, offset);
	uint32_t len = atomic_load_explicit(&record->len, memory_order_relaxed);

	if (len == 0 || len > COUNTERS_NAME_MAX || !is_room(offset, record_size(len)))
		return NULL;
	*name = (struct str){ record->name, len };
	return record;
}

/* Is this a table of ours, as far as can be seen?  Others may be adding to it. */
static bool is_sound(struct table *table)
{
	const struct header *header = &table->header;
	size_t names = 0;

	if (header->magic != MAGIC || header->layout != LAYOUT || header->size != SIZE)
		return false;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct str name;
		uint32_t offset = atomic_load(&table->buckets[i]);

		if (offset != 0 && (look_at(table, offset, &name) == NULL ||
					   offset + record_size(name.n) >
						   atomic_load(&table->header.used)))
			return false;
		names += offset != 0;
	}
	uint32_t used = atomic_load(&table->header.used);

	return is_room(used, 0) && names <= (used - sizeof(*table)) / record_size(1);
}

/* Is this the bucket where seek would find the name?  Damage may lead others there too. */
static bool is_place_of(struct table *table, struct str name, uint32_t bucket)
{
	const uint32_t hash = hash_of(name);

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		uint32_t at = (hash + i) % BUCKETS;
		struct str other;

		if (at == bucket)
			return true;
		look_at(table, atomic_load(&table->buckets[at]), &other);
		if (str_eq(other, name))
			return false;
	}
	return false;
}

static struct header new_header(void)
{
	return (struct header){
		.magic = MAGIC, .layout = LAYOUT, .size = SIZE, .used = sizeof(struct table)
	};
}

/* Take space and write a record there, which nobody knows yet; 0 if that cannot be. */
static uint32_t append(struct counters *counters, struct str name)
{
	struct table *table = counters->table;
	const uint32_t size = record_size(name.n);
	uint32_t offset = atomic_load(&table->header.used);

	do {
		counters->is_damaged |= !is_room(offset, 0);
		if (!is_room(offset, size))
			return 0;
	} while (!atomic_compare_exchange_weak(&table->header.used, &offset, offset + size));
	struct record *record = record_of(table, offset);

	/* Space that nobody has taken before is empty.  It is not looked at when a file is
	 * opened: who does that next is to see that this one is damaged. */
	if (atomic_load(&record->len) != 0 || atomic_load(&record->value) != 0) {
		counters->is_damaged = true;
		atomic_store(&table->header.used, 0);
		return 0;
	}
	memcpy(record->name, name.p, name.n);
	atomic_store(&record->len, (uint32_t)name.n);
	return offset;
}

/* The record of this name; made, if there is none. */
static enum reason seek(struct counters *counters, struct str name, struct record **found)
{
	struct table *table = counters->table;
	uint32_t own = 0;
	const uint32_t hash = hash_of(name);

	*found = NULL;
	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		_Atomic uint32_t *bucket = &table->buckets[(hash + i) % BUCKETS];
		uint32_t offset = atomic_load_explicit(bucket, memory_order_acquire);
		struct str other;

		if (offset == 0 && own == 0)
			own = append(counters, name);
		if (offset == 0 && own == 0)
			return counters->is_damaged ? REASON_STORE : REASON_STORE_FULL;
		if (offset == 0 && atomic_compare_exchange_strong(bucket, &offset, own))
			offset = own;
		struct record *record = look_at(table, offset, &other);

		if (record == NULL) {
			counters->is_damaged = true;
			return REASON_STORE;
		}
		if (str_eq(other, name)) {
			*found = record;
			return REASON_NONE;
		}
	}
	return REASON_STORE_FULL;
}

static struct flock lock_of(size_t byte)
{
	return (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1
	};
}

static bool lock_byte(int fd, size_t byte)
{
	struct flock lock = lock_of(byte);

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* By another opening of the file than this one? */
static bool is_locked(int fd, size_t byte)
{
	struct flock lock = lock_of(byte);

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool is_named(int fd, const char *path)
{
	struct stat st, named;

	return fstat(fd, &st) == 0 && lstat(path, &named) == 0 && st.st_dev == named.st_dev &&
	       st.st_ino == named.st_ino;
}

/* Give the file the rights of its directory, and its owner, as the other files there have. */
static enum reason set_rights(int fd, const char *path)
{
	char above[PATH_MAX];
	struct stat directory;
	const char *slash = strrchr(path, '/');
	struct str name = slash == NULL ? STR(".")
					: (struct str){ path, (size_t)(slash - path) };

	if (!path_join(above, name, "/") || stat(above, &directory) != 0)
		return REASON_STORE_OPEN;
	mode_t mode = S_IRUSR | S_IWUSR | (directory.st_mode & (S_IRGRP | S_IWGRP));

	if (fchmod(fd, mode) == 0 &&
		(geteuid() != 0 || fchown(fd, directory.st_uid, directory.st_gid) == 0))
		return REASON_NONE;
	return reason_of(errno);
}

/* Make an empty table of a file that nobody else uses. */
static enum reason fill(int fd, const char *path)
{
	const struct header header = new_header();
	int code = 0;

	if (ftruncate(fd, 0) != 0)
		return reason_of(errno);
	enum reason reason = set_rights(fd, path);

	if (reason != REASON_NONE)
		return reason;
	if (fallocate(fd, 0, 0, SIZE) != 0)
		code = errno;
	/* It writes each block where they cannot be reserved. */
	if (code == EOPNOTSUPP)
		code = posix_fallocate(fd, 0, SIZE);
	if (code != 0)
		return reason_of(code);
	ssize_t written = pwrite(fd, &header, sizeof(header), 0);

	if (written == sizeof(header))
		return REASON_NONE;
	return written < 0 ? reason_of(errno) : REASON_STORE_FULL;
}

/* Close the file. */
static void detach(struct counters *counters)
{
	if (counters->table != NULL)
		munmap(counters->table, SIZE);
	if (counters->fd >= 0)
		close(counters->fd);
	counters->table = NULL;
	counters->fd = -1;
}

/* Map the open file, if it is one of ours; else the table stays NULL. */
static enum reason map_file(struct counters *counters)
{
	struct stat st;

	if (fstat(counters->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return REASON_STORE_OPEN;
	if (st.st_size != SIZE)
		return REASON_NONE;
	/* A copy may have holes. */
	if (fallocate(counters->fd, 0, 0, SIZE) != 0 && errno != EOPNOTSUPP)
		return reason_of(errno);
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, counters->fd, 0);

	if (memory == MAP_FAILED)
		return errno == ENOMEM ? REASON_MEMORY : REASON_STORE_OPEN;
	counters->table = memory;
	counters->device = st.st_dev;
	counters->inode = st.st_ino;
	return REASON_NONE;
}

/* Open the file, if it is there and can be used; else the table is NULL. */
static enum reason attach(struct counters *counters)
{
	counters->fd = open(counters->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (counters->fd < 0)
		return errno == ENOENT ? REASON_NONE : reason_of(errno);
	enum reason reason = map_file(counters);

	if (counters->table == NULL || !is_sound(counters->table))
		detach(counters);
	return reason;
}

/* Make the file, if nobody was faster, and open it; fd is that of new_path, and locked. */
static enum reason make_locked(struct counters *counters, int fd)
{
	enum reason reason = attach(counters);

	if (reason == REASON_NONE && counters->table == NULL) {
		reason = fill(fd, counters->path);
		if (reason == REASON_NONE && rename(counters->new_path, counters->path) != 0)
			reason = reason_of(errno);
		if (reason == REASON_NONE)
			reason = attach(counters);
	}
	if (is_named(fd, counters->new_path))
		unlink(counters->new_path);
	return reason;
}

/* Something that is there already, and is no file, or has another name too: its owner may have
 * put there what is not to be emptied and given to him. */
static bool is_foreign(int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

/* The same, if no other process is just doing it. */
static enum reason try_make(struct counters *counters)
{
	enum reason reason = REASON_NONE;
	int fd = open(counters->new_path,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR);

	if (fd < 0) {
		reason = reason_of(errno);
		/* What is left there, by another user, does not stay in the way. */
		if (errno == EACCES || errno == ELOOP)
			unlink(counters->new_path);
		return reason;
	}
	if (is_foreign(fd)) {
		unlink(counters->new_path);
		reason = REASON_STORE_OPEN;
	} else if (lock_byte(fd, BYTE_MAKING) && is_named(fd, counters->new_path)) {
		reason = make_locked(counters, fd);
	}
	close(fd);
	return reason;
}

static enum reason make(struct counters *counters)
{
	const int64_t until_us = clock_steady_us() + LOCK_LIMIT_US;

	for (;;) {
		enum reason reason = try_make(counters);

		if (reason != REASON_NONE || counters->table != NULL)
			return reason;
		if (clock_steady_us() > until_us || poll(NULL, 0, LOCK_PAUSE_MS) > 0)
			return REASON_STORE_OPEN;
	}
}

static struct counters *allocate(void)
{
	struct counters *counters = calloc(1, sizeof(*counters));

	if (counters == NULL)
		return NULL;
	counters->fd = -1;
	counters->place = COUNTERS_PROCESSES_MAX;
	return counters;
}

/* Take a place that nobody has. */
static void take_place(struct counters *counters)
{
	size_t i = 0;

	while (counters->fd >= 0 && i < COUNTERS_PROCESSES_MAX &&
		!lock_byte(counters->fd, BYTE_CLAIMED + i))
		i++;
	counters->place = i;
}

/* Fences as in H.-J. Boehm, Can Seqlocks Get Along With Programming Language Memory Models? */
static void write_facts(struct place *place, const struct process_facts *facts)
{
	uint64_t words[FACTS_WORDS] = { (uint64_t)facts->pid, (uint64_t)facts->started_s,
		(uint64_t)facts->loaded_s, facts->degraded };
	/* Who had the place before may have been killed while it wrote. */
	uint32_t odd = atomic_load(&place->sequence) | 1;

	memcpy(&words[4], facts->version, sizeof(facts->version));
	atomic_store_explicit(&place->sequence, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < FACTS_WORDS; i++)
		atomic_store_explicit(&place->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&place->sequence, odd + 1, memory_order_release);
}

/* False if they are being changed, or were never written. */
static bool read_facts(const struct place *place, struct process_facts *facts)
{
	uint64_t words[FACTS_WORDS];
	uint32_t before = atomic_load_explicit(&place->sequence, memory_order_acquire);

	for (size_t i = 0; i < FACTS_WORDS; i++)
		words[i] = atomic_load_explicit(&place->words[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (before % 2 != 0 || before == 0 ||
		atomic_load_explicit(&place->sequence, memory_order_relaxed) != before)
		return false;
	*facts = (struct process_facts){ .pid = (int64_t)words[0],
		.started_s = (int64_t)words[1],
		.loaded_s = (int64_t)words[2],
		.degraded = words[3] != 0 };
	memcpy(facts->version, &words[4], sizeof(facts->version));
	facts->version[sizeof(facts->version) - 1] = '\0';
	return str_is_visible(str_of(facts->version));
}

static bool is_listed(const struct counters *counters, size_t i)
{
	if (i == counters->place)
		return true;
	return counters->fd >= 0 && atomic_load(&counters->table->places[i].sequence) != 0 &&
	       is_locked(counters->fd, BYTE_LISTED + i);
}

struct counters *counters_new(void)
{
	struct counters *counters = allocate();

	if (counters == NULL)
		return NULL;
	void *memory = mmap(
		NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		free(counters);
		return NULL;
	}
	counters->table = memory;
	counters->table->header = new_header();
	return counters;
}

enum reason counters_open(const char *path, struct counters **counters)
{
	struct counters *opened = allocate();
	enum reason reason = REASON_STORE_OPEN;

	*counters = NULL;
	if (opened == NULL)
		return REASON_MEMORY;
	if (path_join(opened->path, str_of(path), "") &&
		path_join(opened->new_path, str_of(path), ".new"))
		reason = attach(opened);
	if (reason == REASON_NONE && opened->table == NULL)
		reason = make(opened);
	if (reason == REASON_NONE)
		*counters = opened;
	else
		counters_free(opened);
	return reason;
}

void counters_free(struct counters *counters)
{
	if (counters == NULL)
		return;
	detach(counters);
	free(counters);
}

bool counters_is_stale(const struct counters *counters)
{
	struct stat st;

	if (counters->fd < 0)
		return false;
	return counters->is_damaged || lstat(counters->path, &st) != 0 ||
	       st.st_dev != counters->device || st.st_ino != counters->inode ||
	       st.st_size != SIZE;
}

enum reason counters_add(struct counters *counters, const struct counter_step *step)
{
	return counters_add_all(counters, step, 1);
}

enum reason counters_add_all(
	struct counters *counters, const struct counter_step *steps, size_t step_count)
{
	struct record *record;

	for (size_t i = 0; i < step_count; i++) {
		if (steps[i].name.n == 0 || steps[i].name.n > COUNTERS_NAME_MAX ||
			steps[i].amount < 0)
			return REASON_STORE;
	}
	/* A name that has a record keeps it: only the first of two rounds can fail. */
	for (int round = step_count > 1 ? 0 : 1; round < 2; round++) {
		for (size_t i = 0; i < step_count; i++) {
			enum reason reason = seek(counters, steps[i].name, &record);

			if (reason != REASON_NONE)
				return reason;
			if (round == 1)
				atomic_fetch_add_explicit(
					&record->value, steps[i].amount, memory_order_relaxed);
		}
	}
	return REASON_NONE;
}

void counters_each(const struct counters *counters, counter_visitor *visitor, void *context)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		uint32_t offset = atomic_load_explicit(
			&counters->table->buckets[i], memory_order_acquire);
		struct str name;

		if (offset == 0)
			continue;
		struct record *record = look_at(counters->table, offset, &name);

		if (record != NULL && is_place_of(counters->table, name, i))
			visitor(context, name,
				atomic_load_explicit(&record->value, memory_order_relaxed));
	}
}

bool counters_take(struct counters *counters, uint32_t *at, struct counter_step *step)
{
	for (; *at < BUCKETS; ++*at) {
		uint32_t offset = atomic_load(&counters->table->buckets[*at]);
		struct record *record = look_at(counters->table, offset, &step->name);

		step->amount = record == NULL ? 0 : atomic_exchange(&record->value, 0);
		if (step->amount != 0)
			return true;
	}
	return false;
}

void counters_clear(struct counters *counters)
{
	struct table *table = counters->table;
	uint32_t used = atomic_load(&table->header.used);

	memset(table, 0, used);
	table->header = new_header();
	counters->place = COUNTERS_PROCESSES_MAX;
}

void counters_report(struct counters *counters, const struct process_facts *facts)
{
	bool is_new = counters->place == COUNTERS_PROCESSES_MAX;

	if (is_new)
		take_place(counters);
	if (counters->place == COUNTERS_PROCESSES_MAX)
		return;
	write_facts(&counters->table->places[counters->place], facts);
	/* Only now, so that nobody takes the facts of the one before for ours. */
	if (is_new && counters->fd >= 0)
		(void)lock_byte(counters->fd, BYTE_LISTED + counters->place);
}

void counters_each_process(
	const struct counters *counters, process_visitor *visitor, void *context)
{
	for (size_t i = 0; i < COUNTERS_PROCESSES_MAX; i++) {
		struct process_facts facts;
		bool is_whole = false;

		if (!is_listed(counters, i))
			continue;
		for (unsigned tries = 0; tries < READS_MAX && !is_whole; tries++)
			is_whole = read_facts(&counters->table->places[i], &facts);
		if (is_whole)
			visitor(context, &facts);
	}
}
