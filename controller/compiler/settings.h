/*
 * Shape of the settings of a step: podTemplate, env, resources, retry, cache and so on. What the
 * operator sets itself (image, command, sidecars) is refused rather than overwritten.
 */
#ifndef COMPILER_SETTINGS_H
#define COMPILER_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/check.h"

/* What an unquoted `on:` becomes in the hands of a YAML 1.1 reader such as kubectl; the two are
 * one setting, and the frozen spec says `on`. */
#define SETTINGS_RETRY_ON_11 "true"

/* The place of `c` is that of the value; absent values (NULL) are fine. */
void settings_check_pod_template(struct check *c, const json_t *pod_template);
void settings_check_env(struct check *c, const json_t *env);
void settings_check_resources(struct check *c, const json_t *resources);
void settings_check_retry(struct check *c, const json_t *retry);
void settings_check_cache(struct check *c, const json_t *cache);

void settings_check_accelerator(struct check *c, const json_t *accelerator);
void settings_check_secret_arguments(struct check *c, const json_t *secrets);

/* The extended resource that a type of accelerator is: GPU nvidia.com/gpu, TPU google.com/tpu, the
 * name of a resource itself; NULL: no such type. */
const char *settings_accelerator_resource(const char *type);
/* An optional DNS prefix with a slash, and a word of at most 63 bytes. */
bool settings_is_label_key(const char *key);
bool settings_is_label_value(const char *value);
bool settings_is_dns_subdomain(const char *s);
/* Path equals the mount or lies below it. */
bool settings_lies_below(const char *path, const char *mount);
/* A mount of container `main` holds the absolute path. */
bool settings_mounts_path(const json_t *pod_template, const char *path, bool writable);

#endif
