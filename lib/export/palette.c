#include "export/palette.h"

#include <math.h>

/* Value and gradient keep apart for colour-blind readers, and so do the tints by sign (green and
 * purple); all texts have a contrast of at least 4.5 to what is behind them. */
#define COMMON                                                                                     \
  [TONE_PAPER] = {"#ffffff", "#15181c"}, [TONE_INK] = {"#1a1a1a", "#ececec"},                      \
  [TONE_WIRE] = {"#555555", "#a8a8a8"}, [TONE_FRAME] = {"#bbbbbb", "#5c6166"},                     \
  [TONE_QUIET] = {"#6c6c6c", "#9a9a9a"}, [TONE_INPUT] = {"#e3f1fb", "#173247"},                    \
  [TONE_PARAMETER] = {"#fdf3d0", "#3d3517"}, [TONE_CONSTANT] = {"#eeeeee", "#2e3135"},             \
  [TONE_OP] = {"#fefefe", "#1d2126"}, [TONE_OUTPUT] = {"#f7e6f0", "#442238"},                      \
  [TONE_CALL] = {"#f8f8f8", "#1a1e22"}

const struct color palettes[2][TONES] =
    {[PALETTE_DEFAULT] =
         {COMMON, [TONE_FAULT] = {"#a3195b", "#ff7ab8"}, [TONE_VALUE] = {"#0072b2", "#5fb8f0"},
          [TONE_GRADIENT] = {"#b34e00", "#ff9d52"}, [TONE_POSITIVE] = {"#e0f3ec", "#16302a"},
          [TONE_POSITIVE + 1] = {"#bfe6d8", "#1c4a3e"},
          [TONE_POSITIVE + 2] = {"#99d8c4", "#1f5c4c"},
          [TONE_POSITIVE + 3] = {"#6cc5ab", "#23705c"}, [TONE_NEGATIVE] = {"#f0e6f5", "#2d2236"},
          [TONE_NEGATIVE + 1] = {"#dfcbe9", "#45305a"},
          [TONE_NEGATIVE + 2] = {"#cbaedb", "#5e3f7c"},
          [TONE_NEGATIVE + 3] = {"#b48ecb", "#6f4893"}},
     [PALETTE_CLASSIC] = {
         COMMON, [TONE_FAULT] = {"#8a00b0", "#e08cff"}, [TONE_VALUE] = {"#1a7f1a", "#5fd35f"},
         [TONE_GRADIENT] = {"#d0021b", "#ff7b7b"}, [TONE_POSITIVE] = {"#e4f5e1", "#17301a"},
         [TONE_POSITIVE + 1] = {"#c4e9bd", "#1f4a22"}, [TONE_POSITIVE + 2] = {"#9fd997", "#27652b"},
         [TONE_POSITIVE + 3] = {"#76c56d", "#2a732f"}, [TONE_NEGATIVE] = {"#fbe5e3", "#391d1d"},
         [TONE_NEGATIVE + 1] = {"#f5c6c2", "#5a2626"}, [TONE_NEGATIVE + 2] = {"#eea29c", "#7c3030"},
         [TONE_NEGATIVE + 3] = {"#e57a73", "#8f3535"}}};

enum tone tint_of(double entry, double largest) {
  if (isnan(entry)) return TONE_PAPER;
  double share = isinf(entry) ? 1 : fabs(entry) / largest;
  if (entry == 0 || !(share > 0)) return TONE_PAPER;
  int step = (int)(share * TINTS);
  if (step >= TINTS) step = TINTS - 1;
  return (enum tone)((entry < 0 ? TONE_NEGATIVE : TONE_POSITIVE) + step);
}
