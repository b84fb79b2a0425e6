#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/help.h"
#include "cli/offer.h"

/* What kubectl and cobra call a ShellCompDirective, the last line of an answer. */
#define DIRECTIVE_DEFAULT 0 /* files, when there are no candidates */
#define DIRECTIVE_NO_FILES 4
#define DIRECTIVE_ONLY_DIRS 16

static const char bash_script[] =
	"# bash completion of kubectl-fondant; kubectl uses kubectl_complete-fondant instead\n"
	"_kubectl_fondant() {\n"
	"  local cur=${COMP_WORDS[COMP_CWORD]} line directive=0\n"
	"  local -a args=(\"${COMP_WORDS[@]:1:COMP_CWORD}\")\n"
	"  COMPREPLY=()\n"
	"  while IFS= read -r line; do\n"
	"    case $line in\n"
	"    :*) directive=${line#:} ;;\n"
	"    *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
	"    esac\n"
	"  done < <(kubectl-fondant __complete \"${args[@]}\" 2>/dev/null)\n"
	"  if [[ ${#COMPREPLY[@]} -eq 0 ]]; then\n"
	"    case $directive in\n"
	"    0) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
	"    16) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
	"    esac\n"
	"  fi\n"
	"}\n"
	"complete -F _kubectl_fondant kubectl-fondant\n";

