/* A picture as DOT, the language of Graphviz, written by its library libcgraph. */
#ifndef BPGRAPH_EXPORT_DOT_H
#define BPGRAPH_EXPORT_DOT_H

#include "export/picture.h"

/* Writes a picture, with title and legend or without.  Reports and returns false where libcgraph
 * is missing. */
bool dot_write(const struct picture *picture, bool legend, struct text *out);

#endif
