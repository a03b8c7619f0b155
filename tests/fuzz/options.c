/* SPDX-License-Identifier: MIT */
/*
 * The command lines of both programs, and what they take from a query.
 *
 * Input: a byte that says which program, and an argument on each line.
 */
#include "fuzz.h"

#include "../../fcgi/admin/options.h"
#include "../../fcgi/arguments.h"
#include "../../fcgi/options.h"

#include <unistd.h>

#define ARGUMENTS_MAX 24

/* What was asked for in the wrong way is told to nobody here. */
static void be_quiet(void)
{
	static FILE *nowhere;

	if (nowhere == NULL)
		nowhere = fopen("/dev/null", "w");
	REQUIRE(nowhere != NULL);
	stdout = nowhere;
	stderr = nowhere;
}

static void check_server(int argc, char **argv)
{
	char room[4096];
	struct buf problem = buf_init(room, sizeof(room));
	struct options options;

	/* Begin anew: it may be in the middle of an argument. */
	optind = 0;
	bool good = options_parse(argc, argv, &options, &problem);

	REQUIRE(good == (problem.n == 0));
	if (!good)
		return;
	REQUIRE((options.socket_mode & ~(mode_t)0777) == 0);
	REQUIRE(options.listen.socket_len <= sizeof(options.listen.socket));
}

static void check_query(int argc, char **argv, struct str query)
{
	int count = arguments_count(argc, argv, query);

	REQUIRE(count >= 0 && count <= argc && (argc == 0 || count >= 1));
	REQUIRE(query.n > 0 || count == argc);
}

static void check_admin(int argc, char **argv)
{
	static const struct command command = { "fuzz", NULL, "", "Be tried" };
	struct admin admin = {
		.program = "oauth2-admin", .command = &command, .arena = fuzz_arena()
	};
	bool flag = false, switched = false;
	const char *text = NULL, *operand = NULL;
	struct str_list list = { 0 };
	int64_t number = 0, duration_s = -1;
	int status = STATUS_FAILED, next = 0;
	const struct option options[] = {
		{ "ID", NULL, "an operand", .required = true, .text = &operand },
		{ "--flag", NULL, "a flag", .flag = &flag },
		{ "--switch", NULL, "a flag", .last_counts = true, .flag = &switched },
		{ "--text", "T", "a text", .text = &text },
		{ "--scope", "S", "a list", .list = &list },
		{ "--bits", "N", "a number", .number = &number, .least = 2, .most = 8192 },
		{ "--within", "T", "a time", .duration_s = &duration_s },
	};
	bool good = options_read(&admin, argc, argv, options, COUNT(options), &status);

	REQUIRE(status == STATUS_DONE || status == STATUS_USAGE);
	if (good) {
		REQUIRE(status == STATUS_DONE && operand != NULL);
		REQUIRE(number == 0 || (number >= 2 && number <= 8192));
		REQUIRE(duration_s >= -1 && duration_s <= INT64_C(3153600000));
	}
	if (options_read_leading(&admin, argc, argv, options, 0, &next))
		REQUIRE(next >= 1 && next <= argc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	unsigned which = fuzz_byte(&rest);
	char *argv[ARGUMENTS_MAX + 1];
	int argc = 0;

	if (size > 4000)
		return 0;
	be_quiet();
	struct str query = which % 3 == 2 ? fuzz_line(&rest) : STR("");

	argv[argc++] = fuzz_string(STR("program"));
	while (rest.n > 0 && argc < ARGUMENTS_MAX)
		argv[argc++] = fuzz_string(fuzz_line(&rest));
	argv[argc] = NULL;
	if (which % 3 == 0)
		check_server(argc, argv);
	else if (which % 3 == 1)
		check_admin(argc, argv);
	else
		check_query(argc, argv, query);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return 0;
}
