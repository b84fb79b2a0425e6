/*
 * podTemplate: one part of a pod laid over another. Maps are merged, scalars replaced, null means
 * not set. Lists of named things are merged by what names them (containers by name: merged
 * deeply; volumes, env, volumeMounts by mountPath, tolerations by key and effect, ...: replaced
 * one by one); all other lists are replaced whole.
 */
#ifndef RUNNERS_KUBERNETES_TEMPLATE_H
#define RUNNERS_KUBERNETES_TEMPLATE_H

#include <jansson.h>

/* Changes *spec (a PodSpec object). over may be NULL. Nothing of over is shared afterwards. */
void kubernetes_template_merge(json_t *spec, const json_t *over);

/* One list onto the list spec[key], made when it is missing; over may be NULL. */
void kubernetes_template_merge_list(json_t *spec, const char *key, const json_t *over);

#endif
