/* SPDX-License-Identifier: MIT */
/* The clients that one token request may be of. */
#ifndef CONFIG_PART_H
#define CONFIG_PART_H

#include "config/entries.h"

/* part_load - read the clients that are asked for; see config_load_part. */
void part_load(struct loader *loader, const struct entries *entries);

#endif
