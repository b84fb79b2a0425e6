#include "app/store.h"

#include <stdlib.h>
#include "base/log.h"
#include "net/s3_env.h"

#define HEAD_MS 5000

static const char *get(void *user, const char *name)
{
	(void)user;
	return getenv(name);
}

int store_new(struct loop *loop, const struct options *options, struct s3_client **ret_client,
	struct err *err)
{
	struct s3_config config = {0};
	struct s3_client_options wanted = {.config = &config, .request_ms = HEAD_MS, .tries = 2};
	int result;

	*ret_client = NULL;
	if (!options->ambient_credentials)
		return 0;
	result = s3_config_from_env(get, NULL, &config, err);
	if (result > 0)
		log_warn("--ambient-credentials: there is no AWS_ACCESS_KEY_ID; data is not looked "
			 "at");
	else if (result == 0)
		result = s3_client_new(loop, &wanted, ret_client, err);
	s3_config_release(&config);
	return result < 0 ? -1 : 0;
}
