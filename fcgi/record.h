/* SPDX-License-Identifier: MIT */
/* The records that FastCGI is made of, and their headers (FastCGI 1.0 §3.3). */
#ifndef FCGI_RECORD_H
#define FCGI_RECORD_H

#include <stddef.h>

#define RECORD_VERSION 1
#define RECORD_HEADER_LEN 8
#define RECORD_CONTENT_MAX 65535

enum record_type {
	RECORD_BEGIN = 1,
	RECORD_ABORT = 2,
	RECORD_END = 3,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	RECORD_STDOUT = 6,
};

struct record {
	unsigned type; /* any byte, if it was read */
	unsigned id;   /* of the request */
	size_t content_len;
	size_t padding_len; /* behind the content */
};

/* record_read - the header at p, whatever its version. */
struct record record_read(const unsigned char p[static RECORD_HEADER_LEN]);

/* record_write - write the header of a record, whose numbers are in their ranges. */
void record_write(const struct record *record, unsigned char p[static RECORD_HEADER_LEN]);

#endif
