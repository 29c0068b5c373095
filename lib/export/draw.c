#include "export/draw.h"

#include <string.h>

#include "export/dot.h"
#include "export/svg.h"

/* Which formats Graphviz draws, and what is done to its answer. */
static const struct {
  const char *name;
  bool drawn;
  void (*finish)(const struct picture *picture, const struct image *drawn, struct text *out);
} formats[] = {
    {"dot", false, NULL}, {"svg", true, svg_finish}, {"png", true, NULL}, {"pdf", true, NULL}};

bool picture_draw(const struct picture *picture, const char *format, bool legend, double seconds,
                  struct image *image) {
  size_t i = 0, count = sizeof formats / sizeof *formats;
  while (i < count && strcmp(formats[i].name, format) != 0) i++;
  struct text dot, finished;
  text_init(&dot, picture->arena, NULL, NULL);
  text_init(&finished, picture->arena, NULL, NULL);
  if (i == count || !dot_write(picture, legend, &dot)) return false;
  *image = (struct image){text_string(&dot), dot.count};
  if (!formats[i].drawn) return true;
  if (!image_draw(image, picture->arena, picture->result->net->report, format, dot.at, dot.count,
                  seconds))
    return false;
  if (!formats[i].finish) return true;
  formats[i].finish(picture, image, &finished);
  *image = (struct image){text_string(&finished), finished.count};
  return true;
}
