/* SPDX-License-Identifier: MIT */
/* Which file systems count as those of another machine, and what of a path is asked for. */
#include "support.h"

#include "util/filesystem.h"

#include <errno.h>
#include <limits.h>
#include <sys/vfs.h>

/* The system that statfs sees: below `exists` nothing is there. */
static struct {
	uint32_t type;
	const char *exists;
	int error;
	char asked[64]; /* the last path that was there */
	unsigned calls;
} fake;

int __wrap_statfs(const char *path, struct statfs *fs);
int __wrap_statfs64(const char *path, struct statfs *fs);

int __wrap_statfs(const char *path, struct statfs *fs)
{
	fake.calls++;
	errno = fake.error;
	if (strcmp(path, fake.exists) != 0)
		return -1;
	snprintf(fake.asked, sizeof(fake.asked), "%s", path);
	*fs = (struct statfs){ .f_type = (__fsword_t)fake.type };
	return 0;
}

/* Its name where offsets are asked to have 64 bits. */
int __wrap_statfs64(const char *path, struct statfs *fs)
{
	return __wrap_statfs(path, fs);
}

static void test_types(void **state)
{
	static const struct {
		const char *name;
		uint32_t type;
		bool is_network;
	} cases[] = {
		{ "NFS", 0x6969, true },
		{ "SMB", 0x517b, true },
		{ "CIFS", 0xff534d42, true },
		{ "SMB 2", 0xfe534d42, true },
		{ "NCP", 0x564c, true },
		{ "AFS", 0x5346414f, true },
		{ "kAFS", 0x6b414653, true },
		{ "Coda", 0x73757245, true },
		{ "Ceph", 0x00c36400, true },
		{ "Lustre", 0x0bd00bd0, true },
		{ "ext4", 0xef53, false },
		{ "XFS", 0x58465342, false },
		{ "Btrfs", 0x9123683e, false },
		{ "ZFS", 0x2fc12fc1, false },
		{ "tmpfs", 0x01021994, false },
		{ "overlayfs", 0x794c7630, false },
		{ "FUSE", 0x65735546, false },
		{ "9P", 0x01021997, false },
		{ "none", 0, false },
	};

	(void)state;
	fake.exists = "/srv";
	for (size_t i = 0; i < COUNT(cases); i++) {
		fake.type = cases[i].type;
		CHECK_NUMBER(filesystem_is_network("/srv"), cases[i].is_network, cases[i].name);
	}
	check_end();
}

static void test_paths(void **state)
{
	static const struct {
		const char *path, *exists;
	} cases[] = {
		{ "/srv/state", "/srv/state" },
		{ "/srv/state", "/srv/" },
		{ "/srv/a/b/c", "/srv/" },
		{ "/srv/a/b/c", "/" },
		{ "/srv/state/", "/srv/" },
		{ "/srv/state//", "/srv/" },
		{ "/state", "/" },
		{ "state", "." },
		{ "a/state", "." },
		{ "a/state", "a/" },
		{ "../state", "../" },
	};

	(void)state;
	fake.type = 0x6969;
	fake.error = ENOENT;
	for (size_t i = 0; i < COUNT(cases); i++) {
		fake.exists = cases[i].exists;
		CHECK(filesystem_is_network(cases[i].path), cases[i].path);
		CHECK_TEXT(str_of(fake.asked), str_of(cases[i].exists), cases[i].path);
	}
	check_end();
}

/* What cannot be found out is not taken for a network; nor does the search go on for ever. */
static void test_unknown(void **state)
{
	static char longest[PATH_MAX + 2];
	static const char *const paths[] = { "/srv/state", "/", "state", "", longest };
	static const int errors[] = { EACCES, ENOENT, EIO, ENOTDIR, ELOOP, ENAMETOOLONG };

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	fake.exists = "elsewhere";
	for (size_t i = 0; i < COUNT(paths); i++) {
		for (size_t j = 0; j < COUNT(errors); j++) {
			fake.error = errors[j];
			fake.calls = 0;
			CHECK(!filesystem_is_network(paths[i]), paths[i]);
			CHECK(fake.calls <= 3, paths[i]);
		}
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("filesystem", tests, NULL, NULL);
}
