/* SPDX-License-Identifier: MIT */
/* Locks of single bytes in a file in memory that forked processes share. */
#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * POSIX locks belong to the process, not to the descriptor, so that workers that share it
 * exclude each other.  One byte is one slot; the bytes need not be there.
 */
static bool lock_slot(const struct quota *quota, size_t slot, short type)
{
	const struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)slot,
		.l_len = 1,
	};

	return fcntl(quota->fd, F_SETLK, &lock) == 0;
}

/* false: all slots are taken. */
static bool take_slot(struct quota *quota)
{
	for (quota->slot = 0; quota->slot < quota->slot_count; quota->slot++) {
		quota->held = lock_slot(quota, quota->slot, F_WRLCK);
		if (quota->held || (errno != EAGAIN && errno != EACCES))
			return true;
	}
	return quota->slot_count == 0;
}

struct quota quota_among(size_t workers)
{
	return (struct quota){
		.fd = memfd_create("quota", MFD_CLOEXEC),
		.slot_count = workers > 1 ? workers / 2 : 1,
	};
}

bool quota_enter(struct quota *quota)
{
	if (!quota->entered)
		quota->entered = take_slot(quota);
	return quota->entered;
}

void quota_leave(struct quota *quota)
{
	if (quota->held)
		(void)lock_slot(quota, quota->slot, F_UNLCK);
	quota->held = false;
	quota->entered = false;
}

void quota_close(struct quota *quota)
{
	quota_leave(quota);
	if (quota->fd >= 0)
		close(quota->fd);
	quota->fd = -1;
}
