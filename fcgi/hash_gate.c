/* SPDX-License-Identifier: MIT */
/* A quota for workers of one supervisor, else a lock on a file of the configuration. */
#include "hash_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* false: another process has the file locked. */
static bool take_file(struct hash_gate *gate, const char *file)
{
	gate->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (gate->fd < 0 || flock(gate->fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	bool taken = errno == EWOULDBLOCK;

	close(gate->fd);
	gate->fd = -1;
	return !taken;
}

struct hash_gate hash_gate_among(size_t workers)
{
	return (struct hash_gate){
		.quota = quota_among(workers),
		.fd = -1,
		.has_others = workers > 1,
	};
}

struct hash_gate hash_gate_alone(void)
{
	return (struct hash_gate){ .quota.fd = -1, .fd = -1 };
}

bool hash_gate_enter(struct hash_gate *gate, const char *file)
{
	if (gate->quota.slot_count > 0)
		return quota_enter(&gate->quota);
	if (!gate->entered)
		gate->entered = take_file(gate, file);
	return gate->entered;
}

void hash_gate_leave(struct hash_gate *gate)
{
	quota_leave(&gate->quota);
	if (gate->fd >= 0)
		close(gate->fd);
	gate->fd = -1;
	gate->entered = false;
}

void hash_gate_close(struct hash_gate *gate)
{
	hash_gate_leave(gate);
	quota_close(&gate->quota);
}
