#include "base/image_ref.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

#define DOCKER_HOST "docker.io"
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN 128

/* Not isalnum(), which follows the locale. */
static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool has_capital(const char *s)
{
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			return true;
	}
	return false;
}

/* --- the parts; each is NULL when it is well, else what is wrong --- */

bool image_digest_valid(const char *digest)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} known[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};

	for (size_t i = 0; i < array_size(known); i++) {
		const char *hex = digest + strlen(known[i].prefix);

		if (str_starts_with(digest, known[i].prefix))
			return strlen(hex) == known[i].digits &&
			       strspn(hex, "0123456789abcdef") == known[i].digits;
	}
	return false;
}

/* Letters, digits, one '.', one or two '_', any number of '-' between them. */
static bool component_valid(const char *s, size_t len)
{
	size_t i = 0;

	if (len == 0)
		return false;
	while (i < len) {
		size_t start = i;

		while (i < len && (is_lower(s[i]) || is_digit(s[i])))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		start = i;
		if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
		} else if (s[i] == '_' && i + 1 < len && s[i + 1] == '_') {
			i += 2;
		} else if (s[i] == '_' || s[i] == '.') {
			i++;
		}
		if (i == start)
			return false;
	}
	return false;
}

static const char *check_repository(const char *repository)
{
	if (has_capital(repository))
		return "the repository must be in lower case";
	for (const char *s = repository;; s++) {
		size_t len = strcspn(s, "/");

		if (!component_valid(s, len))
			return "between slashes a name needs lower-case letters and digits, with "
			       "single '.', '_', '__' or '-' inside";
		s += len;
		if (!*s)
			return NULL;
	}
}

