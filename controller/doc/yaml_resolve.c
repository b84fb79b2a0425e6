#include "doc/yaml_resolve.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"

#define DIGITS "0123456789"

static const char too_big[] = "integer beyond 64 bits; quote it or use a smaller one";
static const char not_finite[] = "infinity and not-a-number have no place in JSON; quote it";
static const char is_date[] = "a date here; quote it to make it text";

static struct yaml_scalar scalar_string(void)
{
	return (struct yaml_scalar){.kind = YAML_KIND_STRING};
}

static struct yaml_scalar scalar_refused(const char *why)
{
	return (struct yaml_scalar){.kind = YAML_KIND_REFUSED, .why = why};
}

static struct yaml_scalar scalar_integer(int64_t value)
{
	return (struct yaml_scalar){.kind = YAML_KIND_INT, .integer = value};
}

static struct yaml_scalar scalar_real(double value)
{
	if (!isfinite(value))
		return scalar_refused(not_finite);
	return (struct yaml_scalar){.kind = YAML_KIND_REAL, .real = value};
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* Nulls and booleans; false when it is neither. */
static bool resolve_word(const char *text, enum doc_yaml_mode mode, struct yaml_scalar *ret)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
	static const char *const no[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
	static const char *const go_yes[] = {"y", "Y", NULL};
	static const char *const go_no[] = {"n", "N", NULL};
	bool go = mode == DOC_YAML_KUBERNETES;

	if (is_one_of(text, nulls)) {
		*ret = (struct yaml_scalar){.kind = YAML_KIND_NULL};
		return true;
	}
	ret->kind = YAML_KIND_BOOL;
	ret->boolean = is_one_of(text, yes) || (go && is_one_of(text, go_yes));
	return ret->boolean || is_one_of(text, no) || (go && is_one_of(text, go_no));
}

static bool is_special_real(const char *text)
{
	static const char *const words[] = {
		"inf", "Inf", "INF", "+inf", "+Inf", "+INF", "-inf", "-Inf", "-INF", NULL};
	static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
	char word[6];
	size_t sign = *text == '+' || *text == '-';

	if (is_one_of(text, nan_words))
		return true;
	if (text[sign] != '.' || strlen(text) != sign + 4)
		return false;
	memcpy(word, text, sign);
	memcpy(word + sign, text + sign + 1, 4);
	return is_one_of(word, words);
}

static char *without_underscores(const char *text)
{
	char *copy = xmalloc(strlen(text) + 1), *p = copy;

	for (; *text; text++) {
		if (*text != '_')
			*p++ = *text;
	}
	*p = '\0';
	return copy;
}

enum magnitude { NOT_DIGITS, FITS_INT64, FITS_UINT64, BEYOND };

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* The whole text as digits of a base. FITS_UINT64 for a negative number means: below INT64_MIN. */
static enum magnitude read_digits(const char *s, int base, bool negative, int64_t *ret_value)
{
	uint64_t value = 0;
	bool beyond = false;

	if (!*s)
		return NOT_DIGITS;
	for (; *s; s++) {
		int digit = digit_value(*s);

		if (digit >= base)
			return NOT_DIGITS;
		beyond = beyond || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
			 __builtin_add_overflow(value, (uint64_t)digit, &value);
	}
	if (beyond)
		return BEYOND;
	if (negative && value <= (uint64_t)INT64_MAX + 1)
		*ret_value = (int64_t)(0 - value);
	else if (!negative && value <= INT64_MAX)
		*ret_value = (int64_t)value;
	else
		return FITS_UINT64;
	return FITS_INT64;
}

bool yaml_is_decimal(const char *s)
{
	size_t before, after = 0;

	if (*s == '+' || *s == '-')
		s++;
	before = strspn(s, DIGITS);
	s += before;
	if (*s == '.') {
		after = strspn(++s, DIGITS);
		s += after;
	}
	if (!before && !after)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (!*s)
			return false;
		s += strspn(s, DIGITS);
	}
	return !*s;
}

/* A decimal that overflows stays text in Go, where reading it is an error. */
static struct yaml_scalar go_real(const char *text)
{
	double value = canon_read_real(text);

	return isfinite(value) ? scalar_real(value) : scalar_string();
}

