/* The colours of pictures: one table, each with what it becomes where the reader's screen is dark. */
#ifndef BPGRAPH_EXPORT_PALETTE_H
#define BPGRAPH_EXPORT_PALETTE_H

#include "export/picture.h"

enum { TINTS = 4 }; /* steps from nearly nothing to the largest entry of a tensor */

enum tone {
  TONE_PAPER,
  TONE_INK,
  TONE_WIRE,  /* edges and frames of nodes */
  TONE_FRAME, /* frames of calls, strips and the legend */
  TONE_QUIET, /* what says little; what no gradient reaches */
  TONE_FAULT, /* an undefined derivative, NaN */
  TONE_VALUE,
  TONE_GRADIENT,
  TONE_INPUT, /* fillings by role */
  TONE_PARAMETER,
  TONE_CONSTANT,
  TONE_OP,
  TONE_OUTPUT,
  TONE_CALL,
  TONE_POSITIVE, /* the first of TINTS */
  TONE_NEGATIVE = TONE_POSITIVE + TINTS,
  TONES = TONE_NEGATIVE + TINTS
};

struct color {
  const char *light, *dark;
};

extern const struct color palettes[2][TONES];

static inline const char *color_of(const struct picture *picture, enum tone tone) {
  return palettes[picture->palette][tone].light;
}

/* The tone of an entry of a tensor, of which `largest` is the largest absolute value; TONE_PAPER
 * for zero. */
enum tone tint_of(double entry, double largest);

#endif
