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

struct drawing {
  const struct picture *picture;
  bool legend;
};

static bool write_dot(const void *context, struct text *out) {
  const struct drawing *drawing = context;
  return dot_write(drawing->picture, drawing->legend, out);
}

bool picture_draw(const struct picture *picture, const char *format, bool legend, double seconds,
                  struct image *image) {
  const struct drawing drawing = {picture, legend};
  size_t i = 0, count = sizeof formats / sizeof *formats;
  while (i < count && strcmp(formats[i].name, format) != 0) i++;
  if (i == count) return false;
  struct text text;
  text_init(&text, picture->arena, NULL, NULL);
  if (!formats[i].drawn) {
    if (!write_dot(&drawing, &text)) return false;
  } else {
    if (!image_draw(image, picture->arena, picture->result->net->report, format, seconds, write_dot,
                    &drawing))
      return false;
    if (!formats[i].finish) return true;
    formats[i].finish(picture, image, &text);
  }
  *image = (struct image){text_string(&text), text.count};
  return true;
}
