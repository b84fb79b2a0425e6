/* resources of a container: quantities as resource.Quantity, and what the API server asks of them
 * (core validation, ValidateResourceRequirements and ValidateContainerResourceName). */
#include "compiler/settings.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"

#define NANO_DIGITS 9
#define MAX_DIGITS 18    /* of the number that are kept; more only round it up */
#define MAX_EXPONENT 100 /* beyond this every quantity is zero or the largest */

__extension__ typedef unsigned __int128 nanos;

#define NANO ((nanos)1000000000)
#define MAX_NANOS ((nanos)INT64_MAX * NANO) /* larger ones are this one */

/* The number of a quantity, before its suffix: digits * 10^exponent. */
struct number {
	nanos digits;
	int exponent, kept;
	bool rest; /* digits were left out that are not zero */
};

static void add_digit(struct number *n, char digit, bool fraction)
{
	if (n->kept == MAX_DIGITS) {
		n->rest = n->rest || digit != '0';
		n->exponent += fraction ? 0 : 1;
		return;
	}
	n->digits = n->digits * 10 + (nanos)(digit - '0');
	n->kept += n->digits ? 1 : 0;
	n->exponent -= fraction ? 1 : 0;
}

/* Past the number; NULL: there is none. */
static const char *read_number(const char *s, struct number *n)
{
	bool any = false;

	if (*s == '+')
		s++;
	for (; *s >= '0' && *s <= '9'; s++, any = true)
		add_digit(n, *s, false);
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++, any = true)
			add_digit(n, *s, true);
	}
	n->digits += n->rest ? 1 : 0;
	return any ? s : NULL;
}

/* What follows the number: a power of ten, a power of 1024, or `e` and a number. */
static bool read_suffix(const char *s, int *ret_ten, int *ret_binary)
{
	static const struct {
		const char *text;
		int ten, binary;
	} suffixes[] = {{"", 0, 0}, {"n", -9, 0}, {"u", -6, 0}, {"m", -3, 0}, {"k", 3, 0},
		{"M", 6, 0}, {"G", 9, 0}, {"T", 12, 0}, {"P", 15, 0}, {"E", 18, 0}, {"Ki", 0, 1},
		{"Mi", 0, 2}, {"Gi", 0, 3}, {"Ti", 0, 4}, {"Pi", 0, 5}, {"Ei", 0, 6}};
	bool minus;
	int ten = 0;

	for (size_t i = 0; i < array_size(suffixes); i++) {
		if (strcmp(s, suffixes[i].text) == 0) {
			*ret_ten = suffixes[i].ten;
			*ret_binary = suffixes[i].binary;
			return true;
		}
	}
	if (*s != 'e' && *s != 'E')
		return false;
	s++;
	minus = *s == '-';
	if (*s == '+' || *s == '-')
		s++;
	if (!*s || s[strspn(s, "0123456789")])
		return false;
	for (; *s && ten < MAX_EXPONENT; s++)
		ten = ten * 10 + (*s - '0');
	*ret_ten = minus ? -ten : ten;
	*ret_binary = 0;
	return true;
}

/* In 10^-9, rounded up, at most MAX_NANOS, as the API server keeps it. */
static bool parse_quantity(const char *text, nanos *ret_value)
{
	struct number n = {0};
	const char *suffix = read_number(text, &n);
	int ten, binary;

	if (!suffix || !read_suffix(suffix, &ten, &binary))
		return false;
	ten += n.exponent + NANO_DIGITS;
	for (; binary > 0; binary--)
		n.digits *= 1024; /* 10^18 * 2^60 < 2^128 */
	for (; ten < 0 && n.digits > 1; ten++)
		n.digits = n.digits / 10 + (n.digits % 10 ? 1 : 0);
	for (; ten > 0 && n.digits && n.digits <= MAX_NANOS; ten--)
		n.digits *= 10;
	*ret_value = n.digits < MAX_NANOS ? n.digits : MAX_NANOS;
	return true;
}

