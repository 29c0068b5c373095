#include "check/check.h"

#include <math.h>
#include <string.h>

#include "check/diagnose.h"
#include "check/judge.h"
#include "check/mutate.h"
#include "check/witness.h"

static const char *const kind_names[CLAIM_KINDS] = {[CLAIM_VALUE] = "value",
                                                    [CLAIM_GRADIENT] = "gradient",
                                                    [CLAIM_CONTRIBUTION] = "contribution",
                                                    [CLAIM_JACOBIAN] = "jacobian",
                                                    [CLAIM_HESSIAN] = "hessian"};

enum { ATTEMPTS_MOST = 20, NO_DECIMALS = 127 };

const char *judge_name(const struct judge *judge, node_id id) {
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  graph_print_name(&judge->net->graph, id, &text);
  return text_string(&text);
}

static struct judgement *judgement_of(struct judge *judge, const struct judged *judged) {
  return &judge->check->claims.at[judged->judgement];
}

const struct points no_points = {.count = 0};

/* ---- a point ------------------------------------------------------------------------------- */

static bool all_finite(const double *at, size_t size) {
  for (size_t i = 0; at && i < size; i++)
    if (!isfinite(at[i])) return false;
  return true;
}

static const struct shape *shape_of(const struct judge *judge, node_id id) {
  return graph_node(&judge->net->graph, id)->shape;
}

bool judge_move(struct judge *judge, const struct points *points, size_t number, size_t attempt) {
  struct result *result = judge->result;
  points_move(result, points, number, attempt);
  if (!run_forward(&result->run)) return false;
  if (result->gradients && !run_backward(&result->run, result->upstream)) return false;
  node_id output = result->plan.output;
  return all_finite(run_value(&result->run, output), shape_of(judge, output)->size);
}

bool judge_formulas(struct judge *judge, struct formulas *formulas) {
  (void)judge;
  if (!formulas->claims->at.count) return true; /* the functions' rules */
  run_restart(&formulas->run);                  /* scalars are copied */
  return run_forward(&formulas->run);
}

bool judge_move_to(struct judge *judge, const struct judged *judged, size_t number) {
  const struct group *group = judged->formulas->group;
  size_t attempt = number ? group->attempts[number] : 0;
  return attempt != NO_POINT && judge_move(judge, group->points, number, attempt) &&
         judge_formulas(judge, judged->formulas);
}

/* ---- formulas ------------------------------------------------------------------------------ */

/* Where a stand-in's numbers are: in the net's run, whatever the point. */
static const double *numbers_of(struct judge *judge, const struct stand_in *stand_in) {
  const struct run *run = &judge->result->run;
  const double *at = stand_in->gradient ? run_bar(run, stand_in->of) : run_value(run, stand_in->of);
  if (at) return at;
  return ARENA_ARRAY(judge->arena, double, shape_of(judge, stand_in->of)->size + 1); /* zeros */
}

static bool plan_formulas(struct judge *judge, struct formulas *formulas) {
  struct claims *claims = (struct claims *)formulas->claims;
  struct graph *graph = &claims->graph;
  for (size_t i = 0; i < claims->stand_ins.count; i++) {
    const struct stand_in *stand_in = &claims->stand_ins.at[i];
    graph->nodes.at[stand_in->node].value = (double *)numbers_of(judge, stand_in);
  }
  struct plan_options options = {.output = (node_id)(graph->nodes.count - 1), .all_values = true};
  if (!plan_make(&formulas->plan, judge->arena, judge->net->report, graph, &options)) return false;
  run_make(&formulas->run, judge->arena, &formulas->plan);
  return true;
}

/* Says why a formula cannot be computed at the file's point. */
static bool report_fault(struct judge *judge, const struct run *run) {
  const struct node *node = graph_node(run->plan->graph, run->fault_node);
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  text_printf(&text, "%s: %s", node->op->name, run->fault.what);
  report_add(judge->net->report, node->mark, BP(KERNEL_FAULT), text_string(&text));
  return false;
}

/* ---- what is judged ------------------------------------------------------------------------ */

static bool needs_gradient(enum claim_kind kind) {
  return kind == CLAIM_GRADIENT || kind == CLAIM_CONTRIBUTION || kind == CLAIM_HESSIAN;
}

static bool report_no_gradients(struct judge *judge, struct mark mark) {
  report_add(judge->net->report, mark, BP(BAD_CLAIM),
             "there are no gradients: the output has several entries, and upstream is not given");
  report_hint(judge->net->report, "say what comes from above: upstream: [...]");
  return false;
}

