/*
 * Stands in for a Kubeflow Pipelines server, as far as the runner asks, with the manners of the
 * real one (kfp-argo.md A.1 to A.7): unknown fields are refused, zeros left out, times it does not
 * have are those of 1970, a run has no state between PENDING and RUNNING, a second POST of an id
 * starts a second Workflow and answers 500, a terminated run is CANCELING and then FAILED.
 *
 * A run goes a state further each time that it is got.
 */
#ifndef TESTS_FAKE_KUBEFLOW_H
#define TESTS_FAKE_KUBEFLOW_H

#include <jansson.h>
#include "tests/fake/fault.h"
#include "tests/fake/http_server.h"

struct fake_kubeflow {
	/* --- set by the test --- */
	const char *token;   /* wanted as a bearer; NULL: none */
	const char *fails;   /* the task that fails; NULL: none */
	const char *version; /* tag_name; NULL: "unknown" */
	bool refuses;        /* a specification that it does not understand: 500 */
	bool hangs;          /* runs stay RUNNING until they are terminated */
	int fault_at;        /* the request, from 1, that has the fault; 0: none */
	enum fake_fault fault;
	const char *hostile;
	int hostile_status;

	/* --- what there is --- */
	struct http_server server;
	json_t *experiments; /* display name -> id */
	json_t *runs;        /* id -> {body, age, workflows, terminated, deleted} */
	int asked;
	int posts; /* of runs */
};

void fake_kubeflow_start(struct fake_kubeflow *fake, struct loop *loop);
void fake_kubeflow_stop(struct fake_kubeflow *fake);
/* Borrowed; NULL: there is none. */
json_t *fake_kubeflow_run(const struct fake_kubeflow *fake);

#endif
