/* SPDX-License-Identifier: MIT */
/* What secrets need: wiping, comparison in constant time, files that only their owner reads. */
#ifndef UTIL_SECRET_H
#define UTIL_SECRET_H

#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#define SECRET_DIGEST_SIZE 32 /* bytes of SHA-256 */

/* secret_wipe - overwrite `size` bytes in a way that the compiler keeps. */
void secret_wipe(void *p, size_t size);

/*
 * secret_wipe_stack - overwrite what functions that have returned have left on the stack, as
 * far as those that a request runs go down.
 *
 * Compilers spill registers there; and the dynamic linker, which finds a function when a
 * library first calls it, saves all that memcpy has just had in its registers.
 *
 * And the vector registers, where memcpy has left what it has copied, be it a token: it copies
 * once more, by each of its ways for a size, what was overwritten.
 */
void secret_wipe_stack(void);

/* secret_equal - compare `size` bytes in a time that does not depend on them. */
NODISCARD bool secret_equal(const void *a, const void *b, size_t size);

/* secret_digest - SHA-256 of s.  Returns false when OpenSSL fails. */
NODISCARD bool secret_digest(struct str s, unsigned char digest[static SECRET_DIGEST_SIZE]);

/*
 * secret_file_open - open a private key or secret file for reading.
 *
 * The checks are made on the open descriptor, so the file that was checked is
 * the file that is read.
 *
 * fd  [out] new descriptor (close-on-exec), or -1 on failure
 *
 * Returns REASON_NONE; REASON_FILE_OPEN (errno says why); REASON_FILE_TYPE,
 * not a regular file; REASON_FILE_MODE, group-write or any right for others.
 */
NODISCARD enum reason secret_file_open(const char *path, int *fd);

#endif
