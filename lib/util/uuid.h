/* SPDX-License-Identifier: MIT */
/* UUIDs as text (RFC 9562 §4). */
#ifndef UTIL_UUID_H
#define UTIL_UUID_H

#define UUID_LEN 36
#define UUID_BYTES 16

/*
 * uuid_format - write a UUID made of 16 bytes, with its version and variant set.
 *
 * bytes    random (version 4) or derived (version 8); six of their bits are not used
 * version  4 or 8 (RFC 9562 §5.4, §5.8)
 * text     [out] 36 characters and a NUL
 */
void uuid_format(const unsigned char bytes[static UUID_BYTES], unsigned version,
	char text[static UUID_LEN + 1]);

#endif
