/* SPDX-License-Identifier: MIT */
/* Standard input: a secret typed without an echo, or all of it. */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define SECRET_MAX 511 /* bytes: crypt(3)'s limit */

/* A terminal whose echo is off, and the signals that must not leave it so. */
struct silence {
	struct termios before;
	sigset_t mask_before;
	sigset_t mask;
	int signals; /* a signalfd; -1: standard input is no terminal */
};

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static bool silence_begin(struct silence *silence)
{
	struct termios quiet = silence->before;

	sigemptyset(&silence->mask);
	for (size_t i = 0; i < sizeof(ending_signals) / sizeof(ending_signals[0]); i++)
		sigaddset(&silence->mask, ending_signals[i]);
	silence->signals = signalfd(-1, &silence->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (silence->signals < 0)
		return false;
	sigprocmask(SIG_BLOCK, &silence->mask, &silence->mask_before);
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ECHONL;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

/*
 * Restores the terminal first: a signal that waits is delivered by restoring the mask.
 * What was typed and not read is thrown away: the shell must not take it for a command.
 */
static void silence_end(struct silence *silence)
{
	int error = errno;

	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silence->before);
	sigprocmask(SIG_SETMASK, &silence->mask_before, NULL);
	close(silence->signals);
	errno = error;
}

/* Take what came for us, with the terminal as it was; go on if it did not end the program. */
static bool silence_obey(struct silence *silence, const char *prompt)
{
	struct signalfd_siginfo info;

	if (read(silence->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return true;
	raise((int)info.ssi_signo);
	silence_end(silence);
	if (!silence_begin(silence))
		return false;
	fputs(prompt, stderr);
	return true;
}

/* Wait until there is something to read. */
static bool wait_input(struct silence *silence, const char *prompt)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = silence->signals, .events = POLLIN },
	};

	while (fds[0].revents == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents == 0)
			continue;
		if (!silence_obey(silence, prompt))
			return false;
		fds[0].revents = 0;
		fds[1].fd = silence->signals;
	}
	return true;
}

/* Read more, at most up to the buffer's end; *end is set when nothing more comes. */
static enum reason read_more(struct buf *buf, bool *end)
{
	if (buf->n == buf->size) {
		buf->overflow = true;
		*end = true;
		return REASON_NONE;
	}
	ssize_t n = read(STDIN_FILENO, buf->p + buf->n, buf->size - buf->n);

	if (n < 0)
		return errno == EINTR ? REASON_NONE : REASON_FILE_READ;
	buf->n += (size_t)n;
	*end = n == 0;
	return REASON_NONE;
}

/* A terminal gives one line; from elsewhere what follows it must be seen, to be refused. */
static bool is_complete(const struct silence *silence, const struct buf *buf)
{
	return silence->signals >= 0 && str_has(buf_view(buf), '\n');
}

static enum reason read_line(struct silence *silence, const char *prompt, struct buf *buf)
{
	enum reason reason = REASON_NONE;
	bool end = false;

	while (reason == REASON_NONE && !end && !is_complete(silence, buf)) {
		if (!wait_input(silence, prompt))
			return REASON_FILE_READ;
		reason = read_more(buf, &end);
	}
	return reason;
}

/* Drop the end of the line, where nothing follows it. */
static void cut_line_end(struct buf *buf)
{
	struct str line = buf_view(buf);

	if (str_ends(line, STR("\n")))
		line.n--;
	if (str_ends(line, STR("\r")))
		line.n--;
	buf->n = line.n;
}

enum reason input_secret(const char *prompt, struct buf *buf)
{
	struct silence silence = { .signals = -1 };
	enum reason reason = REASON_FILE_READ;

	if (tcgetattr(STDIN_FILENO, &silence.before) != 0) {
		reason = read_line(&silence, prompt, buf);
	} else if (silence_begin(&silence)) {
		fputs(prompt, stderr);
		reason = read_line(&silence, prompt, buf);
		silence_end(&silence);
	}
	cut_line_end(buf);
	return reason;
}

const char *input_secret_problem(const struct buf *line)
{
	struct str secret = buf_view(line);

	if (str_has(secret, '\n'))
		return "standard input has more than one line; "
		       "the secret must stand alone in it";
	if (line->overflow || secret.n > SECRET_MAX)
		return "the secret is too long: at most 511 characters";
	if (secret.n == 0)
		return "the secret is empty";
	if (!str_is_visible(secret))
		return "the secret has characters that a client_secret cannot "
		       "have: use printable ASCII (RFC 6749 appendix A.2)";
	return NULL;
}

enum reason input_all(struct buf *buf)
{
	enum reason reason = REASON_NONE;
	bool end = false;

	while (reason == REASON_NONE && !end)
		reason = read_more(buf, &end);
	return reason;
}
