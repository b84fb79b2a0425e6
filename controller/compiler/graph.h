/*
 * The graph of a pipeline: who reads whom, who waits for whom, one order for all. While no step
 * says from, dependsOn or fromManifest, each reads the one before it (API.md "Steps").
 */
#ifndef COMPILER_GRAPH_H
#define COMPILER_GRAPH_H

#include "compiler/model.h"

/* Resolves from and dependsOn; components must be resolved before. */
void graph_link(struct compiler *m);
/* Fills order: topological, ties by name. A cycle is an error that shows its way, and the steps on
 * it and below it are left out. */
void graph_sort(struct compiler *m);

#endif
