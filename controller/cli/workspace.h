/*
 * All documents of one call, sorted by what they are, and the pipelines of them compiled with the
 * others: FondantComponents answer `ref`, ConfigMaps `sourceFrom`, FondantBackends `backendRef`.
 * Component folders answer `ref` as well (folder.h). What is not among the documents is not known;
 * nothing here asks a cluster.
 */
#ifndef CLI_WORKSPACE_H
#define CLI_WORKSPACE_H

#include <jansson.h>
#include "cli/cmd.h"
#include "cli/source.h"
#include "compiler/compile.h"

/* Text of all files together. */
#define WORKSPACE_MAX_TEXT ((size_t)512 << 20)

enum object_kind {
	OBJECT_PIPELINE,
	OBJECT_COMPONENT,
	OBJECT_RUN,
	OBJECT_BACKEND,
	OBJECT_COMPONENT_FILE, /* a bare fondant_component.yaml */
	OBJECT_CONFIGMAP,
	OBJECT_FROZEN,  /* a frozen spec, or a ConfigMap that holds one */
	OBJECT_STRANGE, /* of the group fondant.ai, but no kind or version that we know */
	OBJECT_UNKNOWN, /* no kind, no component: said, not skipped */
	OBJECT_FOREIGN, /* another kind: skipped with a note */
};

struct object {
	enum object_kind kind;
	const struct source *source;
	const struct doc *doc;
	const json_t *json;     /* the object; a bare component: its spec. Borrowed */
	char *prefix;           /* "items[2]." in a List, else ""; owned */
	const char *kind_name;  /* "FondantPipeline"; borrowed, "" when there is none */
	const char *name;       /* metadata.name, "" when there is none */
	const char *namespace_; /* NULL: not said */
	char *folder, *ref;     /* of a component folder (folder.h); NULL: of none; owned */
};

struct workspace {
	struct source *sources;
	size_t sources_len;
	struct object *objects;
	size_t objects_len;
	json_t *folders;       /* as in struct compile_input */
	struct map components; /* namespace -> json_t *: made on demand */
	struct map configmaps;
};

/* The options -f and -R of a command that reads pipelines. */
#define WORKSPACE_OPTIONS                                                                       \
	{.name = "filename",                                                                    \
		.letter = 'f',                                                                  \
		.type = CLI_LIST,                                                               \
		.argument = "FILE",                                                             \
		.complete = CLI_COMPLETE_FILE,                                                  \
		.required = true,                                                               \
		.help = "file, folder or - (standard input) with pipelines and what they use"}, \
	{                                                                                       \
		.name = "recursive", .letter = 'R', .type = CLI_FLAG,                           \
		.help = "look into the folders below a folder, too"                             \
	}

/* The options that say what is known of the cluster. */
#define COMPILE_OPTIONS                                                                       \
	{.name = "backend",                                                                   \
		.type = CLI_STRING,                                                           \
		.argument = "KIND",                                                           \
		.words = workspace_backends,                                                  \
		.help = "backend to compile for (default: that of the FondantBackend in the " \
			"files, else kubernetes)"},                                           \
		{.name = "working-directory",                                                 \
			.type = CLI_STRING,                                                   \
			.argument = "URI",                                                    \
			.help = "where data lies when the pipeline does not say"},            \
	{                                                                                     \
		.name = "namespace", .letter = 'n', .type = CLI_STRING, .argument = "NAME",   \
		.help = "namespace of what names none (default: default)"                     \
	}

extern const char *const workspace_backends[];

/* Everything that `paths` name. Class user when a file cannot be read; what is not YAML is kept
 * in its source's error. */
int workspace_load(const struct strvec *paths, bool recursive, FILE *in, struct workspace *ret_ws,
	struct err *err);
void workspace_clear(struct workspace *ws);

/* What a call says about the cluster that is not there. */
struct compile_settings {
	const char *backend;           /* NULL: that of the FondantBackend, else kubernetes */
	const char *working_directory; /* NULL: that of the FondantBackend */
	const char *namespace_;        /* of objects that name none; NULL: default */
	const json_t *digests;         /* as in struct compile_input */
	const json_t *built;           /* as in struct compile_input */
	const json_t *parameters;
	const char *backend_ref; /* FondantBackend of a run; NULL: the pipeline's */
};

/* The FondantBackend that the pipeline is for; NULL when it is not among the files. Borrowed. */
const struct object *workspace_backend(struct workspace *ws, const struct object *pipeline,
	const struct compile_settings *settings);
/* spec.<kind> of a FondantBackend; NULL where it is of another kind, or backend is NULL. */
const json_t *workspace_settings(const struct object *backend, const char *kind);
/* Of the first FondantBackend of the kind, for what names none; NULL: there is none. Borrowed. */
const json_t *workspace_first_settings(const struct workspace *ws, const char *kind);

/* Compiles a pipeline of the workspace, and the backend's own document for what that cannot say; as
 * compile_pipeline. */
int workspace_compile(struct workspace *ws, const struct object *pipeline,
	const struct compile_settings *settings, struct compile_output *ret_output);

/* Borrowed; NULL when there is none. namespace_ NULL matches all. */
const struct object *workspace_find(const struct workspace *ws, enum object_kind kind,
	const char *namespace_, const char *name);
/* The component folder of that name; NULL when there is none, or more than one. Borrowed. */
const struct object *workspace_folder(const struct workspace *ws, const char *ref);

#endif
