/*
 * What a freeze needs from outside and no watch brings: the text of Python steps in ConfigMaps, and
 * the digests of images. Asynchronous and bounded; no failure of the outside is an error of this:
 * what could not be had is not there (sources), or says why (digests).
 */
#ifndef RECONCILE_GATHER_H
#define RECONCILE_GATHER_H

#include <jansson.h>
#include "kube/client.h"
#include "net/registry.h"
#include "reconcile/pullsecret.h"

/* Of all sources together; what a frozen spec holds is less (COMPILE_MAX_TEXT), so that whatever is
 * left out beyond this cannot be frozen anyway. */
#define GATHER_SOURCES_MAX ((size_t)2 << 20)

struct gather_image;

/* Zeroed before; embedded in its owner. */
struct gather {
	/* --- results, new references for whoever takes them --- */
	json_t *sources; /* "<ConfigMap>/<key>" -> text; compile_input.sources */
	json_t *digests; /* image -> "name@sha256:..." or {"error": why}; compile_input.digests */
	struct err err;  /* sources: the API server could not say; class transient */

	/* --- private --- */
	struct loop *loop;
	struct kube_client *client;
	const char *namespace_;
	void (*done)(struct gather *gather);
	struct loop_defer defer;
	struct strvec refs; /* sorted: "<ConfigMap>/<key>" */
	size_t next_ref, bytes;
	char *map_name;
	struct kube_op op;
	struct registry_client *registry;
	json_t *spec;
	struct gather_image *images;
	size_t images_len, pending;
	bool with_secrets; /* the second round */
	struct pullsecrets pull;
	struct loop_timer deadline;
};

/* done runs once, from the loop, never inside the call; both borrow namespace_ until then. refs are
 * those of compile_source_refs. */
void gather_sources(struct gather *gather, struct kube_client *client, const char *namespace_,
	const struct strvec *refs, void (*done)(struct gather *gather));
/*
 * images are those of compile_image_refs; spec (FondantPipeline.spec) says where pull secrets are.
 * They are read only when a registry does not tell without. After deadline_ms what has not been
 * answered says so.
 */
void gather_images(struct gather *gather, struct kube_client *client,
	struct registry_client *registry, const char *namespace_, json_t *spec,
	const struct strvec *images, int64_t deadline_ms, void (*done)(struct gather *gather));
/* Gives up what is under way (done does not run) and frees. */
void gather_clear(struct gather *gather);

#endif
