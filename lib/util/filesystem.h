/* SPDX-License-Identifier: MIT */
/* What kind of file system a path lies on. */
#ifndef UTIL_FILESYSTEM_H
#define UTIL_FILESYSTEM_H

#include <stdbool.h>

/*
 * filesystem_is_network - does the path lie on a file system of another machine (NFS, SMB,
 * AFS, Coda, Ceph, Lustre)?
 *
 * path  NUL-terminated; if it does not exist, the nearest directory above it counts
 *
 * Returns false also if that cannot be found out.
 */
bool filesystem_is_network(const char *path);

#endif
