/* SPDX-License-Identifier: MIT */
/* The listening socket: where --listen says, or one that somebody else has opened. */
#ifndef FCGI_LISTENER_H
#define FCGI_LISTENER_H

#include "util/buf.h"
#include "util/reason.h"
#include "util/attr.h"

#include <sys/socket.h>
#include <sys/stat.h>

struct listen_address {
	struct sockaddr_storage socket;
	socklen_t socket_len; /* 0: none was given */
	const char *text;     /* as given; borrowed */
};

struct listener {
	int fd;
	struct listen_address address;
	struct stat file; /* of a socket in the file system that was made here */
	bool made_file;
};

/*
 * listener_parse - read PATH or HOST:PORT.
 *
 * What has a slash, or no colon, is a path.
 *
 * text          borrowed for the life of *address
 * allow_remote  false: HOST must be a loopback address or "localhost", because whoever
 *               reaches a FastCGI socket is trusted as the web server is
 * problem       [out] appended: a sentence that says what is wrong
 *
 * Returns false, *address cleared, if it is neither.
 */
NODISCARD bool listener_parse(const char *text, bool allow_remote,
	struct listen_address *address, struct buf *problem);

/*
 * listener_open - make the socket, bind it and listen.
 *
 * A socket file that nobody answers at is replaced; any other file is left alone.
 *
 * mode      of a socket in the file system, from its first moment on
 * listener  [out] to be closed with listener_close
 * problem   [out] appended: a sentence that says what is wrong
 *
 * Returns REASON_NONE; REASON_FILE_TYPE, there is a file that is no socket;
 * REASON_FILE_OPEN, everything else (in use, not permitted).
 */
NODISCARD enum reason listener_open(const struct listen_address *address, mode_t mode,
	struct listener *listener, struct buf *problem);

/* listener_is_one - is fd a listening socket? */
bool listener_is_one(int fd);

/* listener_adopt - take over a listening socket that somebody else has opened; fd is moved in.
 */
void listener_adopt(int fd, struct listener *listener);

/*
 * listener_retire - let no new connection come, and remove the socket's file.
 *
 * A socket in the file system is shut down; those that wait in its backlog can still be
 * accepted.  Any other one is closed, because a shutdown would lose its backlog, or take it
 * from others that use the socket; it goes on for as long as somebody has it open.
 */
void listener_retire(struct listener *listener);

/* listener_close - close the descriptor. */
void listener_close(struct listener *listener);

#endif
