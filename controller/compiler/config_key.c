#include "compiler/config_key.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/settings.h"

static const struct check_field key_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
	{.name = "key", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
};

/* What the data of a ConfigMap can have as a key (Kubernetes, IsConfigMapKey). */
static bool is_data_key(const char *key)
{
	size_t len = strlen(key);

	return len && len <= 253 && strcmp(key, ".") != 0 && !str_starts_with(key, "..") &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       len;
}

char *config_key_ref(const json_t *key)
{
	const char *name = model_string(key, "name"), *entry = model_string(key, "key");

	if (!name || !settings_is_dns_subdomain(name) || !entry || !is_data_key(entry))
		return NULL;
	return xasprintf("%s/%s", name, entry);
}

bool config_key_check(struct compiler *m, const json_t *from)
{
	const json_t *key = check_get(from, "configMapKeyRef");
	size_t mark = where_key(&m->c.w, "configMapKeyRef");
	bool ok =
		json_is_object(key) && check_object(&m->c, key, key_fields, array_size(key_fields));

	where_back(&m->c.w, mark);
	return ok;
}

static void wrong_ref(struct check *c, const json_t *key)
{
	const char *name = model_string(key, "name"), *entry = model_string(key, "key");
	size_t mark = where_key(&c->w, "configMapKeyRef");

	if (!settings_is_dns_subdomain(name))
		check_error_at(c, "name", "InvalidName",
			"`%.80s` is not the name of a ConfigMap: lowercase letters, digits, - "
			"and . only",
			name);
	if (!is_data_key(entry))
		check_error_at(c, "key", "InvalidName",
			"`%.80s` is not a key of a ConfigMap: letters, digits, -, _ and . only",
			entry);
	where_back(&c->w, mark);
}

json_t *config_key_text(struct compiler *m, const json_t *from, json_t *pinned)
{
	const json_t *key = check_get(from, "configMapKeyRef");
	auto_free char *ref = config_key_ref(key);
	json_t *text = pinned;

	if (!json_is_string(text) && ref)
		text = json_object_get(m->in->sources, ref);
	if (json_is_string(text))
		return text;
	if (!ref)
		wrong_ref(&m->c, key);
	else if (model_string(text, "error"))
		check_error(&m->c, "InvalidSource",
			"key `%.80s` of ConfigMap `%.80s` cannot be used: %.200s",
			model_string(key, "key"), model_string(key, "name"),
			model_string(text, "error"));
	else
		diag_add_waiting(m->c.diags, m->c.w.text, "SourceNotFound",
			"there is no key `%.80s` in a ConfigMap `%.80s` of namespace `%.63s` yet",
			model_string(key, "key"), model_string(key, "name"),
			m->in->namespace_ ? m->in->namespace_ : "");
	return NULL;
}
