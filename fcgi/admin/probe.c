/* SPDX-License-Identifier: MIT */
/* A look at the state store that leaves no trace. */
#include "probe.h"
#include "state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL if this user has these rights (access(2)), else `denied` or what else is wrong. */
static const char *rights_problem(const char *path, int rights, const char *denied)
{
	if (faccessat(AT_FDCWD, path, rights, AT_EACCESS) == 0)
		return NULL;
	return errno == EACCES ? denied : strerror(errno);
}

/* Of a directory that is still to be made; the store makes the last one of the path only. */
static const char *new_directory_problem(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (snprintf(copy, sizeof(copy), "%s", path) >= PATH_MAX)
		return strerror(ENAMETOOLONG);
	const char *above = dirname(copy);

	if (stat(above, &st) != 0)
		return "the directory above it does not exist; make it first";
	return rights_problem(above, W_OK | X_OK,
		"this user may not make it in the directory above; the one that the server "
		"runs as must be allowed to, or make it yourself");
}

static const char *directory_problem(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return rights_problem(path, R_OK | W_OK | X_OK,
			"this user may not write in it; the one that the server runs as must "
			"be allowed to");
	if (lstat(path, &st) == 0)
		return "it is not a directory; name another place";
	return errno == ENOENT ? new_directory_problem(path) : strerror(errno);
}

static const char *server_problem(struct str url, int64_t now_s)
{
	struct store_tally tally;
	struct store *store = store_new(url);
	enum reason reason = store == NULL ? REASON_MEMORY : store_tally(store, now_s, &tally);

	store_free(store);
	return reason == REASON_NONE ? NULL : reason_info(reason)->name;
}

const char *probe_store(struct str url, int64_t now_s)
{
	if (str_starts(url, STR("lmdb:")))
		return directory_problem(str_from(url, STR("lmdb:").n).p);
	return server_problem(url, now_s);
}
