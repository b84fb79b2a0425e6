#include "reconcile/data_check.h"

#include <stdlib.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

struct data_probe {
	struct data_probes *probes;
	enum data_seen seen;
	struct s3_op op;
};

static void probe_free(void *value)
{
	struct data_probe *probe = value;

	s3_op_free(&probe->op);
	free(probe);
}

static enum data_seen read_answer(struct data_probes *probes, const struct s3_op *op)
{
	if (op->outcome == S3_OK)
		return DATA_THERE;
	if (op->outcome == S3_NOT_FOUND)
		return DATA_ABSENT;
	if (!probes->logged)
		log_warn("cannot look at the data of a run; takes it as it is said to be",
			"err.reason", op->err.reason, "err", err_message(&op->err));
	probes->logged = true;
	return DATA_NOT_VISIBLE;
}

static void answered(struct s3_op *op)
{
	struct data_probe *probe = container_of(op, struct data_probe, op);
	struct data_probes *probes = probe->probes;

	probe->seen = read_answer(probes, op);
	probes->answered(probes->arg);
}

static enum data_seen look(void *arg, const char *ref)
{
	struct data_probes *probes = arg;
	struct data_probe *probe = map_get(&probes->probes, ref);
	auto_free char *uri = NULL;
	auto_free char *bucket = NULL;
	auto_free char *key = NULL;

	if (probe)
		return probe->seen;
	probe = xnew(struct data_probe);
	probe->probes = probes;
	map_set(&probes->probes, ref, probe);
	uri = xasprintf("%s/%s/%s/manifest.json", probes->working_directory, probes->dataset, ref);
	if (!s3_parse_uri(uri, &bucket, &key))
		return probe->seen = DATA_NOT_VISIBLE;
	probe->seen = DATA_ASKED;
	probe->op.done = answered;
	s3_head(probes->s3, &probe->op, bucket, key);
	return probe->seen;
}

bool data_probes_init(struct data_probes *probes, struct s3_client *s3,
	const struct frozen_spec *spec, void (*answered_)(void *arg), void *arg)
{
	auto_free char *bucket = NULL;
	auto_free char *key = NULL;

	*probes = (struct data_probes){0};
	if (!s3 || !s3_parse_uri(spec->working_directory, &bucket, &key))
		return false;
	*probes = (struct data_probes){.check = {.look = look, .arg = probes},
		.s3 = s3,
		.working_directory = spec->working_directory,
		.dataset = spec->dataset_name,
		.probes = {.free_value = probe_free},
		.answered = answered_,
		.arg = arg};
	return true;
}

void data_probes_clear(struct data_probes *probes)
{
	map_clear(&probes->probes);
	*probes = (struct data_probes){0};
}
