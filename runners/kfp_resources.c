#include "runners/kfp_resources.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/settings.h"
#include "doc/canon.h"
#include "doc/path.h"

#define GIGA 1e9 /* unit of the old memory fields */

double kfp_quantity(const json_t *value)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0},
		{"Ti", 1099511627776.0}, {"Pi", 1125899906842624.0}, {"Ei", 1152921504606846976.0},
		{"n", 1e-9}, {"u", 1e-6}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9},
		{"T", 1e12}, {"P", 1e15}, {"E", 1e18}};
	const char *text = json_string_value(value);

	if (json_is_number(value))
		return json_number_value(value);
	if (!text || !*text)
		return -1;
	for (size_t i = 0; i < array_size(units); i++) {
		size_t len = strlen(text), unit = strlen(units[i].suffix);

		if (str_ends_with(text, units[i].suffix)) {
			auto_free char *number = xstrndup(text, len - unit);

			return canon_read_real(number) * units[i].factor;
		}
	}
	return canon_read_real(text);
}

/* As a quantity is written; owned. */
static char *quantity_text(const json_t *value)
{
	char real[CANON_REAL_SIZE];

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (json_is_integer(value))
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return xstrdup(canon_real(json_real_value(value), real));
}

static void check_limit(struct kfp_step *at, const char *field, double value, bool memory)
{
	double max = memory ? at->dialect->memory_max : at->dialect->cpu_max;

	if (max > 0 && value > max)
		kfp_refuse(at, field, "ValueTooLarge", "%s gives at most %.0f %s; ask for less",
			at->dialect->title, memory ? max / GIGA : max, memory ? "GB" : "cores");
}

/* One of cpu and memory, of requests or limits, into both kinds of fields. */
static void add_quantity(
	struct kfp_step *at, const char *which, const char *name, const json_t *value, json_t *out)
{
	static const struct {
		const char *which, *name, *old_field, *new_field;
	} fields[] = {
		{"limits", "cpu", "cpuLimit", "resourceCpuLimit"},
		{"limits", "memory", "memoryLimit", "resourceMemoryLimit"},
		{"requests", "cpu", "cpuRequest", "resourceCpuRequest"},
		{"requests", "memory", "memoryRequest", "resourceMemoryRequest"},
	};
	auto_free char *text = quantity_text(value);
	auto_free char *path = xasprintf("resources.%s.%s", which, name);
	bool memory = str_eq(name, "memory");
	double number = kfp_quantity(value);

	for (size_t i = 0; i < array_size(fields); i++) {
		if (!str_eq(which, fields[i].which) || !str_eq(name, fields[i].name))
			continue;
		json_object_set_new(
			out, fields[i].old_field, json_real(memory ? number / GIGA : number));
		json_object_set_new(out, fields[i].new_field, json_string(text));
	}
	check_limit(at, path, number, memory);
}

static void set_accelerator(json_t *out, const char *type, const json_t *count)
{
	auto_free char *text = count ? quantity_text(count) : xstrdup("1");

	json_object_set_new(out, "accelerator",
		json_pack("{s:s, s:s, s:s, s:s}", "type", type, "count", text, "resourceType", type,
			"resourceCount", text));
}

/* An extended resource; requests of it are its limit. */
static void add_extended(struct kfp_step *at, const json_t *resources, const char *which,
	const char *name, const json_t *value, json_t *out)
{
	auto_free char *path = xasprintf("resources.%s.%s", which, name);
	const json_t *limit = json_object_get(json_object_get(resources, "limits"), name);

	if (!at->dialect->accelerators && strchr(name, '/') && limit) {
		const char *taken = doc_str(out, "accelerator.type");

		if (!taken || str_eq(taken, name)) {
			set_accelerator(out, name, limit);
			return;
		}
	}
	kfp_refuse(at, path, "UnsupportedSetting",
		"%s knows cpu, memory and one kind of accelerator; remove `%s`%s",
		at->dialect->title, name, value && strchr(name, '/') ? ", or use accelerator" : "");
}

static void add_resources(
	struct kfp_step *at, const json_t *resources, const char *which, json_t *out)
{
	const json_t *map = json_object_get(resources, which);
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(map, &names);
	if (names.len && !at->dialect->requests && str_eq(which, "requests")) {
		kfp_refuse(at, "resources.requests", "UnsupportedSetting",
			"%s sizes the machine by the limits alone; give limits instead",
			at->dialect->title);
		return;
	}
	strvec_for_each (&names, i) {
		const char *name = names.items[i];
		const json_t *value = json_object_get(map, name);

		if (json_is_null(value))
			continue;
		if (str_eq(name, "cpu") || str_eq(name, "memory"))
			add_quantity(at, which, name, value, out);
		else
			add_extended(at, resources, which, name, value, out);
	}
}

static void add_accelerator(struct kfp_step *at, json_t *out)
{
	const json_t *accelerator = json_object_get(at->step->json, "accelerator");
	const char *const *names = at->dialect->accelerators;
	const char *type = doc_str(accelerator, "type");

	if (!type)
		return;
	if (!names) {
		type = settings_accelerator_resource(type);
	} else {
		while (*names && !str_eq(*names, type))
			names++;
		if (!*names)
			kfp_refuse(at, "accelerator.type", "UnsupportedSetting",
				"%s has no accelerator `%s`; its names are such as %s and %s",
				at->dialect->title, type, at->dialect->accelerators[0],
				at->dialect->accelerators[1]);
		type = *names;
	}
	if (type)
		set_accelerator(out, type, json_object_get(accelerator, "count"));
}

void kfp_resources_apply(struct kfp_step *at, const json_t *resources, json_t *container)
{
	auto_strvec names = STRVEC_INIT;
	json_t *out = json_object();

	add_accelerator(at, out);
	doc_sorted_keys(resources, &names);
	strvec_for_each (&names, i) {
		auto_free char *path = xasprintf("resources.%s", names.items[i]);

		if (str_eq(names.items[i], "limits") || str_eq(names.items[i], "requests"))
			add_resources(at, resources, names.items[i], out);
		else
			kfp_refuse(at, path, "UnsupportedSetting",
				"%s has no place for it; remove it", at->dialect->title);
	}
	if (json_object_size(out))
		json_object_set(container, "resources", out);
	json_decref(out);
}
