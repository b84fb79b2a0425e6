#include "reconcile/gather.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "compiler/config_key.h"
#include "doc/json.h"
#include "doc/path.h"

struct gather_image {
	struct gather *gather;
	struct registry_op op;
};

static void finished(struct loop_defer *defer)
{
	struct gather *gather = container_of(defer, struct gather, defer);

	gather->done(gather);
}

static void finish(struct gather *gather)
{
	loop_timer_del(&gather->deadline);
	loop_defer_add(gather->loop, &gather->defer, finished);
}

/* --- sources --- */

static char *map_of(const char *ref)
{
	return xstrndup(ref, strcspn(ref, "/"));
}

/* config: the ConfigMap, NULL: there is none. */
static void take_sources(struct gather *gather, const json_t *config)
{
	const json_t *data = json_object_get(config, "data");
	const json_t *binary = json_object_get(config, "binaryData");
	const char *ref, *key;

	while (gather->next_ref < gather->refs.len) {
		auto_free char *name = map_of(gather->refs.items[gather->next_ref]);
		json_t *text;

		if (!str_eq(name, gather->map_name))
			return;
		ref = gather->refs.items[gather->next_ref++];
		key = ref + strlen(name) + (ref[strlen(name)] == '/');
		text = json_object_get(data, key);
		if (!json_is_string(text) && json_object_get(binary, key))
			json_object_set_new(gather->sources, ref,
				json_pack("{s:s}", "error", CONFIG_KEY_BINARY));
		if (!json_is_string(text))
			continue;
		if (gather->bytes + json_string_length(text) > GATHER_SOURCES_MAX) {
			json_object_set_new(gather->sources, ref,
				json_pack("{s:s}", "error", CONFIG_KEY_TOO_LARGE));
			continue;
		}
		gather->bytes += json_string_length(text);
		json_object_set(gather->sources, ref, text);
	}
}

static void next_map(struct gather *gather);

static void got_map(struct kube_op *op)
{
	struct gather *gather = container_of(op, struct gather, op);

	if (op->outcome != KUBE_OK && op->outcome != KUBE_NOT_FOUND) {
		err_move(&gather->err, &op->err);
		finish(gather);
		return;
	}
	take_sources(gather, op->outcome == KUBE_OK ? op->result : NULL);
	next_map(gather);
}

static void next_map(struct gather *gather)
{
	kube_op_free(&gather->op);
	free(gather->map_name);
	gather->map_name = NULL;
	if (gather->next_ref == gather->refs.len) {
		finish(gather);
		return;
	}
	gather->map_name = map_of(gather->refs.items[gather->next_ref]);
	gather->op = (struct kube_op){.verb = KUBE_GET,
		.resource = &kube_configmaps,
		.namespace_ = gather->namespace_,
		.name = gather->map_name,
		.done = got_map};
	kube_send(gather->client, &gather->op);
}

void gather_sources(struct gather *gather, struct kube_client *client, const char *namespace_,
	const struct strvec *refs, void (*done)(struct gather *gather))
{
	gather->loop = kube_loop(client);
	gather->client = client;
	gather->namespace_ = namespace_;
	gather->done = done;
	json_decref(gather->sources);
	gather->sources = json_object();
	strvec_for_each (refs, i)
		strvec_add(&gather->refs, refs->items[i]);
	next_map(gather);
}

/* --- images --- */

static void set_error(struct gather *gather, const char *image, const char *why)
{
	json_object_set_new(gather->digests, image, json_pack("{s:s}", "error", why));
}

/* With other credentials the answer may be another one: registries hide what one may not see. */
static bool secrets_may_help(const struct err *err)
{
	return str_eq(err->reason, "RegistryUnauthorized") ||
	       str_eq(err->reason, "RegistryForbidden") || str_eq(err->reason, "ImageNotFound");
}

static bool wants_secrets(const struct gather_image *image)
{
	return !image->op.pinned && secrets_may_help(&image->op.err);
}

static void resolved(struct registry_op *op);

static void ask(struct gather_image *image, const struct registry_auth_list *auths)
{
	image->op.auths = auths;
	image->op.done = resolved;
	image->gather->pending++;
	registry_resolve(image->gather->registry, &image->op);
}

