/*
 * Stands in for Amazon SageMaker Pipelines, its object store and its logs, as far as the runner
 * asks (cloud-backends.md 1.1, 1.2): errors come with status 400 and a __type; a start with a token
 * that was seen gives the execution of then; an update tells its version; steps that wait are not
 * listed; times are real numbers. An execution goes a state further each time that it is described.
 * A log tells two events a page and an empty page before its end; one event more comes each time
 * that its job is described, which ends with the third. Only that there is a signature is looked
 * at, and for which service.
 */
#ifndef TESTS_FAKE_SAGEMAKER_H
#define TESTS_FAKE_SAGEMAKER_H

#include <jansson.h>
#include "tests/fake/fault.h"
#include "tests/fake/http_server.h"

struct fake_sagemaker {
	/* --- set by the test --- */
	const char *fails;      /* the step that fails; NULL: none */
	const char *why, *said; /* its FailureReason, and its job's ExitMessage */
	bool hangs;             /* executions stay Executing until they are stopped */
	bool no_versions;       /* updates tell none */
	const char *key_id;     /* the key that is taken; NULL: any */
	const char *error;      /* operation that is refused, with: */
	const char *error_type, *error_words;
	int error_times;    /* so often; -1: always */
	const char *meddle; /* definition that somebody puts there before a start; NULL */
	bool quiet;         /* no job has a log before it is described */
	bool restless;      /* logs have nothing, and always another page */
	int fault_at;       /* the request, from 1, that has the fault; 0: none */
	enum fake_fault fault;
	const char *hostile;
	int hostile_status;

	/* --- what there is --- */
	struct http_server server;
	json_t *pipelines;  /* name -> body of CreatePipeline, with "versions" */
	json_t *executions; /* ARN -> {body, definition, age, stopped} */
	json_t *objects;    /* "/bucket/key" -> text */
	int asked, created, updated, starts, stops, jobs_seen;
};

void fake_sagemaker_start(struct fake_sagemaker *fake, struct loop *loop);
void fake_sagemaker_stop(struct fake_sagemaker *fake);
/* The only execution; NULL: there is none. */
json_t *fake_sagemaker_execution(const struct fake_sagemaker *fake);

#endif
