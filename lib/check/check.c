#include "check/check.h"

#include <math.h>

#include "check/diagnose.h"
#include "check/judge.h"
#include "check/mutate.h"
#include "check/witness.h"

enum { ATTEMPTS_MOST = 20 };

/* Says why a formula cannot be computed at the file's point. */
static bool report_fault(struct judge *judge, const struct run *run) {
  const struct node *node = graph_node(run->plan->graph, run->fault_node);
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  text_printf(&text, "%s: %s", node->op->name, run->fault.what);
  report_add(judge->net->report, node->mark, BP(KERNEL_FAULT), text_string(&text));
  return false;
}

/* ---- judging ------------------------------------------------------------------------------- */

static void set_worst(struct judge *judge, struct judgement *judgement, const struct judged *judged,
                      size_t index) {
  const struct claim *claim = judged->claim;
  struct dims dims = claim
                         ? claim_dims(&judge->net->graph, claim->kind, claim->of, claim->by)
                         : shape_dims(judge_shape(judge, judged->call->locals[judged->rule_input]));
  judgement->worst.rank = dims.rank;
  for (unsigned axis = dims.rank; axis-- > 0;) {
    judgement->worst.at[axis] = (int64_t)(index % (size_t)dims.at[axis]);
    index /= (size_t)dims.at[axis];
  }
}

/* How many times the room that there is an entry is off; over 1 is wrong. */
static double excess(const struct judged *judged, double claimed, double truth, size_t index) {
  if (claimed == truth) return 0; /* infinities, too */
  double error = fabs(claimed - truth);
  if (!(error < INFINITY)) return INFINITY;
  double room = judge_room(judged, claimed, truth, index);
  return error <= room ? error / (room * 2) : 1 + error / (room > 0 ? room : 1e-300);
}

/* Takes down how a claim fares at a point. */
static void judge_claim(struct judge *judge, struct judged *judged, size_t point) {
  struct judgement *judgement = judge_judgement(judge, judged);
  struct sides sides = judge_sides(judge, judged);
  double worst = -1;
  size_t index = 0, wrong = 0;
  for (size_t i = 0; i < judged->size; i++) {
    double claimed = side(&sides, i), truth = sides.truth[i];
    double off = excess(judged, claimed, truth, i);
    judged->zero = judged->zero && truth == 0;
    wrong += off > 1;
    if (off > worst) worst = off, index = i;
  }
  judgement->points++;
  if (!judged->size) return;
  double claimed = side(&sides, index), truth = sides.truth[index];
  double error = fabs(claimed - truth), larger = fmax(fabs(claimed), fabs(truth));
  if (claimed == truth) error = 0;
  bool first = judgement->points == 1, was_wrong = judgement->verdict == VERDICT_WRONG;
  /* The first point at which it is wrong is shown, else the one of the largest error. */
  bool show = first || (wrong && !was_wrong) || (!was_wrong && error > judgement->max_abs_error);
  const char *kink = wrong && !was_wrong ? witness_accepts(judge, judged, &sides) : NULL;
  if (kink) {
    if (!judgement->note) judgement->note = kink;
    wrong = 0;
  }
  if (wrong) judgement->verdict = VERDICT_WRONG;
  if (!show) return;
  judgement->max_abs_error = error;
  judgement->max_rel_error = larger > 0 ? error / larger : 0;
  if (isnan(claimed) || isnan(truth)) judgement->max_rel_error = NAN;
  judgement->claimed = claimed;
  judgement->actual = truth;
  judgement->point = point;
  judgement->wrong = wrong;
  set_worst(judge, judgement, judged, index);
}

/* Whether all that the block's claims are about is finite. */
static bool truths_finite(struct judge *judge, const struct formulas *formulas) {
  for (size_t i = formulas->first; i < formulas->end; i++) {
    struct judged *judged = &judge->judged.at[i];
    struct sides sides = judge_sides(judge, judged);
    if (!judge_all_finite(sides.truth, judged->size)) return false;
  }
  return true;
}

static bool is_moved(const struct formulas *formulas, const struct group *group) {
  return formulas->group == group && formulas->ready && formulas->moves;
}

/* Whether there is something to judge at the net's point in all blocks of a group. */
static bool can_judge(struct judge *judge, const struct group *group) {
  for (size_t i = 0; i < judge->formulas.count; i++) {
    struct formulas *formulas = judge->formulas.at[i];
    if (is_moved(formulas, group) &&
        !(judge_formulas(judge, formulas) && truths_finite(judge, formulas)))
      return false;
  }
  return true;
}

