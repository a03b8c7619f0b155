/* SPDX-License-Identifier: MIT */
/* What kind of file system a path lies on. */
#include "util/filesystem.h"
#include "util/str.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/vfs.h>

/*
 * The f_type of statfs(2).  Not in the list: FUSE, which is mostly something local, and 9P, by
 * which virtual machines and containers present disks of their own host.
 */
static const uint32_t network_types[] = {
	0x00006969, /* NFS */
	0x0000517b, /* SMB, the old one */
	0xff534d42, /* CIFS */
	0xfe534d42, /* SMB 2 and later */
	0x0000564c, /* NCP */
	0x5346414f, /* AFS */
	0x6b414653, /* AFS, that of the kernel */
	0x73757245, /* Coda */
	0x00c36400, /* Ceph */
	0x0bd00bd0, /* Lustre */
};

static bool is_network_type(uint32_t type)
{
	for (size_t i = 0; i < sizeof(network_types) / sizeof(network_types[0]); i++) {
		if (type == network_types[i])
			return true;
	}
	return false;
}

/* Make the path that of the directory above it; false if it names none. */
static bool go_up(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	path[n] = '\0';
	return n > 0;
}

bool filesystem_is_network(const char *path)
{
	size_t n = strlen(path);
	struct statfs fs;
	char above[PATH_MAX];

	if (statfs(path, &fs) == 0)
		return is_network_type((uint32_t)fs.f_type);
	if (n >= sizeof(above))
		return false;
	memcpy(above, path, n + 1);
	while (errno == ENOENT && strcmp(above, "/") != 0) {
		if (statfs(go_up(above) ? above : ".", &fs) == 0)
			return is_network_type((uint32_t)fs.f_type);
		if (above[0] == '\0')
			return false;
	}
	return false;
}
