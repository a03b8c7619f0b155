/* SPDX-License-Identifier: MIT */
/* The clocks, and the two directions of RFC 3339. */
#include "util/clock.h"

#include <time.h>

#define DAY_S INT64_C(86400)
#define DAY_MS (1000 * DAY_S)

struct date {
	int64_t year, month, day;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March here. */
static int64_t days_from_date(struct date date)
{
	int64_t year = date.month <= 2 ? date.year - 1 : date.year;
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month = (date.month + 9) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
			     day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static struct date date_from_days(int64_t days)
{
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
				      day_of_era / 146096) /
			      365;
	int64_t day_of_year = day_of_era -
			      (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	return (struct date){
		.year = year_of_era + era * 400 + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
}

static int64_t month_length(int64_t year, int64_t month)
{
	static const int64_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return lengths[month - 1] + (month == 2 && leap);
}

/* A number of exactly `digits` digits, followed by `end` if that is not NUL. */
static bool take(struct str *s, size_t digits, char end, int64_t *value)
{
	*value = 0;
	if (s->n < digits || !str_to_number(str_upto(*s, digits), INT64_MAX, value))
		return false;
	*s = str_from(*s, digits);
	if (end == '\0')
		return true;
	if (s->n == 0 || s->p[0] != end)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static bool parse_date(struct str *s, int64_t *days)
{
	struct date date;

	if (!take(s, 4, '-', &date.year) || !take(s, 2, '-', &date.month) ||
		!take(s, 2, '\0', &date.day))
		return false;
	if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1 ||
		date.day > month_length(date.year, date.month))
		return false;
	*days = days_from_date(date);
	return true;
}

static bool parse_time(struct str *s, int64_t *day_s)
{
	int64_t hour, minute, second;

	if (!take(s, 2, ':', &hour) || !take(s, 2, ':', &minute) || !take(s, 2, '\0', &second))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*day_s = hour * 3600 + minute * 60 + second;
	if (s->n == 0 || s->p[0] != '.')
		return true;
	size_t digits = 1;

	while (digits < s->n && s->p[digits] >= '0' && s->p[digits] <= '9')
		digits++;
	*s = str_from(*s, digits);
	return digits > 1;
}

static bool parse_offset(struct str s, int64_t *offset_s)
{
	int64_t hour, minute;

	*offset_s = 0;
	if (str_eq_nocase(s, STR("z")))
		return true;
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	int64_t sign = s.p[0] == '-' ? -1 : 1;

	s = str_from(s, 1);
	if (!take(&s, 2, ':', &hour) || !take(&s, 2, '\0', &minute) || hour > 23 || minute > 59)
		return false;
	*offset_s = sign * (hour * 3600 + minute * 60);
	return true;
}

static int64_t read_clock_ns(clockid_t id)
{
	struct timespec now = { 0 };

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_steady_us(void)
{
	return read_clock_ns(CLOCK_MONOTONIC) / 1000;
}

void clock_format(struct buf *buf, int64_t wall_ms, bool with_ms)
{
	/* Also before 1970 the day begins at midnight. */
	int64_t day_ms = (wall_ms % DAY_MS + DAY_MS) % DAY_MS;
	int64_t day_s = day_ms / 1000;
	struct date date = date_from_days((wall_ms - day_ms) / DAY_MS);

	buf_padded(buf, date.year, 4);
	buf_char(buf, '-');
	buf_padded(buf, date.month, 2);
	buf_char(buf, '-');
	buf_padded(buf, date.day, 2);
	buf_char(buf, 'T');
	buf_padded(buf, day_s / 3600, 2);
	buf_char(buf, ':');
	buf_padded(buf, day_s / 60 % 60, 2);
	buf_char(buf, ':');
	buf_padded(buf, day_s % 60, 2);
	if (with_ms) {
		buf_char(buf, '.');
		buf_padded(buf, day_ms % 1000, 3);
	}
	buf_char(buf, 'Z');
}

bool clock_parse(struct str s, int64_t *wall_s)
{
	int64_t days, day_s, offset_s;

	*wall_s = 0;
	if (!parse_date(&s, &days))
		return false;
	if (s.n == 0) {
		*wall_s = days * DAY_S;
		return true;
	}
	if (s.p[0] != 'T' && s.p[0] != 't' && s.p[0] != ' ')
		return false;
	s = str_from(s, 1);
	if (!parse_time(&s, &day_s) || !parse_offset(s, &offset_s))
		return false;
	*wall_s = days * DAY_S + day_s - offset_s;
	return true;
}
