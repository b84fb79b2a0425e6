/*
 * How to reach an API server: kubeconfig files or the in-cluster service account.
 * Order: explicit path, $KUBECONFIG (colon list, first file to set a value wins), in-cluster,
 * ~/.kube/config. Sources: client-go tools/clientcmd, operator-machinery.md B9.
 */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include <stdbool.h>
#include "base/err.h"
#include "base/vec.h"

struct kube_exec_config {
	char *command; /* NULL: no exec plugin */
	struct strvec args;
	struct strvec env; /* "K=V" */
	char *api_version;
	char *install_hint;
	bool provide_cluster_info;
};

struct kube_config {
	char *server;     /* https://host:port[/prefix], no trailing slash */
	char *namespace_; /* context's or service account's; "default" */
	char *context;    /* NULL in-cluster */
	char *ca_pem;     /* NULL: system */
	char *ca_file;    /* where ca_pem came from; re-read when it changes; NULL when inline */
	char *client_cert_pem, *client_key_pem;
	char *client_cert_file, *client_key_file; /* likewise; NULL when inline */
	char *token;                              /* secret */
	char *token_file; /* wins over token; re-read every 60 s and at once on 401 */
	char *username, *password;
	char *tls_server_name, *proxy_url;
	bool insecure_skip_tls_verify;
	char *as_user, *as_uid;
	struct strvec as_groups;
	struct strvec as_extra; /* "key=value" */
	struct kube_exec_config exec;
};

struct kube_config_options {
	const char *kubeconfig;          /* --kubeconfig; NULL: the order above */
	const char *context;             /* --context; NULL: current-context */
	const char *namespace_;          /* --namespace; NULL: the context's */
	const char *service_account_dir; /* NULL: where Kubernetes mounts it; for tests */
};

/* Class user with the file's path and what to do. *ret_config is owned by the caller. */
int kube_config_load(const struct kube_config_options *options, struct kube_config **ret_config,
	struct err *err);
/* Parses one kubeconfig text; relative paths are relative to dir, and refused when dir is NULL.
 * For tests and fuzzing. Only regular files of at most 1 MiB are ever read. */
int kube_config_parse(const char *text, size_t len, const char *dir, const char *context,
	struct kube_config **ret_config, struct err *err);
/* Owned by the caller. */
struct kube_config *kube_config_copy(const struct kube_config *config);
/* Wipes secrets. NULL is fine. */
void kube_config_free(struct kube_config *config);

#endif
