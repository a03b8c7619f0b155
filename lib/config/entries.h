/* SPDX-License-Identifier: MIT */
/* The keys of one section over all files, in the order of the files and in that of their names.
 */
#ifndef CONFIG_ENTRIES_H
#define CONFIG_ENTRIES_H

#include "config/loader.h"

struct entry {
	const struct yaml_node *key;
	size_t rank; /* in the order of the names */
};

struct entries {
	struct entry *items; /* in the order of the files; in scratch */
	size_t count;
};

/*
 * entries_collect - the keys of the mapping `section` of each file.
 *
 * Reports sections that are no mappings, and names that stand in two files.
 */
struct entries entries_collect(struct loader *loader, const char *section);

#endif
