/* SPDX-License-Identifier: MIT */
/* The keys at the top of the main file. */
#ifndef CONFIG_SERVER_H
#define CONFIG_SERVER_H

#include "config/schema.h"

extern const struct schema server_schema;

#endif
