/* Labels, annotations and derived names. Nothing is random: a repeated write meets itself. */
#ifndef RECONCILE_NAMES_H
#define RECONCILE_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define API_VERSION "fondant.ai/v1alpha1"

#define LABEL_PIPELINE "fondant.ai/pipeline"
#define LABEL_RUN "fondant.ai/run"
#define LABEL_STEP "fondant.ai/step"
#define LABEL_FROZEN "fondant.ai/frozen-spec" /* "true" on ConfigMaps with a frozen spec */
#define LABEL_CACHE "fondant.ai/cache-index"  /* "true" on ConfigMaps with cache entries */

#define ANNOTATION_HASH "fondant.ai/hash"             /* of spec.json: "sha256:<64 hex>" */
#define ANNOTATION_COMPILER "fondant.ai/compiler"     /* format of the frozen spec */
#define ANNOTATION_COMPONENTS "fondant.ai/components" /* hash of the FondantComponents it used */
#define ANNOTATION_DELETION \
	"fondant.ai/deletion-policy" /* of a run: "Orphan" where its pipeline says so */
#define ANNOTATION_TRIGGERED "fondant.ai/triggered" /* what has been triggered, as JSON */
/* The FondantBackend it was frozen for, and the hash of its spec; the implicit one has neither. */
#define ANNOTATION_BACKEND "fondant.ai/backend"
#define ANNOTATION_BACKEND_HASH "fondant.ai/backend-hash"

/* On a FondantBackend that runs use, and on a run with something to stop, or to be left, when it
 * goes. */
#define FINALIZER_BACKEND "fondant.ai/in-use"
#define FINALIZER_RUN "fondant.ai/cancel"

/* "<pipeline>-<first 12 hex of the hash>". Owned. */
char *name_frozen(const char *pipeline, const char *hash_hex);
/* "<pipeline>-<generation>-<6 hex>", hex from (pipeline UID, generation, rerunToken). Owned. */
char *name_run(const char *pipeline, const char *uid, int64_t generation, const char *trigger);
/* "<run>-<8 hex of the run's UID>": a name used again never meets old data. Owned. */
char *name_run_id(const char *run, const char *uid);

/* ownerReference to an object (its metadata is read); new reference. */
json_t *name_owner(const json_t *object, const char *kind, int controller);
/* ObjectReference, as Events carry it; new reference. */
json_t *name_reference(const json_t *object, const char *kind);
/* The object's metadata has the finalizer. */
bool name_has_finalizer(const json_t *object, const char *finalizer);
/* The controller ownerReference's UID; NULL when there is none. Borrowed. */
const char *name_controller_uid(const json_t *object);

#endif
