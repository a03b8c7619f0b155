/* SPDX-License-Identifier: MIT */
/* Opens the listening socket, and removes it again. */
#include "listener.h"
#include "util/netmask.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define RECEIVE_BUFFER \
	262144 /* bytes: a whole request must fit, as it is read when it is whole */
#define PORT_MAX 65535
#define HOST_SIZE 64

static void explain(struct buf *problem, const char *text, const char *what)
{
	buf_text(problem, text);
	buf_text(problem, ": ");
	buf_text(problem, what);
}

static bool split_host(struct str text, struct str *host, struct str *port)
{
	size_t colon = text.n;

	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;

	*host = str_upto(text, colon > 0 ? colon - 1 : 0);
	*port = str_from(text, colon);
	return colon > 0 && !str_has(text, '/');
}

static struct str without_brackets(struct str host)
{
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		return str_upto(str_from(host, 1), host.n - 2);
	return host;
}

static bool parse_path(const char *text, struct listen_address *address, struct buf *problem)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t len = strlen(text);

	if (len == 0 || len >= sizeof(name.sun_path)) {
		explain(problem, text, "the path of a socket has 1 to 107 bytes");
		return false;
	}
	memcpy(name.sun_path, text, len);
	memcpy(&address->socket, &name, sizeof(name));
	address->socket_len = sizeof(name);
	return true;
}

static bool resolve(
	struct str host, int64_t port, struct listen_address *address, struct buf *problem)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *found = NULL;
	char host_text[HOST_SIZE], port_text[8];

	snprintf(host_text, sizeof(host_text), "%.*s", (int)host.n, host.p);
	snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
	int error = getaddrinfo(host_text, port_text, &hints, &found);

	if (error != 0) {
		explain(problem, address->text, gai_strerror(error));
		return false;
	}
	memcpy(&address->socket, found->ai_addr, found->ai_addrlen);
	address->socket_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static bool parse_host(struct str host, struct str port, bool allow_remote,
	struct listen_address *address, struct buf *problem)
{
	struct netaddr ip;
	int64_t number;

	host = without_brackets(host);
	if (str_eq_nocase(host, STR("localhost")))
		host = STR("127.0.0.1");
	if (!str_to_number(port, PORT_MAX, &number) || number == 0) {
		explain(problem, address->text,
			"a port is a number from 1 to 65535; a path with a colon needs a "
			"slash, as in ./oauth2:sock");
		return false;
	}
	if (!netaddr_parse(host, &ip)) {
		explain(problem, address->text,
			"HOST must be an IP address or 'localhost', as in 127.0.0.1:9000 or "
			"[::1]:9000; a path needs a slash, as in ./oauth2.sock");
		return false;
	}
	if (!allow_remote && !netaddr_is_loopback(&ip)) {
		explain(problem, address->text,
			"not a loopback address, and whoever reaches a FastCGI socket is "
			"trusted as "
			"the web server is; say --allow-remote if a firewall lets nobody else "
			"in");
		return false;
	}
	return resolve(host, number, address, problem);
}

/* Is there a server behind the socket file? */
static bool answers(const struct listen_address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	bool refused = connect(fd, (const struct sockaddr *)&address->socket,
			       address->socket_len) != 0 &&
		       errno == ECONNREFUSED;

	close(fd);
	return !refused;
}

static enum reason make_way(const struct listen_address *address, struct buf *problem)
{
	struct stat file;

	if (lstat(address->text, &file) != 0)
		return REASON_NONE;
	if (!S_ISSOCK(file.st_mode)) {
		explain(problem, address->text,
			"there is a file that is not a socket; it is left alone");
		return REASON_FILE_TYPE;
	}
	if (answers(address)) {
		explain(problem, address->text, "the socket is in use by another program");
		return REASON_FILE_OPEN;
	}
	if (unlink(address->text) == 0)
		return REASON_NONE;
	explain(problem, address->text, "the old socket cannot be removed: ");
	buf_text(problem, strerror(errno));
	return REASON_FILE_OPEN;
}

static void tune(int fd)
{
	const int on = 1;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool bind_and_listen(const struct listener *listener, mode_t mode)
{
	const int on = 1;
	const struct sockaddr *name = (const struct sockaddr *)&listener->address.socket;

	if (name->sa_family != AF_UNIX)
		setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The socket is never there with other rights than these. */
	mode_t before = umask(~mode & 0777);
	bool bound = bind(listener->fd, name, listener->address.socket_len) == 0;
	int error = errno;

	umask(before);
	errno = error;
	return bound && listen(listener->fd, BACKLOG) == 0;
}

bool listener_parse(const char *text, bool allow_remote, struct listen_address *address,
	struct buf *problem)
{
	struct str host, port;

	*address = (struct listen_address){ .text = text };
	bool good = split_host(str_of(text), &host, &port)
			    ? parse_host(host, port, allow_remote, address, problem)
			    : parse_path(text, address, problem);

	if (!good)
		*address = (struct listen_address){ 0 };
	return good;
}

enum reason listener_open(const struct listen_address *address, mode_t mode,
	struct listener *listener, struct buf *problem)
{
	sa_family_t family = address->socket.ss_family;

	*listener = (struct listener){ .fd = -1, .address = *address };
	if (family == AF_UNIX) {
		enum reason reason = make_way(address, problem);

		if (reason != REASON_NONE)
			return reason;
	}
	listener->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->fd >= 0)
		tune(listener->fd);
	if (listener->fd < 0 || !bind_and_listen(listener, mode)) {
		explain(problem, address->text, "cannot listen there: ");
		buf_text(problem, strerror(errno));
		listener_close(listener);
		return REASON_FILE_OPEN;
	}
	listener->made_file = family == AF_UNIX && lstat(address->text, &listener->file) == 0;
	return REASON_NONE;
}

bool listener_is_one(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 &&
	       listening != 0;
}

void listener_adopt(int fd, struct listener *listener)
{
	*listener = (struct listener){ .fd = fd };
	tune(fd);
}

void listener_retire(struct listener *listener)
{
	struct stat now;

	if (!listener->made_file) {
		listener_close(listener);
		return;
	}
	shutdown(listener->fd, SHUT_RD);
	/* Somebody may have put another socket there. */
	if (lstat(listener->address.text, &now) == 0 && now.st_dev == listener->file.st_dev &&
		now.st_ino == listener->file.st_ino)
		unlink(listener->address.text);
	listener->made_file = false;
}

void listener_close(struct listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}
