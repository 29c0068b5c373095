#include "check/mutate.h"

#include <math.h>
#include <string.h>

enum { MUTANTS_MOST = 2000, CONE_MOST = 5000 };

/* A formula with one thing altered: another node of its block's graph. */
struct altered {
  size_t judged; /* index into judge->judged */
  node_id root;
  const char *text;
  bool survives;
  const char *killer;
};

struct mutation {
  struct judge *judge;
  struct formulas *formulas;
  struct graph *graph;  /* the block's, which the altered formulas are appended to */
  struct report silent; /* for shapes that do not fit: such an alteration is none */
  VEC(struct altered) altered;
  bool looked; /* some farther point was looked at */
};

/* Of all blocks that have some, so that the net is moved once for those of a group. */
struct mutations {
  struct judge *judge;
  VEC(struct mutation *) at;
};

/* ---- altering -------------------------------------------------------------------------------- */

static const char *text_of(struct mutation *mutation, node_id id) {
  struct text text;
  text_init(&text, mutation->judge->arena, NULL, NULL);
  const struct node *node = graph_node(mutation->graph, id);
  if (node->op && node->text.start)
    graph_print_text(mutation->graph, id, &text);
  else
    graph_print_name(mutation->graph, id, &text);
  return text_string(&text);
}

static node_id add(struct mutation *mutation, const struct op *op, const struct attr *attr,
                   unsigned count, const node_id *inputs, node_id like) {
  struct mark mark = graph_node(mutation->graph, like)->mark;
  struct mark text = graph_node(mutation->graph, like)->text;
  struct report *outer = mutation->graph->report;
  mutation->graph->report = &mutation->silent;
  node_id id = graph_add(mutation->graph, op, attr, count, inputs, mark, text);
  mutation->graph->report = outer;
  return id;
}

/* The formula with `by` in the place of `node`: what depends on it is built anew.  NODE_NONE where it
 * cannot be, or where indices would be others: such a formula has no values at all. */
static node_id rebuild(struct mutation *mutation, node_id root, node_id node, node_id by) {
  struct graph *graph = mutation->graph;
  node_id *now = ARENA_ARRAY(mutation->judge->arena, node_id, (size_t)root + 1);
  for (node_id id = 0; id <= root; id++) now[id] = id;
  now[node] = by;
  for (node_id id = node + 1; id <= root; id++) {
    struct node old = *graph_node(graph, id);
    node_id *inputs = ARENA_ARRAY(mutation->judge->arena, node_id, old.count + 1);
    bool changed = false, failed = false;
    for (unsigned k = 0; k < old.count; k++) {
      node_id input = graph_inputs(graph, &old)[k];
      bool altered = now[input] != input;
      inputs[k] = now[input];
      changed = changed || altered;
      failed = failed || inputs[k] == NODE_NONE || (altered && graph_takes_index(graph, &old, k));
    }
    if (failed)
      now[id] = NODE_NONE;
    else if (changed)
      now[id] = add(mutation, old.op, old.attr, old.count, inputs, id);
  }
  return now[root];
}

static bool has_size(const struct mutation *mutation, node_id a, node_id b) {
  struct dims x = shape_dims(graph_node(mutation->graph, a)->shape);
  struct dims y = shape_dims(graph_node(mutation->graph, b)->shape);
  return same_dims(&x, &y);
}

/* Takes up the formula with `by` in the place of `node`, where its shape is still the claim's. */
static void alter(struct mutation *mutation, size_t judged, node_id node, node_id by,
                  const char *pattern) {
  const struct claim *claim = mutation->judge->judged.at[judged].claim;
  if (by == NODE_NONE || mutation->altered.count == MUTANTS_MOST) return;
  node_id root = rebuild(mutation, claim->claimed, node, by);
  if (root == NODE_NONE || root == claim->claimed || !has_size(mutation, root, claim->claimed))
    return;
  struct text text;
  text_init(&text, mutation->judge->arena, NULL, NULL);
  text_printf(&text, pattern ? pattern : "%s", text_of(mutation, pattern ? node : by));
  text_printf(&text, " for %s", text_of(mutation, node));
  *vec_push(mutation->judge->arena, &mutation->altered) = (struct altered){
      .judged = judged, .root = root, .text = text_string(&text), .survives = true};
}

/* Leaves out a factor, a term or an exponent: one operand stands for the whole. */
static void drop_operands(struct mutation *mutation, size_t judged, node_id id) {
  const struct vocabulary *words = &mutation->judge->net->words;
  struct node node = *graph_node(mutation->graph, id);
  const bool sum = node.op == words->ops[SYMBOL_ADD] || node.op == words->ops[SYMBOL_SUB];
  const bool product = node.op == words->ops[SYMBOL_MUL];
  const bool left_only = node.op == words->ops[SYMBOL_DIV] || node.op == words->ops[SYMBOL_POW];
  if (!sum && !product && !left_only) return;
  for (unsigned k = 0; k < node.count && (k == 0 || !left_only); k++)
    if (node.count == 2) alter(mutation, judged, id, graph_inputs(mutation->graph, &node)[k], NULL);
}

