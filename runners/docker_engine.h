/*
 * The Docker Engine API: where an engine is, which version of the API is spoken with it, and its
 * calls. The version is negotiated before the first call: the newest that both know, from 1.40 on.
 * Sources: cloud-backends.md 3.1, 3.2; docs.docker.com/engine/api, "Versioned API".
 */
#ifndef RUNNERS_DOCKER_ENGINE_H
#define RUNNERS_DOCKER_ENGINE_H

#include "runners/api_call.h"
#include "runners/runner.h"

struct docker_engine {
	struct loop *loop;
	struct http_client *client;
	char *base;    /* "http://docker", "https://builder.example:2376" */
	char *api;     /* "1.41"; NULL until it is negotiated */
	char *version; /* of the engine, "20.10.24"; NULL likewise */
};

/*
 * settings: FondantBackend.spec.docker. host is unix:///path or tcp://host:port; without one
 * $DOCKER_HOST where settings->ambient allows it. Class user: InvalidEndpoint, or a certificate
 * that cannot be used.
 */
int docker_engine_init(struct docker_engine *engine, struct loop *loop,
	const struct runner_settings *settings, struct err *err);
/* Every call is done or freed before. */
void docker_engine_clear(struct docker_engine *engine);

/* One call; zeroed before its first use. */
struct docker_call {
	struct api_call api; /* status, answer, text, err */
	struct docker_engine *engine;
	void (*done)(struct docker_call *call);

	/* --- private --- */
	struct buf url;
	char *body;
};

/* GET /version, of any engine; fills engine->api and version when it is done without err. Fails
 * with class user, EngineTooOld or EngineTooNew, where the two have no version of the API in
 * common. */
void docker_negotiate(
	struct docker_engine *engine, struct docker_call *call, void (*done)(struct docker_call *));
/* Begins a call: path is "/containers/json"; docker_query adds to it, docker_send sends it. The
 * version must be negotiated. method is a constant. */
void docker_begin(struct docker_engine *engine, struct docker_call *call, const char *method,
	const char *path);
void docker_query(struct docker_call *call, const char *name, const char *value);
/* body is JSON (stolen) or NULL. Calls without a body are repeated when an answer is lost. */
void docker_send(struct docker_call *call, json_t *body, void (*done)(struct docker_call *));
/* As docker_send, with any bytes as the body (stolen, wiped). */
void docker_send_bytes(struct docker_call *call, const char *content_type, char *body, size_t len,
	void (*done)(struct docker_call *));
/* "http://docker/v1.41/events", for streams that are no calls. Owned. */
char *docker_url(const struct docker_engine *engine, const char *path);
/* The engine's words for what it answered; borrowed. */
const char *docker_words(const struct docker_call *call);
/* As api_call_fail, with these words. */
int docker_fail(struct docker_call *call, const char *what, struct err *err);
void docker_call_free(struct docker_call *call);

#endif
