/*
 * Data of runs that nothing refers to. The folders are listed before the cluster is asked, so that
 * a run that starts meanwhile is in the answer; then everything that may refer to a folder takes it
 * off the list, and only what is left is removed. Every step down a tree is openat() of one name
 * without following links, on the device where it began.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cache_sweep.h"
#include "cli/output.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"

#define MAX_DEPTH 32

/* --- reading ------------------------------------------------------------------------------ */

/* A folder below another, never through a link; -1. */
static int open_below(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Names but . and .., sorted; -1. */
static int names_in(int fd, struct strvec *ret_names)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;

	if (!dir) {
		if (again >= 0)
			close(again);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			strvec_add(ret_names, entry->d_name);
	}
	closedir(dir);
	strvec_sort(ret_names);
	return 0;
}

/* "<run>-<8 hex>" or "<run>-<8 hex>-a<n>" -> the former, owned; NULL when it is neither. */
static char *run_id_of(const char *name)
{
	size_t len = strlen(name), digits = 0;

	while (digits < len && name[len - digits - 1] >= '0' && name[len - digits - 1] <= '9')
		digits++;
	if (digits && len > digits + 2 && memcmp(name + len - digits - 2, "-a", 2) == 0 &&
		len - digits - 2 > 9 && name[len - digits - 2 - 9] == '-' &&
		strspn(name + len - digits - 2 - 8, "0123456789abcdef") >= 8)
		len -= digits + 2;
	if (len < 10 || name[len - 9] != '-' || strspn(name + len - 8, "0123456789abcdef") < 8 ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") < len)
		return NULL;
	return xstrndup(name, len);
}

static int read_manifest(int step_fd, struct folder *folder)
{
	int fd = openat(step_fd, "manifest.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	auto_buf text = BUF_INIT_MAX(SWEEP_MAX_MANIFEST);
	struct stat info;
	char chunk[8192];
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		close(fd);
		return -1;
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		if (buf_add(&text, chunk, (size_t)n) < 0)
			break;
	}
	close(fd);
	if (n != 0 || memchr(buf_str(&text), '\0', text.len))
		return -1;
	strvec_take(&folder->manifests, buf_take(&text));
	return 0;
}

/* Size and age of a tree. */
static int measure(
	const struct sweep *s, int at, const char *name, struct folder *folder, int depth)
{
	auto_strvec names = STRVEC_INIT;
	struct stat info;
	int fd, result = 0;

	if (depth > MAX_DEPTH || fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
		info.st_dev != s->volume.device)
		return -1;
	folder->files++;
	folder->bytes += S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
	if (info.st_mtime > folder->newest_s)
		folder->newest_s = info.st_mtime;
	if (!S_ISDIR(info.st_mode))
		return 0;
	fd = open_below(at, name);
	if (fd < 0)
		return -1;
	result = names_in(fd, &names);
	for (size_t i = 0; i < names.len && result == 0; i++)
		result = measure(s, fd, names.items[i], folder, depth + 1);
	if (result == 0 && depth == 1)
		result = read_manifest(fd, folder);
	close(fd);
	return result;
}

/* Every manifest in it says that it is of this run, and there is one. */
static bool is_of_run(const struct folder *folder)
{
	strvec_for_each (&folder->manifests, i) {
		const char *text = folder->manifests.items[i];
		auto_json *manifest = NULL;

		if (doc_json_parse_lenient(text, strlen(text), &manifest, NULL) < 0 ||
			!str_eq(doc_str(manifest, "metadata.run_id"), folder->name))
			return false;
	}
	return folder->manifests.len > 0;
}

static void judge(const struct sweep *s, struct folder *folder)
{
	if (!folder->run_id)
		folder->why = "its name is not that of a run's folder";
	else if (!is_of_run(folder))
		folder->why = "its manifests do not prove that it is a run's";
	else if (folder->newest_s > s->older_than_s)
		folder->why = "it is too young";
	else
		folder->candidate = true;
}

struct folder *sweep_folder(struct sweep *s, const char *dataset, const char *name)
{
	struct folder *folder;

	if (s->len >= SWEEP_MAX_FOLDERS) {
		err_set(&s->err, ERR_USER, "TooMany", "%s has more than %d folders",
			s->volume.local, SWEEP_MAX_FOLDERS);
		return NULL;
	}
	s->folders = xreallocarray(s->folders, s->len + 1, sizeof(*s->folders));
	folder = &s->folders[s->len++];
	*folder = (struct folder){
		.dataset = xstrdup(dataset), .name = xstrdup(name), .run_id = run_id_of(name)};
	return folder;
}

static int add_folder(struct sweep *s, int dataset_fd, const char *dataset, const char *name)
{
	struct folder *folder;
	struct stat info;

	if (fstatat(dataset_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode))
		return 0;
	folder = sweep_folder(s, dataset, name);
	if (!folder)
		return -1;
	errno = 0;
	if (measure(s, dataset_fd, name, folder, 0) < 0)
		return err_set(&s->err, ERR_USER, "Unreadable",
			"%s/%s/%s cannot be read whole%s%s, so nothing there is proven to be "
			"unused",
			s->volume.local, dataset, name, errno ? ": " : "",
			errno ? strerror(errno) : "");
	return 0;
}

static int list_folders(struct sweep *s)
{
	auto_strvec datasets = STRVEC_INIT;
	int result = names_in(s->volume.fd, &datasets);

	if (result < 0)
		return err_set(&s->err, ERR_USER, "Unreadable", "%s: %s", s->volume.local,
			strerror(errno));
	for (size_t i = 0; i < datasets.len && result == 0; i++) {
		auto_strvec names = STRVEC_INIT;
		int fd = open_below(s->volume.fd, datasets.items[i]);

		if (fd < 0)
			continue; /* a file, or a link */
		result = names_in(fd, &names);
		for (size_t j = 0; j < names.len && result == 0; j++)
			result = add_folder(s, fd, datasets.items[i], names.items[j]);
		close(fd);
	}
	return result;
}

/* --- what refers to them -------------------------------------------------------------------- */

static void spare(struct folder *folder, const char *why)
{
	folder->candidate = false;
	folder->why = why;
}

static void index_folders(struct sweep *s)
{
	for (size_t i = 0; i < s->len; i++) {
		struct folder *folder = &s->folders[i];
		const char *end = folder->run_id ? folder->run_id + strlen(folder->run_id) - 8 : "";

		if (!folder->candidate)
			continue;
		folder->next = map_get(&s->by_end, end);
		map_set(&s->by_end, end, folder);
	}
}

/* Whatever names a run, in whatever way: its id stands anywhere in the text. */
static void spare_named(struct sweep *s, const char *text, const char *why)
{
	for (const char *at = text; (at = strchr(at, '-')); at++) {
		size_t before = (size_t)(at - text), id_len;
		char end[9] = "";

		if (strspn(at + 1, "0123456789abcdef") < 8)
			continue;
		memcpy(end, at + 1, 8);
		for (struct folder *f = map_get(&s->by_end, end); f; f = f->next) {
			id_len = strlen(f->run_id) - 9;
			if (f->candidate && id_len <= before &&
				memcmp(at - id_len, f->run_id, id_len) == 0)
				spare(f, why);
		}
	}
}

static void spare_run(struct sweep *s, const json_t *run)
{
	auto_free char *id = name_run_id(
		doc_str_or(run, "metadata.name", ""), doc_str_or(run, "metadata.uid", ""));

	spare_named(s, id, "its FondantRun is there");
}

static int ask(struct sweep *s, const struct kube_resource *resource, const char *selector,
	const char *why)
{
	auto_json *items = NULL;
	json_t *item;
	size_t i;

	if (session_list(s->session, resource, NULL, selector, &items, &s->err) < 0)
		return -1;
	json_array_foreach (items, i, item) {
		auto_free char *text = doc_json_dump(item);

		if (resource == &kube_runs)
			spare_run(s, item);
		spare_named(s, text, why);
	}
	return 0;
}

static int ask_cluster(struct sweep *s)
{
	if (ask(s, &kube_runs, NULL, "a FondantRun names it") < 0 ||
		ask(s, &kube_pipelines, NULL, "a FondantPipeline names it") < 0 ||
		ask(s, &kube_configmaps, LABEL_CACHE "=true", "a cache entry points at it") < 0 ||
		ask(s, &kube_configmaps, LABEL_FROZEN "=true", "a frozen spec names it") < 0)
		return -1;
	return 0;
}

/* Fields of what stays may lie in folders of earlier runs, and theirs in others. */
static void spare_fields(struct sweep *s)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < s->len; i++) {
			struct folder *folder = &s->folders[i];

			if (folder->candidate || !folder->manifests.len)
				continue;
			strvec_for_each (&folder->manifests, j)
				spare_named(s, folder->manifests.items[j],
					"a dataset that stays has fields in it");
			strvec_clear(&folder->manifests); /* looked through */
			changed = true;
		}
	}
}

