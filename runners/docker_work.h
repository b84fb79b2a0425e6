/*
 * One call of the runner `docker` under way: what docker.c, docker_look.c, docker_submit.c and
 * docker_cancel.c share.
 */
#ifndef RUNNERS_DOCKER_WORK_H
#define RUNNERS_DOCKER_WORK_H

#include "base/map.h"
#include "runners/dag.h"
#include "runners/docker_engine.h"
#include "runners/docker_lines.h"
#include "runners/docker_logs.h"
#include "runners/docker_pull.h"

#define DOCKER_ENDED_MAX 4096 /* containers that are remembered */

struct docker {
	struct runner_env env;
	struct docker_engine engine;
	struct docker_pulls pulls;
	json_t *settings;
	struct map ended; /* container id -> struct docker_ended */
	struct map died;  /* ids of containers that an event called dead: a list may not know yet */
	struct docker_lines events;
	struct loop_timer events_again;
	bool events_open;
};

/* A container that does not run any more. */
struct docker_ended {
	json_t *inspected;
	char *log; /* the end of it; NULL: none, or not of interest */
};

enum docker_kind { DOCKER_OBSERVE, DOCKER_SUBMIT, DOCKER_CANCEL, DOCKER_PROBE, DOCKER_LOGS };

/* One runner_op under way. */
struct docker_work {
	struct docker *docker;
	const struct runner_run *run; /* the caller's, or `project` */
	struct runner_run project;    /* of a native document: its services as the steps */
	struct frozen_spec *services;
	struct step_state *known; /* of the services; the strings are the caller's */
	struct err broken;        /* why the document cannot be read: project.spec is NULL then */
	struct runner_op *op;
	enum docker_kind kind;
	struct run_state *ret_state;    /* observe */
	struct runner_probe *ret_probe; /* probe */
	struct runner_logs *logs;       /* logs */
	struct docker_frames frames;
	struct http_request stream; /* of logs */
	char *stream_url;
	struct docker_call call;
	void (*then)(struct docker_work *work);   /* after the version is known */
	void (*looked)(struct docker_work *work); /* after the list is */
	json_t *list;                             /* containers of the run */
	size_t next;                              /* in list */
	struct buf log;
	struct attempts attempts;
	struct run_state state;
	struct dag_actions actions;
	int action; /* in actions */
	char *name; /* of the container it is about */
	char *id;
	char *network; /* its id; submit */
	bool network_made;
	json_t *networks;   /* those to remove */
	struct err doubted; /* docker_doubt */
};

/* Owned by its op until it is finished, failed or freed. */
struct docker_work *docker_work_new(struct docker *docker, const struct runner_run *run,
	struct runner_op *op, enum docker_kind kind);
void docker_work_free(struct docker_work *work);
/* The call has its result: frees the work, and tells its owner. */
void docker_finish(struct docker_work *work);
/* With op->err set; step: index of the one it is about, or -1. */
void docker_work_fail(struct docker_work *work, int step);
/* Of an answer that is no good; what: "list containers". */
void docker_fail_call(struct docker_work *work, const char *what);
/* podman answers 500 where Docker says that it is so already (409, 304, 404). After a 500, kept
 * here, the engine is asked what there is; docker_fail_doubted, when that is not what was wanted,
 * fails with it. */
bool docker_is_doubtful(const struct docker_call *call);
void docker_doubt(struct docker_work *work, const char *what);
void docker_fail_doubted(struct docker_work *work);
struct docker_work *docker_work_of(struct docker_call *call);
/* A request about a container; docker_send sends it. id: or its name. */
void docker_begin_container(
	struct docker_work *work, const char *method, const char *what, const char *id);

/* docker_look.c: lists the run's containers and inspects those that do not run; then looked(). */
void docker_look(struct docker_work *work, void (*looked)(struct docker_work *work));
/* The end of what a failed step's container printed; NULL: not known, or not to be shown. */
const char *docker_ended_log(const struct docker_work *work, const json_t *item);
/* The item of the list that is looked at. */
const json_t *docker_item_now(const struct docker_work *work);
const char *docker_id_of(const json_t *item);

/* docker_submit.c: network, image, create and start of what work->actions say. */
void docker_start_actions(struct docker_work *work);
/* docker_cancel.c: stops what work->actions say, or with discard removes all of the run. */
void docker_stop_actions(struct docker_work *work);
/* The networks of the run; done as of docker_send. */
void docker_list_networks(struct docker_work *work, void (*done)(struct docker_call *call));

#endif
