/* What the files of kube/ share among themselves; nobody else includes this. */
#ifndef KUBE_INTERNAL_H
#define KUBE_INTERNAL_H

#include "base/map.h"
#include "kube/client.h"
#include "loop/child.h"

/* --- resource.c --- */
/* Adds /api/v1/... or /apis/GROUP/VERSION/...; NULL or empty parts are left out. */
void kube_url_add(struct buf *url, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *subresource);

/* --- kubeconfig.c --- */
/* A kubeconfig text as a tree whose paths are absolute; new reference. */
int kubeconfig_read_tree(
	const char *text, size_t len, const char *dir, json_t **ret_tree, struct err *err);
/* Adds to *merged what it does not name yet: the first file to set a value wins. */
void kubeconfig_merge(json_t **merged, const json_t *tree);
/* The context (NULL: current-context) as a configuration, certificates read. */
int kubeconfig_resolve(const json_t *tree, const char *context_name,
	struct kube_config **ret_config, struct err *err);

/* --- answer.c --- */
struct kube_answer {
	enum kube_outcome outcome;
	bool retry;             /* worth another attempt by itself */
	bool unauthorized;      /* 401 */
	bool too_many;          /* 429 */
	bool maybe_written;     /* a write may have happened in spite of this answer */
	int64_t retry_after_ms; /* -1: the server did not say */
};

/*
 * What an answer means: the Status reason decides first, then the HTTP code (proxies answer
 * without a Status). body: parsed, or NULL; text: as it came, for the message. err is filled
 * unless the outcome is KUBE_OK.
 */
void kube_answer_read(enum kube_verb verb, int status, const json_t *body, const char *text,
	int64_t retry_after_ms, struct kube_answer *ret, struct err *err);
/* d + U(0, d), d = min * 2^n up to max: client-go's reflector back-off. */
int64_t kube_backoff_ms(int64_t min_ms, int64_t max_ms, int failures);

/* --- credentials.c --- */
/*
 * The bearer token and TLS material as they are now. Files are read again at most every 60 s
 * and at once after a 401; an exec plugin runs before the first request, at its credential's
 * expiry and after a 401.
 */
struct kube_credentials {
	struct loop *loop;
	struct kube_config *config; /* borrowed; certificates are replaced in it */
	char *token;                /* secret; NULL: none */
	unsigned generation;        /* grows with every kube_credentials_expire */
	bool fresh;                 /* files were read at read_ms */
	int64_t read_ms;
	struct child child;
	bool running;       /* the plugin */
	bool have;          /* its credential is valid */
	int64_t expires_ms; /* wall clock; 0: never */
	struct err error;   /* why it failed last */
	int64_t failed_ms;  /* monotonic; 0: it did not */
	/* The plugin has ended, well or not: whoever waits may ask again. */
	void (*ready)(struct kube_credentials *credentials);
	/* Certificates changed: connections must be made anew. */
	void (*tls_changed)(struct kube_credentials *credentials);
};

enum kube_credentials_state { CREDENTIALS_READY = 0, CREDENTIALS_WAIT = 1 };

/* CREDENTIALS_WAIT: the plugin runs, ready() follows; -1: it failed. */
int kube_credentials_check(struct kube_credentials *credentials, struct err *err);
void kube_credentials_expire(struct kube_credentials *credentials);
/* Adds Authorization and Impersonate-*. */
void kube_credentials_headers(const struct kube_credentials *credentials, struct strvec *headers);
void kube_credentials_release(struct kube_credentials *credentials);

/* --- exec.c --- */
/* Starts the plugin; done as in child_start. */
int kube_exec_start(
	struct kube_credentials *credentials, void (*done)(struct child *), struct err *err);
/* What an ended plugin printed. Outputs are owned by the caller, NULL when absent. */
struct kube_exec_result {
	char *token, *cert_pem, *key_pem;
	int64_t expires_ms;
};
int kube_exec_read(const struct kube_exec_config *config, const struct child *child,
	struct kube_exec_result *ret, struct err *err);
/* The parsing of kube_exec_read alone. */
int kube_exec_parse(const char *text, size_t len, const char *api_version,
	struct kube_exec_result *ret, struct err *err);
void kube_exec_result_release(struct kube_exec_result *result);

/* --- request.c --- */
bool kube_op_is_write(const struct kube_op *op);
const char *kube_op_method(const struct kube_op *op);
/* "Content-Type: ..." of its body. */
const char *kube_op_content_type(const struct kube_op *op);
/* Owned by the caller. */
char *kube_op_url(const char *server, const char *field_manager, const struct kube_op *op);

/* --- client.c, for watch.c --- */
/* May a request go out now? As kube_credentials_check. */
int kube_client_check(struct kube_client *client, struct err *err);
/* Overwrites the strings, then clears: headers hold tokens. */
void kube_headers_wipe(struct strvec *headers);
/* Logs a Warning header's text the first time it is seen. */
void kube_client_warn(struct kube_client *client, const char *text);

#endif
