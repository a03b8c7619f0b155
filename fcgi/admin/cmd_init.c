/* SPDX-License-Identifier: MIT */
/* init: a small configuration that works, in a directory of its own. */
#include "generate.h"
#include "jose/jwk.h"
#include "jose/key.h"
#include "options.h"
#include "output.h"
#include "owner.h"
#include "save.h"
#include "util/clock.h"
#include "util/filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_ISSUER "http://localhost:8080"
#define CLIENT_ID "first-client"
#define CONFIG_NAME "oauth2.yaml"
#define RSA_BITS 2048
#define PEM_SIZE 4096
#define YAML_SIZE 8192
#define NAME_SIZE 32
#define PATH_SIZE 4200
#define MONTH_LEN 7 /* "2026-11" */
#define ITEM_COUNT 4

/* Its four %s: the issuer as a quoted text, the month, the secret's hash, the state. */
static const char template[] =
	"# The configuration of oauth2-fcgi.  Every key is described in oauth2.yaml(5).\n"
	"# After a change: oauth2-admin -c oauth2.yaml check\n"
	"\n"
	"# Who issues the tokens: the URL that clients and APIs know this server by.  It\n"
	"# must be https, except on this machine.  The endpoints are below it, at /oauth2.\n"
	"issuer: %s\n"
	"\n"
	"access_token:\n"
	"  lifetime: 300                # seconds that a token is valid for\n"
	"\n"
	"# The private key that signs the tokens.  Keep the file to yourself.\n"
	"signing_keys:\n"
	"  - file: keys/%s.pem\n"
	"\n"
	"# What a client may be allowed to do.  Each API looks for the scopes that it knows.\n"
	"scopes:\n"
	"  identity_proofing:\n"
	"    description: Identity proofing API\n"
	"\n"
	"# The programs that may ask for tokens, by their client_id.\n"
	"clients:\n"
	"  " CLIENT_ID ":\n"
	"    name: First client\n"
	"    scopes: [identity_proofing]\n"
	"    secrets:\n"
	"      # Only the hash of the client's secret is kept here.  For a new secret:\n"
	"      # oauth2-admin hash-secret --generate\n"
	"      - hash: %s\n"
	"\n"
	"%s"
	"\n"
	"# Generated secrets of 256 bits need no limit on failed attempts, but secrets that\n"
	"# people chose do.\n"
	"#throttle: {failures: 10, window: 60}\n";

static const char state_here[] =
	"# Where the server remembers what must outlive a request: revoked tokens, signed\n"
	"# messages that may be used only once, failed attempts to authenticate.\n"
	"state: lmdb:state\n";

static const char state_elsewhere[] =
	"# Where the server remembers what must outlive a request: revoked tokens, signed\n"
	"# messages that may be used only once, failed attempts to authenticate.  This\n"
	"# directory is on a network file system, where that cannot be.  Name another one on\n"
	"# a local disk, or a Redis server as redis://127.0.0.1:6379/0.\n"
	"# state: lmdb:/var/lib/oauth2-fcgi\n";

static const int held_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* One thing to make in the directory. */
struct item {
	char name[NAME_SIZE];
	mode_t mode;
	bool is_directory;
	struct str text;
};

struct setup {
	struct admin *admin;
	const char *path; /* of the directory */
	const char *issuer;
	char month[MONTH_LEN + 1];
	struct generated secret;
	struct item items[ITEM_COUNT];
	int dir;       /* -1: not open */
	bool made_dir; /* it was not there before */
	size_t made;   /* of items */
};

static void set_month(struct setup *setup)
{
	struct buf buf = buf_init(setup->month, MONTH_LEN + 1);
	char time[NAME_SIZE];
	struct buf whole = buf_init(time, sizeof(time));

	clock_format(&whole, setup->admin->now_s * 1000, false);
	buf_str(&buf, str_upto(buf_view(&whole), MONTH_LEN));
	buf_char(&buf, '\0');
}

static enum reason make_key(struct setup *setup, struct str *text)
{
	char *p = arena_alloc(setup->admin->arena, PEM_SIZE);
	struct buf pem = buf_init(p, PEM_SIZE);
	EVP_PKEY *pkey = NULL;

	if (p == NULL)
		return REASON_MEMORY;
	enum reason reason = key_generate(JOSE_ALG_RS256, RSA_BITS, &pkey);

