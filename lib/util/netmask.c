/* SPDX-License-Identifier: MIT */
/* IP addresses and CIDR blocks. */
#include "util/netmask.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* The bits of byte i that a mask of `bits` bits covers. */
static unsigned char byte_mask(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (unsigned char)(0xff << (8 - (bits - 8 * i)));
}

static bool matches(const struct netmask *mask, const struct netaddr *address)
{
	for (unsigned i = 0; i < sizeof(address->bytes); i++) {
		if ((address->bytes[i] & byte_mask(mask->bits, i)) != mask->address.bytes[i])
			return false;
	}
	return mask->address.known && address->known;
}

bool netaddr_parse(struct str s, struct netaddr *address)
{
	char text[INET6_ADDRSTRLEN];

	*address = (struct netaddr){ 0 };
	if (s.n == 0 || s.n >= sizeof(text) || str_has(s, '\0'))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, address->bytes + sizeof(mapped_prefix)) == 1) {
		memcpy(address->bytes, mapped_prefix, sizeof(mapped_prefix));
		address->known = true;
	} else {
		address->known = inet_pton(AF_INET6, text, address->bytes) == 1;
	}
	return address->known;
}

bool netmask_parse(struct str s, struct netmask *mask)
{
	struct str address;
	int64_t bits = 128;
	bool is_ipv4 = !str_has(s, ':');

	*mask = (struct netmask){ 0 };
	if (str_cut(&s, '/', &address)) {
		if (!str_to_number(s, is_ipv4 ? 32 : 128, &bits))
			return false;
		bits += is_ipv4 ? 96 : 0;
	}
	struct netmask parsed = { .bits = (unsigned char)bits };

	if (!netaddr_parse(address, &parsed.address) || !matches(&parsed, &parsed.address))
		return false;
	*mask = parsed;
	return true;
}

bool netmask_list_has(struct netmask_list list, const struct netaddr *address)
{
	for (size_t i = 0; i < list.count; i++) {
		if (matches(&list.items[i], address))
			return true;
	}
	return false;
}

bool netaddr_is_loopback(const struct netaddr *address)
{
	static const struct netmask loopback[] = {
		{ .address = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 127 },
			  .known = true },
			.bits = 104 },
		{ .address = { .bytes = { [15] = 1 }, .known = true }, .bits = 128 },
	};

	return netmask_list_has((struct netmask_list){ loopback, 2 }, address);
}
