#include "reconcile/names.h"

#include <stdbool.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

char *name_frozen(const char *pipeline, const char *hash_hex)
{
	return xasprintf("%s-%.12s", pipeline, hash_hex);
}

char *name_run(const char *pipeline, const char *uid, int64_t generation, const char *trigger)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *number = xasprintf("%lld", (long long)generation);

	digest_sha256_parts(hex, uid, number, trigger, NULL);
	return xasprintf("%s-%s-%.6s", pipeline, number, hex);
}

char *name_run_id(const char *run, const char *uid)
{
	char hex[9];
	size_t len = 0;

	for (const char *p = uid; *p && len < sizeof(hex) - 1; p++) {
		if (*p != '-')
			hex[len++] = *p;
	}
	hex[len] = '\0';
	return xasprintf("%s-%s", run, hex);
}

json_t *name_owner(const json_t *object, const char *kind, int controller)
{
	json_t *owner = json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", API_VERSION, "kind", kind,
		"name", doc_str_or(object, "metadata.name", ""), "uid",
		doc_str_or(object, "metadata.uid", ""));

	if (controller) {
		json_object_set_new(owner, "controller", json_true());
		json_object_set_new(owner, "blockOwnerDeletion", json_true());
	}
	return owner;
}

json_t *name_reference(const json_t *object, const char *kind)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "apiVersion", API_VERSION, "kind", kind,
		"namespace", doc_str_or(object, "metadata.namespace", ""), "name",
		doc_str_or(object, "metadata.name", ""), "uid",
		doc_str_or(object, "metadata.uid", ""));
}

const char *name_controller_uid(const json_t *object)
{
	json_t *owners = doc_get(object, "metadata.ownerReferences");
	json_t *owner;
	size_t i;

	json_array_foreach (owners, i, owner) {
		if (doc_bool_or(owner, "controller", false))
			return doc_str(owner, "uid");
	}
	return NULL;
}

bool name_has_finalizer(const json_t *object, const char *finalizer)
{
	const json_t *item;
	size_t i;

	json_array_foreach (doc_get(object, "metadata.finalizers"), i, item) {
		if (str_eq(json_string_value(item), finalizer))
			return true;
	}
	return false;
}
