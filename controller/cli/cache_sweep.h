/*
 * `cache prune --data` between its files: cache_data.c decides and walks local folders, cache_s3.c
 * does the same in a bucket.
 */
#ifndef CLI_CACHE_SWEEP_H
#define CLI_CACHE_SWEEP_H

#include <sys/types.h>
#include "cli/cache.h"

#define SWEEP_MAX_FOLDERS 100000
#define SWEEP_MAX_MANIFEST ((size_t)4 << 20)

/* One folder of a run, or what looks like one. */
struct folder {
	char *dataset, *name;
	char *run_id;            /* name without -a<n> */
	struct strvec manifests; /* their texts */
	bool candidate;
	struct folder *next; /* of those whose run ids end alike */
	const char *why;     /* why it stays, for --dry-run */
	int64_t newest_s;
	uint64_t bytes, files;
};

struct volume {
	char *directory; /* as the specs have it */
	char *local;
	int fd; /* -1 for an object store */
	dev_t device;
	struct sweep_s3 *s3; /* NULL for a local path */
};

struct sweep {
	struct cli *cli;
	struct session *session;
	struct volume volume;
	struct folder *folders;
	size_t len;
	struct map by_end; /* last 8 digits of the run id -> struct folder *, the first of them */
	int64_t older_than_s; /* Unix seconds */
	struct err err;
};

/* A new one at the end of s->folders; borrowed until the next. NULL with s->err: too many. */
struct folder *sweep_folder(struct sweep *s, const char *dataset, const char *name);

/* "s3://bucket/folder", with the credentials of the environment. < 0 with s->err, all of them. */
int sweep_s3_open(struct sweep *s, const char *uri);
/* Fills s->folders with their sizes, ages and manifests. */
int sweep_s3_list(struct sweep *s);
int sweep_s3_remove(struct sweep *s, const struct folder *folder);
void sweep_s3_close(struct sweep *s);

#endif
