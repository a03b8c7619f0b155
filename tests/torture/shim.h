/* SPDX-License-Identifier: MIT */
/*
 * A preloaded library that lets the n-th call of a class fail in a program that knows nothing
 * of it, and keeps account of its memory and descriptors.  torture.py tells it what to do, and
 * reads what it found, in a file that both have mapped.
 */
#ifndef TESTS_TORTURE_SHIM_H
#define TESTS_TORTURE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fails together.  The last two do not fail: they do a part, or are to be tried again. */
enum shim_class {
	SHIM_NONE,
	SHIM_MEMORY,    /* malloc and its like, of all libraries too */
	SHIM_CRYPTO,    /* OpenSSL's functions, called by the program */
	SHIM_FILES,     /* open, read, write, fsync, rename, mmap, ... */
	SHIM_SYSTEM,    /* sockets, processes, signals, randomness; libcurl, libseccomp */
	SHIM_STORE,     /* LMDB's and hiredis' functions */
	SHIM_PARTIAL,   /* read, write, send, recv: one byte only */
	SHIM_INTERRUPT, /* the same and what else may wait: EINTR */
	SHIM__MAX,
};

#define SHIM_NAME_SIZE 48
#define SHIM_PATHS 131072

/* The mapped file: int64_t one after the other (shim.py has the same list), then two names. */
struct shim_control {
	int64_t armed;   /* enum shim_class */
	int64_t n;       /* which call fails, counted from 1 */
	int64_t onwards; /* and all that follow */
	int64_t variant; /* 0 or 1: which error it is */
	int64_t fired;   /* how many have failed */
	int64_t idle;    /* how often the process has begun to wait for events */
	int64_t waiting; /* it does now */
	int64_t blocks;  /* of memory that it had then */
	int64_t fds;     /* descriptors that it had then */
	int64_t lost;    /* blocks that nothing pointed to when main() had returned */
	int64_t lost_at; /* the number of one of them, counted from the start of main() */
	int64_t left;    /* descriptors that were still open then */
	int64_t broken;  /* blocks that were freed twice, or written behind */
	int64_t trace;   /* write the stack to standard error: 1: at a failure; else when the
			  * block of this number is made */
	int64_t survey; /* nothing fails; of the calls of the class it is noted by which path */
	int64_t calls[SHIM__MAX];
	char name[SHIM_NAME_SIZE];   /* of the first call that failed */
	char called[SHIM_NAME_SIZE]; /* for which function of a library it was; "": the program
				      */
	uint64_t paths[SHIM_PATHS];  /* of a survey: for each call a number of its stack */
};

extern struct shim_control *shim_control; /* NULL: nothing is counted, nothing fails */

/* More than 0: the calls of this thread are the shim's own. */
extern __thread int shim_inside;

/* Also for calls from libraries, whatever the compiler's options say of symbols. */
#define SHIM_HOOK __attribute__((visibility("default")))

/* shim_fails - count a call; is it one that has to fail?  `name` is kept for the report. */
bool shim_fails(enum shim_class class, const char *name);

/* shim_errno - the same; errno is set to one of two errors. */
bool shim_errno(enum shim_class class, const char *name, int first, int second);

/* shim_is_program - is this address in the program itself, not in a library? */
bool shim_is_program(const void *address);

/* shim_trace - write the stack to standard error. */
void shim_trace(const char *what);

/* shim_prepare - do once what is needed later, and what the first look at a stack does. */
void shim_prepare(void);

/* shim_next - the function of this name that would be called if there was none here. */
void *shim_next(const char *name);

/* shim_blocks - how many blocks of memory there are. */
int64_t shim_blocks(void);

/* shim_memory_begin - what there is now is not looked at by shim_memory_end(). */
void shim_memory_begin(void);

/* shim_memory_end - look for blocks that nothing points to. */
void shim_memory_end(void);

/* shim_make_rsa - make an RSA key that EVP_PKEY_generate() hands out from now on. */
void shim_make_rsa(void);

/* shim_count_fds - how many descriptors are open, among the first 256. */
int64_t shim_count_fds(void);

#endif
