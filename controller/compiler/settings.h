/*
 * Shape of the settings that end in a pod: podTemplate, env, resources, retry, cache. What the
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

/* A writable mount of container `main` holds the absolute path. */
bool settings_mounts_path(const json_t *pod_template, const char *path);

#endif