static bool host_label_valid(const char *s, size_t len)
{
	if (len == 0 || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

static bool port_valid(const char *s)
{
	int64_t port;

	return is_digit(*s) && strlen(s) <= 5 && str_to_int64(s, &port) && port > 0 && port < 65536;
}

static const char *check_host(const char *host)
{
	const char *end = host;

	if (*host == '[') {
		end = host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
		if (*end != ']' || end == host + 1)
			return "the address of the registry is not an IPv6 address in brackets";
		end++;
	} else {
		for (;; end++) {
			size_t len = strcspn(end, ".:");

			if (!host_label_valid(end, len))
				return "the registry's host is not a host name";
			end += len;
			if (*end != '.')
				break;
		}
	}
	if (*end && (*end != ':' || !port_valid(end + 1)))
		return "the registry's port is not a number from 1 to 65535";
	return NULL;
}

static const char *check_tag(const char *tag)
{
	if (!is_alnum(*tag) && *tag != '_')
		return "a tag begins with a letter, a digit or '_'";
	for (const char *s = tag; *s; s++) {
		if (!is_alnum(*s) && !strchr("_.-", *s))
			return "a tag has letters, digits, '_', '.' and '-' only";
	}
	return strlen(tag) > TAG_MAX_LEN ? "a tag has at most 128 characters" : NULL;
}

/* --- parsing --- */

static bool is_host(const char *first)
{
	return str_eq(first, "localhost") || strpbrk(first, ".:") || has_capital(first);
}

static void split_host(struct image_ref *ref)
{
	const char *slash = strchr(ref->written, '/');
	auto_free char *first =
		slash ? xstrndup(ref->written, (size_t)(slash - ref->written)) : NULL;

	if (first && is_host(first)) {
		ref->host = xstrdup(str_eq(first, "index.docker.io") ? DOCKER_HOST : first);
		ref->repository = xstrdup(slash + 1);
	} else {
		ref->host = xstrdup(DOCKER_HOST);
		ref->repository = xstrdup(ref->written);
	}
	if (str_eq(ref->host, DOCKER_HOST) && !strchr(ref->repository, '/')) {
		char *official = xasprintf("library/%s", ref->repository);

		free(ref->repository);
		ref->repository = official;
	}
}

static void split_tag(struct image_ref *ref)
{
	char *slash = strrchr(ref->written, '/');
	char *colon = strchr(slash ? slash : ref->written, ':');

	if (colon) {
		ref->tag = xstrdup(colon + 1);
		*colon = '\0';
	} else if (!ref->digest) {
		ref->tag = xstrdup("latest");
	}
}

static const char *parse(const char *text, struct image_ref *ref)
{
	const char *at = strchr(text, '@');
	const char *wrong;

	if (!*text)
		return "it is empty";
	if (strlen(text) > IMAGE_REF_MAX)
		return "it is longer than 1024 bytes";
	if (strstr(text, "://"))
		return "it is a URL; write it without the scheme";
	ref->written = at ? xstrndup(text, (size_t)(at - text)) : xstrdup(text);
	ref->digest = at ? xstrdup(at + 1) : NULL;
	if (ref->digest && !image_digest_valid(ref->digest))
		return "what follows '@' is not a digest such as sha256: and 64 lower-case "
		       "hexadecimal digits";
	split_tag(ref);
	if (ref->tag && (wrong = check_tag(ref->tag)) != NULL)
		return wrong;
	if (strlen(ref->written) > NAME_MAX_LEN)
		return "its name has more than 255 characters";
	split_host(ref);
	wrong = check_host(ref->host);
	if (!wrong)
		wrong = check_repository(ref->repository);
	if (!wrong && strlen(ref->written) == 64 && strspn(ref->written, "0123456789abcdef") == 64)
		return "64 hexadecimal digits are an image's id, not its name";
	return wrong;
}

int image_ref_parse(const char *text, struct image_ref *ret_ref, struct err *err)
{
	auto_image_ref ref = {0};
	const char *wrong = parse(text, &ref);

	if (wrong) {
		auto_free char *shown = str_clean_tail(text, strlen(text), 256);

		return err_set(err, ERR_USER, "InvalidImage",
			"\"%s\" is not the name of an image: %s", shown, wrong);
	}
	*ret_ref = ref;
	ref = (struct image_ref){0};
	return 0;
}

const char *image_ref_problem(const char *text)
{
	auto_image_ref ref = {0};

	return parse(text, &ref);
}

bool image_ref_has_digest(const char *text)
{
	return strchr(text, '@') != NULL;
}

void image_ref_release(struct image_ref *ref)
{
	free(ref->host);
	free(ref->repository);
	free(ref->tag);
	free(ref->digest);
	free(ref->written);
	*ref = (struct image_ref){0};
}

/* --- writing --- */

static char *with_tag_and_digest(const struct image_ref *ref, const char *host, const char *name)
{
	return xasprintf("%s%s%s%s%s%s%s", host, *host ? "/" : "", name, ref->tag ? ":" : "",
		ref->tag ? ref->tag : "", ref->digest ? "@" : "", ref->digest ? ref->digest : "");
}

char *image_ref_canonical(const struct image_ref *ref)
{
	return with_tag_and_digest(ref, ref->host, ref->repository);
}

char *image_ref_familiar(const struct image_ref *ref)
{
	const char *name = ref->repository, *slash = strchr(name, '/');
	auto_free char *first = slash ? xstrndup(name, (size_t)(slash - name)) : NULL;

	/* docker.io/a.b/c without its host would be c of the host a.b. */
	if (!str_eq(ref->host, DOCKER_HOST) || (first && is_host(first)))
		return image_ref_canonical(ref);
	/* library/a/b is not official: only one component may follow. */
	if (str_starts_with(name, "library/") && !strchr(name + strlen("library/"), '/'))
		name += strlen("library/");
	return with_tag_and_digest(ref, "", name);
}

char *image_ref_pinned(const struct image_ref *ref, const char *digest)
{
	return xasprintf("%s@%s", ref->written, digest);
}

const char *image_ref_api_host(const char *host)
{
	return str_eq(host, DOCKER_HOST) ? "registry-1.docker.io" : host;
}
