/* SPDX-License-Identifier: MIT */
/* New files that are there whole or not at all. */
#include "save.h"
#include "util/buf.h"
#include "util/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACCESS_LIST "system.posix_acl_access"
#define ACCESS_LIST_SIZE 4096

static bool write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			text = str_from(text, (size_t)n);
	}
	return true;
}

/* Closes fd in any case; errno is that of the first failure. */
static bool fill(int fd, mode_t mode, struct str text)
{
	bool done = write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	int error = errno;
	bool closed = close(fd) == 0;

	if (!done)
		errno = error;
	return done && closed;
}

static int create(int dir, const char *name)
{
	return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
}

/* The file is taken away again; errno stays. */
static enum reason give_up(int dir, const char *name, enum reason reason)
{
	int error = errno;

	unlinkat(dir, name, 0);
	errno = error;
	return reason;
}

/* Not every file system has access lists, and few files have one. */
static bool copy_access_list(int dir, const char *from, const char *to)
{
	char list[ACCESS_LIST_SIZE];
	int source = openat(dir, from, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int target = openat(dir, to, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = source < 0 ? 0 : fgetxattr(source, ACCESS_LIST, list, sizeof(list));
	bool is_known = n >= 0 || errno == ENODATA || errno == ENOTSUP;
	bool copied = target >= 0 && is_known &&
		      (n <= 0 || fsetxattr(target, ACCESS_LIST, list, (size_t)n, 0) == 0);
	int error = errno;

	if (source >= 0)
		close(source);
	if (target >= 0)
		close(target);
	errno = error;
	return copied;
}

/* A name in the same directory that nobody else uses: ".NAME." and 16 hexadecimal digits. */
static enum reason choose_name(struct save_draft *draft)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[8];
	struct buf buf = buf_init(draft->temporary, sizeof(draft->temporary));
	enum reason reason = random_bytes(bytes, sizeof(bytes));

	if (reason != REASON_NONE)
		return reason;
	buf_char(&buf, '.');
	buf_text(&buf, draft->name);
	buf_char(&buf, '.');
	for (size_t i = 0; i < sizeof(bytes); i++) {
		buf_char(&buf, hex[bytes[i] >> 4]);
		buf_char(&buf, hex[bytes[i] & 15]);
	}
	buf_char(&buf, '\0');
	return buf.overflow ? REASON_INTERNAL : REASON_NONE;
}

enum reason save_new(int dir, const char *name, mode_t mode, struct str text)
{
	int fd = create(dir, name);

	if (fd < 0)
		return errno == EEXIST ? REASON_FILE_EXISTS : REASON_FILE_WRITE;
	if (fill(fd, mode, text))
		return REASON_NONE;
	return give_up(dir, name, REASON_FILE_WRITE);
}

enum reason save_new_like(int dir, const char *name, const struct stat *like, struct str text)
{
	int fd = create(dir, name);

	if (fd < 0)
		return errno == EEXIST ? REASON_FILE_EXISTS : REASON_FILE_WRITE;
	/* Before anything is in it. */
	if (fchown(fd, like->st_uid, like->st_gid) != 0) {
		close(fd);
		return give_up(dir, name, REASON_FILE_OWNER);
	}
	if (fill(fd, like->st_mode & 07777, text))
		return REASON_NONE;
	return give_up(dir, name, REASON_FILE_WRITE);
}

enum reason save_prepare(struct save_draft *draft, mode_t mode, struct str text)
{
	enum reason reason = choose_name(draft);

	if (reason == REASON_NONE)
		reason = save_new(draft->dir, draft->temporary, mode, text);
	if (reason != REASON_NONE)
		draft->temporary[0] = '\0';
	return reason;
}

enum reason save_prepare_edit(
	struct save_draft *draft, const struct stat *like, struct str text)
{
	struct buf buf = buf_init(draft->temporary, sizeof(draft->temporary));

	buf_char(&buf, '.');
	buf_text(&buf, draft->name);
	buf_text(&buf, ".edit");
	buf_char(&buf, '\0');
	if (buf.overflow)
		return REASON_INTERNAL;
	unlinkat(draft->dir, draft->temporary, 0);
	enum reason reason = save_new_like(draft->dir, draft->temporary, like, text);

	if (reason == REASON_NONE &&
		!copy_access_list(draft->dir, draft->name, draft->temporary))
		reason = give_up(draft->dir, draft->temporary, REASON_FILE_WRITE);
	if (reason != REASON_NONE)
		draft->temporary[0] = '\0';
	return reason;
}

enum reason save_commit(struct save_draft *draft)
{
	if (renameat(draft->dir, draft->temporary, draft->dir, draft->name) != 0)
		return REASON_FILE_WRITE;
	draft->temporary[0] = '\0';
	return fsync(draft->dir) == 0 ? REASON_NONE : REASON_FILE_WRITE;
}

void save_discard(struct save_draft *draft)
{
	if (draft->temporary[0] != '\0')
		unlinkat(draft->dir, draft->temporary, 0);
	draft->temporary[0] = '\0';
}
