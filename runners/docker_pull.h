/*
 * Pulls of images, in the background: one for an image at a time, whoever waits for it. A pull is
 * tried again by whoever still wants the image; a failure is told once.
 * Source: cloud-backends.md 3.2: the answer is 200 and a stream, in which a failure arrives.
 */
#ifndef RUNNERS_DOCKER_PULL_H
#define RUNNERS_DOCKER_PULL_H

#include "base/map.h"
#include "net/dockerconfig.h"
#include "runners/docker_engine.h"

struct docker_pulls {
	struct docker_engine *engine;
	/* Somebody's pull has ended, well or not. */
	void (*wake)(void *arg, const char *namespace_, const char *run_name);
	void *arg;
	struct map pulls; /* image -> struct pull */
};

enum docker_pull_state {
	DOCKER_PULL_NONE, /* nobody has asked for it, or it is there */
	DOCKER_PULL_GOES_ON,
	DOCKER_PULL_FAILED,
};

void docker_pulls_init(struct docker_pulls *pulls, struct docker_engine *engine,
	void (*wake)(void *arg, const char *namespace_, const char *run_name), void *arg);
void docker_pulls_clear(struct docker_pulls *pulls);

/* Begins one, or adds the run to those who wait. auths may be NULL. */
void docker_pull(struct docker_pulls *pulls, const char *image,
	const struct registry_auth_list *auths, const struct runner_run *run);
/* GOES_ON: *ret_words says how far it is. FAILED: *ret_words says why, *ret_final whether another
 * try is of no use. Words are borrowed until the next call, never NULL. */
enum docker_pull_state docker_pull_look(
	struct docker_pulls *pulls, const char *image, const char **ret_words, bool *ret_final);
/* A failure was told: the next docker_pull tries again. */
void docker_pull_forget(struct docker_pulls *pulls, const char *image);

#endif
