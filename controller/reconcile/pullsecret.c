#include "reconcile/pullsecret.h"

#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

static void add_name(struct strvec *names, const char *name)
{
	if (name && *name && names->len < PULLSECRET_MAX && !strvec_has(names, name))
		strvec_add(names, name);
}

static void add_references(struct strvec *names, const json_t *references)
{
	const json_t *item;
	size_t i;

	json_array_foreach (references, i, item)
		add_name(names, doc_str(item, "name"));
}

static void add_template(struct pullsecrets *pull, const json_t *owner)
{
	add_references(&pull->secrets, doc_get(owner, "podTemplate.spec.imagePullSecrets"));
	add_name(&pull->accounts, doc_str(owner, "podTemplate.spec.serviceAccountName"));
}

static void next(struct pullsecrets *pull);

static void got_account(struct kube_op *op)
{
	struct pullsecrets *pull = container_of(op, struct pullsecrets, op);

	if (op->outcome == KUBE_OK)
		add_references(&pull->secrets, json_object_get(op->result, "imagePullSecrets"));
	else if (op->outcome != KUBE_NOT_FOUND)
		strvec_addf(&pull->troubles, "ServiceAccount %s: %s",
			pull->accounts.items[pull->next_account - 1], err_message(&op->err));
	next(pull);
}

/* One of the two forms; the text is a secret. */
static int take_config(struct pullsecrets *pull, const json_t *data, struct err *err)
{
	const char *text = json_string_value(json_object_get(data, ".dockerconfigjson"));
	char *plain;
	size_t len = 0;
	int result;

	if (!text)
		text = json_string_value(json_object_get(data, ".dockercfg"));
	if (!text)
		return err_set(err, ERR_USER, "InvalidPullSecret",
			"it is not of type kubernetes.io/dockerconfigjson");
	plain = base64_decode(text, &len);
	if (!plain)
		return err_set(err, ERR_USER, "InvalidPullSecret", "it is not base64");
	result = dockerconfig_parse(plain, len, &pull->auths, err);
	mem_free_secret(plain);
	return result;
}

static void wipe_values(json_t *data)
{
	const char *key;
	json_t *value;

	json_object_foreach (data, key, value) {
		if (json_is_string(value))
			explicit_bzero((char *)json_string_value(value), json_string_length(value));
	}
}

static void got_secret(struct kube_op *op)
{
	struct pullsecrets *pull = container_of(op, struct pullsecrets, op);
	const char *name = pull->secrets.items[pull->next_secret - 1];
	json_t *data = json_object_get(op->result, "data");
	auto_err err = ERR_INIT;

	if (op->outcome == KUBE_NOT_FOUND)
		strvec_addf(&pull->troubles, "Secret %s: there is none", name);
	else if (op->outcome != KUBE_OK)
		strvec_addf(&pull->troubles, "Secret %s: %s", name, err_message(&op->err));
	else if (take_config(pull, data, &err) < 0)
		strvec_addf(&pull->troubles, "Secret %s: %s", name, err_message(&err));
	wipe_values(data);
	next(pull);
}

static void get(struct pullsecrets *pull, const struct kube_resource *resource, const char *name,
	void (*done)(struct kube_op *op))
{
	kube_op_free(&pull->op);
	pull->op = (struct kube_op){.verb = KUBE_GET,
		.resource = resource,
		.namespace_ = pull->namespace_,
		.name = name,
		.max_attempts = 3,
		.done = done};
	kube_send(pull->client, &pull->op);
}

static void next(struct pullsecrets *pull)
{
	if (pull->next_account < pull->accounts.len)
		get(pull, &kube_serviceaccounts, pull->accounts.items[pull->next_account++],
			got_account);
	else if (pull->next_secret < pull->secrets.len)
		get(pull, &kube_secrets, pull->secrets.items[pull->next_secret++], got_secret);
	else
		pull->done(pull);
}

void pullsecrets_read(struct pullsecrets *pull, struct kube_client *client, const char *namespace_,
	const json_t *spec, void (*done)(struct pullsecrets *pull))
{
	const json_t *step;
	size_t i;

	pull->client = client;
	pull->namespace_ = namespace_;
	pull->done = done;
	add_name(&pull->accounts, doc_str_or(spec, "serviceAccountName", "default"));
	add_template(pull, spec);
	json_array_foreach (json_object_get(spec, "steps"), i, step)
		add_template(pull, step);
	next(pull);
}

void pullsecrets_clear(struct pullsecrets *pull)
{
	kube_op_free(&pull->op);
	registry_auth_clear(&pull->auths);
	strvec_clear(&pull->troubles);
	strvec_clear(&pull->accounts);
	strvec_clear(&pull->secrets);
}
