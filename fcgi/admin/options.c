/* SPDX-License-Identifier: MIT */
/* The arguments of a command by a table, from which its help is printed too. */
#include "options.h"
#include "duration.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 22
#define COMMON_COUNT 3
#define NAME_MAX_COUNT 24

/* The arguments on their way into the table's variables. */
struct option_reader {
	struct admin *admin;
	const struct option *options;
	size_t option_count;
	struct option common[COMMON_COUNT];
	int argc;
	char **argv;
	int at;
	bool help;
};

static struct option_reader reader_of(struct admin *admin, int argc, char **argv,
	const struct option *options, size_t option_count)
{
	return (struct option_reader){
		.admin = admin,
		.options = options,
		.option_count = option_count,
		.argc = argc,
		.argv = argv,
		.at = 1,
	};
}

static void set_common(struct option_reader *reader)
{
	const struct option common[COMMON_COUNT] = {
		{ "-c", "FILE", "", .last_counts = true, .text = &reader->admin->config_path },
		{ "--config", "FILE", "", .last_counts = true,
			.text = &reader->admin->config_path },
		{ "--help", NULL, "", .last_counts = true, .flag = &reader->help },
	};

	memcpy(reader->common, common, sizeof(common));
}

static bool is_option(const struct option *option)
{
	return option->name[0] == '-';
}

static bool is_set(const struct option *option)
{
	if (option->flag != NULL)
		return *option->flag;
	if (option->text != NULL)
		return *option->text != NULL;
	if (option->number != NULL)
		return *option->number != 0;
	if (option->duration_s != NULL)
		return *option->duration_s >= 0;
	return option->list != NULL && option->list->count > 0;
}

static const struct option *find_in(
	const struct option *options, size_t option_count, struct str name)
{
	for (size_t i = 0; i < option_count; i++) {
		if (is_option(&options[i]) && str_eq(str_of(options[i].name), name))
			return &options[i];
	}
	return NULL;
}

static const struct option *find_option(const struct option_reader *reader, struct str name)
{
	const struct option *option = find_in(reader->options, reader->option_count, name);

	return option != NULL ? option : find_in(reader->common, COMMON_COUNT, name);
}

/* The operand whose turn it is, or NULL: there are no more. */
static const struct option *find_operand(const struct option_reader *reader)
{
	for (size_t i = 0; i < reader->option_count; i++) {
		if (!is_option(&reader->options[i]) && !is_set(&reader->options[i]))
			return &reader->options[i];
	}
	return NULL;
}

static int refuse_unknown(const struct option_reader *reader, struct str name)
{
	struct str names[NAME_MAX_COUNT] = { STR("--config"), STR("--help") };
	size_t name_count = 2;

	for (size_t i = 0; i < reader->option_count && name_count < NAME_MAX_COUNT; i++) {
		if (is_option(&reader->options[i]))
			names[name_count++] = str_of(reader->options[i].name);
	}
	struct str nearest = diag_nearest(name, names, name_count);

	if (nearest.n == 0)
		return output_misuse(
			reader->admin, "unknown option \"%.*s\"", (int)name.n, name.p);
	return output_misuse(reader->admin, "unknown option \"%.*s\"; did you mean \"%.*s\"?",
		(int)name.n, name.p, (int)nearest.n, nearest.p);
}

static int append(struct option_reader *reader, struct str_list *list, const char *value)
{
	struct str *items = arena_alloc_array(
		reader->admin->arena, list->count + 1, sizeof(*items));

	if (items == NULL)
		return output_fail("%s", reason_info(REASON_MEMORY)->name);
	for (size_t i = 0; i < list->count; i++)
		items[i] = list->items[i];
	items[list->count] = str_of(value);
	*list = (struct str_list){ items, list->count + 1 };
	return STATUS_DONE;
}

static int store(struct option_reader *reader, const struct option *option, const char *value)
{
	if (option->list != NULL)
		return append(reader, option->list, value);
	if (!option->last_counts && is_set(option))
		return output_misuse(reader->admin, "%s is given twice", option->name);
	if (option->flag != NULL)
		*option->flag = true;
	if (option->text != NULL)
		*option->text = value;
	if (option->number != NULL &&
		(!str_to_number(str_of(value), option->most, option->number) ||
			*option->number < option->least))
		return output_misuse(reader->admin,
			"%s must be a number from %lld to %lld, not \"%s\"", option->name,
			(long long)option->least, (long long)option->most, value);
	if (option->duration_s != NULL && !duration_parse(str_of(value), option->duration_s))
		return output_misuse(reader->admin,
			"%s must be a number with s, m, h, d or w behind it, as in \"30d\", "
			"and at most 100 years, not \"%s\"",
			option->name, value);
	return STATUS_DONE;
}