/* Go's strconv.ParseInt with base 0, and ParseUint after it. False: no integer. */
static bool go_integer(const char *plain, struct yaml_scalar *ret)
{
	bool negative = *plain == '-';
	const char *s = plain + (*plain == '-' || *plain == '+');
	enum magnitude magnitude;
	int64_t value = 0;
	int base = 10;

	if (*s == '0' && s[1]) {
		base = strchr("xX", s[1]) ? 16 : strchr("bB", s[1]) ? 2 : 8;
		s += strchr("xXbBoO", s[1]) ? 2 : 1;
		if (s == plain + 2 && base == 2 && plain[1] == 'b' && (*s == '-' || *s == '+')) {
			/* goyaml cuts "0b" off itself and allows a sign behind it */
			negative = *s == '-';
			s++;
		}
	}
	magnitude = read_digits(s, base, negative, &value);
	if (magnitude == FITS_INT64) {
		*ret = scalar_integer(value);
		return true;
	}
	/* Go goes on with a uint64, which turns into a double on the way: never rounded here. */
	*ret = scalar_refused(too_big);
	if (magnitude == FITS_UINT64 && *plain != '-' && *plain != '+')
		return true;
	/* Too long: text, but plain digits are tried as a real, which would round. */
	return magnitude != NOT_DIGITS && plain[strspn(plain, "+-" DIGITS)] == '\0';
}

/* Underscores where Go's number syntax has them: between two digits. */
static bool underscores_separate(const char *s)
{
	for (size_t i = 0; s[i]; i++) {
		if (s[i] == '_' &&
			(i == 0 || digit_value(s[i - 1]) > 9 || digit_value(s[i + 1]) > 9))
			return false;
	}
	return true;
}

static struct yaml_scalar resolve_go_number(const char *text)
{
	auto_free char *plain = without_underscores(text);
	struct yaml_scalar scalar;

	if (*text == '.') {
		if (underscores_separate(text) && yaml_is_decimal(plain))
			return go_real(plain);
		return scalar_string();
	}
	if (go_integer(plain, &scalar))
		return scalar;
	return yaml_is_decimal(plain) ? go_real(plain) : scalar_string();
}

/* [0-9][0-9_]* at *s, which moves past it. */
static bool skip_python_digits(const char **s)
{
	if (!strchr(DIGITS, **s) || !**s)
		return false;
	*s += strspn(*s, DIGITS "_");
	return true;
}

/* (:[0-5]?[0-9])+ at *s, which moves past it. */
static bool skip_sexagesimal(const char **s)
{
	bool any = false;

	while (**s == ':') {
		size_t n = strspn(*s + 1, DIGITS);

		if (n < 1 || n > 2 || (n == 2 && (*s)[1] > '5'))
			return false;
		*s += 1 + n;
		any = true;
	}
	return any;
}

static bool is_python_real(const char *s)
{
	bool is_signed = *s == '+' || *s == '-';

	if (is_signed)
		s++;
	if (*s == '.' && !is_signed) {
		s++;
		if (!skip_python_digits(&s))
			return false;
	} else {
		if (!skip_python_digits(&s))
			return false;
		if (*s == ':') {
			if (!skip_sexagesimal(&s) || *s != '.')
				return false;
			s++;
			return !s[strspn(s, DIGITS "_")];
		}
		if (*s != '.')
			return false;
		s++;
		s += strspn(s, DIGITS "_");
	}
	if (*s == 'e' || *s == 'E') {
		if (s[1] != '+' && s[1] != '-')
			return false;
		s += 2;
		if (!*s)
			return false;
		s += strspn(s, DIGITS);
	}
	return !*s;
}

/* Sums up from the right, as PyYAML does, so that the rounding is the same. */
static struct yaml_scalar python_sexagesimal_real(char *plain)
{
	bool negative = *plain == '-';
	char *s = plain + (*plain == '-' || *plain == '+');
	double value = 0, base = 1;
	char *colon;

	while ((colon = strrchr(s, ':'))) {
		value += canon_read_real(colon + 1) * base;
		base *= 60;
		*colon = '\0';
	}
	value += canon_read_real(s) * base;
	return scalar_real(negative ? -value : value);
}

static struct yaml_scalar python_sexagesimal_integer(const char *plain)
{
	bool negative = *plain == '-';
	int64_t total = 0;

	for (const char *s = plain + (*plain == '-' || *plain == '+'); *s; s++) {
		int64_t part = 0;

		for (; *s && *s != ':'; s++) {
			if (__builtin_mul_overflow(part, 10, &part) ||
				__builtin_add_overflow(part, *s - '0', &part))
				return scalar_refused(too_big);
		}
		if (__builtin_mul_overflow(total, 60, &total) ||
			__builtin_add_overflow(total, part, &total))
			return scalar_refused(too_big);
		if (!*s)
			break;
	}
	return scalar_integer(negative ? -total : total);
}

