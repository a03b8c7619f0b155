/* SPDX-License-Identifier: MIT */
/*
 * Run a fuzz target over its corpus, built with any compiler.
 *
 *	fuzz_form            all of tests/fuzz/corpus/form, from the top of the tree
 *	fuzz_form FILE...    these inputs
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	unsigned char *data;
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
	rewind(file);
	/* As large as the input, so that reading behind it is noticed. */
	data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size)
		exit(1);
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many files there were. */
static unsigned run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_input, alphasort);

	if (count <= 0) {
		fprintf(stderr, "%s has no input; run this from the top of the tree\n", path);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		char name[2 * PATH_MAX];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		run_file(name);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

/* The corpus of the program fuzz_NAME. */
static unsigned run_own(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = strstr(slash != NULL ? slash : program, "fuzz_");
	char path[PATH_MAX];

	if (name == NULL)
		exit(1);
	snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", name + strlen("fuzz_"));
	return run_directory(path);
}

int main(int argc, char **argv)
{
	unsigned count = (unsigned)argc - 1;

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1)
		count = run_own(argv[0]);
	/* The line that tests/unit.sh looks for; a target may have taken stdout for itself. */
	dprintf(STDOUT_FILENO, "[  PASSED  ] %u test(s).\n", count);
	return 0;
}