/* "--name", "--name value" or "--name=value". */
static int read_option(struct option_reader *reader)
{
	struct str value = str_of(reader->argv[reader->at++]);
	struct str name;
	bool has_value = str_cut(&value, '=', &name);
	const struct option *option = find_option(reader, name);

	if (option == NULL)
		return refuse_unknown(reader, name);
	if (option->value == NULL && has_value)
		return output_misuse(reader->admin, "%s takes no value", option->name);
	if (option->value == NULL)
		return store(reader, option, NULL);
	if (!has_value && reader->at >= reader->argc)
		return output_misuse(
			reader->admin, "%s needs a value: %s", option->name, option->value);
	/* Whatever follows '=' ends with the argument, so it is NUL-terminated. */
	return store(reader, option,
		has_value ? reader->argv[reader->at - 1] + name.n + 1
			  : reader->argv[reader->at++]);
}

static int read_operand(struct option_reader *reader)
{
	const char *value = reader->argv[reader->at++];
	const struct option *operand = find_operand(reader);

	if (operand == NULL)
		return output_misuse(reader->admin, "unexpected argument \"%s\"", value);
	return store(reader, operand, value);
}

static int read_all(struct option_reader *reader)
{
	bool only_operands = false;
	int status = STATUS_DONE;

	while (reader->at < reader->argc && status == STATUS_DONE && !reader->help) {
		const char *argument = reader->argv[reader->at];

		if (!only_operands && strcmp(argument, "--") == 0) {
			only_operands = true;
			reader->at++;
		} else if (!only_operands && argument[0] == '-' && argument[1] != '\0') {
			status = read_option(reader);
		} else {
			status = read_operand(reader);
		}
	}
	return status;
}

static int check_required(const struct option_reader *reader)
{
	for (size_t i = 0; i < reader->option_count; i++) {
		const struct option *option = &reader->options[i];

		if (option->required && !is_set(option))
			return output_misuse(reader->admin, "%s%s%s is missing", option->name,
				is_option(option) ? " " : "",
				is_option(option) ? option->value : "");
	}
	return STATUS_DONE;
}

static void print_row(const char *name, const char *value, const char *help)
{
	int width = (int)strlen(name) + (value != NULL ? 1 + (int)strlen(value) : 0);

	printf("  %s%s%s%*s%s\n", name, value != NULL ? " " : "", value != NULL ? value : "",
		width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", help);
}

static void print_help(const struct option_reader *reader)
{
	const struct command *command = reader->admin->command;

	printf("usage: oauth2-admin [-c FILE] %s%s%s\n\n%s.\n\n", command->name,
		command->synopsis[0] != '\0' ? " " : "", command->synopsis, command->help);
	for (size_t i = 0; i < reader->option_count; i++)
		print_row(reader->options[i].name,
			is_option(&reader->options[i]) ? reader->options[i].value : NULL,
			reader->options[i].help);
	print_row("-c, --config", "FILE", "the configuration; else $OAUTH2_CONFIG");
	print_row("--help", NULL, "this text");
}

bool options_read(struct admin *admin, int argc, char **argv, const struct option *options,
	size_t option_count, int *status)
{
	struct option_reader reader = reader_of(admin, argc, argv, options, option_count);

	set_common(&reader);
	*status = read_all(&reader);
	if (*status == STATUS_DONE && reader.help) {
		print_help(&reader);
		return false;
	}
	if (*status == STATUS_DONE)
		*status = check_required(&reader);
	return *status == STATUS_DONE;
}

bool options_read_leading(struct admin *admin, int argc, char **argv,
	const struct option *options, size_t option_count, int *next)
{
	struct option_reader reader = reader_of(admin, argc, argv, options, option_count);
	int status = STATUS_DONE;

	set_common(&reader);
	while (reader.at < argc && argv[reader.at][0] == '-' && status == STATUS_DONE)
		status = read_option(&reader);
	*next = reader.at;
	return status == STATUS_DONE;
}
