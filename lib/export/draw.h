/* A picture in a format: as DOT, or as an image that is made of it. */
#ifndef BPGRAPH_EXPORT_DRAW_H
#define BPGRAPH_EXPORT_DRAW_H

#include "export/image.h"
#include "export/picture.h"

/* Draws a picture as "dot", "svg", "png" or "pdf"; an image may take so many seconds.  False after
 * a report, or when there is no such format. */
bool picture_draw(const struct picture *picture, const char *format, bool legend, double seconds,
                  struct image *image);

#endif
