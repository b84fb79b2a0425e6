#include "net/s3_env.h"

#include "base/mem.h"

static char *first_of(const char *(*get)(void *user, const char *name), void *user,
	const char *name, const char *otherwise)
{
	const char *value = get(user, name);

	if ((!value || !*value) && otherwise)
		value = get(user, otherwise);
	return value && *value ? xstrdup(value) : NULL;
}

int s3_config_from_env(const char *(*get)(void *user, const char *name), void *user,
	struct s3_config *ret_config, struct err *err)
{
	struct s3_config config = {
		.endpoint = first_of(get, user, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		.region = first_of(get, user, "AWS_REGION", "AWS_DEFAULT_REGION"),
		.key_id = first_of(get, user, "AWS_ACCESS_KEY_ID", NULL),
		.secret = first_of(get, user, "AWS_SECRET_ACCESS_KEY", NULL),
		.session_token = first_of(get, user, "AWS_SESSION_TOKEN", NULL),
	};

	if (!config.key_id != !config.secret) {
		err_set(err, ERR_USER, "InvalidS3Config", "%s is set and %s is not",
			config.key_id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			config.key_id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
		s3_config_release(&config);
		return -1;
	}
	*ret_config = config;
	return config.key_id ? 0 : 1;
}
