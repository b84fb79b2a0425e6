/* The commands below `kubectl fondant cache`, and what they share. */
#ifndef CLI_CACHE_H
#define CLI_CACHE_H

#include "cli/session.h"

/* One entry of an index ConfigMap (reconcile/step_cache.h). Borrowed from the list of them. */
struct cache_entry {
	const json_t *index; /* the ConfigMap */
	const char *key;
	const char *dataset, *directory;
	char *at;     /* "<attempt run id>/<step>"; owned */
	int64_t time; /* Unix seconds; 0: unknown */
};

struct cache_entries {
	struct cache_entry *items;
	size_t len;
};

/* Of the ConfigMaps in the array, by dataset, directory and age, the newest first. */
void cache_read(const json_t *indexes, struct cache_entries *ret_entries);
void cache_entries_clear(struct cache_entries *entries);

/*
 * Removes the data of finished runs that nothing refers to. Returns enum cli_exit; says all.
 * volumes: "DIRECTORY", "DIRECTORY=LOCAL" or "s3://..." of --volume; older_s: no younger than that.
 */
int cache_prune_data(struct cli *cli, struct session *session, const struct strvec *volumes,
	int64_t older_s, bool dry_run);

#endif