/* Whether a node has a gradient to speak of; reports where it has none. */
static bool check_gradient(struct judge *judge, node_id of, struct mark mark) {
  if (!judge->result->gradients) return report_no_gradients(judge, mark);
  const char *why = result_why_no_gradient(judge->result, of);
  if (why) report_add(judge->net->report, mark, BP(NO_GRADIENT), judge_name(judge, of), why);
  return !why;
}

/* Whether there is anything to judge the claim by. */
static bool check_subject(struct judge *judge, const struct claim *claim) {
  return !needs_gradient(claim->kind) || check_gradient(judge, claim->of, claim->mark);
}

/* Whether every grad(u) of a block's formulas is there. */
static bool check_grads(struct judge *judge, const struct claims *claims) {
  bool fine = true;
  for (size_t i = 0; i < claims->stand_ins.count; i++) {
    const struct stand_in *stand_in = &claims->stand_ins.at[i];
    if (stand_in->gradient)
      fine =
          check_gradient(judge, stand_in->of, graph_node(&claims->graph, stand_in->node)->mark) &&
          fine;
  }
  return fine;
}

static const char *subject_of(struct judge *judge, const struct claim *claim,
                              const struct call_site *call) {
  if (!call) return claim->subject;
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  text_printf(&text, "%s.%s", call->name, claim->subject);
  return text_string(&text);
}

/* What flows down to a call's subject from the call's value alone. */
static struct back *make_local(struct judge *judge, node_id subject, node_id top,
                               const double *gradient) {
  struct back *back = ARENA_NEW(judge->arena, struct back);
  struct given given = {top, gradient};
  if (back_make(back, judge->arena, judge->result, subject, given, NULL, 0)) return back;
  return NULL;
}

static size_t dims_size(const struct dims *dims) {
  size_t size = 1;
  for (unsigned i = 0; i < dims->rank; i++) size *= (size_t)dims->at[i];
  return size;
}

enum { JACOBIAN_MOST = 1 << 27 }; /* entries: a GB */

static bool prepare_matrix(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  node_id by = claim->by == NODE_NONE ? claim->of : claim->by;
  double entries = (double)shape_of(judge, claim->of)->size * (double)shape_of(judge, by)->size;
  if (entries > JACOBIAN_MOST) {
    report_add(judge->net->report, claim->mark, BP(BAD_CLAIM), "it is too large to be judged");
    return false;
  }
  struct net *net = judge->net;
  judged->jacobian = ARENA_NEW(judge->arena, struct jacobian);
  if (claim->kind == CLAIM_JACOBIAN)
    return jacobian_make(judged->jacobian, judge->arena, net->report, &net->graph, &net->words,
                         claim->of, by);
  return hessian_make(judged->jacobian, judge->arena, net->report, &net->graph, &net->words,
                      judge->result->plan.output, judge->result->upstream, claim->of, by);
}

/* How many decimals a number is written with (of 1.2e3: -2); NO_DECIMALS where it is no plain one. */
static signed char written_decimals(const char *text, size_t size) {
  size_t i = size && (*text == '-' || *text == '+'), digits = 0;
  int decimals = 0, exponent = 0;
  for (; i < size && text[i] >= '0' && text[i] <= '9'; i++) digits++;
  if (i < size && text[i] == '.')
    for (i++; i < size && text[i] >= '0' && text[i] <= '9'; i++) digits++, decimals++;
  if (i < size && (text[i] == 'e' || text[i] == 'E')) {
    bool negative = ++i < size && text[i] == '-';
    if (i < size && (text[i] == '-' || text[i] == '+')) i++;
    for (; i < size && text[i] >= '0' && text[i] <= '9' && exponent < 100; i++)
      exponent = exponent * 10 + text[i] - '0';
    if (negative) exponent = -exponent;
  }
  int all = decimals - exponent;
  return (signed char)(i == size && digits && all >= -100 && all <= 100 ? all : NO_DECIMALS);
}

/* Notes the decimals of all numbers of a list, in its order; how many there were. */
static size_t note_decimals(const struct tree *tree, tree_id id, signed char *to, size_t left) {
  const struct tree_node *node = tree_at(tree, id);
  if (node->kind == TREE_SCALAR) {
    if (left) *to = written_decimals(tree_text(tree, id), node->size);
    return left > 0;
  }
  size_t done = 0;
  for (tree_id item = tree_first(tree, id); item != TREE_NONE; item = tree_next(tree, item))
    done += note_decimals(tree, item, to + done, left - done);
  return done;
}