static bool read_quantity(const json_t *value, nanos *ret_value)
{
	char real[CANON_REAL_SIZE];
	auto_free char *integer = NULL;

	if (json_is_string(value))
		return parse_quantity(json_string_value(value), ret_value);
	if (!json_is_number(value) || json_number_value(value) < 0)
		return false;
	if (json_is_real(value))
		return parse_quantity(canon_real(json_real_value(value), real), ret_value);
	integer = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return parse_quantity(integer, ret_value);
}

static bool is_extended(const char *name)
{
	return strchr(name, '/') != NULL;
}

static bool is_known(const char *name)
{
	return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0 ||
	       strcmp(name, "ephemeral-storage") == 0 ||
	       (str_starts_with(name, "hugepages-") && name[strlen("hugepages-")]);
}

static void check_quantity(struct check *c, const char *name, const json_t *value)
{
	nanos amount;

	if (!settings_is_label_key(name) || (!is_extended(name) && !is_known(name)))
		check_error(c, "InvalidName",
			"is not the name of a resource: those are cpu, memory, ephemeral-storage, "
			"hugepages-<size>, and names with a slash such as nvidia.com/gpu");
	else if (!read_quantity(value, &amount))
		check_error(c, "InvalidValue", "must be a quantity such as 500m, 2 or 1Gi");
	else if (is_extended(name) && amount % NANO)
		check_error(
			c, "InvalidValue", "must be a whole number: %s cannot be divided", name);
}

static void check_quantities(struct check *c, const json_t *resources, const char *which)
{
	size_t mark = where_key(&c->w, which);
	const char *key;
	json_t *value;

	json_object_foreach (check_get(resources, which), key, value) {
		size_t inner = where_key(&c->w, key);

		check_quantity(c, key, value);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* A request against the limit of the same name; hugepages and what has a slash cannot be promised
 * twice. What is no quantity was said before. */
static void check_request(struct check *c, const char *name, const json_t *request, json_t *limit)
{
	bool exact = is_extended(name) || str_starts_with(name, "hugepages-");
	nanos wanted, most;

	if (!read_quantity(request, &wanted))
		return;
	if (!limit) {
		if (exact)
			check_error(c, "InvalidValue",
				"is given without a limit; give `limits` the same amount of %s",
				name);
		return;
	}
	if (!read_quantity(limit, &most))
		return;
	if (exact && wanted != most)
		check_error(c, "InvalidValue",
			"must be equal to the limit of %s; leave it out of `requests`", name);
	else if (wanted > most)
		check_error(c, "InvalidValue",
			"is more than the limit of %s; raise the limit or ask for less", name);
}

static void check_requests(struct check *c, const json_t *resources)
{
	const json_t *limits = check_get(resources, "limits");
	size_t mark = where_key(&c->w, "requests");
	const char *key;
	json_t *value;

	json_object_foreach (check_get(resources, "requests"), key, value) {
		size_t inner = where_key(&c->w, key);

		check_request(c, key, value, check_get(limits, key));
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

void settings_check_resources(struct check *c, const json_t *resources)
{
	static const struct check_field fields[] = {
		{.name = "requests", .kind = CHECK_OBJECT, .max = 32},
		{.name = "limits", .kind = CHECK_OBJECT, .max = 32},
		{.name = "claims", .kind = CHECK_ARRAY, .max = 32},
	};
	static const struct check_field claim_fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
		{.name = "request", .kind = CHECK_STRING, .min = 1, .max = 63},
	};
	json_t *claim;
	size_t mark, i;

	if (!resources || !check_object(c, resources, fields, array_size(fields)))
		return;
	check_quantities(c, resources, "requests");
	check_quantities(c, resources, "limits");
	check_requests(c, resources);
	mark = where_key(&c->w, "claims");
	json_array_foreach (check_get(resources, "claims"), i, claim) {
		size_t inner = where_index(&c->w, i);

		check_object(c, claim, claim_fields, array_size(claim_fields));
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}
