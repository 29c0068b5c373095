/* The public interface: pictures. */
#include <stdlib.h>

#include "export/draw.h"
#include "handles.h"

struct bp_picture {
  bp_result *result;
  struct arena arena;
  struct result view; /* the result, with this arena for what is computed on the way */
  struct picture picture;
  double seconds;
};

struct picturing {
  bp_picture *picture;
  struct picture_options options;
  const char *format;
  bool legend, done;
  struct image image;
};

static void make_picture(void *argument) {
  struct picturing *picturing = argument;
  bp_picture *picture = picturing->picture;
  picture->view = result_view(&picture->result->result, &picture->arena);
  picturing->done =
      picture_make(&picture->picture, &picture->arena, &picture->view, &picturing->options);
}

bp_picture *bp_picture_make(bp_result *result, const bp_picture_options *given) {
  bp_picture *picture = calloc(1, sizeof *picture);
  if (!picture) {
    report_exhausted(result->owner);
    return NULL;
  }
  arena_init(&picture->arena, NULL);
  picture->result = result;
  picture->seconds = given && given->seconds > 0 ? given->seconds : 60;
  struct picturing picturing = {.picture = picture};
  if (given)
    picturing.options = (struct picture_options){.style = given->style,
                                                 .palette = given->palette,
                                                 .show = given->show,
                                                 .level = given->level,
                                                 .focus = given->focus,
                                                 .between = given->between,
                                                 .collapse = given->collapse,
                                                 .depth = given->depth,
                                                 .max_nodes = given->max_nodes};
  if (!run_guarded(&result->owner->arena, &picture->arena, make_picture, &picturing))
    report_exhausted(result->owner);
  if (picturing.done) return picture;
  bp_picture_free(picture);
  return NULL;
}

static void draw_picture(void *argument) {
  struct picturing *picturing = argument;
  bp_picture *picture = picturing->picture;
  picturing->done = picture_draw(&picture->picture, picturing->format, picturing->legend,
                                 picture->seconds, &picturing->image);
}

const char *bp_picture_draw(bp_picture *picture, const char *format, bool legend, size_t *size) {
  struct picturing picturing = {.picture = picture, .format = format, .legend = legend};
  bp_net *net = picture->result->owner;
  *size = 0;
  if (!run_guarded(&net->arena, &picture->arena, draw_picture, &picturing)) report_exhausted(net);
  if (!picturing.done) return NULL;
  *size = picturing.image.size;
  return picturing.image.bytes;
}

void bp_picture_free(bp_picture *picture) {
  if (!picture) return;
  arena_free(&picture->arena);
  free(picture);
}