static void prepare_decimals(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  if (claim->decimals == DECIMALS_NONE) return;
  judged->decimals = ARENA_ARRAY(judge->arena, signed char, judged->size + 1);
  int same = claim->decimals == DECIMALS_WRITTEN ? NO_DECIMALS : claim->decimals;
  memset(judged->decimals, same, judged->size);
  if (claim->decimals != DECIMALS_WRITTEN) return;
  size_t found = note_decimals(&judge->net->tree, claim->value, judged->decimals, judged->size);
  if (found == 1) memset(judged->decimals, judged->decimals[0], judged->size); /* spread */
}

static void prepare_truth(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  const struct run *run = &judge->result->run;
  const struct call_site *call = judged->call;
  if (claim->kind == CLAIM_JACOBIAN || claim->kind == CLAIM_HESSIAN)
    judged->skip = !prepare_matrix(judge, judged);
  if (claim->kind == CLAIM_GRADIENT && call && claim->of != call->output && claim->of != call->body)
    judged->local = make_local(judge, claim->of, call->body, run_bar(run, call->output));
  struct dims dims = claim_dims(&judge->net->graph, claim->kind, claim->of, claim->by);
  judged->size = dims_size(&dims);
  if (judged->skip) return;
  prepare_decimals(judge, judged);
  judged->truth = ARENA_ARRAY(judge->arena, double, judged->size + 1);
}

/* The block's, or the defaults: those of double precision, or of single. */
static void set_tolerances(struct judged *judged) {
  const struct claims *claims = judged->formulas->claims;
  const bool rough = judged->claim && judged->claim->rough;
  judged->rtol = !isnan(claims->rtol) ? claims->rtol : rough ? 1.3e-6 : 1e-6;
  judged->atol = !isnan(claims->atol) ? claims->atol : rough ? 1e-5 : 1e-9;
}

static void add_claim(struct judge *judge, struct formulas *formulas, const struct claim *claim) {
  const struct claims *claims = formulas->claims;
  if (!check_subject(judge, claim)) return;
  struct judged judged = {.claim = claim,
                          .formulas = formulas,
                          .call = claims->call,
                          .judgement = judge->check->claims.count,
                          .zero = true};
  set_tolerances(&judged);
  prepare_truth(judge, &judged);
  if (judged.skip) return;
  *vec_push(judge->arena, &judge->check->claims) =
      (struct judgement){.kind = kind_names[claim->kind],
                         .subject = subject_of(judge, claim, claims->call),
                         .title = claims->title,
                         .mark = claim->mark,
                         .entries = judged.size};
  *vec_push(judge->arena, &judge->judged) = judged;
  formulas->moves = formulas->moves || claim->formula;
}

static bool same_points(const struct points *a, const struct points *b) {
  return a->count == b->count && a->spread == b->spread && a->seed == b->seed &&
         a->keep.count == b->keep.count &&
         !memcmp(a->keep.at, b->keep.at, a->keep.count * sizeof *a->keep.at);
}

static struct group *find_group(struct judge *judge, const struct points *points) {
  for (size_t i = 0; i < judge->groups.count; i++)
    if (same_points(judge->groups.at[i]->points, points)) return judge->groups.at[i];
  struct group *group = ARENA_NEW(judge->arena, struct group);
  *group = (struct group){points, ARENA_ARRAY(judge->arena, size_t, points->count + 1)};
  *vec_push(judge->arena, &judge->groups) = group;
  return group;
}

static struct formulas *new_formulas(struct judge *judge, const struct claims *claims) {
  struct formulas *formulas = ARENA_NEW(judge->arena, struct formulas);
  formulas->claims = claims;
  formulas->group = find_group(judge, &claims->points);
  formulas->ready =
      check_grads(judge, claims) && (!claims->at.count || plan_formulas(judge, formulas));
  formulas->first = formulas->end = judge->judged.count;
  *vec_push(judge->arena, &judge->formulas) = formulas;
  return formulas;
}

static void add_block(struct judge *judge, const struct claims *claims) {
  struct formulas *formulas = new_formulas(judge, claims);
  if (!formulas->ready) return;
  for (size_t i = 0; i < claims->at.count; i++) add_claim(judge, formulas, &claims->at.at[i]);
  formulas->end = judge->judged.count;
}