/* --- removing ----------------------------------------------------------------------------- */

static int remove_tree(const struct sweep *s, int at, const char *name, int depth)
{
	auto_strvec names = STRVEC_INIT;
	struct stat info;
	int fd, result = 0;

	if (depth > MAX_DEPTH || fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
		info.st_dev != s->volume.device)
		return -1;
	if (!S_ISDIR(info.st_mode))
		return unlinkat(at, name, 0);
	fd = open_below(at, name);
	if (fd < 0)
		return -1;
	result = names_in(fd, &names);
	for (size_t i = 0; i < names.len && result == 0; i++)
		result = remove_tree(s, fd, names.items[i], depth + 1);
	close(fd);
	return result < 0 ? -1 : unlinkat(at, name, AT_REMOVEDIR);
}

static int remove_folder(struct sweep *s, const struct folder *folder)
{
	int fd, result;

	if (s->volume.s3)
		return sweep_s3_remove(s, folder);
	fd = open_below(s->volume.fd, folder->dataset);
	if (fd < 0)
		return -1;
	result = remove_tree(s, fd, folder->name, 0);
	close(fd);
	return result;
}

static void say(const struct sweep *s, const struct folder *folder, const char *what)
{
	char size[BYTES_SIZE];
	auto_free char *line = xasprintf("%s %s/%s/%s  %s", what, s->volume.directory,
		folder->dataset, folder->name, output_bytes(folder->bytes, size));
	auto_free char *clean = str_clean_tail(line, strlen(line), 4096);

	fprintf(s->cli->out, "%s\n", clean);
}

