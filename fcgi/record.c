/* SPDX-License-Identifier: MIT */
/* The headers of FastCGI's records. */
#include "record.h"

struct record record_read(const unsigned char p[static RECORD_HEADER_LEN])
{
	return (struct record){
		.type = p[1],
		.id = (unsigned)p[2] << 8 | p[3],
		.content_len = (size_t)p[4] << 8 | p[5],
		.padding_len = p[6],
	};
}

void record_write(const struct record *record, unsigned char p[static RECORD_HEADER_LEN])
{
	p[0] = RECORD_VERSION;
	p[1] = (unsigned char)record->type;
	p[2] = (unsigned char)(record->id >> 8);
	p[3] = (unsigned char)record->id;
	p[4] = (unsigned char)(record->content_len >> 8);
	p[5] = (unsigned char)record->content_len;
	p[6] = (unsigned char)record->padding_len;
	p[7] = 0;
}
