/*
 * What SageMaker cannot do, found before anything is sent: settings without a place in the
 * definition, images it cannot pull, values over its limits. Nothing is dropped silently.
 */
#ifndef RUNNERS_SAGEMAKER_CHECK_H
#define RUNNERS_SAGEMAKER_CHECK_H

#include <stddef.h>
#include "base/vec.h"
#include "compiler/diag.h"
#include "compiler/spec.h"

#define SAGEMAKER_MAX_ENV 100
#define SAGEMAKER_MAX_STRING 256       /* of an argument, a variable's name or its value */
#define SAGEMAKER_MAX_RUNTIME_S 432000 /* of a processing job: five days */
#define SAGEMAKER_MAX_ATTEMPTS 20
#define SAGEMAKER_MAX_INTERVAL_S 43200

/* The pipeline's own settings and those of every step, but for what they become in the run. */
void sagemaker_check(const struct frozen_spec *spec, struct diag_list *diags);

/* The words can be handed to a program at all: Linux takes 128 KiB for one. */
void sagemaker_check_words(
	const struct spec_step *step, const struct strvec *words, struct diag_list *diags);

/* Path "steps.<step>.<field>"; owned by the caller. */
char *sagemaker_path(const struct spec_step *step, const char *field);

/* In UTF-16 units, which is what the service counts at most. */
size_t sagemaker_length(const char *text);

#endif
