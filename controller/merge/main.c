/* fondant-merge: see merge/merge.h. */
#include <stdlib.h>

#include "merge/merge.h"

static const char *environment(void *user, const char *name)
{
	(void)user;
	return getenv(name);
}

int main(int argc, char *argv[])
{
	return merge_command(argc, argv, environment, NULL);
}
