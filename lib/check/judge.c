#include "check/judge.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include "load/data.h"

const struct points no_points = {.count = 0};

const char *judge_name(const struct judge *judge, node_id id) {
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  graph_print_name(&judge->net->graph, id, &text);
  return text_string(&text);
}

bool judge_all_finite(const double *at, size_t size) {
  for (size_t i = 0; at && i < size; i++)
    if (!isfinite(at[i])) return false;
  return true;
}

const struct shape *judge_shape(const struct judge *judge, node_id id) {
  return graph_node(&judge->net->graph, id)->shape;
}

struct judgement *judge_judgement(struct judge *judge, const struct judged *judged) {
  return &judge->check->claims.at[judged->judgement];
}

/* A jump out of `body` gives the memory back, too, and goes on to whom it was meant for. */
void judge_with_scratch(struct judge *judge, void (*body)(struct judge *judge, void *argument),
                        void *argument) {
  struct arena *const arenas[] = {judge->arena, judge->net->arena, judge->net->report->arena};
  enum { ARENAS = sizeof arenas / sizeof *arenas };
  jmp_buf *outer[ARENAS], guard;
  for (int i = 0; i < ARENAS; i++) outer[i] = arenas[i]->guard;
  bool finished = setjmp(guard) == 0;
  if (finished) {
    arena_init(&judge->scratch, &guard);
    for (int i = 0; i < ARENAS; i++) arenas[i]->guard = &guard;
    body(judge, argument);
  }
  for (int i = 0; i < ARENAS; i++) arenas[i]->guard = outer[i];
  arena_free(&judge->scratch);
  if (!finished) arena_exhausted(judge->arena);
}

/* ---- a point ------------------------------------------------------------------------------- */

bool judge_move(struct judge *judge, const struct points *points, size_t number, size_t attempt) {
  struct result *result = judge->result;
  judge->point = number;
  points_move(result, points, number, attempt);
  if (!run_forward(&result->run)) return false;
  if (result->gradients && !run_backward(&result->run, result->upstream)) return false;
  node_id output = result->plan.output;
  return judge_all_finite(run_value(&result->run, output), judge_shape(judge, output)->size);
}

static void copy(double *to, const double *from, size_t size) {
  if (from)
    memcpy(to, from, size * sizeof *to);
  else
    memset(to, 0, size * sizeof *to);
}

/* Copies what a pass without a slip comes to where the net is; zeros without a way. */
static void copy_pass(struct back *back, double *to, size_t size) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  if (back) back_refresh(back);
  copy(to, back ? back_run(back, &none) : NULL, size);
}

bool judge_formulas(struct judge *judge, struct formulas *formulas) {
  (void)judge;
  if (!formulas->claims->at.count) return true; /* the functions' rules */
  for (size_t i = 0; i < formulas->call_gradients.count; i++) {
    const struct call_gradient *gradient = &formulas->call_gradients.at[i];
    copy_pass(gradient->back, gradient->at, gradient->size);
  }
  run_restart(&formulas->run); /* scalars are copied */
  return run_forward(&formulas->run);
}

/* At the file's point the gradient of the call comes from above; at others random numbers, the same
 * each time: in the net it may be 1, or 0, at all of them. */
static void set_upstream(struct judge *judge, const struct judged *judged) {
  const struct call_site *call = judged->call;
  size_t size = judge_shape(judge, call->output)->size;
  uint64_t seed = data_seed(call->name, call->name_size) + judged->formulas->claims->points.seed;
  if (judge->point)
    data_uniform(judged->upstream, size, seed + judge->point, -1, 1);
  else
    copy(judged->upstream, run_bar(&judge->result->run, call->output), size);
}

bool judge_move_to(struct judge *judge, const struct judged *judged, size_t number) {
  const struct group *group = judged->formulas->group;
  size_t attempt = number ? group->attempts[number] : 0;
  if (attempt == NO_POINT || !judge_move(judge, group->points, number, attempt)) return false;
  if (judged->rule) set_upstream(judge, judged);
  return judge_formulas(judge, judged->formulas);
}

/* ---- two sides ----------------------------------------------------------------------------- */

/* What reaches a node through one of its users. */
static void add_contributions(struct judge *judge, struct judged *judged) {
  memset(judged->truth, 0, judged->size * sizeof *judged->truth);
  for (size_t i = 0; i < judged->contributions.count; i++) {
    const struct contribution *each = &judged->contributions.at[i];
    edges_contribution(judge->result, &each->edges, each->input, false, judged->part);
    for (size_t e = 0; e < judged->size; e++) judged->truth[e] += judged->part[e];
  }
}

/* At the net's point, which its run has to be moved to. */
static void fill_matrix(struct judge *judge, struct judged *judged) {
  const struct net *net = judge->net;
  for (size_t i = 0; i < net->definitions.count; i++) {
    const struct definition *definition = &net->definitions.at[i];
    if (definition->section == SECTION_NODES) continue;
    double *to = jacobian_start(judged->jacobian, definition->node);
    const double *from = run_value(&judge->result->run, definition->node);
    if (to && from) copy(to, from, judge_shape(judge, definition->node)->size);
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
      copy_pass(judged->local, judged->truth, judged->size);
    break;
  case CLAIM_CONTRIBUTION:
    if (call)
      copy_pass(judged->local, judged->truth, judged->size);
    else
      add_contributions(judge, judged);
    break;
  case CLAIM_JACOBIAN:
  case CLAIM_HESSIAN: fill_matrix(judge, judged); break;
  default: break;
  }
}

/* A rule's side is what it hands down; the truth is the derivative of the body. */
static struct sides rule_sides(struct judge *judge, struct judged *judged) {
  const struct call_site *call = judged->call;
  set_upstream(judge, judged);
  if (call->locals[judged->rule_input] == call->body)
    copy(judged->truth, judged->upstream, judged->size);
  else
    copy_pass(judged->local, judged->truth, judged->size);
  back_refresh(judged->rule);
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  const double *handed_down = back_run(judged->rule, &none);
  for (size_t i = 0; !handed_down && i < judged->size; i++) judged->truth[i] = NAN;
  return (struct sides){handed_down ? handed_down : judged->truth, judged->truth, false};
}

struct sides judge_sides(struct judge *judge, struct judged *judged) {
  if (!judged->claim) return rule_sides(judge, judged);
  fill_truth(judge, judged);
  const struct run *run = &judged->formulas->run;
  const struct shape *shape = graph_node(run->plan->graph, judged->claim->claimed)->shape;
  return (struct sides){run_value(run, judged->claim->claimed), judged->truth, !shape->rank};
}

/* ---- how far off ------------------------------------------------------------------------------- */

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
