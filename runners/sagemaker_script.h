/*
 * The bash script that carries the words of a step which are too long, too many or not plain enough
 * for SageMaker, byte for byte: every one stands in single quotes, in which nothing is special. It
 * lies in S3 below the working directory in a folder named by the hash of its contents, which the
 * job finds in SAGEMAKER_CODE_FOLDER: step.sh, and main.py for a Python step.
 */
#ifndef RUNNERS_SAGEMAKER_SCRIPT_H
#define RUNNERS_SAGEMAKER_SCRIPT_H

#include <jansson.h>
#include "base/vec.h"
#include "compiler/spec.h"

#define SAGEMAKER_CODE_FOLDER "/opt/ml/processing/input/code"
#define SAGEMAKER_CODE_SCRIPT SAGEMAKER_CODE_FOLDER "/step.sh"

/* What `bash step.sh` runs; ends in an exec of the words. Owned by the caller. */
char *sagemaker_script(const struct spec_step *step, const struct strvec *words);

/* "<workingDirectory>/.fondant/sagemaker/<64 hex>", with the files that are to lie in it appended
 * to uploads as {"uri", "text"}. Owned by the caller. */
char *sagemaker_script_upload(const struct frozen_spec *spec, const struct spec_step *step,
	const struct strvec *words, json_t *uploads);

#endif
