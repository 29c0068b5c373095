/* Pictures as images: the `dot` program of Graphviz lays DOT out and draws it, as a child process
 * with limits.  (In one process with us its crash would be ours, and its layout has no end that one
 * could wait for.) */
#ifndef BPGRAPH_EXPORT_IMAGE_H
#define BPGRAPH_EXPORT_IMAGE_H

#include "base/report.h"

struct image {
  const char *bytes;
  size_t size;
};

/* Writes the DOT that is to be drawn; false after a report. */
typedef bool write_dot_fn(const void *context, struct text *out);

/* Draws in a format ("svg", "png", "pdf") what `write` writes, while the program starts; `seconds`
 * is the time that it may take.  The image lives in `arena`.  Reports and returns false when the
 * program is missing, fails, takes too long, finds no font or answers something else than an image. */
bool image_draw(struct image *image, struct arena *arena, struct report *report, const char *format,
                double seconds, write_dot_fn *write, const void *context);

#endif