static int remove_all(struct sweep *s, bool dry_run)
{
	uint64_t bytes = 0;
	size_t removed = 0, failed = 0;
	char size[BYTES_SIZE];

	for (size_t i = 0; i < s->len; i++) {
		const struct folder *folder = &s->folders[i];

		if (!folder->candidate)
			continue;
		if (!dry_run && remove_folder(s, folder) < 0) {
			failed++;
			cli_fail(s->cli, CLI_USAGE, "%s/%s/%s: %s", s->volume.local,
				folder->dataset, folder->name,
				s->volume.s3 ? err_message(&s->err) : strerror(errno));
			continue;
		}
		say(s, folder, dry_run ? "would remove" : "removed");
		removed++;
		bytes += folder->bytes;
	}
	for (size_t i = 0; i < s->len && dry_run; i++) {
		if (!s->folders[i].candidate)
			fprintf(s->cli->out, "keep %s/%s/%s: %s\n", s->volume.directory,
				s->folders[i].dataset, s->folders[i].name, s->folders[i].why);
	}
	fprintf(s->cli->out, "%s: %zu of %zu folders %s, %s\n", s->volume.directory, removed,
		s->len, dry_run ? "would be removed" : "removed", output_bytes(bytes, size));
	return failed ? CLI_USAGE : CLI_OK;
}

/* --- one volume --------------------------------------------------------------------------- */

static void sweep_clear(struct sweep *s)
{
	for (size_t i = 0; i < s->len; i++) {
		free(s->folders[i].dataset);
		free(s->folders[i].name);
		free(s->folders[i].run_id);
		strvec_clear(&s->folders[i].manifests);
	}
	free(s->folders);
	map_clear(&s->by_end);
	if (s->volume.fd >= 0)
		close(s->volume.fd);
	sweep_s3_close(s);
	free(s->volume.directory);
	free(s->volume.local);
	err_clear(&s->err);
}

/* "DIRECTORY" or "DIRECTORY=LOCAL"; absolute paths without . and .. . */
static int open_volume(struct sweep *s, const char *text)
{
	const char *equals = strchr(text, '=');
	struct volume *v = &s->volume;
	struct stat info;

	v->directory = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
	v->local = xstrdup(equals ? equals + 1 : text);
	if (str_starts_with(text, "s3://"))
		return sweep_s3_open(s, text);
	if (v->local[0] != '/' || !v->local[1] || strstr(v->local, "/../") ||
		str_ends_with(v->local, "/.."))
		return err_set(&s->err, ERR_USER, "InvalidOption",
			"--volume: \"%.200s\" is not an absolute path of this machine, nor "
			"s3://bucket/folder",
			v->local);
	v->fd = open(v->local, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->fd < 0 || fstat(v->fd, &info) < 0)
		return err_set(
			&s->err, ERR_USER, "Unreadable", "%s: %s", v->local, strerror(errno));
	v->device = info.st_dev;
	return 0;
}

static int sweep_volume(struct sweep *s, const char *text, bool dry_run)
{
	if (open_volume(s, text) < 0 || (s->volume.s3 ? sweep_s3_list(s) : list_folders(s)) < 0)
		return cli_fail(s->cli, CLI_USAGE, "%s", err_message(&s->err));
	for (size_t i = 0; i < s->len; i++)
		judge(s, &s->folders[i]);
	index_folders(s);
	if (ask_cluster(s) < 0)
		return cli_fail(s->cli, CLI_USAGE, "%s", err_message(&s->err));
	spare_fields(s);
	return remove_all(s, dry_run);
}

int cache_prune_data(struct cli *cli, struct session *session, const struct strvec *volumes,
	int64_t older_s, bool dry_run)
{
	int worst = CLI_OK;

	if (!volumes->len)
		return cli_fail(
			cli, CLI_USAGE, "say by --volume which working directory to look into");
	strvec_for_each (volumes, i) {
		struct sweep s = {.cli = cli,
			.session = session,
			.volume = {.fd = -1},
			.older_than_s = time_wall_ms() / 1000 - older_s};
		int code = sweep_volume(&s, volumes->items[i], dry_run);

		worst = code > worst ? code : worst;
		sweep_clear(&s);
	}
	return worst;
}
