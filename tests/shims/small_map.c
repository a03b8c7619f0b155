/* SPDX-License-Identifier: MIT */
/* LMDB with a map of a quarter of a MiB, which is soon full: preloaded. */
#include <dlfcn.h>
#include <lmdb.h>
#include <stddef.h>

#define SMALL_MAP_SIZE (256 << 10)

int mdb_env_set_mapsize(MDB_env *env, size_t size)
{
	__typeof__(&mdb_env_set_mapsize) next = (__typeof__(next))dlsym(
		RTLD_NEXT, "mdb_env_set_mapsize");

	(void)size;
	return next(env, SMALL_MAP_SIZE);
}
