#include "runners/vertex_settings.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define ACCOUNT_MAX_LEN 253
#define RESERVED "fondant-" /* keys of labels that are ours */

/* --- forms --- */

static bool is_made_of(const char *text, const char *set)
{
	return *text && !text[strspn(text, set)];
}

bool vertex_is_account(const char *text)
{
	const char *at = strchr(text, '@');
	auto_free char *name = at ? xstrndup(text, (size_t)(at - text)) : NULL;

	return name && strlen(text) <= ACCOUNT_MAX_LEN && is_made_of(name, LOWER DIGITS "-._") &&
	       is_made_of(at + 1, LOWER DIGITS "-.") && str_ends_with(at, ".gserviceaccount.com");
}

/* "projects/p/locations/l" by "projects/" and "/locations/": what stands in between, and at the
 * end, is one segment each. The location has to be `location`, where that is known. */
static bool is_key(const char *text, const char *location)
{
	static const char *const between[] = {
		"projects/", "/locations/", "/keyRings/", "/cryptoKeys/"};

	for (size_t i = 0; i < array_size(between); i++) {
		size_t len;

		if (!str_starts_with(text, between[i]))
			return false;
		text += strlen(between[i]);
		len = strcspn(text, "/");
		if (!len || (i == 1 && location &&
				    (strlen(location) != len || strncmp(text, location, len) != 0)))
			return false;
		text += len;
	}
	return !*text;
}

/* projects/<number>/global/networks/<name> */
static bool is_network(const char *text)
{
	static const char middle[] = "/global/networks/";
	size_t digits;

	if (!str_starts_with(text, "projects/"))
		return false;
	text += strlen("projects/");
	digits = strspn(text, DIGITS);
	return digits && str_starts_with(text + digits, middle) &&
	       str_is_dns_label(text + digits + strlen(middle));
}

static bool is_root(const char *text)
{
	return str_starts_with(text, "gs://") && text[5] && text[5] != '/' && !strchr(text, ' ');
}

/* --- labels --- */

static bool is_label_text(const char *text)
{
	return strlen(text) <= VERTEX_LABEL_MAX_LEN && !text[strspn(text, LOWER DIGITS "_-")];
}

void vertex_labels_check(const json_t *labels, const char *path, struct diag_list *diags)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)labels, key, value) {
		auto_free char *where = xasprintf("%s.%.80s", path, key);
		const char *text = json_string_value(value);

		if (!is_label_text(key) || !*key || !strchr(LOWER, *key))
			diag_add(diags, where, "InvalidLabel",
				"a key of a label begins with a lower case letter and has lower "
				"case letters, "
				"digits, _ and -, at most %d",
				VERTEX_LABEL_MAX_LEN);
		if (!text || !is_label_text(text))
			diag_add(diags, where, "InvalidLabel",
				"the value of a label has lower case letters, digits, _ and -, at "
				"most %d",
				VERTEX_LABEL_MAX_LEN);
	}
}

static void check_own_labels(const json_t *labels, struct diag_list *diags)
{
	const char *key;
	json_t *value;

	if (labels && !json_is_object(labels) && !json_is_null(labels))
		diag_add(diags, "vertex.labels", "InvalidSetting", "must be a map");
	vertex_labels_check(labels, "vertex.labels", diags);
	json_object_foreach ((json_t *)labels, key, value) {
		auto_free char *where = xasprintf("vertex.labels.%.80s", key);

		if (str_starts_with(key, RESERVED))
			diag_add(diags, where, "InvalidLabel",
				"labels that begin with " RESERVED
				" are the operator's; choose another");
	}
}

/* --- the others --- */

/* NULL where it is not given; *ret_text is "" where it is no text. */
static bool given(const json_t *settings, const char *name, const char **ret_text)
{
	const json_t *value = json_object_get(settings, name);

	*ret_text = json_is_string(value) ? json_string_value(value) : "";
	return value && !json_is_null(value);
}

