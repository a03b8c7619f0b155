/* SPDX-License-Identifier: MIT */
/* IP addresses and CIDR blocks (RFC 4632, RFC 4291); IPv4 is held as IPv4-mapped IPv6. */
#ifndef UTIL_NETMASK_H
#define UTIL_NETMASK_H

#include "util/attr.h"
#include "util/str.h"

struct netaddr {
	unsigned char bytes[16];
	bool known; /* false: no address; matches nothing */
};

struct netmask {
	struct netaddr address; /* host bits are zero */
	unsigned char bits;     /* 0..128, of the mapped form */
};

struct netmask_list {
	const struct netmask *items;
	size_t count;
};

/* netaddr_parse - read an IPv4 or IPv6 address.  Returns false, *address unknown, if it is
 * none. */
NODISCARD bool netaddr_parse(struct str s, struct netaddr *address);

/*
 * netmask_parse - read an address or a CIDR block.
 *
 * Returns false, with *mask matching nothing, for anything else, also for a
 * block with host bits set.
 */
NODISCARD bool netmask_parse(struct str s, struct netmask *mask);

/* netmask_list_has - is the address in one of the blocks? */
bool netmask_list_has(struct netmask_list list, const struct netaddr *address);

/* netaddr_is_loopback - 127.0.0.0/8 or ::1. */
bool netaddr_is_loopback(const struct netaddr *address);

#endif
