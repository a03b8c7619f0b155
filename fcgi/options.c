/* SPDX-License-Identifier: MIT */
/* One table of options: for getopt_long, and for the text of --help. */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 1024
#define SOCKET_MODE 0660
#define HELP_COLUMN 26

/* Codes of the options that have no letter. */
enum {
	OPTION_LISTEN = 256,
	OPTION_WORKERS,
	OPTION_SOCKET_MODE,
	OPTION_ALLOW_REMOTE,
	OPTION_VERSION,
};

struct row {
	struct option option;
	const char *usage;
	const char *help;
};

/* What is judged when all options are known. */
struct raw {
	const char *listen;
	const char *workers;
	const char *socket_mode;
};

static const struct row rows[] = {
	{ { "config", required_argument, NULL, 'c' }, "-c, --config FILE",
		"the configuration (default: $OAUTH2_CONFIG, else\n"
		"                          " SYSCONFDIR "/oauth2-fcgi/oauth2.yaml)" },
	{ { "listen", required_argument, NULL, OPTION_LISTEN }, "    --listen WHERE",
		"open a FastCGI socket at a PATH or HOST:PORT" },
	{ { "workers", required_argument, NULL, OPTION_WORKERS }, "    --workers N",
		"worker processes (default: twice the number of\n"
		"                          processors, at least 4)" },
	{ { "socket-mode", required_argument, NULL, OPTION_SOCKET_MODE },
		"    --socket-mode OCTAL", "rights of the socket at PATH (default: 0660)" },
	{ { "allow-remote", no_argument, NULL, OPTION_ALLOW_REMOTE }, "    --allow-remote",
		"let HOST be another address than a loopback one" },
	{ { "help", no_argument, NULL, 'h' }, "-h, --help", "print this and exit" },
	{ { "version", no_argument, NULL, OPTION_VERSION }, "    --version",
		"print the version and exit" },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static bool wrong(struct buf *problem, const char *what, const char *value)
{
	buf_text(problem, what);
	buf_text(problem, " '");
	buf_text(problem, value);
	buf_char(problem, '\'');
	return false;
}

/* word: the last one that was read, unless a letter in its midst is what is wrong. */
static bool refuse_option(struct buf *problem, const char *word)
{
	const char letter[] = { '-', (char)optopt, '\0' };
	bool is_letter = optopt != 0 && optopt < OPTION_LISTEN && strchr("ch", optopt) == NULL;

	return wrong(problem,
		"unknown option, or one that takes no value:", is_letter ? letter : word);
}

static bool parse_mode(const char *text, mode_t *mode)
{
	mode_t value = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '7' && n < 4; n++)
		value = value * 8 + (mode_t)(text[n] - '0');
	*mode = value;
	return n > 0 && text[n] == '\0' && value <= 0777;
}

static bool take_option(int code, struct options *options, struct raw *raw)
{
	switch (code) {
	case 'c':
		options->config = optarg;
		return true;
	case 'h':
		options->action = ACTION_HELP;
		return true;
	case OPTION_LISTEN:
		raw->listen = optarg;
		return true;
	case OPTION_WORKERS:
		raw->workers = optarg;
		return true;
	case OPTION_SOCKET_MODE:
		raw->socket_mode = optarg;
		return true;
	case OPTION_ALLOW_REMOTE:
		options->allow_remote = true;
		return true;
	case OPTION_VERSION:
		options->action = ACTION_VERSION;
		return true;
	default:
		return false;
	}
}

static bool judge(const struct raw *raw, struct options *options, struct buf *problem)
{
	int64_t workers = 0;

	if (raw->workers != NULL &&
		(!str_to_number(str_of(raw->workers), WORKERS_MAX, &workers) || workers == 0))
		return wrong(
			problem, "--workers takes a number from 1 to 1024, not", raw->workers);
	options->workers = (size_t)workers;
	if (raw->socket_mode != NULL && !parse_mode(raw->socket_mode, &options->socket_mode))
		return wrong(problem, "--socket-mode takes an octal number up to 0777, not",
			raw->socket_mode);
	return raw->listen == NULL ||
	       listener_parse(raw->listen, options->allow_remote, &options->listen, problem);
}

bool options_parse(int argc, char **argv, struct options *options, struct buf *problem)
{
	struct option table[ROW_COUNT + 1] = { 0 };
	struct raw raw = { 0 };
	int code;

	*options = (struct options){ .socket_mode = SOCKET_MODE };
	for (size_t i = 0; i < ROW_COUNT; i++)
		table[i] = rows[i].option;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":c:h", table, NULL)) >= 0) {
		const char *word = argv[optind - 1];

		if (code == ':')
			return wrong(problem, "a value is missing after", word);
		if (!take_option(code, options, &raw))
			return refuse_option(problem, word);
	}
	if (optind < argc)
		return wrong(problem, "there is nothing to do with", argv[optind]);
	return options->action != ACTION_SERVE || judge(&raw, options, problem);
}

void options_usage(struct buf *buf)
{
	buf_text(buf, "usage: oauth2.fcgi [options]\n\n"
		      "The OAuth 2.0 token endpoint.  A web server runs it as a FastCGI or CGI "
		      "program,\n"
		      "or it opens a FastCGI socket itself with --listen.\n\n");
	for (size_t i = 0; i < ROW_COUNT; i++) {
		size_t begin = buf->n;

		buf_text(buf, "  ");
		buf_text(buf, rows[i].usage);
		while (!buf->overflow && buf->n - begin < HELP_COLUMN)
			buf_char(buf, ' ');
		buf_text(buf, rows[i].help);
		buf_char(buf, '\n');
	}
}
