/*
 * The APIs of Amazon SageMaker and of CloudWatch Logs in one region, and their calls: AWS JSON 1.1,
 * signed. Keys are fetched before a call that has none, and once more where they are refused.
 * Sources: cloud-backends.md 1.1 (protocol), 1.2 (operations, errors, retries); the Amazon
 * CloudWatch Logs API reference.
 */
#ifndef RUNNERS_SAGEMAKER_SERVER_H
#define RUNNERS_SAGEMAKER_SERVER_H

#include "net/s3.h"
#include "runners/aws_auth.h"

/* Where a service is, and what its requests are signed for. */
struct sagemaker_endpoint {
	char *url;           /* "https://api.sagemaker.eu-west-1.amazonaws.com/" */
	char *host;          /* of the Host header */
	const char *service; /* "sagemaker" */
	const char *target;  /* "SageMaker", before an operation's name */
};

struct sagemaker_server {
	struct loop *loop;
	struct http_client *client;
	struct api_gate gate; /* of every call */
	struct aws_auth auth;
	struct sagemaker_endpoint api, logs;
	char *region;
};

/*
 * settings: FondantBackend.spec.sagemaker; `endpoint` in it, which only kubectl-fondant sets, else
 * $AWS_ENDPOINT_URL_SAGEMAKER or $AWS_ENDPOINT_URL, is another address;
 * $AWS_ENDPOINT_URL_CLOUDWATCH_LOGS or $AWS_ENDPOINT_URL one of the logs. Class user:
 * InvalidEndpoint, and what aws_auth_init says.
 */
int sagemaker_server_init(struct sagemaker_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err);
/* Every call is done or freed before. */
void sagemaker_server_clear(struct sagemaker_server *server);
/* A client of the region's object store with the keys as they are now; $AWS_ENDPOINT_URL_S3 or
 * $AWS_ENDPOINT_URL is another one. Freed with s3_client_free. */
int sagemaker_server_s3(
	const struct sagemaker_server *server, struct s3_client **ret_client, struct err *err);

/* One call; zeroed before its first use. */
struct sagemaker_call {
	struct api_call api; /* status, answer, err */
	struct sagemaker_server *server;
	void (*done)(struct sagemaker_call *call);
	char *error; /* "ResourceNotFound": of an answer that is an error; NULL */

	/* --- private --- */
	struct aws_wait wait;
	struct loop_timer timer;
	const struct sagemaker_endpoint *endpoint;
	const char *operation;
	char *body;
	bool again; /* the keys were refused once */
	int throttled;
};

/*
 * operation: "DescribePipeline", a constant; body is stolen. Every call may be repeated: those that
 * change something carry a token by which the service knows them again, or set what they set.
 */
void sagemaker_send(struct sagemaker_server *server, struct sagemaker_call *call,
	const char *operation, json_t *body, void (*done)(struct sagemaker_call *call));
/* The same of CloudWatch Logs: "GetLogEvents". */
void sagemaker_send_logs(struct sagemaker_server *server, struct sagemaker_call *call,
	const char *operation, json_t *body, void (*done)(struct sagemaker_call *call));
/* It answered what was asked for. */
bool sagemaker_answered(const struct sagemaker_call *call);
/* There is no such pipeline, execution or log; moto says ValidationException, and it in words. */
bool sagemaker_not_found(const struct sagemaker_call *call);
/* The service's words; NULL: none. Borrowed. */
const char *sagemaker_words(const struct sagemaker_call *call);
/* As api_call_fail, with the service's words: throttling and ResourceLimitExceeded (QuotaExceeded)
 * are transient, refused keys Unauthorized, AccessDenied Forbidden. Returns -1. */
int sagemaker_fail(struct sagemaker_call *call, const char *what, struct err *err);
void sagemaker_call_free(struct sagemaker_call *call);

#endif
