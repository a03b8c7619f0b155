/* SPDX-License-Identifier: MIT */
/* oauth2-admin, the operator's tool: its commands, and the process that they run in. */
#include "admin.h"
#include "options.h"
#include "output.h"
#include "util/clock.h"
#include "util/openssl.h"
#include "util/secret.h"
#include "util/wiped.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CONFIG SYSCONFDIR "/oauth2-fcgi/oauth2.yaml"
#define ARENA_BLOCK ((size_t)64 << 10)
#define ARENA_LIMIT ((size_t)256 << 20)
#define HELP_COLUMN 16
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command commands[] = {
	{ "init", cmd_init, "DIR [--issuer URL] [--json]",
		"Make a working configuration in a new or empty directory" },
	{ "check", cmd_check, "[--json]",
		"Load everything and print every problem with its place" },
	{ "keygen", cmd_keygen, "[--alg ALG] [--bits N] [--primes N] --out FILE [--json]",
		"Make a private key and print its kid" },
	{ "rotate", cmd_rotate, "[--json]",
		"Make a new signing key and let the next one sign" },
	{ "hash-secret", cmd_hash_secret, "[--generate] [--json]",
		"Hash a secret from standard input, or make one" },
	{ "list-clients", cmd_list_clients, "[--json]", "List the clients" },
	{ "add-client", cmd_add_client, "ID [--scope S]... [--name N] [--json]",
		"Add a client and print its secret once" },
	{ "disable-client", cmd_disable_client, "ID [--json]", "Refuse a client from now on" },
	{ "enable-client", cmd_enable_client, "ID [--json]", "Accept a disabled client again" },
	{ "remove-client", cmd_remove_client, "ID [--json]", "Take a client out" },
	{ "add-secret", cmd_add_secret, "ID [--expires T] [--label L] [--json]",
		"Give a client one more secret and print it once" },
	{ "remove-secret", cmd_remove_secret, "ID LABEL [--json]",
		"Take a secret of a client out" },
	{ "token", cmd_token, "CLIENT_ID [--scope S] [--resource R]... [--lifetime N] [--json]",
		"Mint a token as the endpoint would and print the response" },
	{ "explain", cmd_explain, "CLIENT_ID [--scope S] [--resource R]... [--json]",
		"Show what a request would get, and which lines decide it" },
	{ "inspect", cmd_inspect, "[TOKEN] [--json]", "Decode and verify a token" },
	{ "revoke", cmd_revoke, "TOKEN [--json]", "Put a token on the revocation list" },
	{ "state", cmd_state, "[--prune] [--json]", "Show what the state store holds" },
	{ "export", cmd_export, "DIR [--json]",
		"Write the JWKS and the metadata as static files" },
	{ "expiring", cmd_expiring, "[--within T] [--keys-older-than T] [--json]",
		"List what expires soon: secrets, certificates, old keys" },
	{ "selftest", cmd_selftest, "URL [--client ID [--scope S]] [--ca FILE] [--json]",
		"Test a running endpoint, and say what to change where" },
	{ "verifier", cmd_verifier, "[NAME] [--audience AUD] [--scope S] [--json]",
		"Print a configuration for an API that takes the tokens" },
};

static const struct command *find_command(struct str name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (str_eq(str_of(commands[i].name), name))
			return &commands[i];
	}
	return NULL;
}

static int refuse_command(const struct admin *admin, const char *name)
{
	struct str names[COMMAND_COUNT];

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		names[i] = str_of(commands[i].name);
	struct str nearest = diag_nearest(str_of(name), names, COMMAND_COUNT);

	if (nearest.n == 0)
		return output_misuse(admin, "unknown command \"%s\"", name);
	return output_misuse(admin, "unknown command \"%s\"; did you mean \"%.*s\"?", name,
		(int)nearest.n, nearest.p);
}

static int print_help(FILE *stream)
{
	fputs("usage: oauth2-admin [-c FILE] COMMAND [ARGUMENT]...\n\nCommands:\n", stream);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-*s%s\n", HELP_COLUMN, commands[i].name, commands[i].help);
	fputs("\nOptions:\n"
	      "  -c, --config FILE\n"
	      "                  the configuration; else $OAUTH2_CONFIG,\n"
	      "                  else " DEFAULT_CONFIG "\n"
	      "  --help          this text; after a command, that command's\n"
	      "  --version       the version\n"
	      "\nExit status: 0 done, 1 what was asked for failed, 2 wrong usage.\n",
		stream);
	return STATUS_USAGE;
}

static int run(struct admin *admin, int argc, char **argv)
{
	int next;
	bool help = false, version = false;
	const struct option options[] = {
		{ "--help", NULL, "", .last_counts = true, .flag = &help },
		{ "--version", NULL, "", .last_counts = true, .flag = &version },
	};

	if (!options_read_leading(admin, argc, argv, options, 2, &next))
		return STATUS_USAGE;
	if (help) {
		print_help(stdout);
		return STATUS_DONE;
	}
	if (version) {
		puts("oauth2-admin " VERSION);
		return STATUS_DONE;
	}
	if (next == argc)
		return print_help(stderr);
	admin->command = find_command(str_of(argv[next]));
	if (admin->command == NULL)
		return refuse_command(admin, argv[next]);
	return admin->command->function(admin, argc - next, argv + next);
}

/*
 * A closed standard descriptor would be given to the next file that is opened, a
 * key perhaps.  Opened in the wrong direction instead, each use of it still fails.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(STATUS_FAILED);
	}
}

/* No core dumps, no files for others; a write that fails is an error, not a signal. */
static void prepare_process(void)
{
	const struct rlimit none = { 0, 0 };

	fill_standard_descriptors();
	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* What jansson keeps may be a new secret. */
	json_set_alloc_funcs(malloc, wiped_free);
}

static const char *default_config(void)
{
	const char *path = getenv("OAUTH2_CONFIG");

	return path != NULL && path[0] != '\0' ? path : DEFAULT_CONFIG;
}

const struct snapshot *admin_load(struct admin *admin)
{
	admin->config = config_load(admin->config_path, CONFIG_SERVE, admin->now_s);
	if (admin->config == NULL) {
		output_reason(admin->config_path, REASON_MEMORY);
		return NULL;
	}
	output_diagnostics(stderr, config_diag(admin->config), false);
	return config_snapshot(admin->config);
}

struct store *admin_store(const struct admin *admin, const struct snapshot *snapshot)
{
	if (snapshot->state.n == 0) {
		output_fail("%s: there is no state store; set \"state\", for example "
			    "\"state: lmdb:state\"",
			admin->config_path);
		return NULL;
	}
	struct store *store = store_new(snapshot->state);

	if (store == NULL)
		output_reason(snapshot->state.p, REASON_MEMORY);
	return store;
}

int main(int argc, char **argv)
{
	char output[BUFSIZ];
	struct admin admin = {
		.program = argc > 0 ? argv[0] : "oauth2-admin",
		.config_path = default_config(),
		.now_s = clock_wall_ms() / 1000,
	};

	prepare_process();
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	admin.arena = arena_new(ARENA_BLOCK, ARENA_LIMIT);
	int status = admin.arena == NULL || openssl_start(OPENSSL_ALL) != REASON_NONE
			     ? output_reason("start", REASON_MEMORY)
			     : run(&admin, argc, argv);

	if (!output_flush() && status == STATUS_DONE)
		status = STATUS_FAILED;
	fclose(stdout);
	secret_wipe(output, sizeof(output));
	config_free(admin.config);
	arena_free(admin.arena);
	return status;
}
