/* SPDX-License-Identifier: MIT */
/* The table of reasons. */
#include "util/reason.h"

#include <stddef.h>

const struct reason_info *reason_info(enum reason reason)
{
	static const struct reason_info table[REASON__MAX] = {
#define REASON(id, name, status, error, description) \
	[REASON_##id] = { #id, name, status, error, description },
#include "util/reason.def"
#undef REASON
	};

	return &table[reason];
}

bool reason_is_store(enum reason reason)
{
	return reason >= REASON_STORE && reason <= REASON_STORE_NETWORK;
}