static struct yaml_scalar python_digits(const char *s, int base, bool negative)
{
	int64_t value = 0;

	switch (read_digits(s, base, negative, &value)) {
	case FITS_INT64:
		return scalar_integer(value);
	case NOT_DIGITS:
		return scalar_refused("underscores without a digit where a number begins");
	default:
		return scalar_refused(too_big);
	}
}

/* The five forms of PyYAML's integer; false for anything else. */
static bool resolve_python_integer(const char *text, const char *plain, struct yaml_scalar *ret)
{
	bool negative = *text == '-';
	size_t sign = *text == '+' || *text == '-';
	const char *s = text + sign;

	if (*s == '0' && s[1]) {
		bool binary = s[1] == 'b', hexadecimal = s[1] == 'x';
		const char *allowed = binary        ? "01_"
				      : hexadecimal ? DIGITS "abcdefABCDEF_"
						    : "01234567_";

		s += binary || hexadecimal ? 2 : 1;
		if (!*s || s[strspn(s, allowed)])
			return false;
		s = plain + sign + (binary || hexadecimal ? 2 : 0);
		*ret = python_digits(s, binary ? 2 : hexadecimal ? 16 : 8, negative);
		return true;
	}
	if (!skip_python_digits(&s))
		return false;
	if (*s == ':' && text[sign] != '0' && skip_sexagesimal(&s) && !*s) {
		*ret = python_sexagesimal_integer(plain);
		return true;
	}
	if (*s)
		return false;
	*ret = python_digits(plain + sign, 10, negative);
	return true;
}

/* At least least and at most most digits at *s, which moves past them. */
static bool skip_digits(const char **s, size_t least, size_t most)
{
	size_t n = strspn(*s, DIGITS);

	if (n > most)
		n = most;
	if (n < least)
		return false;
	*s += n;
	return true;
}

static bool skip_char(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

/* yyyy-mm-dd, or yyyy-m-d with a time of day. */
static bool is_python_timestamp(const char *text)
{
	const char *s = text;
	size_t blanks;

	if (!skip_digits(&s, 4, 4) || !skip_char(&s, "-") || !skip_digits(&s, 1, 2) ||
		!skip_char(&s, "-") || !skip_digits(&s, 1, 2))
		return false;
	if (!*s)
		return s - text == 10;
	blanks = strspn(s, " \t");
	s += blanks;
	if (!blanks && !skip_char(&s, "Tt"))
		return false;
	if (!skip_digits(&s, 1, 2) || !skip_char(&s, ":") || !skip_digits(&s, 2, 2) ||
		!skip_char(&s, ":") || !skip_digits(&s, 2, 2))
		return false;
	if (skip_char(&s, "."))
		s += strspn(s, DIGITS);
	if (!*s)
		return true;
	s += strspn(s, " \t");
	if (skip_char(&s, "Z"))
		return !*s;
	if (!skip_char(&s, "+-") || !skip_digits(&s, 1, 2))
		return false;
	if (skip_char(&s, ":") && !skip_digits(&s, 2, 2))
		return false;
	return !*s;
}

static struct yaml_scalar resolve_python_number(const char *text)
{
	auto_free char *plain = without_underscores(text);
	struct yaml_scalar scalar;

	if (is_python_real(text))
		return strchr(plain, ':') ? python_sexagesimal_real(plain)
					  : scalar_real(canon_read_real(plain));
	if (resolve_python_integer(text, plain, &scalar))
		return scalar;
	return is_python_timestamp(text) ? scalar_refused(is_date) : scalar_string();
}

struct yaml_scalar yaml_resolve(const char *text, enum doc_yaml_mode mode)
{
	struct yaml_scalar scalar = {.kind = YAML_KIND_STRING};

	if (resolve_word(text, mode, &scalar))
		return scalar;
	if (strcmp(text, "<<") == 0)
		return (struct yaml_scalar){.kind = YAML_KIND_MERGE};
	if (strcmp(text, "=") == 0 && mode == DOC_YAML_PYYAML)
		return scalar_refused("a lone '=' has a meaning of its own here; quote it");
	if (!strchr("+-." DIGITS, *text))
		return scalar_string();
	if (is_special_real(text))
		return scalar_refused(not_finite);
	if (mode == DOC_YAML_PYYAML)
		return resolve_python_number(text);
	return resolve_go_number(text);
}
