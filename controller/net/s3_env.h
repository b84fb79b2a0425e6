/*
 * The configuration of an object store from environment variables, with the
 * names that Amazon's own tools use. Not looked at: profiles, web identities
 * and instance metadata.
 */
#ifndef NET_S3_ENV_H
#define NET_S3_ENV_H

#include "base/err.h"
#include "net/s3.h"

/*
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; AWS_REGION, else
 * AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL. An empty variable counts as
 * absent. `get` is called with `user` and a name, as getenv: its answer is borrowed, NULL when
 * there is none. 1 when there is neither key nor secret: the configuration then makes unsigned
 * requests. < 0 with ERR_USER InvalidS3Config when there is only one of them.
 */
int s3_config_from_env(const char *(*get)(void *user, const char *name), void *user,
	struct s3_config *ret_config, struct err *err);

#endif
