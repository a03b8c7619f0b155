/* SPDX-License-Identifier: MIT */
/* What root makes in somebody's directory is made as that user. */
#ifndef ADMIN_OWNER_H
#define ADMIN_OWNER_H

#include "util/attr.h"
#include "util/reason.h"

#include <stdbool.h>
#include <sys/types.h>

/* Who this process was. */
struct owner {
	bool is_other; /* it became somebody else */
	gid_t gid;
};

/*
 * owner_become - take on the user and group of a directory, if root runs this.
 *
 * What is made then belongs to them, and no file has to be given away: nothing can be put in
 * its place meanwhile.  Any other user, and root in root's directories, stay who they are.
 *
 * dir  open
 *
 * Returns REASON_NONE, to be followed by owner_return; REASON_FILE_OWNER, and nothing changed.
 */
NODISCARD enum reason owner_become(struct owner *owner, int dir);

/* owner_return - be root again; errno stays. */
void owner_return(const struct owner *owner);

#endif