static const char zsh_script[] =
	"#compdef kubectl-fondant\n"
	"# zsh completion of kubectl-fondant\n"
	"_kubectl_fondant() {\n"
	"  local line directive=0\n"
	"  local -a found\n"
	"  while IFS= read -r line; do\n"
	"    case $line in\n"
	"    :*) directive=${line#:} ;;\n"
	"    *$'\\t'*) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
	"    *) found+=(\"${line//:/\\\\:}\") ;;\n"
	"    esac\n"
	"  done < <(kubectl-fondant __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"  if (( ${#found} )); then\n"
	"    _describe 'kubectl-fondant' found\n"
	"  elif [[ $directive == 0 ]]; then\n"
	"    _files\n"
	"  elif [[ $directive == 16 ]]; then\n"
	"    _files -/\n"
	"  fi\n"
	"}\n"
	"if [[ $funcstack[1] == _kubectl_fondant ]]; then\n"
	"  _kubectl_fondant\n"
	"else\n"
	"  compdef _kubectl_fondant kubectl-fondant\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion of kubectl-fondant\n"
	"function __kubectl_fondant_complete\n"
	"  set -l args (commandline -opc)[2..-1] (commandline -ct)\n"
	"  set -l answer (kubectl-fondant __complete $args 2>/dev/null)\n"
	"  set -l found (string match -v -r '^:[0-9]+$' -- $answer)\n"
	"  if test (count $found) -gt 0\n"
	"    printf '%s\\n' $found\n"
	"  else if contains -- ':0' $answer\n"
	"    __fish_complete_path (commandline -ct)\n"
	"  else if contains -- ':16' $answer\n"
	"    __fish_complete_directories (commandline -ct)\n"
	"  end\n"
	"end\n"
	"complete -c kubectl-fondant -f -a '(__kubectl_fondant_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

void offer_shells(struct strvec *ret_words)
{
	for (size_t i = 0; i < array_size(scripts); i++)
		strvec_add(ret_words, scripts[i].shell);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	for (size_t i = 0; i < array_size(scripts); i++) {
		if (str_eq(scripts[i].shell, args->positional.items[0])) {
			fputs(scripts[i].script, cli->out);
			return CLI_OK;
		}
	}
	return cli_usage(
		cli, args, "\"%.40s\" is not one of: bash, zsh, fish", args->positional.items[0]);
}

/* --- answers ------------------------------------------------------------------------------ */

struct completion {
	const char *word; /* what is being typed */
	FILE *out;
	int directive;
};

static void offer(struct completion *c, const char *prefix, const char *word, const char *help)
{
	auto_free char *whole = xasprintf("%s%s", prefix, word);

	if (!str_starts_with(whole, c->word))
		return;
	fputs(whole, c->out);
	if (help)
		fprintf(c->out, "\t%.*s", (int)strcspn(help, "\n"), help);
	fputc('\n', c->out);
}

static void offer_list(struct completion *c, const struct cli_command *const *commands)
{
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->hidden)
			offer(c, "", commands[i]->name, commands[i]->summary);
	}
}

static void expect(struct completion *c, enum cli_complete what)
{
	if (what == CLI_COMPLETE_FILE)
		c->directive = DIRECTIVE_DEFAULT;
	else if (what == CLI_COMPLETE_DIR)
		c->directive = DIRECTIVE_ONLY_DIRS;
}

static void offer_value(struct completion *c, const struct cli_option *option, const char *prefix)
{
	for (size_t i = 0; option->words && option->words[i]; i++)
		offer(c, prefix, option->words[i], NULL);
	expect(c, option->complete);
}

static void offer_options(struct completion *c, const struct cli_command *command)
{
	for (size_t i = 0; command->options && command->options[i].name; i++)
		offer(c, "--", command->options[i].name, command->options[i].help);
	offer(c, "--", "help", "print this and exit");
}

/* The option that the word names and whose value comes next; NULL when there is none. */
static const struct cli_option *awaiting(const struct cli_command *command, const char *word)
{
	for (size_t i = 0; command->options && command->options[i].name; i++) {
		const struct cli_option *option = &command->options[i];
		size_t len = strlen(word);

		if (option->type == CLI_FLAG || len < 2 || word[0] != '-')
			continue;
		if (word[1] == '-' ? str_eq(word + 2, option->name)
				   : word[len - 1] == option->letter && !strchr(word, '='))
			return option;
	}
	return NULL;
}

static void complete_word(
	struct completion *c, const struct cli_command *command, const char *before)
{
	const struct cli_option *option = before ? awaiting(command, before) : NULL;
	const char *equals = strchr(c->word, '=');
	auto_strvec words = STRVEC_INIT;

	if (option) {
		offer_value(c, option, "");
	} else if (str_starts_with(c->word, "--") && equals) {
		auto_free char *name = xstrndup(c->word, (size_t)(equals - c->word));
		auto_free char *prefix = xasprintf("%s=", name);

		option = awaiting(command, name);
		if (option)
			offer_value(c, option, prefix);
	} else if (c->word[0] == '-') {
		offer_options(c, command);
	} else {
		if (command->offer)
			command->offer(&words);
		strvec_for_each (&words, i)
			offer(c, "", words.items[i], NULL);
		expect(c, command->complete);
	}
}

void offer_commands(struct strvec *ret_words)
{
	for (size_t i = 0; cli_commands[i]; i++) {
		if (!cli_commands[i]->hidden)
			strvec_add(ret_words, cli_commands[i]->name);
	}
}

void completion_answer(int argc, char *const argv[], FILE *out)
{
	struct completion c = {
		.word = argc ? argv[argc - 1] : "", .out = out, .directive = DIRECTIVE_NO_FILES};
	const struct cli_command *const *commands = cli_commands;
	const struct cli_command *command = NULL;
	int i = 0;

	for (; i < argc - 1 && commands; i++) {
		command = cli_find(commands, argv[i]);
		if (!command)
			break;
		commands = command->subcommands;
	}
	if (commands && i >= argc - 1) {
		if (c.word[0] == '-')
			offer(&c, "--", "help", "print this and exit");
		else
			offer_list(&c, commands);
	} else if (command && !command->subcommands) {
		complete_word(&c, command, i < argc - 1 ? argv[argc - 2] : NULL);
	}
	fprintf(out, ":%d\n", c.directive);
}

static const char *const examples[] = {
	"completion bash > /etc/bash_completion.d/kubectl-fondant",
	"for all users; for `kubectl fondant` itself kubectl needs kubectl_complete-fondant in the "
	"path, which `make install` puts there",
	NULL,
};

const struct cli_command cmd_completion = {
	.name = "completion",
	.summary = "print the completion script of a shell",
	.usage = "bash|zsh|fish",
	.description = "Prints a script that completes commands, options and values. It asks this "
		       "program, so that it needs no renewal with a new version.",
	.examples = examples,
	.min_positional = 1,
	.max_positional = 1,
	.offer = offer_shells,
	.run = run,
};