/* The author's own rules: each held against the derivative of the function's body. */
static void add_rules(struct judge *judge, struct formulas *formulas,
                      const struct call_site *call) {
  unsigned input;
  struct mark mark;
  const double *upstream = run_bar(&judge->result->run, call->output);
  for (size_t i = 0; function_rule(judge->net, call->function, i, &input, &mark); i++) {
    if (!upstream || !judge->result->gradients) return;
    struct judged judged = {.formulas = formulas,
                            .call = call,
                            .rule_input = input,
                            .judgement = judge->check->claims.count,
                            .zero = true};
    set_tolerances(&judged);
    node_id from = call->locals[input];
    judged.size = shape_of(judge, from)->size;
    judged.truth = ARENA_ARRAY(judge->arena, double, judged.size + 1);
    judged.claimed_room = ARENA_ARRAY(judge->arena, double, judged.size + 1);
    if (from != call->body) judged.local = make_local(judge, from, call->body, upstream);
    struct text subject, title;
    text_init(&subject, judge->arena, NULL, NULL);
    text_printf(&subject, "%s/%s", function_name(call->function),
                function_local_name(call->function, input));
    text_init(&title, judge->arena, NULL, NULL);
    text_printf(&title, "%s, called in %s", function_name(call->function), call->name);
    *vec_push(judge->arena, &judge->check->claims) =
        (struct judgement){.kind = "function",
                           .subject = text_string(&subject),
                           .title = text_string(&title),
                           .mark = mark,
                           .entries = judged.size};
    *vec_push(judge->arena, &judge->judged) = judged;
    formulas->moves = true;
    formulas->end = judge->judged.count;
  }
}

/* ---- two sides ----------------------------------------------------------------------------- */

static void copy(double *to, const double *from, size_t size) {
  if (from)
    memcpy(to, from, size * sizeof *to);
  else
    memset(to, 0, size * sizeof *to);
}

static void copy_local(struct back *local, double *to, size_t size) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  if (local) back_refresh(local);
  copy(to, local ? back_run(local, &none) : NULL, size);
}

/* What reaches a node through one of its users. */
static void add_contributions(struct judge *judge, const struct claim *claim, double *to) {
  const struct graph *graph = &judge->net->graph;
  size_t size = shape_of(judge, claim->of)->size;
  double *part = arena_resize(judge->arena, NULL, (size + 1) * sizeof *part);
  memset(to, 0, size * sizeof *to);
  for (node_id id = claim->of + 1; id <= claim->by; id++) {
    const struct node *node = graph_node(graph, id);
    if (!node->op || !net_belongs(graph, id, claim->by)) continue;
    for (unsigned k = 0; k < node->count; k++) {
      if (graph_inputs(graph, node)[k] != claim->of || !result_has_edge(judge->result, id, k))
        continue;
      result_contribution(judge->result, id, k, false, part);
      for (size_t i = 0; i < size; i++) to[i] += part[i];
    }
  }
  arena_release(judge->arena, part);
}

/* At the net's point, which its run has to be moved to. */
static void fill_matrix(struct judge *judge, struct judged *judged) {
  const struct net *net = judge->net;
  for (size_t i = 0; i < net->definitions.count; i++) {
    const struct definition *definition = &net->definitions.at[i];
    if (definition->section == SECTION_NODES) continue;
    double *to = jacobian_start(judged->jacobian, definition->node);
    const double *from = run_value(&judge->result->run, definition->node);
    if (to && from) copy(to, from, shape_of(judge, definition->node)->size);
  }
  if (jacobian_compute(judged->jacobian, judged->truth)) return;
  for (size_t i = 0; i < judged->size; i++) judged->truth[i] = NAN;
}

static void fill_truth(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  const struct run *run = &judge->result->run;
  const struct call_site *call = judged->call;
  switch (claim->kind) {
  case CLAIM_VALUE: copy(judged->truth, run_value(run, claim->of), judged->size); break;
  case CLAIM_GRADIENT:
    if (!call)
      copy(judged->truth, run_bar(run, claim->of), judged->size);
    else if (claim->of == call->output || claim->of == call->body)
      copy(judged->truth, run_bar(run, call->output), judged->size);
    else
      copy_local(judged->local, judged->truth, judged->size);
    break;
  case CLAIM_CONTRIBUTION: add_contributions(judge, claim, judged->truth); break;
  case CLAIM_JACOBIAN:
  case CLAIM_HESSIAN: fill_matrix(judge, judged); break;
  default: break;
  }
}

