/* SPDX-License-Identifier: MIT */
/* Files read whole: regular ones only, up to a size, wiped after use. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "util/attr.h"
#include "util/buf.h"
#include "util/reason.h"

enum file_kind {
	FILE_PUBLIC, /* others may read it */
	FILE_SECRET, /* a private key or a secret: see secret_file_open */
};

/*
 * file_read - read a whole file; never waits for a FIFO or a device.
 *
 * size_max  bytes
 * content   [out] new (file_clear); empty on failure
 *
 * Returns REASON_NONE; REASON_FILE_OPEN (errno says why), _TYPE, _MODE, _SIZE;
 * REASON_MEMORY.
 */
NODISCARD enum reason file_read(
	const char *path, enum file_kind kind, size_t size_max, struct buf *content);

/* file_can_append - could the file be written, or made if it is not there?  If not, errno says
 * why.  Nothing is opened or made. */
bool file_can_append(const char *path);

/* file_directory - the path's directory with its slash, borrowed from path; empty: it names
 * none. */
struct str file_directory(const char *path);

/* file_clear - wipe and free. */
void file_clear(struct buf *content);

#endif
