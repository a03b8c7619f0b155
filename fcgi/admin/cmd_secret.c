/* SPDX-License-Identifier: MIT */
/* hash-secret: what the configuration holds instead of a secret. */
#include "domain/credential.h"
#include "generate.h"
#include "input.h"
#include "options.h"
#include "output.h"

#include <stdio.h>

#define HASH_SIZE 512

static int print_generated(const struct admin *admin)
{
	struct generated generated;
	enum reason reason = generate_secret(&generated);

	if (reason != REASON_NONE)
		return output_reason("the secret", reason);
	int status = STATUS_DONE;

	if (admin->json)
		status = output_result(json_pack("{s:s, s:s}", "secret", generated.secret,
					       "hash", generated.hash),
			STATUS_DONE);
	else
		printf("secret: %s\nhash: %s\n", generated.secret, generated.hash);
	secret_wipe(&generated, sizeof(generated));
	return status;
}

static int print_hash(const struct admin *admin, struct str secret)
{
	char text[HASH_SIZE];
	struct buf hash = buf_init(text, sizeof(text));
	struct credential_checker *checker = credential_checker_new();
	enum reason reason = checker == NULL ? REASON_MEMORY
					     : credential_hash(checker, secret, &hash);

	credential_checker_free(checker);
	if (reason != REASON_NONE)
		return output_reason("the secret", reason);
	if (admin->json)
		return output_result(json_pack("{s:o}", "hash", output_string(buf_view(&hash))),
			STATUS_DONE);
	printf("%.*s\n", (int)hash.n, text);
	return STATUS_DONE;
}

static int check_and_hash(const struct admin *admin, const struct buf *line)
{
	const char *problem = input_secret_problem(line);

	if (problem != NULL)
		return output_fail("%s", problem);
	return print_hash(admin, buf_view(line));
}

static bool is_option(struct str name)
{
	static const struct str names[] = { STR_CONST("-c"), STR_CONST("--config"),
		STR_CONST("--generate"), STR_CONST("--help"), STR_CONST("--json") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(names[i], name))
			return true;
	}
	return false;
}

/* Whatever is no option is a secret, most likely: no message must show it. */
static bool has_secret(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct str rest = str_of(argv[i]), name;
		bool has_value = str_cut(&rest, '=', &name);

		if (!is_option(name))
			return true;
		if (!has_value && (str_eq(name, STR("-c")) || str_eq(name, STR("--config"))))
			i++;
	}
	return false;
}

int cmd_hash_secret(struct admin *admin, int argc, char **argv)
{
	int status;
	bool generated = false;
	char text[INPUT_LINE_SIZE];
	struct buf line = buf_init(text, sizeof(text));
	const struct option options[] = {
		{ "--generate", NULL, "make a secret of 256 random bits; print it and its hash",
			.flag = &generated },
		OPTION_JSON(admin),
	};

	if (has_secret(argc, argv))
		return output_misuse(admin, "the secret is read from standard input; on the "
					    "command line others can see it");
	if (!options_read(admin, argc, argv, options, 2, &status))
		return status;
	if (generated)
		return print_generated(admin);
	enum reason reason = input_secret("Secret: ", &line);

	status = reason == REASON_NONE ? check_and_hash(admin, &line)
				       : output_reason("standard input", reason);
	secret_wipe(text, sizeof(text));
	return status;
}
