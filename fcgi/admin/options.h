/* SPDX-License-Identifier: MIT */
/* The arguments of a command by a table, from which its help is printed too. */
#ifndef ADMIN_OPTIONS_H
#define ADMIN_OPTIONS_H

#include "admin.h"

/* An option ("--out"), or an operand ("FILE"); exactly one of the five pointers is set. */
struct option {
	const char *name;
	const char *value; /* what stands for the value in the help; NULL: it takes none */
	const char *help;
	bool required;
	bool last_counts; /* may be given again; else only lists may */
	bool *flag;
	const char **text;            /* NULL before; borrowed from argv */
	struct str_list *list;        /* empty before; in the arena, its texts in argv */
	int64_t *number, least, most; /* 0 before; least is above 0 */
	int64_t *duration_s;          /* below 0 before */
};

/* The option of every command that prints a result. */
#define OPTION_JSON(admin)                                                \
	{                                                                 \
		"--json", NULL, "print the result as JSON, for programs", \
			.flag = &(admin)->json                            \
	}

/*
 * options_read - read the arguments of a command, --help and --config among them.
 *
 * argv     argv[0] is the command's name
 * options  the table; borrowed
 * status   [out] the exit status, where there is nothing more to do
 *
 * Returns false if help was asked for and printed, or if the arguments are
 * wrong, which was printed too.
 */
NODISCARD bool options_read(struct admin *admin, int argc, char **argv,
	const struct option *options, size_t option_count, int *status);

/*
 * options_read_leading - the same for the options before the command.
 *
 * next  [out] index of the first argument that is none of them
 */
NODISCARD bool options_read_leading(struct admin *admin, int argc, char **argv,
	const struct option *options, size_t option_count, int *next);

#endif
