/* What is judged: each claim with all that it takes to put it beside the truth, at any point. */
#include <math.h>
#include <string.h>

#include "check/judge.h"
#include "load/functions.h"

static const char *const kind_names[CLAIM_KINDS] = {[CLAIM_VALUE] = "value",
                                                    [CLAIM_GRADIENT] = "gradient",
                                                    [CLAIM_CONTRIBUTION] = "contribution",
                                                    [CLAIM_JACOBIAN] = "jacobian",
                                                    [CLAIM_HESSIAN] = "hessian"};

/* ---- formulas ------------------------------------------------------------------------------ */

struct back *judge_call_back(struct judge *judge, const struct call_site *call, node_id subject,
                             const double *upstream) {
  struct back *back = ARENA_NEW(judge->arena, struct back);
  const struct region region = {
      .target = subject, .first = call->first, .top = {call->body, upstream}};
  return back_make(back, judge->arena, judge->result, &region) ? back : NULL;
}

/* Whether the gradient of a call's node is that of the call's value. */
static bool is_value_of(const struct call_site *call, node_id id) {
  return id == call->output || id == call->body;
}

static const double *call_gradient(struct judge *judge, struct formulas *formulas, node_id of) {
  const struct call_site *call = formulas->claims->call;
  const double *upstream = run_bar(&judge->result->run, call->output);
  if (is_value_of(call, of)) return upstream;
  size_t size = judge_shape(judge, of)->size;
  struct call_gradient *gradient = vec_push(judge->arena, &formulas->call_gradients);
  *gradient = (struct call_gradient){judge_call_back(judge, call, of, upstream),
                                     ARENA_ARRAY(judge->arena, double, size + 1), size};
  return gradient->at;
}

/* Where a stand-in's numbers are, whatever the point: in the net's run, or among the gradients of a
 * call. */
static const double *numbers_of(struct judge *judge, struct formulas *formulas,
                                const struct stand_in *stand_in) {
  const struct run *run = &judge->result->run;
  const double *at = !stand_in->gradient      ? run_value(run, stand_in->of)
                     : formulas->claims->call ? call_gradient(judge, formulas, stand_in->of)
                                              : run_bar(run, stand_in->of);
  if (at) return at;
  return ARENA_ARRAY(judge->arena, double, judge_shape(judge, stand_in->of)->size + 1); /* zeros */
}

static bool plan_formulas(struct judge *judge, struct formulas *formulas) {
  struct claims *claims = (struct claims *)formulas->claims;
  struct graph *graph = &claims->graph;
  for (size_t i = 0; i < claims->stand_ins.count; i++) {
    const struct stand_in *stand_in = &claims->stand_ins.at[i];
    graph->nodes.at[stand_in->node].value = (double *)numbers_of(judge, formulas, stand_in);
  }
  struct plan_options options = {.output = (node_id)(graph->nodes.count - 1), .all_values = true};
  if (!plan_make(&formulas->plan, judge->arena, judge->net->report, graph, &options)) return false;
  run_make(&formulas->run, judge->arena, &formulas->plan);
  return true;
}

/* ---- what is judged ------------------------------------------------------------------------ */

