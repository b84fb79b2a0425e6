/*
 * Decisions about FondantBackends, as pure functions: which one a pipeline or a run is for, what a
 * run is pinned to, and the backend's own status. API.md "FondantBackend".
 *
 * A run is pinned to name, UID, generation and settings, kept in its status: what is edited later
 * reaches only new runs.
 */
#ifndef RECONCILE_BACKEND_H
#define RECONCILE_BACKEND_H

#include "base/digest.h"
#include "compiler/diag.h"
#include "reconcile/plan.h"
#include "runners/runner.h"

/* The backend of this name is used where none is named. */
#define BACKEND_DEFAULT "default"

struct backend_choice {
	const char *name;     /* NULL: the implicit one */
	const json_t *object; /* the FondantBackend; NULL for the implicit one */
	const struct runner *runner;
	const json_t *settings;        /* spec.<runner>; NULL for the implicit one */
	const char *working_directory; /* its default; NULL: none */
	char hash[DIGEST_HEX_SIZE];    /* of its UID and spec; "" for the implicit one */
};

/* What there is to choose from. */
struct backend_source {
	const json_t *backends; /* object: name -> FondantBackend; NULL: there are none */
	bool implicit;          /* Jobs in the run's namespace, where nothing else is there */
};

/* The runner that the object's spec has a member for; NULL: none that this program has. */
const struct runner *backend_runner(const json_t *object, const json_t **ret_settings);

/* name NULL: none is named. False with a finding at `path`: BackendNotFound, which waits; NoBackend
 * and UnsupportedBackend, which are errors. Everything in *ret_choice is borrowed. */
bool backend_choose(const struct backend_source *source, const char *name, const char *path,
	struct backend_choice *ret_choice, struct diag_list *diags);

/* status.backend of a run: {name, kind, uid, generation, settings}; new reference. */
json_t *backend_pin(const struct backend_choice *choice);
/* What a run is pinned to; false when it is to none. */
bool backend_pinned(
	const json_t *run, const struct runner **ret_runner, const json_t **ret_settings);

/* What a probe brought. */
struct backend_probe {
	bool done;             /* false: it could not even be opened, or was not probed yet */
	const char *version;   /* NULL: not told */
	const struct err *err; /* NULL, or of class ERR_NONE: it is ready */
};

struct backend_view {
	const json_t *backend;
	bool in_use; /* a run that is not final is pinned to it */
	int64_t now_s;
};

/* The finalizer while it is in use, and away when it is not. */
void backend_protect(const struct backend_view *view, struct plan *plan);
/* The status; an Event when it stops or begins to be ready. */
void backend_status(
	const struct backend_view *view, const struct backend_probe *probe, struct plan *plan);

#endif
