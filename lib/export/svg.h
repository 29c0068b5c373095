/* What an SVG of Graphviz lacks: a title and a description, a name for each part that readers who
 * listen are told, and a style sheet that follows the reader's light or dark mode. */
#ifndef BPGRAPH_EXPORT_SVG_H
#define BPGRAPH_EXPORT_SVG_H

#include "export/image.h"
#include "export/picture.h"

void svg_finish(const struct picture *picture, const struct image *image, struct text *out);

#endif
