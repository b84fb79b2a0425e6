#include "compiler/compile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/image_ref.h"
#include "base/mem.h"
#include "base/vec.h"
#include "compiler/freeze.h"
#include "compiler/graph.h"
#include "compiler/mapping.h"
#include "compiler/model.h"
#include "compiler/validate.h"

/* The least that one field of one schema takes in the text: "a":{"type":"bool"}, */
#define FIELD_TEXT_MIN 20

/* Schemas add up along the steps; stops where the text could not be kept anyway. */
static void walk(struct compiler *m)
{
	size_t fields = 0, max = compile_max_text(m->in);

	for (int i = 0; i < m->order_len; i++) {
		struct step_model *s = &m->steps[m->order[i]];

		model_at_step(m, s);
		mapping_walk(m, s);
		fields += s->schema ? s->schema->len : 0;
		fields += s->reads_all ? s->input->len : json_object_size(s->op_consumes);
		if (fields * FIELD_TEXT_MIN <= max)
			continue;
		check_error(&m->c, "SpecTooLarge",
			"the steps up to this one have %zu dataset fields in their schemas, too "
			"many for the %zu KiB that can be kept: produce fewer, or split the "
			"pipeline",
			fields, max >> 10);
		return;
	}
}

static int count_unresolved(const struct compiler *m)
{
	const char *policy = json_string_value(check_get(m->in->spec, "imageDigestPolicy"));
	auto_map seen = MAP_INIT;

	if (policy && strcmp(policy, "Ignore") == 0)
		return 0;
	for (int i = 0; i < m->steps_len; i++) {
		const char *image = m->steps[i].image;

		if (image && !strchr(image, '@') && !image_digest_valid(image))
			map_set(&seen, image, (void *)image);
	}
	return (int)seen.len;
}

int compile_pipeline(const struct compile_input *input, struct compile_output *ret_output)
{
	struct compiler m = {
		.in = input, .empty = json_object(), .scratch = BUF_INIT_MAX(SIZE_MAX / 2)};

	*ret_output = (struct compile_output){0};
	check_init(&m.c, &ret_output->diags, "spec");
	m.c.features = input->features;
	m.c.backend = input->backend ? input->backend : "kubernetes";
	validate_spec(&m);
	graph_link(&m);
	graph_sort(&m);
	walk(&m);
	validate_mounts(&m);
	ret_output->steps = m.steps_len;
	ret_output->unresolved_images = count_unresolved(&m);
	if (!diag_errors(&ret_output->diags) && !diag_waits(&ret_output->diags))
		freeze(&m, ret_output);
	diag_sort(&ret_output->diags);
	model_clear(&m);
	return ret_output->text ? 0 : 1;
}

void compile_output_clear(struct compile_output *output)
{
	json_decref(output->frozen);
	free(output->text);
	diag_list_clear(&output->diags);
	*output = (struct compile_output){0};
}
