/* The client that looks at data in an object store, from the controller's own environment. */
#ifndef APP_STORE_H
#define APP_STORE_H

#include "app/options.h"
#include "loop/loop.h"
#include "net/s3.h"

/* *ret_client stays NULL without --ambient-credentials, and where there are none. Class user: the
 * variables contradict each other. */
int store_new(struct loop *loop, const struct options *options, struct s3_client **ret_client,
	struct err *err);

#endif