	if (reason == REASON_NONE)
		reason = key_write_pem(pkey, &pem);
	EVP_PKEY_free(pkey);
	*text = buf_view(&pem);
	return reason;
}

static enum reason make_yaml(struct setup *setup, struct str *text)
{
	size_t quoted_size = 6 * strlen(setup->issuer) + 3;
	size_t size = YAML_SIZE + quoted_size;
	char *p = arena_alloc(setup->admin->arena, size);
	char *q = arena_alloc(setup->admin->arena, quoted_size);

	if (p == NULL || q == NULL)
		return REASON_MEMORY;
	struct buf quoted = buf_init(q, quoted_size);

	buf_json(&quoted, str_of(setup->issuer));
	buf_char(&quoted, '\0');
	int len = snprintf(p, size, template, q, setup->month, setup->secret.hash,
		filesystem_is_network(setup->path) ? state_elsewhere : state_here);

	if (quoted.overflow || len < 0 || (size_t)len >= size)
		return REASON_INTERNAL;
	*text = (struct str){ p, (size_t)len };
	return REASON_NONE;
}

/* All that takes time or can go wrong by itself, before anything is touched. */
static enum reason prepare(struct setup *setup)
{
	struct item items[ITEM_COUNT] = {
		{ .name = "keys", .mode = 0700, .is_directory = true },
		{ .mode = 0600 },
		{ .name = "state", .mode = 0700, .is_directory = true },
		{ .name = CONFIG_NAME, .mode = 0640 },
	};
	enum reason reason = generate_secret(&setup->secret);

	set_month(setup);
	snprintf(items[1].name, NAME_SIZE, "keys/%s.pem", setup->month);
	if (reason == REASON_NONE)
		reason = make_key(setup, &items[1].text);
	if (reason == REASON_NONE)
		reason = make_yaml(setup, &items[3].text);
	memcpy(setup->items, items, sizeof(items));
	return reason;
}

static bool is_empty_directory(int fd)
{
	int copy = dup(fd);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool empty = dir != NULL;

	if (dir == NULL && copy >= 0)
		close(copy);
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir != NULL)
		closedir(dir);
	return empty;
}

