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

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* Eight bytes that are all ASCII without escapes; it may say no of some that are. */
static inline bool is_plain(uint64_t x)
{
	uint64_t odd = (x - EACH_BYTE(0x20)) | (x + EACH_BYTE(1)) | x;

	odd |= (x ^ EACH_BYTE('"')) - EACH_BYTE(1);
	odd |= (x ^ EACH_BYTE('\\')) - EACH_BYTE(1);
	return !(odd & EACH_BYTE(0x80));
}

static inline uint64_t load64(const char *s)
{
	uint64_t x;

	memcpy(&x, s, sizeof(x));
	return x;
}

/* Four to seven bytes, some of them twice. */
static inline uint64_t load_few(const char *s, size_t len)
{
	uint32_t first, last;

	memcpy(&first, s, sizeof(first));
	memcpy(&last, s + len - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

/* How many bytes at the beginning are ASCII without escapes, at least up to the last eight or so:
 * nearly all that is ever written. Eight at a time, the rest along with some of those before it. */
static size_t plain_length(const char *s, size_t len)
{
	size_t n = 0;

	while (len - n >= sizeof(uint64_t) && is_plain(load64(s + n)))
		n += sizeof(uint64_t);
	if (n && len - n < sizeof(uint64_t) && is_plain(load64(s + len - sizeof(uint64_t))))
		return len;
	if (len >= 4 && len < sizeof(uint64_t) && is_plain(load_few(s, len)))
		return len;
	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

/* From its first byte on that is perhaps not plain. */
static void dump_escaped(const char *s, size_t len, size_t plain, bool ascii, struct buf *out)
{
	size_t done = 0;

	buf_addc(out, '"');
	for (size_t i = plain, size; i < len; i += plain_length(s + i, len - i)) {
		uint32_t code = 0;
		char letter;

		size = str_utf8_next(s + i, len - i, &code);
		assert(size); /* jansson holds well-formed UTF-8 only */
		letter = short_escape(code);
		if (letter || code < 0x20 || (code >= 0x7f && ascii)) {
			buf_add(out, s + done, i - done);
			done = i + size;
			if (letter) {
				buf_addc(out, '\\');
				buf_addc(out, letter);
			} else {
				add_unicode_escape(code, out);
			}
		}
		i += size;
	}
	buf_add(out, s + done, len - done);
	buf_addc(out, '"');
}

static void dump_string(const char *s, size_t len, bool ascii, struct buf *out)
{
	size_t plain = plain_length(s, len);
	char *to;

	/* The most frequent case by far: nothing to escape, and room for it and its quotes. */
	if (plain < len || out->overflow || len + 2 >= out->cap - out->len) {
		dump_escaped(s, len, plain, ascii, out);
		return;
	}
	to = out->data + out->len;
	to[0] = '"';
	memcpy(to + 1, s, len);
	to[len + 1] = '"';
	to[len + 2] = '\0';
	out->len += len + 2;
}

void canon_add_string(const char *text, size_t len, struct buf *out)
{
	dump_string(text, len, false, out);
}

struct style {
	bool sorted;
	bool ascii;
	bool blanks; /* after commas and colons */
};

static const struct style styles[] = {
	[CANON_COMPACT] = {.sorted = true},
	[CANON_PYTHON] = {.sorted = true, .ascii = true, .blanks = true},
	[CANON_PYTHON_ORDERED] = {.ascii = true, .blanks = true},
	[CANON_COMPACT_ORDERED] = {0},
};

static inline void add_separator(char c, const struct style *style, struct buf *out)
{
	buf_addc(out, c);
	if (style->blanks)
		buf_addc(out, ' ');
}

struct member {
	const char *key;
	size_t len;
	const json_t *value;
};

/* Byte order of UTF-8 is code point order. */
static inline int compare_keys(const struct member *x, const struct member *y)
{
	int order = (unsigned char)x->key[0] - (unsigned char)y->key[0];

	if (!order)
		order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
	if (order)
		return order;
	return (x->len > y->len) - (x->len < y->len);
}

static int compare_members(const void *a, const void *b)
{
	return compare_keys(a, b);
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

		for (; to > 0 && compare_keys(&members[to - 1], &moved) > 0; to--)
			members[to] = members[to - 1];
		members[to] = moved;
	}
}

static size_t collect(const json_t *json, struct member *members)
{
	json_t *object = (json_t *)json;
	size_t n = 0;

	for (void *iter = json_object_iter(object); iter;
		iter = json_object_iter_next(object, iter)) {
		members[n++] = (struct member){.key = json_object_iter_key(iter),
			.len = json_object_iter_key_len(iter),
			.value = json_object_iter_value(iter)};
	}
	return n;
}

static void dump(const json_t *json, const struct style *style, struct buf *out);

static void dump_object(const json_t *json, const struct style *style, struct buf *out)
{
	size_t room = json_object_size(json), n;
	struct member few[FEW_MEMBERS];
	auto_free struct member *many =
		room > FEW_MEMBERS ? xreallocarray(NULL, room, sizeof(*many)) : NULL;
	struct member *members = many ? many : few;

	n = collect(json, members);
	if (style->sorted)
		sort_members(members, n);
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			add_separator(',', style, out);
		dump_string(members[i].key, members[i].len, style->ascii, out);
		add_separator(':', style, out);
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
			add_separator(',', style, out);
		dump(json_array_get(json, i), style, out);
	}
	buf_addc(out, ']');
}

static void dump_integer(json_int_t value, struct buf *out)
{
	/* Negating the smallest would not fit it. */
	unsigned long long rest =
		value < 0 ? 0ULL - (unsigned long long)value : (unsigned long long)value;
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		text[--at] = '-';
	buf_add(out, text + at, sizeof(text) - at);
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
		dump_integer(json_integer_value(json), out);
		break;
	case JSON_REAL:
		buf_adds(out, canon_real(json_real_value(json), real));
		break;
	case JSON_TRUE:
		buf_add(out, "true", 4);
		break;
	case JSON_FALSE:
		buf_add(out, "false", 5);
		break;
	case JSON_NULL:
		buf_add(out, "null", 4);
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