/* The registry's why, and what was wrong with the pull secrets. Owned. */
static char *why_not(const struct gather *gather, const struct gather_image *image)
{
	auto_free char *troubles = NULL;

	if (!wants_secrets(image) || gather->pull.troubles.len == 0)
		return xstrdup(err_message(&image->op.err));
	troubles = strvec_join(&gather->pull.troubles, "; ");
	return xasprintf("%s (%s)", err_message(&image->op.err), troubles);
}

static void conclude(struct gather *gather)
{
	for (size_t i = 0; i < gather->images_len; i++) {
		struct gather_image *image = &gather->images[i];
		auto_free char *why = NULL;

		if (image->op.pinned) {
			json_object_set_new(
				gather->digests, image->op.image, json_string(image->op.pinned));
			continue;
		}
		why = why_not(gather, image);
		set_error(gather, image->op.image, why);
	}
	registry_auth_clear(&gather->pull.auths);
	finish(gather);
}

static void ask_with_secrets(struct pullsecrets *pull)
{
	struct gather *gather = container_of(pull, struct gather, pull);

	gather->with_secrets = true;
	if (pull->auths.len == 0) {
		conclude(gather);
		return;
	}
	for (size_t i = 0; i < gather->images_len; i++) {
		if (wants_secrets(&gather->images[i]))
			ask(&gather->images[i], &pull->auths);
	}
}

static void resolved(struct registry_op *op)
{
	struct gather *gather = container_of(op, struct gather_image, op)->gather;
	bool any = false;

	if (--gather->pending > 0)
		return;
	for (size_t i = 0; i < gather->images_len; i++)
		any |= wants_secrets(&gather->images[i]);
	if (any && !gather->with_secrets)
		pullsecrets_read(&gather->pull, gather->client, gather->namespace_, gather->spec,
			ask_with_secrets);
	else
		conclude(gather);
}

static void images_free(struct gather *gather)
{
	for (size_t i = 0; i < gather->images_len; i++) {
		registry_op_free(&gather->images[i].op);
		free((char *)gather->images[i].op.image);
	}
	free(gather->images);
	gather->images = NULL;
	gather->images_len = 0;
	gather->pending = 0;
}

/* What is answered by now counts; the rest is given up. */
static void too_late(struct loop_timer *timer)
{
	struct gather *gather = container_of(timer, struct gather, deadline);

	kube_op_free(&gather->pull.op);
	for (size_t i = 0; i < gather->images_len; i++) {
		struct gather_image *image = &gather->images[i];

		registry_op_cancel(&image->op);
		if (!image->op.pinned && image->op.err.class == ERR_NONE)
			err_set(&image->op.err, ERR_TRANSIENT, "RegistryTimeout",
				"%s: its registry has not answered in time", image->op.image);
	}
	conclude(gather);
}

void gather_images(struct gather *gather, struct kube_client *client,
	struct registry_client *registry, const char *namespace_, json_t *spec,
	const struct strvec *images, int64_t deadline_ms, void (*done)(struct gather *gather))
{
	gather->loop = kube_loop(client);
	gather->client = client;
	gather->registry = registry;
	gather->namespace_ = namespace_;
	gather->done = done;
	json_decref(gather->spec);
	gather->spec = json_incref(spec);
	json_decref(gather->digests);
	gather->digests = json_object();
	images_free(gather);
	gather->images = xcalloc(images->len + 1, sizeof(*gather->images));
	gather->images_len = images->len;
	for (size_t i = 0; i < images->len; i++) {
		gather->images[i].gather = gather;
		gather->images[i].op.image = xstrdup(images->items[i]);
	}
	if (images->len == 0) {
		finish(gather);
		return;
	}
	loop_timer_set(gather->loop, &gather->deadline, deadline_ms, too_late);
	for (size_t i = 0; i < images->len; i++)
		ask(&gather->images[i], NULL);
}

void gather_clear(struct gather *gather)
{
	loop_timer_del(&gather->deadline);
	loop_defer_del(&gather->defer);
	kube_op_free(&gather->op);
	pullsecrets_clear(&gather->pull);
	images_free(gather);
	err_clear(&gather->err);
	json_decref(gather->sources);
	json_decref(gather->digests);
	json_decref(gather->spec);
	strvec_clear(&gather->refs);
	free(gather->map_name);
	*gather = (struct gather){0};
}
