#include "doc/canon.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Significant digits of a double, without point: "0.00125" is 125 and -3. */
struct decimal {
	bool negative;
	char digits[18];
	int count;
	int exponent; /* of the first digit */
};

static locale_t c_locale(void)
{
	static locale_t locale;

	if (!locale)
		locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	assert(locale);
	return locale;
}

static bool reads_back(const char *text, double value, bool single)
{
	return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* One more in the last place of "d.ddde..."; false when that would need another digit in front. */
static bool increment(char *text)
{
	char *p = strchr(text, 'e');

	while (p-- > text) {
		if (*p == '.')
			continue;
		if (*p >= '0' && *p <= '8') {
			(*p)++;
			return true;
		}
		if (*p != '9')
			return false;
		*p = '0';
	}
	return false;
}

/*
 * The next larger number is twice as far away from a power of two as the next
 * smaller one, so that the nearest text of n digits may miss while its upper
 * neighbour reads back.
 */
static bool upper_neighbour_reads_back(char *text, double value, bool single)
{
	int exponent;

	return fabs(frexp(value, &exponent)) == 0.5 && increment(text) &&
	       reads_back(text, value, single);
}

/* The fewest digits that read back as the same double, or float. */
static void shortest(double value, bool single, struct decimal *d)
{
	locale_t old = uselocale(c_locale());
	char text[32];
	char *mantissa, *e;

	for (int precision = 0; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (reads_back(text, value, single) ||
			upper_neighbour_reads_back(text, value, single))
			break;
	}
	uselocale(old);
	d->negative = text[0] == '-';
	mantissa = text + d->negative;
	e = strchr(mantissa, 'e');
	assert(e);
	d->exponent = (int)strtol(e + 1, NULL, 10);
	d->count = 0;
	for (const char *p = mantissa; p < e; p++) {
		if (*p != '.')
			d->digits[d->count++] = *p;
	}
	while (d->count > 1 && d->digits[d->count - 1] == '0')
		d->count--;
}

static void add_digits(struct buf *b, const struct decimal *d, int from, int to)
{
	for (int i = from; i < to; i++)
		buf_addc(b, i < d->count ? d->digits[i] : '0');
}

/* From 10^limit on with an exponent; a whole number below it gets ".0" when asked. */
static void lay_out(const struct decimal *d, int limit, bool point_zero, struct buf *b)
{
	int point = d->exponent + 1; /* digits before it */

	if (d->negative)
		buf_addc(b, '-');
	if (d->exponent < -4 || d->exponent >= limit) {
		add_digits(b, d, 0, 1);
		if (d->count > 1) {
			buf_addc(b, '.');
			add_digits(b, d, 1, d->count);
		}
		buf_addf(b, "e%c%02d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
	} else if (point <= 0) {
		buf_adds(b, "0.");
		for (int i = point; i < 0; i++)
			buf_addc(b, '0');
		add_digits(b, d, 0, d->count);
	} else {
		add_digits(b, d, 0, point);
		if (d->count > point || point_zero)
			buf_addc(b, '.');
		if (d->count > point)
			add_digits(b, d, point, d->count);
		else if (point_zero)
			buf_addc(b, '0');
	}
}

double canon_read_real(const char *text)
{
	return strtod_l(text, NULL, c_locale());
}

char *canon_real(double value, char out[CANON_REAL_SIZE])
{
	auto_buf b = BUF_INIT_MAX(CANON_REAL_SIZE);
	struct decimal d;

	assert(isfinite(value));
	shortest(value, false, &d);
	lay_out(&d, 16, true, &b);
	memcpy(out, buf_str(&b), b.len + 1);
	return out;
}

char *canon_real_go32(double value, char out[CANON_REAL_SIZE])
{
	auto_buf b = BUF_INIT_MAX(CANON_REAL_SIZE);
	float single = (float)value;
	struct decimal d;

	if (isfinite(single)) {
		shortest((double)single, true, &d);
		lay_out(&d, 6, false, &b);
	} else {
		buf_adds(&b, single < 0 ? "-.inf" : ".inf");
	}
	memcpy(out, buf_str(&b), b.len + 1);
	return out;
}

/* The letter of a two-character escape; 0 when the character has none. */
static char short_escape(uint32_t code)
{
	switch (code) {
	case '"':
	case '\\':
		return (char)code;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void add_unicode_escape(uint32_t code, struct buf *out)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		buf_addf(out, "\\u%04x\\u%04x", 0xd800 | code >> 10, 0xdc00 | (code & 0x3ff));
	} else {
		buf_addf(out, "\\u%04x", code);
	}
}

static void dump_string(const char *s, size_t len, bool ascii, struct buf *out)
{
	size_t done = 0;

	buf_addc(out, '"');
	for (size_t i = 0, size; i < len; i += size) {
		uint32_t code = 0;
		char letter;

		/* nearly all that is ever written: ASCII without escapes */
		while (i < len && s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
			i++;
		if (i == len)
			break;
		size = str_utf8_next(s + i, len - i, &code);
		assert(size); /* jansson holds well-formed UTF-8 only */
		letter = short_escape(code);
		if (!letter && code >= 0x20 && (code < 0x7f || !ascii))
			continue;
		buf_add(out, s + done, i - done);
		done = i + size;
		if (letter) {
			buf_addc(out, '\\');
			buf_addc(out, letter);
		} else {
			add_unicode_escape(code, out);
		}
	}
	buf_add(out, s + done, len - done);
	buf_addc(out, '"');
}

struct style {
	bool sorted;
	bool ascii;
	const char *item_sep;
	const char *key_sep;
};

static const struct style styles[] = {
	[CANON_COMPACT] = {.sorted = true, .item_sep = ",", .key_sep = ":"},
	[CANON_PYTHON] = {.sorted = true, .ascii = true, .item_sep = ", ", .key_sep = ": "},
	[CANON_PYTHON_ORDERED] = {.ascii = true, .item_sep = ", ", .key_sep = ": "},
	[CANON_COMPACT_ORDERED] = {.item_sep = ",", .key_sep = ":"},
};

struct member {
	const char *key;
	size_t len;
	const json_t *value;
};

/* Byte order of UTF-8 is code point order. */
static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);

	if (order)
		return order;
	return (x->len > y->len) - (x->len < y->len);
}

/* Most objects are small, and come sorted or nearly so: then qsort's set-up is what would cost. */
#define FEW_MEMBERS 16

static void sort_members(struct member *members, size_t n)
{
	if (n > FEW_MEMBERS) {
		qsort(members, n, sizeof(*members), compare_members);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct member moved = members[i];
		size_t to = i;

		for (; to > 0 && compare_members(&members[to - 1], &moved) > 0; to--)
			members[to] = members[to - 1];
		members[to] = moved;
	}
}

static void dump(const json_t *json, const struct style *style, struct buf *out);

static void dump_object(const json_t *json, const struct style *style, struct buf *out)
{
	size_t n = json_object_size(json), i = 0;
	struct member few[FEW_MEMBERS];
	auto_free struct member *many =
		n > FEW_MEMBERS ? xreallocarray(NULL, n, sizeof(*many)) : NULL;
	struct member *members = many ? many : few;
	const char *key;
	json_t *value;
	size_t len;

	json_object_keylen_foreach((json_t *)json, key, len, value)
	{
		members[i++] = (struct member){.key = key, .len = len, .value = value};
	}
	if (style->sorted)
		sort_members(members, n);
	buf_addc(out, '{');
	for (i = 0; i < n; i++) {
		if (i)
			buf_adds(out, style->item_sep);
		dump_string(members[i].key, members[i].len, style->ascii, out);
		buf_adds(out, style->key_sep);
		dump(members[i].value, style, out);
	}
	buf_addc(out, '}');
}

static void dump_array(const json_t *json, const struct style *style, struct buf *out)
{
	size_t n = json_array_size(json);

	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, style->item_sep);
		dump(json_array_get(json, i), style, out);
	}
	buf_addc(out, ']');
}

static void dump(const json_t *json, const struct style *style, struct buf *out)
{
	char real[CANON_REAL_SIZE];

	if (out->overflow)
		return;
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		dump_object(json, style, out);
		break;
	case JSON_ARRAY:
		dump_array(json, style, out);
		break;
	case JSON_STRING:
		dump_string(json_string_value(json), json_string_length(json), style->ascii, out);
		break;
	case JSON_INTEGER:
		buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		break;
	case JSON_REAL:
		buf_adds(out, canon_real(json_real_value(json), real));
		break;
	case JSON_TRUE:
		buf_adds(out, "true");
		break;
	case JSON_FALSE:
		buf_adds(out, "false");
		break;
	case JSON_NULL:
		buf_adds(out, "null");
		break;
	}
}

int canon_dump(const json_t *json, enum canon_style style, struct buf *out)
{
	dump(json, &styles[style], out);
	return out->overflow ? -1 : 0;
}

char *canon_str(const json_t *json, enum canon_style style)
{
	struct buf out = BUF_INIT_MAX(SIZE_MAX / 2);

	canon_dump(json, style, &out);
	return buf_take(&out);
}