/* The mode of a new one lets the group come to the file that the group may read. */
static int open_directory(struct setup *setup)
{
	setup->made_dir = mkdir(setup->path, 0750) == 0;
	if (!setup->made_dir && errno != EEXIST)
		return output_fail("%s: cannot be made: %s", setup->path, strerror(errno));
	setup->dir = open(setup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (setup->dir < 0)
		return output_reason(setup->path, REASON_FILE_OPEN);
	if (setup->made_dir && fchmod(setup->dir, 0750) != 0)
		return output_reason(setup->path, REASON_FILE_WRITE);
	if (!setup->made_dir && !is_empty_directory(setup->dir))
		return output_fail(
			"%s: is not empty; name a new directory or an empty one", setup->path);
	return STATUS_DONE;
}

static enum reason make_item(int dir, const struct item *item)
{
	if (!item->is_directory)
		return save_new(dir, item->name, item->mode, item->text);
	if (mkdirat(dir, item->name, item->mode) == 0)
		return REASON_NONE;
	return errno == EEXIST ? REASON_FILE_EXISTS : REASON_FILE_WRITE;
}

static int make_items(struct setup *setup)
{
	enum reason reason = REASON_NONE;

	while (setup->made < ITEM_COUNT) {
		const struct item *item = &setup->items[setup->made];

		reason = make_item(setup->dir, item);
		if (reason != REASON_NONE)
			return output_reason(item->name, reason);
		setup->made++;
	}
	return fsync(setup->dir) == 0 ? STATUS_DONE
				      : output_reason(setup->path, REASON_FILE_WRITE);
}

/* Of the configuration to be, only the issuer is somebody else's. */
static int check_result(const struct setup *setup)
{
	char path[PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/" CONFIG_NAME, setup->path) >= PATH_SIZE)
		return output_fail("%s: the name is too long", setup->path);
	struct config *config = config_load(path, CONFIG_CHECK, setup->admin->now_s);

	if (config == NULL)
		return output_reason(setup->path, REASON_MEMORY);
	const struct diag *diag = config_diag(config);
	int status = STATUS_DONE;

	for (size_t i = 0; i < diag_count(diag); i++)
		status = output_fail("nothing is made: %s", diag_get(diag, i)->text);
	config_free(config);
	return status;
}

/* In single quotes where a shell would take the path apart. */
static void print_shell_word(struct str s)
{
	const struct str plain = STR("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789/._-+,:@%=");
	bool quote = s.n == 0;

	for (size_t i = 0; i < s.n; i++)
		quote = quote || !str_has(plain, s.p[i]);
	if (!quote) {
		output_text(s);
		return;
	}
	putchar('\'');
	for (size_t i = 0; i < s.n; i++)
		fputs(s.p[i] == '\'' ? "'\\''" : (char[]){ s.p[i], '\0' }, stdout);
	putchar('\'');
}

static json_t *pack_result(const struct setup *setup)
{
	json_t *files = json_array();

	for (size_t i = 0; i < ITEM_COUNT; i++) {
		if (!setup->items[i].is_directory)
			output_append(&files, output_path(setup->path, setup->items[i].name));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "client_id", CLIENT_ID, "client_secret",
		setup->secret.secret, "config", output_path(setup->path, CONFIG_NAME), "files",
		files);
}

static void print_text(const struct setup *setup)
{
	char path[PATH_SIZE];
	int len = snprintf(path, sizeof(path), "%s/" CONFIG_NAME, setup->path);

	printf("client_id: %s\nclient_secret: %s\n\n"
	       "The secret is shown this once; the configuration has its hash only.\n"
	       "Next, look at a token:\n  ",
		CLIENT_ID, setup->secret.secret);
	print_shell_word(str_of(setup->admin->program));
	printf(" -c ");
	print_shell_word((struct str){ path, (size_t)len });
	puts(" token " CLIENT_ID);
}

static int print_result(const struct setup *setup)
{
	int status = STATUS_DONE;

	if (setup->admin->json)
		status = output_result(pack_result(setup), STATUS_DONE);
	else
		print_text(setup);
	return output_flush() ? status : STATUS_FAILED;
}

static void undo(struct setup *setup)
{
	while (setup->made > 0) {
		const struct item *item = &setup->items[--setup->made];

		unlinkat(setup->dir, item->name, item->is_directory ? AT_REMOVEDIR : 0);
	}
	if (setup->made_dir)
		rmdir(setup->path);
}

/* All of it belongs to whom the directory belongs to. */
static int make_owned_items(struct setup *setup)
{
	struct owner owner;
	enum reason reason = owner_become(&owner, setup->dir);

	if (reason != REASON_NONE)
		return output_reason(setup->path, reason);
	int status = make_items(setup);

	owner_return(&owner);
	return status;
}

static int make_all(struct setup *setup)
{
	int status = open_directory(setup);

	if (status == STATUS_DONE)
		status = make_owned_items(setup);
	if (status == STATUS_DONE)
		status = check_result(setup);
	if (status == STATUS_DONE)
		status = print_result(setup);
	if (status != STATUS_DONE)
		undo(setup);
	if (setup->dir >= 0)
		close(setup->dir);
	return status;
}

/* A signal that comes between the first file and the last waits until all are there. */
static int make_all_held(struct setup *setup)
{
	sigset_t held, before;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(held_signals) / sizeof(held_signals[0]); i++)
		sigaddset(&held, held_signals[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
	int status = make_all(setup);

	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}

int cmd_init(struct admin *admin, int argc, char **argv)
{
	int status;
	struct setup setup = { .admin = admin, .issuer = NULL, .dir = -1 };
	const struct option options[] = {
		{ "DIR", NULL, "the directory; new or empty", .required = true,
			.text = &setup.path },
		{ "--issuer", "URL", "who issues the tokens; else " DEFAULT_ISSUER,
			.text = &setup.issuer },
		OPTION_JSON(admin),
	};

	if (!options_read(admin, argc, argv, options, 3, &status))
		return status;
	if (setup.issuer == NULL)
		setup.issuer = DEFAULT_ISSUER;
	enum reason reason = prepare(&setup);

	status = reason == REASON_NONE ? make_all_held(&setup)
				       : output_reason(setup.path, reason);
	secret_wipe(&setup, sizeof(setup));
	return status;
}
