#include "reconcile/native.h"

#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "compiler/spec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"

#define SUFFIX "-native"

/* --- paths --- */

static int step_index(const json_t *spec, const char *name, size_t len)
{
	json_t *step;
	size_t i;

	json_array_foreach (json_object_get(spec, "steps"), i, step) {
		const char *own = doc_str_or(step, "name", "");

		if (strlen(own) == len && strncmp(own, name, len) == 0)
			return (int)i;
	}
	return -1;
}

/* Owned; NULL: it stays. */
static char *fixed_path(const char *path, const json_t *spec)
{
	const char *name = path + strlen("steps.");
	size_t len;
	int index;

	if (str_starts_with(path, "spec"))
		return NULL;
	if (!str_starts_with(path, "steps."))
		return xasprintf("spec.%s", path);
	len = strcspn(name, ".");
	index = step_index(spec, name, len);
	return index < 0 ? NULL : xasprintf("spec.steps[%d]%s", index, name + len);
}

/* "native.document.root.dag" -> where the document came from, and "root.dag: " before the message.
 */
static void fix_document(struct diag *d, const json_t *spec)
{
	static const char prefix[] = "native.document";
	const char *rest = d->path + strlen(prefix);
	auto_free char *message = d->message, *path = d->path;
	bool text = doc_get(spec, "native.inline") != NULL;

	if (str_starts_with(rest, "[0]")) /* of what may have two */
		rest += strlen("[0]");
	rest += *rest == '.';
	d->message = *rest ? xasprintf("%s: %s", rest, message) : xstrdup(message);
	d->path = xasprintf("spec.native.%s", text ? "inline" : "configMapKeyRef");
}

void native_fix_paths(struct diag_list *diags, size_t from, const json_t *spec)
{
	for (size_t i = from; i < diags->len; i++) {
		char *path;

		if (str_starts_with(diags->items[i].path, "native.document")) {
			fix_document(&diags->items[i], spec);
			continue;
		}
		path = fixed_path(diags->items[i].path, spec);
		if (!path)
			continue;
		free(diags->items[i].path);
		diags->items[i].path = path;
	}
}

/* --- the document --- */

json_t *native_document(const struct backend_choice *backend, const json_t *spec, const char *text,
	size_t len, const char *frozen_name, struct diag_list *diags)
{
	struct native_input in = {.run_id = frozen_name, .settings = backend->settings};
	struct frozen_spec *frozen = NULL;
	size_t before = diags->len, errors = diag_errors(diags);
	json_t *document = NULL;

	if (!backend->runner->document)
		return NULL;
	if (frozen_spec_parse(text, len, &frozen, NULL) < 0)
		abort(); /* it is our own */
	frozen_spec_bind(frozen, frozen_name, 0);
	in.spec = frozen;
	backend->runner->compile(&in, &document, diags);
	frozen_spec_free(frozen);
	native_fix_paths(diags, before, spec);
	if (diag_errors(diags) > errors) {
		json_decref(document);
		return NULL;
	}
	return document;
}

/* An array is a file of several documents; JSON is YAML. Owned. */
static char *text_of(const json_t *document)
{
	struct buf text = BUF_INIT;
	json_t *part;
	size_t i;

	if (!json_is_array(document)) {
		canon_dump(document, CANON_COMPACT_ORDERED, &text);
		return buf_take(&text);
	}
	json_array_foreach (document, i, part) {
		if (i)
			buf_adds(&text, "\n---\n");
		canon_dump(part, CANON_COMPACT_ORDERED, &text);
	}
	return buf_take(&text);
}

json_t *native_map(const struct backend_choice *backend, const json_t *document,
	const char *frozen_name, const char *namespace_, const char *pipeline, json_t *owner)
{
	auto_free char *text = text_of(document);
	auto_free char *name = xasprintf("%s%s", frozen_name, SUFFIX);
	char hex[DIGEST_HEX_SIZE];
	auto_free char *hash = xasprintf("sha256:%s", digest_sha256_hex(text, strlen(text), hex));
	json_t *map = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s}, s:[o]}, s:b, s:{}}",
		"apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", name, "namespace",
		namespace_, "labels", LABEL_FROZEN, "native", LABEL_PIPELINE, pipeline,
		"annotations", ANNOTATION_HASH, hash, "ownerReferences", owner, "immutable", 1,
		"data");

	json_object_set_new(
		json_object_get(map, "data"), backend->runner->document, json_string_nocheck(text));
	backend_annotate(backend, doc_get(map, "metadata.annotations"));
	return map;
}

char *native_base(const char *map_name)
{
	size_t len = strlen(map_name);

	return xstrndup(map_name, str_ends_with(map_name, SUFFIX) ? len - strlen(SUFFIX) : len);
}

void backend_annotate(const struct backend_choice *backend, json_t *annotations)
{
	if (!backend->name)
		return;
	json_object_set_new(annotations, ANNOTATION_BACKEND, json_string(backend->name));
	json_object_set_new(annotations, ANNOTATION_BACKEND_HASH, json_string(backend->hash));
}
