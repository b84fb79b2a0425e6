/* The client that resolves images, from the controller's options. */
#ifndef APP_REGISTRIES_H
#define APP_REGISTRIES_H

#include "app/options.h"
#include "loop/loop.h"
#include "net/registry.h"

/* *ret_client stays NULL where images are not to be resolved. Class user: an option is wrong, a
 * file cannot be read. */
int registries_new(struct loop *loop, const struct options *options,
	struct registry_client **ret_client, struct err *err);

#endif