static void check_ranges(const json_t *settings, struct diag_list *diags)
{
	const json_t *ranges = json_object_get(settings, "reservedIpRanges"), *range;
	size_t i;

	json_array_foreach (ranges, i, range) {
		auto_free char *where = xasprintf("vertex.reservedIpRanges[%zu]", i);

		if (!json_is_string(range) || !str_is_dns_label(json_string_value(range)))
			diag_add(diags, where, "InvalidSetting",
				"give the name of a range that is reserved in the network, not the "
				"range");
	}
	if (json_array_size(ranges) && !doc_str(settings, "network"))
		diag_add(diags, "vertex.reservedIpRanges", "InvalidSetting",
			"reserved ranges are ranges of a network: give network, too");
}

void vertex_settings_check(const json_t *settings, struct diag_list *diags)
{
	const char *location = doc_str(settings, "location"), *text;

	if (given(settings, "pipelineRoot", &text) && !is_root(text))
		diag_add(diags, "vertex.pipelineRoot", "InvalidSetting",
			"give a folder of Cloud Storage, gs://bucket/folder");
	if (given(settings, "serviceAccount", &text) && !vertex_is_account(text))
		diag_add(diags, "vertex.serviceAccount", "InvalidSetting",
			"give the e-mail address of a service account, "
			"name@project.iam.gserviceaccount.com");
	if (given(settings, "network", &text) && !is_network(text))
		diag_add(diags, "vertex.network", "InvalidSetting",
			"give projects/NUMBER/global/networks/NAME, with the number of the "
			"project");
	check_ranges(settings, diags);
	if (given(settings, "encryptionKey", &text) && !is_key(text, location))
		diag_add(diags, "vertex.encryptionKey", "InvalidSetting",
			"give projects/PROJECT/locations/%s/keyRings/RING/cryptoKeys/KEY: a key of "
			"the "
			"location of the pipelines",
			location ? location : "LOCATION");
	check_own_labels(json_object_get(settings, "labels"), diags);
}

/* --- into a job --- */

static void tell_at_reference(const struct diag_list *found, struct diag_list *diags)
{
	for (size_t i = 0; i < found->len; i++)
		diag_add(diags, "backendRef", found->items[i].reason, "its FondantBackend: %s: %s",
			found->items[i].path, found->items[i].message);
}

static void add_value(json_t *object, const char *name, const json_t *value)
{
	if (value && !json_is_null(value) && !json_object_get(object, name))
		json_object_set(object, name, (json_t *)value);
}

static void add_root(const json_t *settings, bool own_root, json_t *job, struct diag_list *diags)
{
	json_t *config = json_object_get(job, "runtimeConfig");
	const json_t *root = json_object_get(settings, "pipelineRoot");

	if (json_is_string(root) && !own_root)
		json_object_del(config, "gcsOutputDirectory"); /* the working directory */
	add_value(config, "gcsOutputDirectory", root);
	if (!json_object_get(config, "gcsOutputDirectory"))
		diag_add(diags, "backendRef", "RootRequired",
			"its FondantBackend: vertex.pipelineRoot: Vertex AI needs a folder of its "
			"own, "
			"gs://bucket/folder, where the working directory is none");
}

static void add_labels(const json_t *settings, json_t *job, struct diag_list *diags)
{
	json_t *labels = json_object_get(job, "labels");

	json_object_update_missing(labels, json_object_get(settings, "labels"));
	if (json_object_size(labels) > VERTEX_LABELS_MAX)
		diag_add(diags, "backendRef", "TooManyLabels",
			"a job has at most %d labels, and this one would have %zu: those of its "
			"FondantBackend (vertex.labels), its own and the operator's; remove some",
			VERTEX_LABELS_MAX, json_object_size(labels));
}

void vertex_settings_apply(
	const json_t *settings, bool own_root, json_t *job, struct diag_list *diags)
{
	auto_diags found = DIAG_LIST_INIT;
	const json_t *key = json_object_get(settings, "encryptionKey");

	if (!settings)
		return;
	vertex_settings_check(settings, &found);
	tell_at_reference(&found, diags);
	add_root(settings, own_root, job, diags);
	add_labels(settings, job, diags);
	add_value(job, "serviceAccount", json_object_get(settings, "serviceAccount"));
	if (!json_object_get(job, "network"))
		add_value(job, "reservedIpRanges", json_object_get(settings, "reservedIpRanges"));
	add_value(job, "network", json_object_get(settings, "network"));
	if (json_is_string(key) && !json_object_get(job, "encryptionSpec"))
		json_object_set_new(job, "encryptionSpec", json_pack("{s:O}", "kmsKeyName", key));
}
