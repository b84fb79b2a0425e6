/*
 * What registries, pull secrets and object stores send; the first byte says which: the name of an
 * image, a docker config, a WWW-Authenticate header, an XML answer. Properties: it is refused with
 * a message, or what comes out can be written and read again; nothing of a secret's text gets into
 * a message.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "net/challenge.h"
#include "net/dockerconfig.h"
#include "base/image_ref.h"
#include "net/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_image(const char *text)
{
	auto_image_ref ref = {0}, again = {0};
	auto_err err = ERR_INIT;
	auto_free char *canonical = NULL, *familiar = NULL, *same = NULL;

	if (image_ref_parse(text, &ref, &err) != 0) {
		assert(!ref.host && err.message && err.class == ERR_USER);
		return;
	}
	assert(ref.host && ref.repository && ref.written && (ref.tag || ref.digest));
	assert(strlen(text) <= IMAGE_REF_MAX);
	canonical = image_ref_canonical(&ref);
	familiar = image_ref_familiar(&ref);
	assert(image_ref_parse(familiar, &again, NULL) == 0);
	same = image_ref_canonical(&again);
	assert(strcmp(canonical, same) == 0);
}

static void fuzz_config(const char *text, size_t len)
{
	auto_registry_auth_list list = {0}, found = {0};
	auto_err err = ERR_INIT;

	if (dockerconfig_parse(text, len, &list, &err) != 0) {
		assert(list.len == 0 && err.message && err.class == ERR_USER);
		return;
	}
	assert(list.len <= DOCKERCONFIG_ENTRIES_MAX);
	for (size_t i = 0; i < list.len; i++)
		assert(*list.items[i].host && list.items[i].path && list.items[i].user &&
			list.items[i].password && list.items[i].identity_token);
	registry_auth_match(&list, "registry.example:5000", "team/app", &found);
	assert(found.len <= list.len);
}

static void fuzz_challenge(const char *text)
{
	auto_strvec headers = STRVEC_INIT;
	auto_challenge challenge = {0};

	strvec_addf(&headers, "www-authenticate: %s", text);
	challenge_read(&headers, &challenge);
	assert(challenge.scheme != CHALLENGE_BEARER || challenge.realm);
	assert(challenge.scheme != CHALLENGE_NONE || !challenge.realm);
}

static void count_element(void *user, const char *parent, const char *name, const char *value)
{
	size_t *count = user;

	assert(parent && *name && value);
	++*count;
}

static void fuzz_xml(const char *text, size_t len)
{
	size_t count = 0;

	if (xml_read(text, len, count_element, &count))
		assert(count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = size ? (const char *)data + 1 : "";
	/* Exactly as long as it is, so that reading past the end shows. */
	auto_free char *bytes = NULL;
	auto_free char *text = NULL;

	if (size == 0)
		return 0;
	bytes = xmalloc(size);
	memcpy(bytes, rest, size - 1);
	text = xstrndup(rest, size - 1);
	bytes = xreallocarray(bytes, size > 1 ? size - 1 : 1, 1);
	switch (data[0]) {
	case 'i':
		fuzz_image(text);
		break;
	case 'd':
		fuzz_config(bytes, size - 1);
		break;
	case 'w':
		fuzz_challenge(text);
		break;
	case 'x':
		fuzz_xml(bytes, size - 1);
		break;
	default:
		break;
	}
	return 0;
}