/* a - b becomes a + b and the other way about; a whole formula, or a factor, its negative. */
static void flip_sign(struct mutation *mutation, size_t judged, node_id id) {
  const struct vocabulary *words = &mutation->judge->net->words;
  struct node node = *graph_node(mutation->graph, id);
  const bool plus = node.op == words->ops[SYMBOL_ADD], minus = node.op == words->ops[SYMBOL_SUB];
  if ((plus || minus) && node.count == 2) {
    node_id inputs[2];
    memcpy(inputs, graph_inputs(mutation->graph, &node), sizeof inputs);
    const struct op *other = words->ops[plus ? SYMBOL_SUB : SYMBOL_ADD];
    alter(mutation, judged, id, add(mutation, other, NULL, 2, inputs, id),
          "the opposite sign in %s");
  }
  if (id == mutation->judge->judged.at[judged].claim->claimed)
    alter(mutation, judged, id, add(mutation, words->negate, NULL, 1, &id, id), "-(%s)");
}

static void transpose(struct mutation *mutation, size_t judged, node_id id) {
  const struct vocabulary *words = &mutation->judge->net->words;
  const struct shape *shape = graph_node(mutation->graph, id)->shape;
  if (shape->rank != 2 || shape->dim[0] != shape->dim[1] || shape->dim[0] < 2) return;
  const struct attr *attr = default_attrs(mutation->judge->arena, words->transpose);
  alter(mutation, judged, id, add(mutation, words->transpose, attr, 1, &id, id), "(%s).T");
}

/* Squares a name: x ** 2 for x. */
static void square(struct mutation *mutation, size_t judged, node_id id) {
  const struct vocabulary *words = &mutation->judge->net->words;
  const struct node *node = graph_node(mutation->graph, id);
  if (node->op || node->role == ROLE_LITERAL) return;
  node_id inputs[2] = {id, id};
  alter(mutation, judged, id, add(mutation, words->ops[SYMBOL_MUL], NULL, 2, inputs, id),
        "%s ** 2");
}

/* Leaves out an op of one input that changes no sizes: a local derivative, a sum over one. */
static void drop_op(struct mutation *mutation, size_t judged, node_id id) {
  struct node node = *graph_node(mutation->graph, id);
  if (!node.op || node.count != 1) return;
  node_id input = graph_inputs(mutation->graph, &node)[0];
  if (has_size(mutation, input, id)) alter(mutation, judged, id, input, NULL);
}

static void alter_claim(struct mutation *mutation, size_t judged) {
  static void (*const ways[])(struct mutation *, size_t, node_id) = {drop_operands, flip_sign,
                                                                     transpose, square, drop_op};
  const struct claim *claim = mutation->judge->judged.at[judged].claim;
  const struct graph *graph = mutation->graph;
  if (claim->claimed > CONE_MOST) return;
  bool *used = ARENA_ARRAY(mutation->judge->arena, bool, (size_t)claim->claimed + 1);
  used[claim->claimed] = true;
  for (node_id id = claim->claimed + 1; id-- > 0;) {
    if (!used[id]) continue;
    const struct node *node = graph_node(graph, id);
    for (unsigned k = 0; k < node->count; k++) used[graph_inputs(graph, node)[k]] = true;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) ways[i](mutation, judged, id);
  }
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool is_told_apart(struct judge *judge, struct judged *judged, const struct run *run,
                          node_id root) {
  struct sides sides = judge_sides(judge, judged);
  const struct shape *shape = graph_node(run->plan->graph, root)->shape;
  sides.claimed = run_value(run, root);
  sides.spread = !shape->rank;
  for (size_t i = 0; i < judged->size; i++)
    if (judge_is_wrong(judged, side(&sides, i), sides.truth[i], i)) return true;
  return false;
}

/* Judges all that still survive where the net is; whoever is told apart has `killer`. */
static void judge_here(struct mutation *mutation, const char *killer) {
  struct judge *judge = mutation->judge;
  struct formulas *formulas = mutation->formulas;
  if (!judge_formulas(judge, formulas)) return;
  mutation->looked = mutation->looked || killer;
  for (size_t i = 0; i < mutation->altered.count; i++) {
    struct altered *altered = &mutation->altered.at[i];
    struct judged *judged = &judge->judged.at[altered->judged];
    if (killer ? !altered->survives || altered->killer : !altered->survives) continue;
    if (!is_told_apart(judge, judged, &formulas->run, altered->root)) continue;
    if (killer)
      altered->killer = killer;
    else
      altered->survives = false;
  }
}

