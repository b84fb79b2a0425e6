#include "net/challenge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define HEADER "www-authenticate:"
#define VALUE_MAX 4096

static void skip_blanks(const char **s)
{
	*s += strspn(*s, " \t");
}

/* RFC 9110 5.6.2; the length of the token at s. */
static size_t token_len(const char *s)
{
	return strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* A quoted string or a token; NULL when it is neither or too long. */
static char *read_value(const char **s)
{
	struct buf value = BUF_INIT_MAX(VALUE_MAX);

	if (**s == '"') {
		const char *c;

		for (c = *s + 1; *c && *c != '"'; c++) {
			if (*c == '\\' && c[1])
				c++;
			buf_addc(&value, *c);
		}
		*s = *c ? c + 1 : c;
		if (!*c)
			value.overflow = true; /* no closing quote */
	} else {
		/* Some registries leave the quotes away round a URL. */
		size_t len = strcspn(*s, ", \t");

		buf_add(&value, *s, len);
		*s += len;
	}
	if (value.overflow) {
		buf_free(&value);
		return NULL;
	}
	return buf_take(&value);
}

static void set_param(struct challenge *c, const char *name, size_t len, char *value)
{
	struct {
		const char *name;
		char **field;
	} known[] = {
		{"realm", &c->realm},
		{"service", &c->service},
		{"scope", &c->scope},
		{"error", &c->error},
	};

	for (size_t i = 0; i < array_size(known); i++) {
		if (strlen(known[i].name) == len && strncasecmp(name, known[i].name, len) == 0 &&
			!*known[i].field) {
			*known[i].field = value;
			return;
		}
	}
	free(value);
}

/* The parameters at *s up to the next challenge; false when they make no sense. */
static bool read_params(const char **s, struct challenge *c)
{
	for (;;) {
		const char *name, *after;
		size_t len;
		char *value;

		*s += strspn(*s, " \t,");
		name = *s;
		len = token_len(name);
		after = name + len;
		skip_blanks(&after);
		/* A token without "=": the scheme of the next challenge, or the end. */
		if (len == 0 || *after != '=')
			return **s == '\0' || len > 0;
		after++;
		skip_blanks(&after);
		value = read_value(&after);
		*s = after;
		if (!value)
			return false;
		set_param(c, name, len, value);
	}
}

static bool scheme_is(const char *name, size_t len, const char *scheme)
{
	return strlen(scheme) == len && strncasecmp(name, scheme, len) == 0;
}

/* Bearer before Basic, the first of each. */
static void keep_better(struct challenge *best, struct challenge *found)
{
	if (found->scheme == CHALLENGE_BEARER && !found->realm)
		return;
	if (found->scheme <= best->scheme)
		return;
	challenge_release(best);
	*best = *found;
	*found = (struct challenge){0};
}

static void read_header(const char *s, struct challenge *best)
{
	for (;;) {
		auto_challenge found = {0};
		size_t len;
		bool sane;

		s += strspn(s, " \t,");
		len = token_len(s);
		if (len == 0)
			return;
		if (scheme_is(s, len, "Bearer"))
			found.scheme = CHALLENGE_BEARER;
		else if (scheme_is(s, len, "Basic"))
			found.scheme = CHALLENGE_BASIC;
		s += len;
		sane = read_params(&s, &found);
		if (sane)
			keep_better(best, &found);
		if (!sane || !*s)
			return;
	}
}

void challenge_read(const struct strvec *headers, struct challenge *ret_challenge)
{
	struct challenge best = {0};

	strvec_for_each (headers, i) {
		if (str_starts_with(headers->items[i], HEADER))
			read_header(headers->items[i] + strlen(HEADER), &best);
	}
	*ret_challenge = best;
}

void challenge_release(struct challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	free(challenge->error);
	*challenge = (struct challenge){0};
}
