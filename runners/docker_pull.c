#include "runners/docker_pull.h"

#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/docker_auth.h"
#include "runners/docker_lines.h"

#define IDLE_MS 300000 /* without a line: the registry does not answer */

struct pull {
	struct docker_pulls *pulls;
	struct docker_lines lines;
	struct strvec waiting; /* "<namespace>/<run>" */
	struct map layers;     /* id -> struct layer */
	char *words;           /* how far it is, or why it failed */
	bool over, failed, final;
};

struct layer {
	int64_t current, total;
};

static void pull_free(void *value)
{
	struct pull *pull = value;

	docker_lines_close(&pull->lines);
	strvec_clear(&pull->waiting);
	map_clear(&pull->layers);
	free(pull->words);
	free(pull);
}

void docker_pulls_init(struct docker_pulls *pulls, struct docker_engine *engine,
	void (*wake)(void *arg, const char *namespace_, const char *run_name), void *arg)
{
	*pulls = (struct docker_pulls){.engine = engine, .wake = wake, .arg = arg};
	pulls->pulls.free_value = pull_free;
}

void docker_pulls_clear(struct docker_pulls *pulls)
{
	map_clear(&pulls->pulls);
}

/* --- what it says --- */

static void set_words(struct pull *pull, char *words)
{
	free(pull->words);
	pull->words = words;
}

/* Another try gives the same answer: the image is not there, or not for us. */
static bool is_final(const char *words)
{
	static const char *const signs[] = {"not found", "manifest unknown", "denied",
		"unauthorized", "no basic auth", "does not exist", "invalid reference",
		"no matching manifest"};

	for (size_t i = 0; i < array_size(signs); i++) {
		if (strstr(words, signs[i]))
			return true;
	}
	return false;
}

static void fail(struct pull *pull, const char *words)
{
	if (pull->failed)
		return;
	pull->failed = true;
	pull->final = is_final(words);
	set_words(pull, str_clean_tail(words, strlen(words), 500));
}

static void tell_progress(struct pull *pull)
{
	int64_t current = 0, total = 0;
	const char *id;
	void *value;
	size_t pos = 0;

	while (map_next(&pull->layers, &pos, &id, &value)) {
		current += ((struct layer *)value)->current;
		total += ((struct layer *)value)->total;
	}
	if (total)
		set_words(pull, xasprintf("%lld of %lld MB", (long long)(current / 1000000),
					(long long)(total / 1000000)));
}

static void got_line(struct docker_lines *lines, const json_t *json)
{
	struct pull *pull = container_of(lines, struct pull, lines);
	const char *id = doc_str(json, "id"), *error = doc_str(json, "error");
	int64_t total = doc_int_or(json, "progressDetail.total", 0);
	struct layer *layer;

	if (error)
		fail(pull, error);
	if (!id || !total || pull->failed)
		return;
	layer = map_get(&pull->layers, id);
	if (!layer) {
		layer = xnew(struct layer);
		map_set(&pull->layers, id, layer);
	}
	*layer = (struct layer){doc_int_or(json, "progressDetail.current", 0), total};
	tell_progress(pull);
}

static void wake_all(const struct pull *pull)
{
	strvec_for_each (&pull->waiting, i) {
		const char *run = pull->waiting.items[i], *slash = strchr(run, '/');
		auto_free char *namespace_ = xstrndup(run, (size_t)(slash - run));

		if (pull->pulls->wake)
			pull->pulls->wake(pull->pulls->arg, namespace_, slash + 1);
	}
}

static void ended(struct docker_lines *lines)
{
	struct pull *pull = container_of(lines, struct pull, lines);
	const struct http_request *http = &lines->http;
	auto_json *answer = NULL;

	pull->over = true;
	if (http->err.class != ERR_NONE) {
		fail(pull, err_message(&http->err));
	} else if (http->status >= 300) {
		doc_json_parse_lenient(buf_str(&http->response), http->response.len, &answer, NULL);
		fail(pull, doc_str_or(answer, "message", "the engine does not say why"));
	}
	wake_all(pull);
}

/* --- asking --- */

/* Without a tag the engine would pull every one. */
static void add_image(const char *image, struct buf *url)
{
	auto_image_ref ref = {0};

	if (image_ref_parse(image, &ref, NULL) < 0) {
		url_add_query(url, "fromImage", image);
		return;
	}
	url_add_query(url, "fromImage", ref.written);
	url_add_query(url, "tag", ref.digest ? ref.digest : ref.tag);
}

void docker_pull(struct docker_pulls *pulls, const char *image,
	const struct registry_auth_list *auths, const struct runner_run *run)
{
	struct pull *pull = map_get(&pulls->pulls, image);
	auto_free char *who = xasprintf("%s/%s", run->namespace_ ? run->namespace_ : "", run->name);
	struct strvec headers = STRVEC_INIT;
	struct buf url = BUF_INIT;
	auto_free char *base = NULL;

	if (pull && !pull->over) {
		if (!strvec_has(&pull->waiting, who))
			strvec_add(&pull->waiting, who);
		return;
	}
	pull = xnew(struct pull);
	pull->pulls = pulls;
	pull->layers.free_value = free;
	strvec_add(&pull->waiting, who);
	pull->words = xstrdup("begins");
	pull->lines.line = got_line;
	pull->lines.ended = ended;
	map_set(&pulls->pulls, image, pull);
	base = docker_url(pulls->engine, "/images/create");
	buf_adds(&url, base);
	add_image(image, &url);
	docker_auth_for_image(image, auths, &headers);
	docker_lines_open(
		&pull->lines, pulls->engine->client, "POST", buf_take(&url), &headers, IDLE_MS);
}

enum docker_pull_state docker_pull_look(
	struct docker_pulls *pulls, const char *image, const char **ret_words, bool *ret_final)
{
	const struct pull *pull = map_get(&pulls->pulls, image);

	*ret_words = pull ? pull->words : "";
	*ret_final = pull && pull->final;
	if (!pull || (pull->over && !pull->failed))
		return DOCKER_PULL_NONE;
	return pull->over ? DOCKER_PULL_FAILED : DOCKER_PULL_GOES_ON;
}

void docker_pull_forget(struct docker_pulls *pulls, const char *image)
{
	const struct pull *pull = map_get(&pulls->pulls, image);

	if (pull && pull->over)
		map_del(&pulls->pulls, image);
}
