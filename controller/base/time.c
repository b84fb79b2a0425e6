#include "base/time.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct civil {
	int64_t year;
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t time_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t time_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Days since 1970-01-01 in the proleptic Gregorian calendar, for years >= 0. Years
 * are counted from March, so that the leap day is the last one of a year.
 */
static int64_t days_from_civil(struct civil c)
{
	int64_t year = c.year - (c.month <= 2) + 400; /* + one cycle of 400 years: never negative */
	int64_t month = (c.month + 9) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + c.day - 1;

	return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468 - 146097;
}

/* The inverse, for days >= 0. */
static struct civil civil_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	int64_t day_of_era = z % 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month = (unsigned)((5 * day_of_year + 2) / 153);
	struct civil c = {
		.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
		.month = month < 10 ? month + 3 : month - 9,
	};

	c.year = year_of_era + era * 400 + (c.month <= 2);
	return c;
}

static char *format(int64_t unix_seconds, int micros, char out[TIME_RFC3339_SIZE])
{
	struct civil c;
	int s, n;

	if (unix_seconds < 0)
		unix_seconds = 0;
	if (unix_seconds > LAST_SECOND)
		unix_seconds = LAST_SECOND;
	c = civil_from_days(unix_seconds / SECONDS_PER_DAY);
	s = (int)(unix_seconds % SECONDS_PER_DAY);
	n = snprintf(out, TIME_RFC3339_SIZE, "%04d-%02u-%02uT%02d:%02d:%02d", (int)c.year, c.month,
		c.day, s / 3600, s / 60 % 60, s % 60);
	if (micros >= 0)
		snprintf(out + n, (size_t)(TIME_RFC3339_SIZE - n), ".%06dZ", micros);
	else
		snprintf(out + n, (size_t)(TIME_RFC3339_SIZE - n), "Z");
	return out;
}

char *time_format_rfc3339(int64_t unix_seconds, char out[TIME_RFC3339_SIZE])
{
	return format(unix_seconds, -1, out);
}

char *time_format_micro(int64_t unix_ms, char out[TIME_RFC3339_SIZE])
{
	if (unix_ms < 0)
		unix_ms = 0;
	return format(unix_ms / 1000, (int)(unix_ms % 1000) * 1000, out);
}

/* Exactly n digits; moves *s past them. */
static bool read_digits(const char **s, int n, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		char c = (*s)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*s += n;
	*ret_value = value;
	return true;
}

static bool read_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static bool read_fraction(const char **s)
{
	if (!read_char(s, '.'))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	while (**s >= '0' && **s <= '9')
		(*s)++;
	return true;
}

/* "Z" or "+hh:mm"; *ret_offset in seconds east of UTC. */
static bool read_offset(const char **s, int *ret_offset)
{
	int sign = **s == '-' ? -1 : 1;
	int hours, minutes;

	*ret_offset = 0;
	if (read_char(s, 'Z') || read_char(s, 'z'))
		return true;
	if (!read_char(s, '+') && !read_char(s, '-'))
		return false;
	if (!read_digits(s, 2, &hours) || !read_char(s, ':') || !read_digits(s, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_offset = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool time_parse_rfc3339(const char *s, int64_t *ret_unix_seconds)
{
	int year, month, day, hour, minute, second, offset;
	struct civil c;

	if (!s || !read_digits(&s, 4, &year) || !read_char(&s, '-') ||
		!read_digits(&s, 2, &month) || !read_char(&s, '-') || !read_digits(&s, 2, &day))
		return false;
	if (!read_char(&s, 'T') && !read_char(&s, 't'))
		return false;
	if (!read_digits(&s, 2, &hour) || !read_char(&s, ':') || !read_digits(&s, 2, &minute) ||
		!read_char(&s, ':') || !read_digits(&s, 2, &second))
		return false;
	if (!read_fraction(&s) || !read_offset(&s, &offset) || *s)
		return false;
	/* Second 60 is a leap second; it counts as the first one of the next minute. */
	if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60)
		return false;
	if ((unsigned)day > days_in_month(year, (unsigned)month))
		return false;
	c = (struct civil){.year = year, .month = (unsigned)month, .day = (unsigned)day};
	*ret_unix_seconds =
		days_from_civil(c) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
	return true;
}

bool time_parse_duration(const char *s, int64_t *ret_seconds)
{
	int64_t total = 0;
	int groups;

	if (!s || !*s)
		return false;
	for (groups = 0; *s && groups < 3; groups++) {
		int64_t value = 0;
		int digits = 0;

		for (; *s >= '0' && *s <= '9' && digits < 5; s++, digits++)
			value = value * 10 + (*s - '0');
		if (!digits)
			return false;
		if (*s == 'h')
			value *= 3600;
		else if (*s == 'm')
			value *= 60;
		else if (*s != 's')
			return false;
		s++;
		total += value;
	}
	if (*s)
		return false;
	*ret_seconds = total;
	return true;
}
