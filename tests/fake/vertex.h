/*
 * Stands in for Vertex AI Pipelines, Google's token endpoint and the metadata server, as far as the
 * runner asks (cloud-backends.md 2.1, 2.3): a second creation of a job's id is refused with 409,
 * the name holds the project's number, numbers are texts, and one task is the pipeline itself. A
 * job goes a state further each time that it is got. Tokens end when the test says so.
 */
#ifndef TESTS_FAKE_VERTEX_H
#define TESTS_FAKE_VERTEX_H

#include <jansson.h>
#include "tests/fake/fault.h"
#include "tests/fake/http_server.h"

struct fake_vertex {
	/* --- set by the test --- */
	const char *fails;   /* the task that fails; NULL: none */
	const char *why;     /* its words */
	int code;            /* google.rpc.Code of its error */
	const char *job_why; /* what its custom job says, to whom it is asked; NULL: nothing */
	int job_code;
	const char *retried; /* what running tasks are tried again for; NULL: nothing */
	int exhausted;       /* creations, from now, that find a quota used up */
	bool hangs;          /* jobs stay RUNNING until they are cancelled */
	const char *denies;  /* why no token is given; NULL: it is */
	int fault_at;        /* the request, from 1, that has the fault; 0: none */
	enum fake_fault fault;
	const char *hostile;
	int hostile_status;

	/* --- what there is --- */
	struct http_server server;
	json_t *jobs; /* id -> {body, age, cancelled} */
	int asked, created, tokens;
	int jobs_asked; /* custom jobs */
	int valid;      /* the number of the token that is taken; those before have ended */
	char *form;     /* of the last token that was asked for */
};

void fake_vertex_start(struct fake_vertex *fake, struct loop *loop);
void fake_vertex_stop(struct fake_vertex *fake);
/* The only job; NULL: there is none. */
json_t *fake_vertex_job(const struct fake_vertex *fake);

#endif
