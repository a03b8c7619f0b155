/* SPDX-License-Identifier: MIT */
/*
 * The calls of the system and of libraries that fail when it is their turn.
 *
 * A row of a table is a function: its type, name and parameters, what it returns when it fails,
 * and two errors that it has then.  Functions that exist for small and for large files have two
 * rows: which of them a library was compiled to call is its own business.
 */
/* Else the names of small files would be those of large ones. */
#undef _FILE_OFFSET_BITS

#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The function that stands behind the one with this name. */
#define NEXT(name)                       \
	static __typeof__(&(name)) next; \
                                         \
	if (next == NULL)                \
	*(void **)&next = shim_next(#name)

#define CALL(class, type, failure, name, parameters, arguments, first, second) \
	SHIM_HOOK type name parameters                                         \
	{                                                                      \
		NEXT(name);                                                    \
		if (shim_errno(class, #name, first, second))                   \
			return failure;                                        \
		return next arguments;                                         \
	}
#define FILES(...) CALL(SHIM_FILES, __VA_ARGS__)
#define SYSTEM(...) CALL(SHIM_SYSTEM, __VA_ARGS__)

/* What waits or transfers can do so in part, or be interrupted. */
#define TRANSFER(class, name, fd, data, parameters, partly, arguments, first, second) \
	SHIM_HOOK ssize_t name parameters                                             \
	{                                                                             \
		NEXT(name);                                                           \
		if (shim_errno(class, #name, first, second) ||                        \
			shim_errno(SHIM_INTERRUPT, #name, EINTR, EINTR))              \
			return -1;                                                    \
		if (n > 1 && shim_fails(SHIM_PARTIAL, #name))                         \
			return next partly;                                           \
		return next arguments;                                                \
	}

TRANSFER(SHIM_FILES, read, fd, data, (int fd, void *data, size_t n), (fd, data, 1),
	(fd, data, n), EIO, EIO)
/* As it is called where the compiler knows how much there is room for. */
ssize_t __read_chk(int fd, void *data, size_t n, size_t size);
TRANSFER(SHIM_FILES, __read_chk, fd, data, (int fd, void *data, size_t n, size_t size),
	(fd, data, 1, size), (fd, data, n, size), EIO, EIO)
TRANSFER(SHIM_FILES, write, fd, data, (int fd, const void *data, size_t n), (fd, data, 1),
	(fd, data, n), ENOSPC, EIO)
TRANSFER(SHIM_FILES, pread, fd, data, (int fd, void *data, size_t n, off_t at),
	(fd, data, 1, at), (fd, data, n, at), EIO, EIO)
TRANSFER(SHIM_FILES, pread64, fd, data, (int fd, void *data, size_t n, off64_t at),
	(fd, data, 1, at), (fd, data, n, at), EIO, EIO)
TRANSFER(SHIM_FILES, pwrite, fd, data, (int fd, const void *data, size_t n, off_t at),
	(fd, data, 1, at), (fd, data, n, at), ENOSPC, EIO)
TRANSFER(SHIM_FILES, pwrite64, fd, data, (int fd, const void *data, size_t n, off64_t at),
	(fd, data, 1, at), (fd, data, n, at), ENOSPC, EIO)
TRANSFER(SHIM_SYSTEM, recv, fd, data, (int fd, void *data, size_t n, int flags),
	(fd, data, 1, flags), (fd, data, n, flags), ECONNRESET, ENOMEM)
TRANSFER(SHIM_SYSTEM, send, fd, data, (int fd, const void *data, size_t n, int flags),
	(fd, data, 1, flags), (fd, data, n, flags), ECONNRESET, ENOBUFS)

/* Files. */
#define OPENS(name)                                                                         \
	SHIM_HOOK int name(const char *path, int flags, ...)                                \
	{                                                                                   \
		va_list more;                                                               \
                                                                                            \
		va_start(more, flags);                                                      \
		mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) \
								     : 0;                   \
                                                                                            \
		va_end(more);                                                               \
		NEXT(name);                                                                 \
		if (shim_errno(SHIM_FILES, #name, EMFILE, EIO) ||                           \
			shim_errno(SHIM_INTERRUPT, #name, EINTR, EINTR))                    \
			return -1;                                                          \
		return next(path, flags, mode);                                             \
	}
#define OPENS_AT(name)                                                                      \
	SHIM_HOOK int name(int dir, const char *path, int flags, ...)                       \
	{                                                                                   \
		va_list more;                                                               \
                                                                                            \
		va_start(more, flags);                                                      \
		mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) \
								     : 0;                   \
                                                                                            \
		va_end(more);                                                               \
		NEXT(name);                                                                 \
		if (shim_errno(SHIM_FILES, #name, EMFILE, EIO) ||                           \
			shim_errno(SHIM_INTERRUPT, #name, EINTR, EINTR))                    \
			return -1;                                                          \
		return next(dir, path, flags, mode);                                        \
	}
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

int __open64_2(const char *path, int flags);
FILES(int, -1, __open64_2, (const char *path, int flags), (path, flags), EMFILE, EIO)
FILES(int, -1, fsync, (int fd), (fd), EIO, ENOSPC)
FILES(int, -1, fdatasync, (int fd), (fd), EIO, ENOSPC)
FILES(int, -1, rename, (const char *from, const char *to), (from, to), ENOSPC, EIO)
FILES(int, -1, renameat, (int from_dir, const char *from, int dir, const char *to),
	(from_dir, from, dir, to), ENOSPC, EIO)
FILES(int, -1, unlink, (const char *path), (path), EIO, EROFS)
FILES(int, -1, unlinkat, (int dir, const char *path, int flags), (dir, path, flags), EIO, EROFS)
FILES(int, -1, rmdir, (const char *path), (path), EIO, EROFS)
FILES(int, -1, mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC, EIO)
FILES(int, -1, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), ENOSPC,
	EIO)
FILES(int, -1, symlinkat, (const char *to, int dir, const char *path), (to, dir, path), ENOSPC,
	EIO)
FILES(ssize_t, -1, readlinkat, (int dir, const char *path, char *p, size_t n),
	(dir, path, p, n), EIO, ENOMEM)
FILES(int, -1, ftruncate, (int fd, off_t size), (fd, size), ENOSPC, EIO)
FILES(int, -1, ftruncate64, (int fd, off64_t size), (fd, size), ENOSPC, EIO)
FILES(int, -1, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), ENOSPC, EIO)
FILES(int, -1, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n),
	ENOSPC, EIO)
FILES(int, shim_control->variant == 0 ? ENOSPC : EIO, posix_fallocate,
	(int fd, off_t at, off_t n), (fd, at, n), ENOSPC, EIO)
FILES(int, shim_control->variant == 0 ? ENOSPC : EIO, posix_fallocate64,
	(int fd, off64_t at, off64_t n), (fd, at, n), ENOSPC, EIO)
FILES(off_t, -1, lseek, (int fd, off_t at, int whence), (fd, at, whence), EIO, EINVAL)
FILES(off64_t, -1, lseek64, (int fd, off64_t at, int whence), (fd, at, whence), EIO, EINVAL)
FILES(int, -1, stat, (const char *path, struct stat *st), (path, st), EIO, ENOMEM)
FILES(int, -1, stat64, (const char *path, struct stat64 *st), (path, st), EIO, ENOMEM)
FILES(int, -1, lstat, (const char *path, struct stat *st), (path, st), EIO, ENOMEM)
FILES(int, -1, lstat64, (const char *path, struct stat64 *st), (path, st), EIO, ENOMEM)
FILES(int, -1, fstat, (int fd, struct stat *st), (fd, st), EIO, ENOMEM)
FILES(int, -1, fstat64, (int fd, struct stat64 *st), (fd, st), EIO, ENOMEM)
FILES(int, -1, fstatat, (int dir, const char *path, struct stat *st, int flags),
	(dir, path, st, flags), EIO, ENOMEM)
FILES(int, -1, fstatat64, (int dir, const char *path, struct stat64 *st, int flags),
	(dir, path, st, flags), EIO, ENOMEM)
FILES(int, -1, statfs, (const char *path, struct statfs *fs), (path, fs), EIO, ENOMEM)
FILES(int, -1, statfs64, (const char *path, struct statfs64 *fs), (path, fs), EIO, ENOMEM)
FILES(int, -1, fchmod, (int fd, mode_t mode), (fd, mode), EPERM, EIO)
FILES(int, -1, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), EPERM, EIO)
FILES(int, -1, faccessat, (int dir, const char *path, int mode, int flags),
	(dir, path, mode, flags), EIO, ENOMEM)
FILES(int, -1, flock, (int fd, int operation), (fd, operation), ENOLCK, EIO)
FILES(void *, MAP_FAILED, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),
	(p, n, prot, flags, fd, at), ENOMEM, EAGAIN)
FILES(void *, MAP_FAILED, mmap64, (void *p, size_t n, int prot, int flags, int fd, off64_t at),
	(p, n, prot, flags, fd, at), ENOMEM, EAGAIN)
FILES(ssize_t, -1, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n), ENOSPC,
	EIO)
FILES(ssize_t, -1, pwritev, (int fd, const struct iovec *parts, int n, off_t at),
	(fd, parts, n, at), ENOSPC, EIO)
FILES(DIR *, NULL, opendir, (const char *path), (path), EMFILE, EIO)
FILES(DIR *, NULL, fdopendir, (int fd), (fd), ENOMEM, EIO)
FILES(char *, NULL, realpath, (const char *path, char *resolved), (path, resolved), EIO, ENOMEM)

/* Of output that is buffered it is the buffer that does not get through. */
FILES(int, EOF, fflush, (FILE * stream), (stream), ENOSPC, EIO)

FILES(struct dirent64 *, NULL, readdir64, (DIR * dir), (dir), EIO, EBADF)
FILES(ssize_t, -1, fgetxattr, (int fd, const char *name, void *p, size_t n), (fd, name, p, n),
	EIO, ENOMEM)
FILES(int, -1, fsetxattr, (int fd, const char *name, const void *p, size_t n, int flags),
	(fd, name, p, n, flags), ENOSPC, EPERM)

SHIM_HOOK int glob64(
	const char *pattern, int flags, int (*tell)(const char *, int), glob64_t *found)
{
	NEXT(glob64);
	if (!shim_errno(SHIM_FILES, "glob64", ENOMEM, EIO))
		return next(pattern, flags, tell, found);
	memset(found, 0, sizeof(*found));
	return shim_control->variant == 0 ? GLOB_NOSPACE : GLOB_ABORTED;
}

/* What is written to a stream; that standard error does not work cannot be told. */
#define WRITES(type, failure, name, parameters, arguments)                            \
	SHIM_HOOK type name parameters                                                \
	{                                                                             \
		NEXT(name);                                                           \
		if (stream != stderr && shim_errno(SHIM_FILES, #name, ENOSPC, EIO)) { \
			stream->_flags |= _IO_ERR_SEEN;                               \
			return failure;                                               \
		}                                                                     \
		return next arguments;                                                \
	}
WRITES(size_t, 0, fwrite, (const void *p, size_t size, size_t n, FILE *stream),
	(p, size, n, stream))
WRITES(int, EOF, fputs, (const char *text, FILE *stream), (text, stream))

SHIM_HOOK int fclose(FILE *stream)
{
	NEXT(fclose);
	int result = next(stream);

	return shim_errno(SHIM_FILES, "fclose", ENOSPC, EIO) ? EOF : result;
}

/* What cannot be opened again is closed nevertheless. */
SHIM_HOOK int close(int fd)
{
	NEXT(close);
	int result = next(fd);

	return shim_errno(SHIM_FILES, "close", EIO, ENOSPC) ? -1 : result;
}

static int control_file(int fd, int command, void *argument)
{
	static int (*next)(int, int, void *);

	if (next == NULL)
		*(void **)&next = shim_next("fcntl64");
	if (next == NULL)
		*(void **)&next = shim_next("fcntl");
	if (command != F_GETFD && (shim_errno(SHIM_FILES, "fcntl", ENOLCK, EIO)))
		return -1;
	return next(fd, command, argument);
}

#define CONTROLS(name)                                      \
	SHIM_HOOK int name(int fd, int command, ...)        \
	{                                                   \
		va_list more;                               \
                                                            \
		va_start(more, command);                    \
		void *argument = va_arg(more, void *);      \
                                                            \
		va_end(more);                               \
		return control_file(fd, command, argument); \
	}
CONTROLS(fcntl)
CONTROLS(fcntl64)

/* Sockets, processes and the rest of the system. */
#define WAITS(name, parameters, arguments, error)                        \
	SHIM_HOOK int name parameters                                    \
	{                                                                \
		NEXT(name);                                              \
		if (shim_errno(SHIM_SYSTEM, #name, error, error) ||      \
			shim_errno(SHIM_INTERRUPT, #name, EINTR, EINTR)) \
			return -1;                                       \
		return next arguments;                                   \
	}
WAITS(accept4, (int fd, __SOCKADDR_ARG address, socklen_t *n, int flags),
	(fd, address, n, flags), shim_control->variant == 0 ? EMFILE : ECONNABORTED)
WAITS(connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t n), (fd, address, n),
	shim_control->variant == 0 ? ECONNREFUSED : ENOBUFS)
WAITS(poll, (struct pollfd * fds, nfds_t n, int timeout_ms), (fds, n, timeout_ms), ENOMEM)

SYSTEM(int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE,
	ENOBUFS)
SYSTEM(int, -1, bind, (int fd, __CONST_SOCKADDR_ARG address, socklen_t n), (fd, address, n),
	EADDRINUSE, ENOMEM)
SYSTEM(int, -1, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE, ENOBUFS)
SYSTEM(int, -1, getsockopt, (int fd, int level, int name, void *value, socklen_t *n),
	(fd, level, name, value, n), ENOBUFS, ENOMEM)
SYSTEM(int, -1, setsockopt, (int fd, int level, int name, const void *value, socklen_t n),
	(fd, level, name, value, n), ENOBUFS, ENOMEM)
SYSTEM(int, -1, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
SYSTEM(int, -1, epoll_ctl, (int fd, int operation, int of, struct epoll_event *event),
	(fd, operation, of, event), ENOSPC, ENOMEM)
SYSTEM(int, -1, signalfd, (int fd, const sigset_t *signals, int flags), (fd, signals, flags),
	EMFILE, ENOMEM)
SYSTEM(int, -1, pipe2, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
SYSTEM(int, -1, dup2, (int from, int to), (from, to), EMFILE, EBUSY)
SYSTEM(int, -1, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE, ENOMEM)
SYSTEM(pid_t, -1, fork, (void), (), EAGAIN, ENOMEM)
SYSTEM(int, -1, setpriority, (__priority_which_t which, id_t who, int nice), (which, who, nice),
	EPERM, EACCES)
SYSTEM(int, -1, getentropy, (void *p, size_t n), (p, n), EIO, ENOSYS)
SYSTEM(ssize_t, -1, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags), EIO, EINTR)
SYSTEM(int, -1, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old),
	EINVAL, EINVAL)

SYSTEM(int, -1, dup, (int fd), (fd), EMFILE, EBADF)
SYSTEM(int, -1, shutdown, (int fd, int how), (fd, how), ENOTCONN, ENOTCONN)
SYSTEM(int, -1, setrlimit64, (__rlimit_resource_t which, const struct rlimit64 *limit),
	(which, limit), EPERM, EINVAL)
SYSTEM(int, -1, setegid, (gid_t id), (id), EPERM, EAGAIN)
SYSTEM(int, -1, seteuid, (uid_t id), (id), EPERM, EAGAIN)
SYSTEM(int, shim_control->variant == 0 ? EAI_AGAIN : EAI_MEMORY, getaddrinfo,
	(const char *host, const char *port, const struct addrinfo *wanted,
		struct addrinfo **found),
	(host, port, wanted, found), EAGAIN, ENOMEM)

/* Of the program alone: the shim itself calls it, too. */
SHIM_HOOK long syscall(long number, ...)
{
	NEXT(syscall);
	long values[6];
	va_list more;

	va_start(more, number);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		values[i] = va_arg(more, long);
	va_end(more);
	if (shim_is_program(__builtin_return_address(0)) &&
		shim_errno(SHIM_SYSTEM, "syscall", EPERM, EINVAL))
		return -1;
	return next(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

SHIM_HOOK int prctl(int option, ...)
{
	NEXT(prctl);
	unsigned long values[4];
	va_list more;

	va_start(more, option);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		values[i] = va_arg(more, unsigned long);
	va_end(more);
	if (shim_errno(SHIM_SYSTEM, "prctl", EPERM, EINVAL))
		return -1;
	return next(option, values[0], values[1], values[2], values[3]);
}

SHIM_HOOK pid_t waitpid(pid_t pid, int *status, int options)
{
	NEXT(waitpid);
	if ((options & WNOHANG) == 0 && shim_errno(SHIM_INTERRUPT, "waitpid", EINTR, EINTR))
		return -1;
	return next(pid, status, options);
}

SHIM_HOOK int sigtimedwait(
	const sigset_t *signals, siginfo_t *info, const struct timespec *timeout)
{
	NEXT(sigtimedwait);
	if (shim_errno(SHIM_INTERRUPT, "sigtimedwait", EINTR, EINTR))
		return -1;
	return next(signals, info, timeout);
}

/* It is told when the process has nothing to do, and what it holds then. */
SHIM_HOOK int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	NEXT(epoll_wait);
	if (shim_errno(SHIM_SYSTEM, "epoll_wait", EINTR, EINTR))
		return -1;
	if (shim_control == NULL)
		return next(fd, events, max, timeout_ms);
	/* No more than a look: it is not idle then. */
	int n = next(fd, events, max, 0);

	if (n != 0 || timeout_ms == 0)
		return n;
	shim_control->blocks = shim_blocks();
	shim_control->fds = shim_count_fds();
	__atomic_add_fetch(&shim_control->idle, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&shim_control->waiting, 1, __ATOMIC_SEQ_CST);
	n = next(fd, events, max, timeout_ms);
	__atomic_store_n(&shim_control->waiting, 0, __ATOMIC_SEQ_CST);
	return n;
}
