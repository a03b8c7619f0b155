/* SPDX-License-Identifier: MIT */
/* The only file that knows libfcgi. */
#include "fcgi_io.h"
#include "util/secret.h"

#include <fcgiapp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fcgi_io {
	FCGX_Request request;
	int file; /* in memory: what libfcgi reads; empty between two requests */
	bool wants_keep;
	char body[HTTP_BODY_MAX + 1];
	size_t body_len;
};

/* Read what is there of the body; a whole one to its end, so that nothing is left in the
 * socket. */
static bool read_body(struct fcgi_io *io, const struct scan *scan)
{
	size_t wanted = sizeof(io->body);

	if (scan->verdict != SCAN_COMPLETE && scan->body_len < wanted)
		wanted = scan->body_len;
	int got = wanted > 0 ? FCGX_GetStr(io->body, (int)wanted, io->request.in) : 0;

	io->body_len = got > 0 ? (size_t)got : 0;
	return FCGX_GetError(io->request.in) == 0 && scan->verdict == SCAN_COMPLETE &&
	       io->body_len == scan->body_len;
}

static int make_file(void)
{
	return memfd_create("request", MFD_CLOEXEC);
}

/* The file holds the bytes, and is to be read from its start. */
static bool fill_file(struct fcgi_io *io, struct str bytes)
{
	if (io->file < 0)
		io->file = make_file();
	return io->file >= 0 && lseek(io->file, 0, SEEK_SET) == 0 &&
	       pwrite(io->file, bytes.p, bytes.n, 0) == (ssize_t)bytes.n;
}

/* libfcgi only frees them. */
static void wipe_variables(char **variables)
{
	for (size_t i = 0; variables[i] != NULL; i++)
		secret_wipe(variables[i], strlen(variables[i]));
}

/* The kernel wipes the pages before anybody else gets them. */
static void empty_file(struct fcgi_io *io)
{
	if (io->file >= 0 && ftruncate(io->file, 0) != 0) {
		close(io->file);
		io->file = -1;
	}
}

static bool length_is_announced(const struct http_request *request)
{
	size_t announced;

	if (http_content_length(request, &announced) != REASON_NONE)
		return true;
	return announced == request->body.n;
}

struct fcgi_io *fcgi_io_new(void)
{
	struct fcgi_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	/* Now, so that a lack of descriptors later does not cost a request. */
	io->file = make_file();
	/* Else a close may wait for the peer for two seconds. */
	if (setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "10", 1) != 0 ||
		setenv("LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT", "10", 1) != 0 ||
		io->file < 0 || FCGX_Init() != 0) {
		fcgi_io_free(io);
		return NULL;
	}
	return io;
}

void fcgi_io_free(struct fcgi_io *io)
{
	if (io == NULL)
		return;
	if (io->file >= 0)
		close(io->file);
	secret_wipe(io->body, sizeof(io->body));
	free(io);
}

enum reason fcgi_io_receive(struct fcgi_io *io, struct str bytes, const struct scan *scan,
	struct http_request *request)
{
	*request = (struct http_request){ 0 };
	/* Without a listening socket libfcgi cannot go on to accept when these bytes fail. */
	if (!fill_file(io, bytes) || FCGX_InitRequest(&io->request, -1, 0) != 0) {
		empty_file(io);
		return REASON_MEMORY;
	}
	io->request.ipcFd = io->file;
	/* FCGX_Accept_r first finishes the request before, and would close the file. */
	io->request.keepConnection = 1;
	if (FCGX_Accept_r(&io->request) != 0) {
		/* libfcgi has closed it. */
		io->file = make_file();
		return REASON_INTERNAL;
	}
	io->wants_keep = io->request.keepConnection != 0;
	request->variables = (const char *const *)io->request.envp;
	bool whole = read_body(io, scan);

	empty_file(io);
	request->body = (struct str){ io->body, io->body_len };
	request->body_is_whole = whole && length_is_announced(request);
	return REASON_NONE;
}

enum reason fcgi_io_send(struct fcgi_io *io, int fd, struct str answer, bool *keep)
{
	int len = answer.n > INT_MAX ? INT_MAX : (int)answer.n;

	*keep = io->wants_keep;
	/* The streams write to what is here when they do. */
	io->request.ipcFd = fd;
	/* The caller closes it: libfcgi would wait for the peer to do so. */
	io->request.keepConnection = 1;
	wipe_variables(io->request.envp);
	FCGX_PutStr(answer.p, len, io->request.out);
	FCGX_Finish_r(&io->request);
	secret_wipe(io->body, io->body_len);
	io->body_len = 0;
	bool open = io->request.ipcFd >= 0;

	io->request.ipcFd = -1;
	*keep = *keep && open;
	return open ? REASON_NONE : REASON_INTERNAL;
}
