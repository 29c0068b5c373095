/* Numbers that are wrong because others of the author's are. */
#include <math.h>

#include "check/inquiry.h"

/* ---- what is inherited ----------------------------------------------------------------------- */

/* A number or file that claims a node's gradient. */
static bool is_number(const struct judged *judged) {
  return judged->claim && judged->claim->kind == CLAIM_GRADIENT && !judged->claim->formula &&
         !judged->call;
}

/* The gradients that the author claims as numbers, but for one node's. */
static size_t find_claimed(struct judge *judge, node_id but, struct given *given) {
  size_t count = 0;
  for (size_t i = 0; i < judge->judged.count; i++) {
    struct judged *judged = &judge->judged.at[i];
    if (!is_number(judged) || judged->claim->of == but) continue;
    struct sides sides = judge_sides(judge, judged);
    double *whole = ARENA_ARRAY(judge->arena, double, judged->size + 1);
    for (size_t e = 0; e < judged->size; e++) whole[e] = side(&sides, e);
    given[count++] = (struct given){judged->claim->of, whole};
  }
  return count;
}

static struct judgement *wrong_claim_of(struct judge *judge, node_id node) {
  for (size_t i = 0; i < judge->judged.count; i++) {
    const struct judged *judged = &judge->judged.at[i];
    struct judgement *judgement = &judge->check->claims.at[judged->judgement];
    if (is_number(judged) && judged->claim->of == node && judgement->verdict == VERDICT_WRONG)
      return judgement;
  }
  return NULL;
}

/* Whether a wrong number is what follows from the author's other numbers; then says from which. */
static void find_inheritance(struct judge *judge, struct judged *judged) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  struct judgement *judgement = &judge->check->claims.at[judged->judgement];
  node_id output = judge->result->plan.output;
  struct given *cuts = ARENA_ARRAY(judge->arena, struct given, judge->judged.count + 1);
  struct region region = {.target = judged->claim->of,
                          .top = {output, run_bar(&judge->result->run, output)},
                          .cuts = cuts,
                          .cut_count = find_claimed(judge, judged->claim->of, cuts),
                          .most = NODES_MOST};
  struct back back;
  if (!back_make(&back, judge->arena, judge->result, &region)) return;
  const char *from = NULL;
  for (size_t i = back.steps.count; i-- > 0 && !from;) {
    struct judgement *other =
        back_is_given(&back, i) ? wrong_claim_of(judge, back_node(&back, i)) : NULL;
    if (other) from = other->inherited_from ? other->inherited_from : other->subject;
  }
  const double *follows = from ? back_run(&back, &none) : NULL;
  struct sides sides = judge_sides(judge, judged);
  for (size_t i = 0; follows && i < judged->size; i++) {
    double claimed = side(&sides, i);
    if (!(fabs(claimed - follows[i]) <= 10 * judge_room(judged, claimed, follows[i], i))) return;
  }
  if (follows) judgement->inherited_from = from;
}

/* From the output down, so that what is inherited twice over is blamed on the first. */
void find_inherited(struct judge *judge) {
  judge_move(judge, &no_points, 0, 0);
  for (node_id below = NODE_NONE;;) {
    struct judged *next = NULL;
    for (size_t i = 0; i < judge->judged.count; i++) {
      struct judged *judged = &judge->judged.at[i];
      if (!is_number(judged) || judged->claim->of >= below ||
          judge->check->claims.at[judged->judgement].verdict != VERDICT_WRONG)
        continue;
      if (!next || judged->claim->of > next->claim->of) next = judged;
    }
    if (!next) return;
    below = next->claim->of;
    if (judge_formulas(judge, next->formulas)) find_inheritance(judge, next);
  }
}
