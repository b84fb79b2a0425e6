/*
 * The command of a container in a KFP document. Its words are literal: no parameters of the
 * document, whose numbers are doubles and whose values the server looks into. Three programs still
 * change what they find in a word: the engine's templates ("{{"), the kubelet ("$(NAME)", "$$"),
 * and the launcher (a whole word that is {"Concat": ..} or {"IfPresent": ..}). JSON is written with
 * \u escapes where they would. Any other word that they would change, Python steps, secret
 * arguments and words longer than the kernel takes go to a small constant program of ours
 * (python3 -c), as JSON that is safe from them, in pieces that fit. Pure.
 * Sources: kfp-argo.md B.1; execve(2), MAX_ARG_STRLEN.
 */
#ifndef RUNNERS_KFP_ARGV_H
#define RUNNERS_KFP_ARGV_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/spec.h"

/* The longest word that Linux takes, without its NUL. */
#define KFP_WORD_MAX ((size_t)131071)
/* And a number: the variable that carries a secret argument; in the order of their names. */
#define KFP_SECRET_VARIABLE "FONDANT_SECRET_"

/* Reads a plan (argv, secrets, env, requirements, source) of its joined arguments, does it and
 * becomes argv. It holds no `$`, no "{{". */
extern const char kfp_bootstrap[];

/* None of the three programs changes the text. */
bool kfp_text_is_safe(const char *text);

struct kfp_argv {
	const struct frozen_spec *spec; /* bound */
	const struct spec_step *step;
	const char *run_id;
	int attempt;                /* from 1 */
	const char *input_manifest; /* path; NULL for a step that reads none */
	bool plain; /* nobody changes what is in a word: only Python steps and secret arguments go
		     * to the program */
};

/*
 * Sets container.command and container.args, and adds to container.env what of the step's `env` is
 * a value; what is not safe as a variable is set by the program.
 */
void kfp_argv_apply(const struct kfp_argv *what, json_t *container);

#endif
