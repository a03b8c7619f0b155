/* SPDX-License-Identifier: MIT */
/* UUIDs as text (RFC 9562 §4). */
#include "util/uuid.h"

#include <stddef.h>

void uuid_format(const unsigned char bytes[static UUID_BYTES], unsigned version,
	char text[static UUID_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	char *p = text;

	for (size_t i = 0; i < UUID_BYTES; i++) {
		unsigned byte = bytes[i];

		if (i == 6)
			byte = (byte & 0x0f) | version << 4;
		if (i == 8)
			byte = (byte & 0x3f) | 0x80;
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[byte >> 4];
		*p++ = hex[byte & 15];
	}
	*p = '\0';
}
