/* SPDX-License-Identifier: MIT */
/* What root makes in somebody's directory is made as that user. */
#include "owner.h"
#include "output.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum reason owner_become(struct owner *owner, int dir)
{
	struct stat st;

	*owner = (struct owner){ .gid = getegid() };
	if (geteuid() != 0)
		return REASON_NONE;
	if (fstat(dir, &st) != 0)
		return REASON_FILE_OWNER;
	if (st.st_uid == 0)
		return REASON_NONE;
	owner->is_other = true;
	if (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0)
		return REASON_NONE;
	owner_return(owner);
	owner->is_other = false;
	return REASON_FILE_OWNER;
}

void owner_return(const struct owner *owner)
{
	int error = errno;

	if (owner->is_other && (seteuid(0) != 0 || setegid(owner->gid) != 0))
		output_fail("cannot be root again; what follows may fail");
	errno = error;
}
