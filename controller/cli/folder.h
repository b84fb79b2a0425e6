/*
 * Component folders, as the framework has them: a folder with fondant_component.yaml, and maybe a
 * Dockerfile beside it. A pipeline names one by `ref`: the name of the folder in lower case, `_`,
 * `.` and blanks as `-`, which is how a FondantComponent of it would be called. So one pipeline
 * serves a laptop, where the folder is given with -f, and a cluster, where it is applied.
 */
#ifndef CLI_FOLDER_H
#define CLI_FOLDER_H

#include <stdbool.h>

/* "a/b" of "a/b/fondant_component.yaml", "." of the bare name; NULL of any other file. Owned. */
char *folder_of(const char *file);
/* What a ref calls the folder; NULL where its name cannot be that of an object. Owned. */
char *folder_ref(const char *folder);

#endif
