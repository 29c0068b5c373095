/* Numbers that are wrong because others of the author's are. */
#include <math.h>
#include <stdlib.h>

#include "check/inquiry.h"

/* The author's numbers, one a node: a wrong one where two blocks have the same. */
struct numbers {
  struct judge *judge;
  VEC(struct judged *) at;
  VEC(struct judged *) wrong; /* from the output down */
  uint32_t *of; /* of each node: index into `at` and `cuts`, from 1; 0: there is none */
  struct given *cuts;
};

static bool is_number(const struct judged *judged) {
  return judged->claim && judged->claim->kind == CLAIM_GRADIENT && !judged->claim->formula &&
         !judged->call;
}

static bool is_wrong(const struct numbers *numbers, const struct judged *judged) {
  return judge_judgement(numbers->judge, judged)->verdict == VERDICT_WRONG;
}

/* What a number claims, entry by entry. */
static const double *claimed_by(struct judge *judge, struct judged *judged) {
  struct sides sides = judge_sides(judge, judged);
  if (!sides.spread) return sides.claimed;
  double *whole = ARENA_ARRAY(judge->arena, double, judged->size + 1);
  for (size_t i = 0; i < judged->size; i++) whole[i] = *sides.claimed;
  return whole;
}

static int by_node_down(const void *a, const void *b) {
  node_id x = (*(struct judged *const *)a)->claim->of, y = (*(struct judged *const *)b)->claim->of;
  return (x < y) - (x > y);
}

static void list_numbers(struct numbers *numbers) {
  struct judge *judge = numbers->judge;
  numbers->of = ARENA_ARRAY(judge->arena, uint32_t, judge->net->graph.nodes.count + 1);
  for (size_t i = 0; i < judge->judged.count; i++) {
    struct judged *judged = &judge->judged.at[i];
    if (!is_number(judged)) continue;
    uint32_t *at = &numbers->of[judged->claim->of];
    if (!*at) {
      *vec_push(judge->arena, &numbers->at) = judged;
      *at = (uint32_t)numbers->at.count;
    } else if (is_wrong(numbers, judged) && !is_wrong(numbers, numbers->at.at[*at - 1])) {
      numbers->at.at[*at - 1] = judged;
    }
    if (is_wrong(numbers, judged)) *vec_push(judge->arena, &numbers->wrong) = judged;
  }
  if (numbers->wrong.count)
    qsort(numbers->wrong.at, numbers->wrong.count, sizeof *numbers->wrong.at, by_node_down);
}

static void list_cuts(struct numbers *numbers) {
  struct judge *judge = numbers->judge;
  numbers->cuts = ARENA_ARRAY(judge->arena, struct given, numbers->at.count + 1);
  for (size_t i = 0; i < numbers->at.count; i++)
    numbers->cuts[i] =
        (struct given){numbers->at.at[i]->claim->of, claimed_by(judge, numbers->at.at[i])};
}

/* The node whose wrong number comes first on the way up; NULL where all on it are right. */
static const char *first_wrong(const struct numbers *numbers, const struct back *back) {
  for (size_t i = back->steps.count; i-- > 0;) {
    uint32_t at = back_is_given(back, i) ? numbers->of[back_node(back, i)] : 0;
    if (!at || !is_wrong(numbers, numbers->at.at[at - 1])) continue;
    const struct judgement *other = judge_judgement(numbers->judge, numbers->at.at[at - 1]);
    return other->inherited_from ? other->inherited_from : other->subject;
  }
  return NULL;
}

struct inheritance {
  const struct numbers *numbers;
  struct judged *judged;
};

/* Whether a wrong number is what follows from the author's other numbers; then says from which. */
static void find_inheritance(struct judge *judge, void *argument) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  const struct numbers *numbers = ((struct inheritance *)argument)->numbers;
  struct judged *judged = ((struct inheritance *)argument)->judged;
  node_id output = judge->result->plan.output;
  const struct region region = {.target = judged->claim->of,
                                .top = {output, run_bar(&judge->result->run, output)},
                                .cuts = numbers->cuts,
                                .cut_count = numbers->at.count,
                                .most = NODES_MOST};
  struct back back;
  if (!back_make(&back, &judge->scratch, judge->result, &region)) return;
  const char *from = first_wrong(numbers, &back);
  const double *follows = from ? back_run(&back, &none) : NULL;
  struct sides sides = judge_sides(judge, judged);
  for (size_t i = 0; follows && i < judged->size; i++) {
    double claimed = side(&sides, i);
    if (!(fabs(claimed - follows[i]) <= 10 * judge_room(judged, claimed, follows[i], i))) return;
  }
  if (follows) judge_judgement(judge, judged)->inherited_from = from;
}

/* From the output down, so that what is inherited twice over is blamed on the first. */
void find_inherited(struct judge *judge) {
  struct numbers numbers = {.judge = judge};
  judge_move(judge, &no_points, 0, 0);
  list_numbers(&numbers);
  if (!numbers.wrong.count) return;
  list_cuts(&numbers);
  for (size_t i = 0; i < numbers.wrong.count && i < judge->explained; i++) {
    struct inheritance inheritance = {&numbers, numbers.wrong.at[i]};
    judge_with_scratch(judge, find_inheritance, &inheritance);
  }
}
