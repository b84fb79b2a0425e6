#include "runners/docker_limits.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/path.h"

#define NANO 1e9

/* compose-spec.io, "Specifying byte values": b, k or kb, m or mb, g or gb; a number is bytes. */
static int64_t bytes_of(const json_t *value)
{
	static const char units[] = "bkmg";
	const char *text = json_string_value(value), *unit;
	char *end;
	double number;

	if (json_is_integer(value))
		return json_integer_value(value);
	if (!text || *text < '0' || *text > '9')
		return -1;
	number = strtod(text, &end);
	if (!*end)
		return (int64_t)number;
	unit = strchr(units, *end | 0x20);
	if (!unit || !*unit || (end[1] && (end[1] | 0x20) != 'b') || (end[1] && end[2]))
		return -1;
	for (; unit > units; unit--)
		number *= 1024;
	return number < 9e18 ? (int64_t)number : -1;
}

static void put_bytes(
	struct check *c, const json_t *from, const char *key, json_t *host, const char *name)
{
	const json_t *value = check_get(from, key);
	int64_t bytes = value ? bytes_of(value) : 0;

	if (value && bytes <= 0)
		check_error_at(c, key, "InvalidValue", "must be a size, as 512m or 2gb");
	else if (value)
		json_object_set_new(host, name, json_integer(bytes));
}

static void put_cpus(struct check *c, const json_t *from, json_t *host)
{
	const json_t *value = check_get(from, "cpus");
	double cpus = json_is_string(value) ? canon_read_real(json_string_value(value))
					    : json_number_value(value);

	if (value && !(cpus >= 0.01 && cpus <= 4096))
		check_error_at(c, "cpus", "InvalidValue", "must be a number of CPUs, as 0.5 or 2");
	else if (value)
		json_object_set_new(host, "NanoCpus", json_integer((json_int_t)(cpus * NANO)));
}

static void put_pids(struct check *c, const json_t *from, const char *key, json_t *host)
{
	const json_t *value = check_get(from, key);
	int64_t number = json_integer_value(value);

	if (!value)
		return;
	if (!json_is_integer(value) && !str_to_int64(json_string_value(value), &number))
		number = 0;
	if (number < -1 || !number)
		check_error_at(c, key, "InvalidValue", "must be a number of processes");
	else
		json_object_set_new(host, "PidsLimit", json_integer(number));
}

/* compose-spec.io, Deploy, "devices": what nvidia's driver is asked for. */
static json_t *device_of(struct check *c, const json_t *device)
{
	static const struct check_field fields[] = {
		{.name = "capabilities", .kind = CHECK_ARRAY, .required = true, .max = 16},
		{.name = "count", .kind = CHECK_ANY},
		{.name = "device_ids", .kind = CHECK_ARRAY, .max = 64},
		{.name = "driver", .kind = CHECK_STRING, .max = 63},
	};
	const json_t *count = check_get(device, "count"), *ids = check_get(device, "device_ids");
	int64_t number = json_is_integer(count) ? json_integer_value(count) : -1;

	if (!check_object(c, device, fields, array_size(fields)))
		return NULL;
	if (count && !json_is_integer(count) && !str_eq(json_string_value(count), "all"))
		check_error_at(c, "count", "InvalidValue", "must be a number, or all");
	if (count && ids)
		check_error_at(c, "count", "InvalidValue", "give count or device_ids, not both");
	return json_pack("{s:s, s:o*, s:O*, s:[O]}", "Driver", doc_str_or(device, "driver", ""),
		"Count", ids ? NULL : json_integer(number), "DeviceIDs", ids, "Capabilities",
		json_object_get(device, "capabilities"));
}

static void put_devices(struct check *c, const json_t *reservations, json_t *host)
{
	static const struct check_field fields[] = {
		{.name = "devices", .kind = CHECK_ARRAY, .max = 16}};
	json_t *list = json_array(), *item;
	size_t i;

	check_object(c, reservations, fields, array_size(fields));
	json_array_foreach (check_get(reservations, "devices"), i, item) {
		size_t mark = where_key(&c->w, "devices"), inner = where_index(&c->w, i);
		json_t *device = device_of(c, item);

		if (device)
			json_array_append_new(list, device);
		where_back(&c->w, inner);
		where_back(&c->w, mark);
	}
	if (json_array_size(list))
		json_object_set(host, "DeviceRequests", list);
	json_decref(list);
}

static void put_resources(struct check *c, const json_t *resources, json_t *host)
{
	static const struct check_field fields[] = {{.name = "limits", .kind = CHECK_OBJECT},
		{.name = "reservations", .kind = CHECK_OBJECT}};
	static const struct check_field limit_fields[] = {{.name = "cpus", .kind = CHECK_ANY},
		{.name = "memory", .kind = CHECK_ANY}, {.name = "pids", .kind = CHECK_ANY}};
	const json_t *limits = check_get(resources, "limits");
	const json_t *reservations = check_get(resources, "reservations");
	size_t mark;

	check_object(c, resources, fields, array_size(fields));
	if (json_is_object(limits)) {
		mark = where_key(&c->w, "limits");
		check_object(c, limits, limit_fields, array_size(limit_fields));
		put_cpus(c, limits, host);
		put_bytes(c, limits, "memory", host, "Memory");
		put_pids(c, limits, "pids", host);
		where_back(&c->w, mark);
	}
	if (json_is_object(reservations)) {
		mark = where_key(&c->w, "reservations");
		put_devices(c, reservations, host);
		where_back(&c->w, mark);
	}
}

static void put_deploy(struct check *c, const json_t *deploy, json_t *host)
{
	static const struct check_field fields[] = {{.name = "resources", .kind = CHECK_OBJECT},
		{.name = "replicas", .kind = CHECK_INT, .min = 1, .max = 1}};
	size_t mark = where_key(&c->w, "deploy"), inner;

	check_object(c, deploy, fields, array_size(fields));
	if (json_is_object(check_get(deploy, "resources"))) {
		inner = where_key(&c->w, "resources");
		put_resources(c, check_get(deploy, "resources"), host);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

void docker_limits_put(struct check *c, const json_t *service, json_t *host)
{
	put_cpus(c, service, host);
	put_bytes(c, service, "mem_limit", host, "Memory");
	put_bytes(c, service, "shm_size", host, "ShmSize");
	put_pids(c, service, "pids_limit", host);
	if (json_is_object(check_get(service, "deploy")))
		put_deploy(c, check_get(service, "deploy"), host);
}