/* A rule's side is what it hands down; the truth is the derivative of the body. */
static struct sides rule_sides(struct judge *judge, struct judged *judged) {
  const struct call_site *call = judged->call;
  result_contribution(judge->result, call->output, judged->rule_input + 1, false,
                      judged->claimed_room);
  if (call->locals[judged->rule_input] == call->body)
    copy(judged->truth, run_bar(&judge->result->run, call->output), judged->size);
  else
    copy_local(judged->local, judged->truth, judged->size);
  return (struct sides){judged->claimed_room, judged->truth, false};
}

struct sides judge_sides(struct judge *judge, struct judged *judged) {
  if (!judged->claim) return rule_sides(judge, judged);
  fill_truth(judge, judged);
  const struct run *run = &judged->formulas->run;
  const struct shape *shape = graph_node(run->plan->graph, judged->claim->claimed)->shape;
  return (struct sides){run_value(run, judged->claim->claimed), judged->truth, !shape->rank};
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Half a unit of the last digit written. */
static double half_unit(int decimals) {
  double half = 0.5;
  for (; decimals > 0; decimals--) half /= 10;
  for (; decimals < 0; decimals++) half *= 10;
  return half;
}

double judge_room(const struct judged *judged, double claimed, double truth, size_t index) {
  double larger = fabs(claimed) > fabs(truth) ? fabs(claimed) : fabs(truth);
  if (judged->decimals && judged->decimals[index] != NO_DECIMALS)
    return half_unit(judged->decimals[index]) * (1 + 1e-9) + 1e-15 * larger;
  return judged->atol + judged->rtol * larger;
}

bool judge_is_wrong(const struct judged *judged, double claimed, double truth, size_t index) {
  return claimed != truth && !(fabs(claimed - truth) <= judge_room(judged, claimed, truth, index));
}

static void set_worst(struct judge *judge, struct judgement *judgement, const struct judged *judged,
                      size_t index) {
  const struct claim *claim = judged->claim;
  struct dims dims = claim ? claim_dims(&judge->net->graph, claim->kind, claim->of, claim->by)
                           : shape_dims(shape_of(judge, judged->call->locals[judged->rule_input]));
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
  struct judgement *judgement = judgement_of(judge, judged);
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
  if (wrong && !point && witness_accepts(judge, judged, &sides)) {
    judgement->note = "at a kink, between the derivatives of its two sides";
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
    if (!all_finite(sides.truth, judged->size)) return false;
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
      judgement_of(judge, judged)->note =
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

/* What the options say holds in every block. */
static void apply_options(const struct judge *judge, struct claims *claims) {
  const struct check_options *options = judge->options;
  if (options->rtol) claims->rtol = *options->rtol;
  if (options->atol) claims->atol = *options->atol;
  if (options->points) claims->points.count = *options->points;
  if (options->seed) claims->points.seed = *options->seed;
}

/* A block without claims. */
static const struct claims *judge_defaults(const struct judge *judge) {
  struct claims *claims = new_claims(judge->net);
  apply_options(judge, claims);
  return claims;
}

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
    struct judgement *judgement = judgement_of(judge, judged);
    bool gradient = judged->claim && needs_gradient(judged->claim->kind);
    if (judged->zero && gradient && judged->size && !judgement->note)
      judgement->note = "the true gradient is 0 everywhere";
  }
}

/* Puts a numerical difference beside each wrong gradient. */
static void measure_wrong(struct judge *judge) {
  for (size_t i = 0; i < judge->judged.count; i++) {
    struct judgement *judgement = judgement_of(judge, &judge->judged.at[i]);
    if (judgement->verdict == VERDICT_WRONG) witness_claim(judge, &judge->judged.at[i], judgement);
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
  size_t blocks = net->claims.count;
  for (size_t i = 0; i < blocks; i++) {
    apply_options(&judge, net->claims.at[i]);
    add_block(&judge, net->claims.at[i]);
  }
  if (options->gradients) {
    struct claims *claims = (struct claims *)judge_claimed_file(&judge, options->gradients);
    if (claims) apply_options(&judge, claims);
    if (claims) add_block(&judge, claims);
  }
  struct formulas *rules = new_formulas(&judge, judge_defaults(&judge));
  for (size_t i = 0; i < net->calls_made.count; i++)
    add_rules(&judge, rules, &net->calls_made.at[i]);
  judge_all(&judge);
  note_zeros(&judge);
  diagnose(&judge);
  measure_wrong(&judge);
  if (options->mutants) mutate_claims(&judge);
  witness_backprop(&judge);
  count_verdicts(check);
  return !report_failed(net->report);
}
