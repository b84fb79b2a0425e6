#include "runners/docker_mounts.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

/* What the file declares with `external`: it is there already. Others would be a run's own, which
 * nobody could find again. */
static bool is_external(const json_t *volumes, const char *name, const char **ret_name)
{
	const json_t *volume = json_object_get(volumes, name);

	*ret_name = doc_str_or(volume, "name", name);
	return json_is_true(json_object_get(volume, "external"));
}

static void add_bind(struct check *c, const json_t *volumes, const char *source, const char *target,
	const char *mode, json_t *binds)
{
	if (!target || *target != '/')
		check_error(c, "InvalidValue", "its target must be an absolute path");
	else if (strpbrk(source, "./~") == source && *source != '/')
		check_error(c, "InvalidValue",
			"`%.80s`: a path must be absolute: it is one of the engine's machine",
			source);
	else if (*source != '/' && !is_external(volumes, source, &source))
		check_error(c, "UnsupportedSetting",
			"the volume `%.80s` is not declared with `external: true`: a volume of the "
			"run's own would go with the run; make one on the engine, or mount a path",
			source);
	else if (strchr(target, ':') || strchr(source, ':'))
		check_error(c, "InvalidValue", "an engine mounts no path with a colon");
	else
		json_array_append_new(
			binds, json_sprintf("%s:%s%s%s", source, target, *mode ? ":" : "", mode));
}

static bool is_mode(const char *mode)
{
	static const char *const words[] = {
		"", "ro", "rw", "z", "Z", "ro,z", "ro,Z", "rw,z", "rw,Z", NULL};

	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], mode) == 0)
			return true;
	}
	return false;
}

/* SOURCE:TARGET[:MODE] */
static void add_short(struct check *c, const json_t *volumes, const char *text, json_t *binds)
{
	auto_free char *source = xstrdup(text);
	char *target = strchr(source, ':'), *mode = NULL;

	if (!target) {
		check_error(c, "InvalidValue", "must be SOURCE:TARGET or SOURCE:TARGET:MODE");
		return;
	}
	*target++ = '\0';
	mode = strchr(target, ':');
	if (mode)
		*mode++ = '\0';
	if (!is_mode(mode ? mode : ""))
		check_error(c, "InvalidValue", "its mode must be ro or rw, not `%.40s`", mode);
	else
		add_bind(c, volumes, source, target, mode ? mode : "", binds);
}

static void add_long(
	struct check *c, const json_t *volumes, const json_t *volume, json_t *binds, json_t *tmpfs)
{
	static const char *const types[] = {"bind", "volume", "tmpfs", NULL};
	static const struct check_field fields[] = {
		{.name = "type", .kind = CHECK_WORD, .required = true, .words = types},
		{.name = "source", .kind = CHECK_STRING, .min = 1},
		{.name = "target", .kind = CHECK_STRING, .required = true, .min = 1},
		{.name = "read_only", .kind = CHECK_BOOL},
	};
	const char *source = doc_str_or(volume, "source", "");
	bool bind = str_eq(doc_str(volume, "type"), "bind");

	if (!check_object(c, volume, fields, array_size(fields)))
		return;
	if (str_eq(doc_str(volume, "type"), "tmpfs"))
		json_object_set_new(tmpfs, doc_str(volume, "target"), json_string(""));
	else if (bind == (*source == '/'))
		add_bind(c, volumes, source, doc_str(volume, "target"),
			doc_bool_or(volume, "read_only", false) ? "ro" : "", binds);
	else
		check_error_at(c, "source", "InvalidValue", "%s",
			bind ? "must be an absolute path, of the engine's machine"
			     : "must be the name of a volume");
}

void docker_mounts_put(struct check *c, const json_t *list, const json_t *volumes, json_t *host)
{
	json_t *binds = json_array(), *tmpfs = json_object(), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		size_t mark = where_key(&c->w, "volumes"), inner = where_index(&c->w, i);

		if (json_is_string(item))
			add_short(c, volumes, json_string_value(item), binds);
		else
			add_long(c, volumes, item, binds, tmpfs);
		where_back(&c->w, inner);
		where_back(&c->w, mark);
	}
	json_object_set_new(host, "Binds", binds);
	if (json_object_size(tmpfs))
		json_object_set(host, "Tmpfs", tmpfs);
	json_decref(tmpfs);
}
