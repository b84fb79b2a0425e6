#include "runners/docker_ports.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

#define PORT_MAX 65535

struct port {
	const char *ip; /* of the engine's machine; "": all of them */
	int64_t host;   /* 0: the engine chooses one */
	int64_t target;
	const char *protocol;
};

static bool is_port(const char *text, int64_t *ret_port)
{
	return str_to_int64(text, ret_port) && *ret_port >= 1 && *ret_port <= PORT_MAX;
}

static bool is_protocol(const char *text)
{
	return str_eq(text, "tcp") || str_eq(text, "udp") || str_eq(text, "sctp");
}

/* [[IP:][HOST]:]TARGET[/PROTOCOL]; text is cut into the pieces of *ret_port. */
static bool read_short(char *text, struct port *ret_port)
{
	char *slash = strchr(text, '/'), *last = NULL, *first;

	*ret_port = (struct port){.ip = "", .protocol = "tcp"};
	if (slash) {
		*slash = '\0';
		ret_port->protocol = slash + 1;
	}
	last = strrchr(text, ':');
	if (!is_port(last ? last + 1 : text, &ret_port->target))
		return false;
	if (!last)
		return is_protocol(ret_port->protocol);
	*last = '\0';
	first = strrchr(text, ':');
	if (first) {
		*first = '\0';
		ret_port->ip = text;
		text = first + 1;
	}
	return (!*text || is_port(text, &ret_port->host)) && is_protocol(ret_port->protocol);
}

/* A number, or a text that is one. */
static bool read_number(const json_t *value, int64_t *ret_port)
{
	*ret_port = json_integer_value(value);
	if (json_is_string(value))
		return is_port(json_string_value(value), ret_port);
	return !value || (json_is_integer(value) && *ret_port >= 1 && *ret_port <= PORT_MAX);
}

static bool read_long(struct check *c, const json_t *value, struct port *ret_port)
{
	static const char *const protocols[] = {"tcp", "udp", "sctp", NULL};
	static const char *const modes[] = {"host", "ingress", NULL};
	static const struct check_field fields[] = {
		{.name = "target", .kind = CHECK_ANY, .required = true},
		{.name = "published", .kind = CHECK_ANY},
		{.name = "host_ip", .kind = CHECK_STRING},
		{.name = "protocol", .kind = CHECK_WORD, .words = protocols},
		{.name = "mode", .kind = CHECK_WORD, .words = modes},
		{.name = "name", .kind = CHECK_STRING},
		{.name = "app_protocol", .kind = CHECK_STRING},
	};

	if (!check_object(c, value, fields, array_size(fields)))
		return false;
	*ret_port = (struct port){.ip = doc_str_or(value, "host_ip", ""),
		.protocol = doc_str_or(value, "protocol", "tcp")};
	if (read_number(check_get(value, "target"), &ret_port->target) &&
		read_number(check_get(value, "published"), &ret_port->host))
		return true;
	check_error(c, "InvalidValue", "its ports must be numbers between 1 and %d", PORT_MAX);
	return false;
}

static void put(const struct port *port, json_t *exposed, json_t *bindings)
{
	auto_free char *key = xasprintf("%lld/%s", (long long)port->target, port->protocol);
	auto_free char *host = port->host ? xasprintf("%lld", (long long)port->host) : xstrdup("");
	json_t *list = json_object_get(bindings, key);

	if (!list) {
		list = json_array();
		json_object_set_new(bindings, key, list);
		json_object_set_new(exposed, key, json_object());
	}
	json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", port->ip, "HostPort", host));
}

static void put_one(struct check *c, const json_t *item, json_t *exposed, json_t *bindings)
{
	auto_free char *text = json_is_string(item) ? xstrdup(json_string_value(item))
			       : json_is_integer(item)
				       ? xasprintf("%lld", (long long)json_integer_value(item))
				       : NULL;
	struct port port;

	if (text ? read_short(text, &port) : read_long(c, item, &port))
		put(&port, exposed, bindings);
	else if (text)
		check_error(c, "InvalidValue",
			"must be a port, HOST:TARGET or IP:HOST:TARGET, with /udp where it is not "
			"tcp; ranges are not taken");
}

void docker_ports_put(struct check *c, const json_t *ports, json_t *body, json_t *host)
{
	json_t *exposed = json_object(), *bindings = json_object(), *item;
	size_t i;

	json_array_foreach (ports, i, item) {
		size_t mark = where_key(&c->w, "ports"), inner = where_index(&c->w, i);

		put_one(c, item, exposed, bindings);
		where_back(&c->w, inner);
		where_back(&c->w, mark);
	}
	if (json_object_size(bindings)) {
		json_object_set(body, "ExposedPorts", exposed);
		json_object_set(host, "PortBindings", bindings);
	}
	json_decref(exposed);
	json_decref(bindings);
}

/* --- clashes --- */

static bool same_address(const json_t *a, const json_t *b)
{
	const char *host = doc_str_or(a, "HostPort", ""), *ip = doc_str_or(a, "HostIp", "");
	const char *other = doc_str_or(b, "HostIp", "");
	bool any = !*ip || !*other || str_eq(ip, "0.0.0.0") || str_eq(other, "0.0.0.0");

	return *host && str_eq(host, doc_str(b, "HostPort")) && (any || str_eq(ip, other));
}

static bool lists_clash(const json_t *list, const json_t *other)
{
	const json_t *a, *b;
	size_t i, k;

	json_array_foreach (list, i, a) {
		json_array_foreach (other, k, b) {
			if (same_address(a, b))
				return true;
		}
	}
	return false;
}

const char *docker_ports_clash(const json_t *a, const json_t *b)
{
	json_t *mine = doc_get(a, "HostConfig.PortBindings"), *list, *other;
	json_t *theirs = doc_get(b, "HostConfig.PortBindings");
	const char *key, *other_key;

	json_object_foreach (mine, key, list) {
		json_object_foreach (theirs, other_key, other) {
			if (str_eq(strchr(key, '/'), strchr(other_key, '/')) &&
				lists_clash(list, other))
				return doc_str(list, "0.HostPort");
		}
	}
	return NULL;
}
