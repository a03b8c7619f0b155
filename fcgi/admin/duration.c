/* SPDX-License-Identifier: MIT */
/* Spans of time as people write and read them. */
#include "duration.h"

/* From the largest to the smallest, as they are written. */
static const struct {
	const char *name;
	int64_t length_s;
} units[] = {
	{ "d", 86400 },
	{ "h", 3600 },
	{ "min", 60 },
	{ "s", 1 },
};

/* As they are read. */
static const struct {
	char letter;
	int64_t length_s;
} letters[] = {
	{ 's', 1 },
	{ 'm', 60 },
	{ 'h', 3600 },
	{ 'd', 86400 },
	{ 'w', 7 * 86400 },
};

bool duration_parse(struct str s, int64_t *duration_s)
{
	int64_t number;

	*duration_s = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		const int64_t length_s = letters[i].length_s;

		if (s.p[s.n - 1] != letters[i].letter)
			continue;
		if (!str_to_number(str_upto(s, s.n - 1), DURATION_MAX / length_s, &number))
			return false;
		*duration_s = number * length_s;
		return true;
	}
	return false;
}

void duration_write(struct buf *buf, int64_t duration_s)
{
	size_t first = 0;

	while (units[first].length_s > 1 && duration_s < units[first].length_s)
		first++;
	buf_number(buf, duration_s / units[first].length_s);
	buf_char(buf, ' ');
	buf_text(buf, units[first].name);
	if (units[first].length_s == 1)
		return;
	int64_t rest_s = duration_s % units[first].length_s / units[first + 1].length_s;

	if (rest_s == 0)
		return;
	buf_char(buf, ' ');
	buf_number(buf, rest_s);
	buf_char(buf, ' ');
	buf_text(buf, units[first + 1].name);
}

void duration_sentence(struct buf *buf, const char *sentence, int64_t duration_s)
{
	struct str rest = str_of(sentence), head;

	str_cut(&rest, '%', &head);
	buf_str(buf, head);
	duration_write(buf, duration_s);
	buf_str(buf, str_from(rest, 1));
}