/* Draws a random point until there is something to judge at it; NO_POINT where none is found. */
static size_t find_attempt(struct judge *judge, const struct group *group, size_t number) {
  for (size_t attempt = 0; attempt < ATTEMPTS_MOST; attempt++)
    if (judge_move(judge, group->points, number, attempt) && can_judge(judge, group))
      return attempt;
  return NO_POINT;
}

static void judge_block(struct judge *judge, const struct formulas *formulas, size_t point) {
  for (size_t i = formulas->first; i < formulas->end; i++) {
    struct judged *judged = &judge->judged.at[i];
    bool moves = !judged->claim || judged->claim->formula;
    if (moves || !point) judge_claim(judge, judged, point);
  }
}

static void note_no_points(struct judge *judge, const struct group *group) {
  for (size_t i = 0; i < judge->judged.count; i++) {
    const struct judged *judged = &judge->judged.at[i];
    if (is_moved(judged->formulas, group) && (!judged->claim || judged->claim->formula))
      judge_judgement(judge, judged)->note =
          "judged at the file's point only: no random point has finite numbers";
  }
}

/* Judges the blocks of a group at its random points. */
static void judge_group(struct judge *judge, struct group *group) {
  size_t judged = 0, waiting = 0;
  for (size_t i = 0; i < judge->formulas.count; i++)
    waiting += is_moved(judge->formulas.at[i], group);
  for (size_t number = 1; waiting && number <= group->points->count; number++) {
    group->attempts[number] = find_attempt(judge, group, number);
    if (group->attempts[number] == NO_POINT) continue;
    for (size_t i = 0; i < judge->formulas.count; i++)
      if (is_moved(judge->formulas.at[i], group)) judge_block(judge, judge->formulas.at[i], number);
    judged++;
  }
  if (waiting && group->points->count && !judged) note_no_points(judge, group);
}

static void judge_all(struct judge *judge) {
  judge_move(judge, &no_points, 0, 0);
  for (size_t i = 0; i < judge->formulas.count; i++) {
    struct formulas *formulas = judge->formulas.at[i];
    if (!formulas->ready) continue;
    formulas->ready = judge_formulas(judge, formulas);
    if (formulas->ready)
      judge_block(judge, formulas, 0);
    else
      report_fault(judge, &formulas->run);
  }
  for (size_t i = 0; i < judge->groups.count; i++) judge_group(judge, judge->groups.at[i]);
  judge_move(judge, &no_points, 0, 0);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void count_verdicts(struct check *check) {
  size_t counts[3] = {0};
  for (size_t i = 0; i < check->claims.count; i++) counts[check->claims.at[i].verdict]++;
  for (size_t i = 0; i < check->backprop.count; i++) counts[check->backprop.at[i].verdict]++;
  check->passed = counts[VERDICT_RIGHT];
  check->failed = counts[VERDICT_WRONG];
  check->inconclusive = counts[VERDICT_INCONCLUSIVE];
}

static void note_zeros(struct judge *judge) {
  for (size_t i = 0; i < judge->judged.count; i++) {
    const struct judged *judged = &judge->judged.at[i];
    struct judgement *judgement = judge_judgement(judge, judged);
    bool gradient = judged->claim && judge_needs_gradient(judged->claim->kind);
    if (judged->zero && gradient && judged->size && !judgement->note)
      judgement->note = "the true gradient is 0 everywhere";
  }
}

/* Puts a numerical difference beside each wrong gradient that is explained. */
static void measure_wrong(struct judge *judge) {
  for (size_t i = 0, wrong = 0; i < judge->judged.count && wrong < judge->explained; i++) {
    struct judgement *judgement = judge_judgement(judge, &judge->judged.at[i]);
    if (judgement->verdict != VERDICT_WRONG) continue;
    witness_claim(judge, &judge->judged.at[i], judgement);
    wrong++;
  }
  judge_move(judge, &no_points, 0, 0);
}

bool check_net(struct check *check, struct arena *arena, struct net *net,
               const struct check_options *options) {
  *check = (struct check){.net = net, .arena = arena};
  struct evaluate_options evaluate_options = options->evaluate;
  evaluate_options.all = evaluate_options.own_starts = true;
  if (!evaluate(&check->result, arena, net, &evaluate_options)) return false;
  struct judge judge = {
      .check = check, .net = net, .result = &check->result, .arena = arena, .options = options};
  judge_prepare(&judge);
  judge_all(&judge);
  note_zeros(&judge);
  diagnose(&judge);
  measure_wrong(&judge);
  if (options->mutants) mutate_claims(&judge);
  witness_backprop(&judge);
  count_verdicts(check);
  return !report_failed(net->report);
}
