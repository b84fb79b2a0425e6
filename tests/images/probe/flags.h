/*
 * The command line of the container contract, read as strictly as argparse reads it, and more so:
 * what the framework would ignore (unknown flags, stray words, a flag given twice) is refused.
 */
#ifndef PROBE_FLAGS_H
#define PROBE_FLAGS_H

#include <jansson.h>
#include <stdbool.h>

/*
 * `argv` from the word after `execute main` on. Returns an object of flag name -> text, the name
 * without its dashes; the caller owns it. Two tokens `--key value`, or one `--key=value`; a value
 * in a token of its own must not look like a flag. Ends the process with code 2 otherwise.
 */
json_t *flags_parse_new(int argc, char **argv);

/* The text of a flag; NULL where it is absent. Borrowed from `flags`. */
const char *flags_get(const json_t *flags, const char *name);

/* The same, and NULL for the text `None` too, which the framework turns into nothing. */
const char *flags_get_or_none(const json_t *flags, const char *name);

/* A flag that holds a JSON object; the caller owns it. Code 2 where it is no such thing. */
json_t *flags_object_new(const json_t *flags, const char *name);

/* A number; `fallback` where the flag is absent. Code 2 where it is none. */
double flags_number(const json_t *flags, const char *name, double fallback);
long flags_integer(const json_t *flags, const char *name, long fallback);

/* Python's bool() of the text: only the empty text is false. */
bool flags_true(const json_t *flags, const char *name);

/* Refuses (code 2) a text that does not read as the argument type `type` of a component file. */
void flags_check_type(const json_t *flags, const char *name, const char *type);

#endif
