/* SPDX-License-Identifier: MIT */
/* The command line of oauth2.fcgi. */
#ifndef FCGI_OPTIONS_H
#define FCGI_OPTIONS_H

#include "listener.h"

enum action {
	ACTION_SERVE,
	ACTION_HELP,
	ACTION_VERSION,
};

struct options {
	enum action action;
	const char *config;           /* borrowed from argv; NULL: not given */
	struct listen_address listen; /* socket_len 0: not given */
	size_t workers;               /* 0: not given */
	mode_t socket_mode;
	bool allow_remote;
};

/*
 * options_parse - read the command line.
 *
 * problem  [out] appended: a sentence that says what is wrong
 *
 * Returns false for wrong usage.
 */
NODISCARD bool options_parse(
	int argc, char **argv, struct options *options, struct buf *problem);

/* options_usage - append the text of --help. */
void options_usage(struct buf *buf);

#endif
