/* SPDX-License-Identifier: MIT */
/* Files read whole: regular ones only, up to a size, wiped after use. */
#include "config/file.h"
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLACK 4096 /* bytes by which a file may grow while it is read */

static enum reason open_public(const char *path, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return REASON_FILE_OPEN;
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		return REASON_NONE;
	close(*fd);
	return REASON_FILE_TYPE;
}

/* Read up to the end of the file; REASON_FILE_SIZE if it does not come before the buffer's. */
static enum reason read_to_end(int fd, struct buf *content)
{
	while (content->n < content->size) {
		ssize_t got = read(fd, content->p + content->n, content->size - content->n);

		if (got == 0)
			return REASON_NONE;
		if (got < 0 && errno != EINTR)
			return REASON_FILE_OPEN;
		content->n += got < 0 ? 0 : (size_t)got;
	}
	return REASON_FILE_SIZE;
}

static enum reason read_open_file(int fd, size_t size_max, struct buf *content)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return REASON_FILE_OPEN;
	if ((uintmax_t)st.st_size > size_max)
		return REASON_FILE_SIZE;
	size_t size = (size_t)st.st_size + SLACK;
	char *p = malloc(size);

	if (p == NULL)
		return REASON_MEMORY;
	*content = buf_init(p, size);
	return read_to_end(fd, content);
}

enum reason file_read(
	const char *path, enum file_kind kind, size_t size_max, struct buf *content)
{
	int fd;

	*content = (struct buf){ 0 };
	enum reason reason = kind == FILE_SECRET ? secret_file_open(path, &fd)
						 : open_public(path, &fd);

	if (reason != REASON_NONE)
		return reason;
	reason = read_open_file(fd, size_max, content);
	int error = errno;

	close(fd);
	if (reason != REASON_NONE)
		file_clear(content);
	errno = error;
	return reason;
}

bool file_can_append(const char *path)
{
	char memory[PATH_MAX + 2];
	struct buf directory = buf_init(memory, sizeof(memory));
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return false;
	}
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
		return true;
	if (errno != ENOENT)
		return false;
	buf_str(&directory, file_directory(path));
	buf_text(&directory, ".");
	buf_char(&directory, '\0');
	return faccessat(AT_FDCWD, memory, W_OK | X_OK, AT_EACCESS) == 0;
}

struct str file_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? STR("") : (struct str){ path, (size_t)(slash - path) + 1 };
}

void file_clear(struct buf *content)
{
	if (content->p != NULL)
		secret_wipe(content->p, content->n);
	free(content->p);
	*content = (struct buf){ 0 };
}
