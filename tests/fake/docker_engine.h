/*
 * Stands in for a Docker engine, as far as the runner asks: images, pulls, networks, containers,
 * their logs and the events of those that die. A container that was started runs until the list has
 * been asked `looks` times, or something ends it, and then ends as the test says of its step.
 *
 * Any request can fail: it is lost before it does anything, or its answer is after it has.
 */
#ifndef TESTS_FAKE_DOCKER_ENGINE_H
#define TESTS_FAKE_DOCKER_ENGINE_H

#include <jansson.h>
#include "tests/fake/fault.h"
#include "tests/fake/http_server.h"

struct fake_docker {
	/* --- set by the test --- */
	const char *api, *min_api; /* "1.41", "1.12" */
	bool podman;               /* 500 where Docker says 409, 304 or 204; see `already` */
	const char *broken;        /* what each create is answered with, status 500; NULL: well */
	int looks;                 /* a container runs for so many lists */
	json_t *exit_codes;        /* step -> what its containers end with; NULL: 0 */
	const char *log;           /* of every container */
	int fault_at;              /* the request, from 1, that has the fault; 0: none */
	enum fake_fault fault;
	const char *hostile;
	int hostile_status; /* of FAKE_STATUS, with `hostile` */
	const char
		*build_error; /* the last instruction of a build fails with it; NULL: it is well */
	size_t build_cut;     /* the answer of a build is cut after so many bytes; 0: it is not */
	void (*seen)(struct fake_docker *fake, const char *method, const char *path);

	/* --- what there is --- */
	struct http_server server;
	json_t *images;     /* name -> true */
	json_t *networks;   /* array of {Id, Name, Created, Labels} */
	json_t *containers; /* array of {Id, Name, Body, Status, ExitCode, Looks, Starts} */
	json_t *archives;   /* id -> bytes that were copied in, as a JSON text of Latin 1 */
	json_t *auths;      /* X-Registry-Auth of each pull */
	json_t *builds;     /* array of {t, buildargs, labels, auth} */
	struct buf context; /* of the last build */
	int asked;          /* requests so far, without GET /events */

	/* --- private --- */
	struct http_exchange *events;
	int made;
};

void fake_docker_start(struct fake_docker *fake, struct loop *loop);
void fake_docker_stop(struct fake_docker *fake);
/* The container ends now. */
void fake_docker_end(struct fake_docker *fake, json_t *container, int exit_code);

#endif
