/*
 * One build of an image by a Docker engine: POST /build, with the context as its body and the
 * builder's words as a stream of JSON lines, in which a failure arrives after a 200. The builder is
 * the engine's own classic one, that of every version of the API; `RUN --mount` and the like need
 * BuildKit, which speaks another protocol. Intermediate containers are removed however it ends;
 * giving up is closing the connection, which the engine takes for a cancellation.
 *
 * Nothing is tried again here: half a context cannot be sent twice, and what was built before is in
 * the engine's cache.
 * Source: docs.docker.com/engine/api, "Build an image".
 */
#ifndef RUNNERS_DOCKER_BUILD_H
#define RUNNERS_DOCKER_BUILD_H

#include "net/dockerconfig.h"
#include "runners/docker_engine.h"
#include "runners/docker_lines.h"

#define DOCKER_BUILD_TAIL 20      /* lines that a failure shows */
#define DOCKER_BUILD_LINE_MAX 500 /* bytes of one */

struct docker_build {
	/* --- set by the owner, in a zeroed struct; borrowed until done --- */
	struct docker_engine *engine;
	const char *tag;                        /* name of the image */
	const json_t *build_args;               /* name -> text; NULL: none */
	const json_t *labels;                   /* name -> text; NULL: none */
	const struct registry_auth_list *auths; /* for the images of FROM; NULL: none */
	/* The next bytes of the context, a tar archive; *ret_len 0 ends it. < 0 with err: the build
	 * ends with that. */
	int (*context)(struct docker_build *build, char *into, size_t size, size_t *ret_len,
		struct err *err);
	/* A line of what the builder says, without control characters. */
	void (*line)(struct docker_build *build, const char *line);
	void (*done)(struct docker_build *build); /* exactly once, from the loop */

	/* --- results, until docker_build_free --- */
	char *image_id; /* "sha256:<64 hex>"; NULL where err says why there is none */
	struct err err; /* BuildFailed, class user: the builder's words, and the last lines below
			 * them. BuildRefused: the engine's, before it began. BadAnswer, or why it
			 * could not be reached: transient. Else what `context` said */

	/* --- private --- */
	struct docker_call version;
	struct docker_lines lines;
	struct buf text; /* of a line that is not whole */
	enum { DOCKER_TEXT, DOCKER_ESCAPE, DOCKER_CONTROL } within; /* of what is not text */
	struct strvec tail;
};

void docker_build_start(struct docker_build *build);
/* done will not run; results are freed. Harmless when it is not under way. */
void docker_build_free(struct docker_build *build);

#endif