bool judge_needs_gradient(enum claim_kind kind) {
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

/* The call whose function has rules of its own and hands nothing to this node in it; or NULL. */
static const struct call_site *find_bypass(struct judge *judge, node_id id) {
  const struct net *net = judge->net;
  const double *at;
  unsigned input;
  struct mark mark;
  if (result_gradient(judge->result, id, &at) != GRADIENT_ZERO) return NULL;
  for (size_t i = 0; i < net->calls_made.count; i++) {
    const struct call_site *call = &net->calls_made.at[i];
    if (call->first <= id && id < call->end && id != call->output &&
        function_rule(net, call->function, 0, &input, &mark))
      return call;
  }
  return NULL;
}

/* Its gradient is 0 by the author's own rules, which says nothing about the claim. */
static bool report_bypass(struct judge *judge, const struct claim *claim,
                          const struct call_site *call) {
  const char *name = function_name(call->function);
  struct text why;
  text_init(&why, judge->arena, NULL, NULL);
  text_printf(&why, "the function %s has a backward of its own, which goes past it", name);
  report_add(judge->net->report, claim->mark, BP(NO_GRADIENT), judge_name(judge, claim->of),
             text_string(&why));
  report_hint(judge->net->report, "claim it in the expect of %s, where the body is judged", name);
  return false;
}

/* Whether there is anything to judge the claim by. */
static bool check_subject(struct judge *judge, const struct claim *claim,
                          const struct call_site *inside) {
  if (!judge_needs_gradient(claim->kind)) return true;
  if (!check_gradient(judge, claim->of, claim->mark)) return false;
  const struct call_site *call = inside ? NULL : find_bypass(judge, claim->of);
  return !call || report_bypass(judge, claim, call);
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

static size_t dims_size(const struct dims *dims) {
  size_t size = 1;
  for (unsigned i = 0; i < dims->rank; i++) size *= (size_t)dims->at[i];
  return size;
}

enum { JACOBIAN_MOST = 1 << 27 }; /* entries: a GB */

static bool prepare_matrix(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  node_id by = claim->by == NODE_NONE ? claim->of : claim->by;
  double entries =
      (double)judge_shape(judge, claim->of)->size * (double)judge_shape(judge, by)->size;
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

/* What comes by a user is the sum of what its edges hand down. */
static void list_contributions(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  const struct graph *graph = &judge->net->graph;
  const struct user user = claim_user(graph, NULL, claim->by);
  judged->part = ARENA_ARRAY(judge->arena, double, judge_shape(judge, claim->of)->size + 1);
  for (node_id id = user.first > claim->of ? user.first : claim->of + 1; id <= user.last; id++) {
    const struct node *node = graph_node(graph, id);
    for (unsigned k = 0; node->op && k < node->count; k++) {
      if (graph_inputs(graph, node)[k] != claim->of || !result_has_edge(judge->result, id, k))
        continue;
      struct contribution *each = vec_push(judge->arena, &judged->contributions);
      each->input = k;
      result_edges(judge->result, id, &each->edges);
    }
  }
}

/* The same inside a call, where it is a part of what flows down from the call's value alone. */
static struct back *call_contribution(struct judge *judge, const struct judged *judged) {
  const struct claim *claim = judged->claim;
  struct back *back = ARENA_NEW(judge->arena, struct back);
  const struct user user = claim_user(&judge->net->graph, judged->call, claim->by);
  const struct region region = {
      .target = claim->of,
      .first = user.first,
      .top = {user.last, call_gradient(judge, judged->formulas, claim->by)}};
  return back_make(back, judge->arena, judge->result, &region) ? back : NULL;
}

static void prepare_truth(struct judge *judge, struct judged *judged) {
  const struct claim *claim = judged->claim;
  const struct run *run = &judge->result->run;
  const struct call_site *call = judged->call;
  if (claim->kind == CLAIM_JACOBIAN || claim->kind == CLAIM_HESSIAN)
    judged->skip = !prepare_matrix(judge, judged);
  if (claim->kind == CLAIM_GRADIENT && call && !is_value_of(call, claim->of))
    judged->local = judge_call_back(judge, call, claim->of, run_bar(run, call->output));
  if (claim->kind == CLAIM_CONTRIBUTION && call) judged->local = call_contribution(judge, judged);
  if (claim->kind == CLAIM_CONTRIBUTION && !call) list_contributions(judge, judged);
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
  if (!check_subject(judge, claim, claims->call)) return;
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
                         .seed = claims->points.seed,
                         .entries = judged.size};
  *vec_push(judge->arena, &judge->judged) = judged;
  formulas->moves = formulas->moves || claim->formula;
}

static bool same_points(const struct points *a, const struct points *b) {
  return a->count == b->count && a->spread == b->spread && a->seed == b->seed &&
         a->keep.count == b->keep.count &&
         (!a->keep.count || !memcmp(a->keep.at, b->keep.at, a->keep.count * sizeof *a->keep.at));
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

/* The last step of a call alone: it hands the gradient down by the author's rule. */
static struct back *make_rule(struct judge *judge, const struct call_site *call, node_id input,
                              const double *upstream) {
  struct back *back = ARENA_NEW(judge->arena, struct back);
  const struct region region = {
      .target = input, .first = call->output, .top = {call->output, upstream}};
  return back_make(back, judge->arena, judge->result, &region) ? back : NULL;
}

/* The author's own rules: each held against the derivative of the function's body. */
static void add_rules(struct judge *judge, struct formulas *formulas,
                      const struct call_site *call) {
  unsigned input;
  struct mark mark;
  for (size_t i = 0; function_rule(judge->net, call->function, i, &input, &mark); i++) {
    struct judged judged = {.formulas = formulas,
                            .call = call,
                            .rule_input = input,
                            .judgement = judge->check->claims.count,
                            .zero = true};
    set_tolerances(&judged);
    node_id from = call->locals[input];
    judged.size = judge_shape(judge, from)->size;
    judged.truth = ARENA_ARRAY(judge->arena, double, judged.size + 1);
    size_t above = judge_shape(judge, call->output)->size;
    judged.upstream = ARENA_ARRAY(judge->arena, double, above + 1);
    judged.rule = make_rule(judge, call, from, judged.upstream);
    if (!judged.rule) continue;
    if (from != call->body) judged.local = judge_call_back(judge, call, from, judged.upstream);
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
                           .seed = formulas->claims->points.seed,
                           .entries = judged.size};
    *vec_push(judge->arena, &judge->judged) = judged;
    formulas->moves = true;
    formulas->end = judge->judged.count;
  }
}

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

void judge_prepare(struct judge *judge) {
  struct net *net = judge->net;
  const char *file = judge->options->gradients;
  for (size_t i = 0; i < net->claims.count; i++) {
    apply_options(judge, net->claims.at[i]);
    add_block(judge, net->claims.at[i]);
  }
  struct claims *claimed = file ? judge_claimed_file(judge, file) : NULL;
  if (claimed) {
    apply_options(judge, claimed);
    add_block(judge, claimed);
  }
  struct formulas *rules = new_formulas(judge, judge_defaults(judge));
  for (size_t i = 0; i < net->calls_made.count; i++)
    add_rules(judge, rules, &net->calls_made.at[i]);
}