static bool any_survives(const struct mutation *mutation) {
  for (size_t i = 0; i < mutation->altered.count; i++)
    if (mutation->altered.at[i].survives) return true;
  return false;
}

/* Judges the blocks of a group where the net is. */
static void judge_blocks(struct mutations *mutations, const struct group *group,
                         const char *killer) {
  for (size_t i = 0; i < mutations->at.count; i++) {
    struct mutation *mutation = mutations->at.at[i];
    if (mutation->formulas->group == group && any_survives(mutation)) judge_here(mutation, killer);
  }
}

static void judge_at_points(struct mutations *mutations, const struct group *group) {
  for (size_t number = 0; number <= group->points->count; number++) {
    size_t attempt = number ? group->attempts[number] : 0;
    if (attempt != NO_POINT && judge_move(mutations->judge, group->points, number, attempt))
      judge_blocks(mutations, group, NULL);
  }
}

/* Whether there is anything left to judge in a group. */
static bool group_survives(const struct mutations *mutations, const struct group *group) {
  for (size_t i = 0; i < mutations->at.count; i++)
    if (mutations->at.at[i]->formulas->group == group && any_survives(mutations->at.at[i]))
      return true;
  return false;
}

/* Looks for what would tell the survivors apart: more points, farther away, or freer ones. */
static void find_killers(struct mutations *mutations, const struct group *group) {
  static const struct {
    double spread;
    bool free;
    const char *text;
  } farther[] = {{0.5, false, "points: {count: 24, spread: 0.5}"},
                 {2, false, "points: {count: 24, spread: 2}"},
                 {8, false, "points: {count: 24, spread: 8}"},
                 {0.5, true, "points without keep"}};
  for (size_t i = 0; i < sizeof farther / sizeof *farther; i++) {
    struct points points = *group->points;
    if (farther[i].free && !points.keep.count) continue;
    points.spread = farther[i].spread;
    if (farther[i].free) points.keep.count = 0;
    for (size_t number = 1; number <= 24; number++)
      if (judge_move(mutations->judge, &points, number, 0))
        judge_blocks(mutations, group, farther[i].text);
  }
}

static bool replan(struct mutation *mutation) {
  struct judge *judge = mutation->judge;
  struct formulas *formulas = mutation->formulas;
  struct plan_options options = {.output = (node_id)(mutation->graph->nodes.count - 1),
                                 .all_values = true};
  if (!plan_make(&formulas->plan, judge->arena, judge->net->report, mutation->graph, &options))
    return false;
  run_make(&formulas->run, judge->arena, &formulas->plan);
  return true;
}

/* Alters the formulas of a block that were found right. */
static void alter_block(struct mutations *mutations, struct formulas *formulas) {
  struct judge *judge = mutations->judge;
  struct mutation *mutation = ARENA_NEW(judge->arena, struct mutation);
  *mutation = (struct mutation){.judge = judge, .formulas = formulas};
  mutation->graph = (struct graph *)&formulas->claims->graph;
  report_init(&mutation->silent, judge->arena);
  memcpy(&mutation->silent.sources, &judge->net->report->sources, sizeof mutation->silent.sources);
  for (size_t i = formulas->first; i < formulas->end; i++) {
    const struct judged *judged = &judge->judged.at[i];
    if (judged->claim && judged->claim->formula &&
        judge_judgement(judge, judged)->verdict == VERDICT_RIGHT)
      alter_claim(mutation, i);
  }
  if (mutation->altered.count && replan(mutation))
    *vec_push(judge->arena, &mutations->at) = mutation;
}

static void take_mutants(const struct mutation *mutation) {
  struct judge *judge = mutation->judge;
  for (size_t i = 0; i < mutation->altered.count; i++) {
    const struct altered *altered = &mutation->altered.at[i];
    /* What no point tells apart is the same formula: the transpose of diag(p), the square of 1. */
    if (altered->survives && !altered->killer && mutation->looked) continue;
    *vec_push(judge->arena, &judge->check->mutants) =
        (struct mutant){judge->judged.at[altered->judged].judgement, altered->text,
                        altered->survives, altered->killer};
  }
}

void mutate_claims(struct judge *judge) {
  struct mutations mutations = {.judge = judge};
  for (size_t i = 0; i < judge->formulas.count; i++)
    if (judge->formulas.at[i]->ready) alter_block(&mutations, judge->formulas.at[i]);
  for (size_t i = 0; i < judge->groups.count; i++) {
    if (!group_survives(&mutations, judge->groups.at[i])) continue;
    judge_at_points(&mutations, judge->groups.at[i]);
    if (group_survives(&mutations, judge->groups.at[i]))
      find_killers(&mutations, judge->groups.at[i]);
  }
  for (size_t i = 0; i < mutations.at.count; i++) take_mutants(mutations.at.at[i]);
  judge_move(judge, &no_points, 0, 0);
}
