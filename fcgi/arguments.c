/* SPDX-License-Identifier: MIT */
/* Compares the arguments with the words of the query. */
#include "arguments.h"

/* The next character of a word, percent-decoded. */
static char next_character(struct str *word)
{
	char c = word->p[0];
	size_t used = 1;

	unsigned high = word->n < 3 ? STR_NOT_HEX : str_hex_value(word->p[1]);
	unsigned low = word->n < 3 ? STR_NOT_HEX : str_hex_value(word->p[2]);

	if (c == '%' && high != STR_NOT_HEX && low != STR_NOT_HEX) {
		c = (char)(high << 4 | low);
		used = 3;
	}
	*word = str_from(*word, used);
	return c;
}

/* Backslashes do not count: Apache puts one before each character that is special to a shell.
 */
static bool is_word(const char *argument, struct str word)
{
	while (word.n > 0) {
		char c = next_character(&word);

		if (c == '\\')
			continue;
		while (*argument == '\\')
			argument++;
		/* An argument ends where a NUL was. */
		if (c == '\0')
			break;
		if (*argument++ != c)
			return false;
	}
	while (*argument == '\\')
		argument++;
	return *argument == '\0';
}

static int count_words(struct str query)
{
	int count = 1;

	for (size_t i = 0; i < query.n; i++)
		count += query.p[i] == '+';
	return count;
}

int arguments_count(int argc, char **argv, struct str query)
{
	if (query.n == 0 || str_has(query, '=') || argc < 2)
		return argc;
	int words = count_words(query);
	/* A server may pass fewer words than there are. */
	int first = words < argc ? argc - words : 1;

	for (int i = first; i < argc; i++) {
		struct str word;

		str_cut(&query, '+', &word);
		if (!is_word(argv[i], word))
			return argc;
	}
	return first;
}
