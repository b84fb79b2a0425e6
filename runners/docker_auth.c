#include "runners/docker_auth.h"

#include <jansson.h>
#include <string.h>
#include "base/base64.h"
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"

#define HUB "docker.io"
#define HUB_KEY "https://index.docker.io/v1/" /* under which engines look for it */

/* json is wiped as text; what jansson keeps of it goes with its owner. */
static void add_header(const char *name, const json_t *json, struct strvec *headers)
{
	char *text = doc_json_dump(json);
	char *encoded = base64_encode(text, strlen(text));

	for (char *c = encoded; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	strvec_addf(headers, "%s: %s", name, encoded);
	mem_free_secret(text);
	mem_free_secret(encoded);
}

/* New reference. */
static json_t *credentials(const struct registry_auth *auth, const char *address)
{
	return *auth->identity_token
		       ? json_pack("{s:s}", "identitytoken", auth->identity_token)
		       : json_pack("{s:s, s:s, s:s}", "username", auth->user, "password",
				 auth->password, "serveraddress", address);
}

void docker_auth_for_image(
	const char *image, const struct registry_auth_list *auths, struct strvec *headers)
{
	auto_image_ref ref = {0};
	auto_registry_auth_list matches = {0};
	auto_json *json = NULL;

	if (!auths || image_ref_parse(image, &ref, NULL) < 0)
		return;
	registry_auth_match(auths, ref.host, ref.repository, &matches);
	if (!matches.len)
		return;
	json = credentials(&matches.items[0], matches.items[0].host);
	add_header("X-Registry-Auth", json, headers);
}

void docker_auth_for_build(const struct registry_auth_list *auths, struct strvec *headers)
{
	auto_json *all = json_object();

	for (size_t i = 0; auths && i < auths->len; i++) {
		const struct registry_auth *auth = &auths->items[i];
		const char *key = str_eq(auth->host, HUB) ? HUB_KEY : auth->host;

		/* one a registry is all there is room for: that of the whole, else the first */
		if (!*auth->path || !json_object_get(all, key))
			json_object_set_new(all, key, credentials(auth, key));
	}
	if (json_object_size(all))
		add_header("X-Registry-Config", all, headers);
}
