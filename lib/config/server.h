/* SPDX-License-Identifier: MIT */
/* The keys at the top of the main file. */
#ifndef CONFIG_SERVER_H
#define CONFIG_SERVER_H

#include "config/schema.h"

/* server_schema - what may stand at the top of the main file; offsets in struct snapshot. */
extern const struct schema server_schema;

/* server_profiles - names of enum token_profile. */
extern const struct schema_names server_profiles;

#endif
