/*
 * The API of Vertex AI in one project and location, and its calls. A token is fetched before a call
 * that has none, and once more where one is refused.
 * Sources: cloud-backends.md 2.1 (calls, errors), 2.3 (tokens).
 */
#ifndef RUNNERS_VERTEX_SERVER_H
#define RUNNERS_VERTEX_SERVER_H

#include "runners/google_auth.h"

struct vertex_server {
	struct loop *loop;
	struct http_client *client;
	struct api_gate gate; /* of every call */
	struct google_auth auth;
	char *base; /* "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/..."
		     */
	char *project, *location;
};

/*
 * settings: FondantBackend.spec.vertex; `endpoint` in it, which only kubectl-fondant sets, is
 * another address of the API, and so is $CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM, gcloud's
 * property api_endpoint_overrides/aiplatform. Class user: InvalidEndpoint, and what
 * google_auth_init says.
 */
int vertex_server_init(struct vertex_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err);
/* Every call is done or freed before. */
void vertex_server_clear(struct vertex_server *server);
/* The page of a run in Google's console. Owned. */
char *vertex_run_url(const struct vertex_server *server, const char *id);

/* One call; zeroed before its first use. */
struct vertex_call {
	struct api_call api; /* status, answer, err */
	struct vertex_server *server;
	void (*done)(struct vertex_call *call);

	/* --- private --- */
	struct google_wait wait;
	struct buf url;
	char *body;
	bool again; /* the token was refused once */
};

/* path: "/pipelineJobs/<id>"; method is a constant. Calls that read, and with `repeatable` others,
 * are repeated when an answer is lost. body is JSON (stolen) or NULL. */
void vertex_send(struct vertex_server *server, struct vertex_call *call, const char *method,
	const char *path, json_t *body, bool repeatable, void (*done)(struct vertex_call *call));
/* As api_call_fail, with Google's words. Returns -1. */
int vertex_fail(struct vertex_call *call, const char *what, struct err *err);
void vertex_call_free(struct vertex_call *call);

#endif
