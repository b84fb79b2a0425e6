/*
 * metav1.Condition lists, as pure functions on trees. lastTransitionTime moves only when the
 * status flips. Source: operator-machinery.md B5, kstatus.
 */
#ifndef KUBE_CONDITIONS_H
#define KUBE_CONDITIONS_H

#include <jansson.h>
#include <stdint.h>

#define CONDITION_MESSAGE_MAX 32768 /* metav1.Condition's limit */

/* Sets or replaces a condition of the array (kept in order of first appearance).
 * previous: the array as it was before this round, for lastTransitionTime; may be NULL. */
void condition_set(json_t *conditions, const json_t *previous, const char *type, const char *status,
	const char *reason, const char *message, int64_t observed_generation, int64_t now_seconds);
/* Takes a condition away: Reconciling and Stalled are present only while true. */
void condition_drop(json_t *conditions, const char *type);
/* Borrowed; NULL when absent. */
json_t *condition_find(const json_t *conditions, const char *type);
/* "True", "False", "Unknown" or NULL. */
const char *condition_status(const json_t *conditions, const char *type);

#endif
