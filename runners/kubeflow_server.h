/*
 * One Kubeflow Pipelines server: where its API is, as whom it is spoken to, and its calls.
 * Sources: kfp-argo.md A.1 (paths), A.5 (errors), A.6 (authentication).
 */
#ifndef RUNNERS_KUBEFLOW_SERVER_H
#define RUNNERS_KUBEFLOW_SERVER_H

#include "runners/api_call.h"
#include "runners/runner.h"

struct kubeflow_server {
	struct loop *loop;
	struct http_client *client;
	struct api_gate gate; /* of every call */
	char *endpoint;       /* "https://kfp.example", without a slash at its end */
	char *bearer;         /* NULL: none */
	char *bearer_file;    /* read for every request; NULL: none */
	char *cookie;         /* "name=value"; NULL: none */
	char *namespace_;     /* the profile; NULL: an installation for one user */
	char *experiment;     /* display name; NULL: the server's default */
	char *experiment_id;  /* NULL: not looked up yet */
	char *pipeline_root;  /* NULL: the server's */
};

/*
 * settings: FondantBackend.spec.kubeflow. With settings->ambient, and nothing given, the token is
 * that of the file $KF_PIPELINES_SA_TOKEN_PATH, as the kfp SDK has it. Class user: InvalidEndpoint,
 * or a certificate that cannot be used.
 */
int kubeflow_server_init(struct kubeflow_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err);
/* Every call is done or freed before. */
void kubeflow_server_clear(struct kubeflow_server *server);
/* The page of a run. Owned. */
char *kubeflow_run_url(const struct kubeflow_server *server, const char *id);

/* One call; zeroed before its first use. */
struct kubeflow_call {
	struct api_call api; /* status, answer, text, err */
	struct kubeflow_server *server;
	void (*done)(struct kubeflow_call *call);

	/* --- private --- */
	struct buf url;
	char *body;
};

/* path: "/runs/<id>", below /apis/v2beta1; method is a constant. kubeflow_query adds to it,
 * kubeflow_send sends it. */
void kubeflow_begin(struct kubeflow_server *server, struct kubeflow_call *call, const char *method,
	const char *path);
void kubeflow_query(struct kubeflow_call *call, const char *name, const char *value);
/* body is JSON (stolen) or NULL. Calls that read are repeated when an answer is lost; others are
 * not: call->api.maybe_done says that the server may have done it. */
void kubeflow_send(
	struct kubeflow_call *call, json_t *body, void (*done)(struct kubeflow_call *call));
/* The server's words for what it answered; borrowed, NULL: none. */
const char *kubeflow_words(const struct kubeflow_call *call);
/* As api_call_fail, with these words. A 500 that another try would not change is class user, reason
 * Refused. Returns -1. */
int kubeflow_fail(struct kubeflow_call *call, const char *what, struct err *err);
void kubeflow_call_free(struct kubeflow_call *call);

#endif
