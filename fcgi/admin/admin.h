/* SPDX-License-Identifier: MIT */
/* What every command of oauth2-admin is given, and the commands. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "config/load.h"
#include "state/store.h"
#include "util/arena.h"

/* Exit statuses (interface §1). */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1, /* what was asked for failed */
	STATUS_USAGE = 2,  /* it was asked for in the wrong way */
};

struct admin;

/* A command; argv[0] is its name.  Returns the exit status. */
typedef int command_function(struct admin *admin, int argc, char **argv);

struct command {
	const char *name;
	command_function *function;
	const char *synopsis; /* of its arguments; may be empty */
	const char *help;     /* one line */
};

/* One run of the program; everything is borrowed from main but for `config`. */
struct admin {
	const char *program; /* as it was called */
	const char
		*config_path; /* of --config, else of the environment, else the built-in one */
	const struct command *command;
	struct arena *arena;   /* wiped at the end: secrets may stay in it */
	struct config *config; /* set by admin_load; freed by main */
	int64_t now_s;         /* wall clock at the start */
	bool json;             /* the result is for a program (OPTION_JSON) */
};

/*
 * admin_load - load the configuration, with its errors on standard error.
 *
 * Returns the snapshot, borrowed until the end of the run, or NULL: there were
 * errors, all of them printed.
 */
const struct snapshot *admin_load(struct admin *admin);

/*
 * admin_store - the state store that the configuration names; it is opened by its first use.
 *
 * Returns new (store_free), or NULL: none is configured, or out of memory, which
 * was printed.
 */
NODISCARD struct store *admin_store(const struct admin *admin, const struct snapshot *snapshot);

command_function cmd_init;
command_function cmd_check;
command_function cmd_keygen;
command_function cmd_hash_secret;
command_function cmd_rotate;
command_function cmd_list_clients;
command_function cmd_add_client;
command_function cmd_disable_client;
command_function cmd_enable_client;
command_function cmd_remove_client;
command_function cmd_add_secret;
command_function cmd_remove_secret;
command_function cmd_token;
command_function cmd_explain;
command_function cmd_inspect;
command_function cmd_revoke;
command_function cmd_state;
command_function cmd_export;
command_function cmd_expiring;
command_function cmd_selftest;
command_function cmd_verifier;

#endif
