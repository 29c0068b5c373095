#include "check/diagnose.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct diagnosis_kind diagnosis_kinds[] = {
#define DIAGNOSIS(symbol, id, meaning) {#id, meaning},
#include "check/diagnosis.def"
#undef DIAGNOSIS
    {NULL, NULL}};

/* ---- a case ---------------------------------------------------------------------------------- */

enum { EVIDENCE_MOST = 3, FINDINGS_MOST = 4, WORK_MOST = 1000000000, AXES_PERMUTED = 5 };

/* The two sides at one point, whole. */
struct evidence {
  size_t point;
  double *claimed, *truth;
};

/* How a candidate makes the claim out of the truth. */
enum family {
  FAMILY_FACTOR,  /* factor * truth */
  FAMILY_PERMUTE, /* axes in the order axes[] */
  FAMILY_SUM,     /* summed over `axis` (all: rank) and times `factor` */
  FAMILY_PATH,    /* what flows along the slip's edge, times `factor` */
  FAMILY_USER,    /* what comes by the user `owner`, times `factor` */
  FAMILY_ONLY,    /* what comes by that user, and nothing else */
  FAMILY_SLIP     /* the pass with the slip in it */
};

struct candidate {
  enum diagnosis id;
  const char *text;
  enum family family;
  double factor;
  unsigned axis, axes[AXES_PERMUTED];
  struct slip slip;
  node_id owner;
  const double *flow; /* FAMILY_PATH: along that edge, at the first point */
};

struct inquiry {
  struct judge *judge;
  struct judged *judged;
  struct judgement *judgement;
  struct arena *arena;
  struct dims dims;
  const char *what; /* "dW", "dp/ds", "J" */
  struct evidence evidence[EVIDENCE_MOST];
  size_t points;
  struct back *back; /* the claim's region; NULL: there is none, or it is too large */
  double *straight;  /* the pass without a slip */
  double *made;      /* what a candidate makes */
  double *part;
  size_t work_left;
  VEC(struct candidate) candidates;
};

static const char *format(struct inquiry *inquiry, const char *pattern, ...) PRINTF_LIKE(2, 3);
static const char *format(struct inquiry *inquiry, const char *pattern, ...) {
  char line[400];
  va_list arguments;
  va_start(arguments, pattern);
  int size = vsnprintf(line, sizeof line, pattern, arguments);
  va_end(arguments);
  if (size < 0) size = 0;
  if ((size_t)size >= sizeof line) size = sizeof line - 1;
  return arena_copy(inquiry->arena, line, (size_t)size);
}

static const char *number(struct inquiry *inquiry, double value) {
  struct text text;
  text_init(&text, inquiry->arena, NULL, NULL);
  text_rounded(&text, value, 6);
  return text_string(&text);
}

static struct finding make_finding(enum diagnosis id, const char *text) {
  return (struct finding){diagnosis_kinds[id].id, text};
}

static const struct graph *graph_of(const struct inquiry *inquiry) {
  return &inquiry->judge->net->graph;
}

static const struct node *node_at(const struct inquiry *inquiry, node_id id) {
  return graph_node(graph_of(inquiry), id);
}

/* The definition that a node is a part of, as its author calls it. */
static node_id owner_of(const struct inquiry *inquiry, node_id id) {
  return node_at(inquiry, id)->owner;
}

static const char *name(struct inquiry *inquiry, node_id id) {
  return judge_name(inquiry->judge, id);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* Whether `made` is the claim: a little more room than for a right claim, for rounding. */
static bool matches(const struct inquiry *inquiry, const struct evidence *evidence,
                    const double *made) {
  for (size_t i = 0; i < inquiry->judged->size; i++) {
    double claimed = evidence->claimed[i];
    if (claimed == made[i]) continue;
    if (!(fabs(claimed - made[i]) <= 4 * judge_room(inquiry->judged, claimed, made[i], i)))
      return false;
  }
  return true;
}

static bool spend(struct inquiry *inquiry) {
  if (inquiry->work_left < inquiry->back->work) return false;
  inquiry->work_left -= inquiry->back->work;
  return true;
}

/* What flows to the subject along an edge of the region, or through a node of it: the whole less
 * the whole without it. */
static bool flow_along(struct inquiry *inquiry, const struct slip *drop, double *out) {
  if (!spend(inquiry)) return false;
  const double *without = back_run(inquiry->back, drop);
  if (!without) return false;
  for (size_t i = 0; i < inquiry->judged->size; i++) out[i] = inquiry->straight[i] - without[i];
  return true;
}

/* What comes by one user of the subject, all its edges together. */
static bool flow_by_user(struct inquiry *inquiry, node_id owner, double *out) {
  double *part = inquiry->part;
  memset(out, 0, inquiry->judged->size * sizeof *out);
  for (size_t i = 0; i < inquiry->back->steps.count; i++) {
    node_id id = back_node(inquiry->back, i);
    const struct node *node = node_at(inquiry, id);
    if (owner_of(inquiry, id) != owner) continue;
    for (unsigned k = 0; k < node->count; k++) {
      if (graph_inputs(graph_of(inquiry), node)[k] != inquiry->back->target) continue;
      struct slip drop = {.kind = ALTER_DROP, .node = id, .input = k};
      if (!back_flows(inquiry->back, i, k)) continue;
      if (!flow_along(inquiry, &drop, part)) return false;
      for (size_t e = 0; e < inquiry->judged->size; e++) out[e] += part[e];
    }
  }
  return true;
}

static void permute(const struct inquiry *inquiry, const unsigned *axes, const double *from,
                    double *to) {
  const struct dims *dims = &inquiry->dims;
  size_t stride[RANK_MOST], step = 1;
  for (unsigned a = dims->rank; a-- > 0; step *= (size_t)dims->at[a]) stride[a] = step;
  for (size_t i = 0; i < inquiry->judged->size; i++) {
    size_t rest = i, at = 0;
    for (unsigned a = dims->rank; a-- > 0; rest /= (size_t)dims->at[a])
      at += rest % (size_t)dims->at[a] * stride[axes[a]];
    to[i] = from[at];
  }
}

/* Each entry becomes the sum over its fellows along an axis, or over all. */
static void sum_axis(const struct inquiry *inquiry, unsigned axis, double factor,
                     const double *from, double *to) {
  size_t inner = 1, n = inquiry->judged->size, size = n;
  if (axis < inquiry->dims.rank) {
    n = (size_t)inquiry->dims.at[axis];
    for (unsigned a = axis + 1; a < inquiry->dims.rank; a++) inner *= (size_t)inquiry->dims.at[a];
  }
  for (size_t i = 0; i < size; i++) {
    if (i / inner % n) continue;
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += from[i + k * inner];
    for (size_t k = 0; k < n; k++) to[i + k * inner] = sum * factor;
  }
}

/* Writes what a candidate makes where the net is; false where it makes nothing. */
static bool make(struct inquiry *inquiry, const struct candidate *candidate, const double *truth,
                 double *out) {
  size_t size = inquiry->judged->size;
  const double *slipped;
  switch (candidate->family) {
  case FAMILY_FACTOR:
    for (size_t i = 0; i < size; i++) out[i] = candidate->factor * truth[i];
    return true;
  case FAMILY_PERMUTE: permute(inquiry, candidate->axes, truth, out); return true;
  case FAMILY_SUM: sum_axis(inquiry, candidate->axis, candidate->factor, truth, out); return true;
  case FAMILY_PATH:
    if (!flow_along(inquiry, &candidate->slip, out)) return false;
    for (size_t i = 0; i < size; i++) out[i] = truth[i] + (candidate->factor - 1) * out[i];
    return true;
  case FAMILY_USER:
    if (!flow_by_user(inquiry, candidate->owner, out)) return false;
    for (size_t i = 0; i < size; i++) out[i] = truth[i] + (candidate->factor - 1) * out[i];
    return true;
  case FAMILY_ONLY: return flow_by_user(inquiry, candidate->owner, out);
  case FAMILY_SLIP:
    slipped = spend(inquiry) ? back_run(inquiry->back, &candidate->slip) : NULL;
    if (slipped) memcpy(out, slipped, size * sizeof *out);
    return slipped != NULL;
  }
  return false;
}

/* Takes a candidate up if it makes the claim at the first point; then it needs its text. */
static struct candidate *try_one(struct inquiry *inquiry, struct candidate candidate) {
  const struct evidence *first = &inquiry->evidence[0];
  if (!make(inquiry, &candidate, first->truth, inquiry->made) ||
      !matches(inquiry, first, inquiry->made))
    return NULL;
  struct candidate *taken = vec_push(inquiry->arena, &inquiry->candidates);
  *taken = candidate;
  return taken;
}

/* ---- factors --------------------------------------------------------------------------------- */

/* The k of claim = rest + k * flow, read off where the flow is largest; NAN where it is 0. */
static double find_factor(const struct inquiry *inquiry, const double *flow) {
  const struct evidence *first = &inquiry->evidence[0];
  size_t at = 0;
  for (size_t i = 1; i < inquiry->judged->size; i++)
    if (fabs(flow[i]) > fabs(flow[at])) at = i;
  if (!inquiry->judged->size || flow[at] == 0) return NAN;
  double k = 1 + (first->claimed[at] - first->truth[at]) / flow[at];
  double whole = round(k), inverse = round(1 / k);
  /* As far as the claim is exact, k is. */
  double room = judge_room(inquiry->judged, first->claimed[at], first->truth[at], at);
  double slack = fmax(1e-5 * fabs(k), room / fabs(flow[at]));
  if (fabs(k - whole) <= slack) return whole;
  if (inverse != 0 && fabs(k - 1 / inverse) <= slack) return 1 / inverse;
  return k;
}

/* Whether enough numbers speak for a factor that is not one of the common ones. */
static bool has_evidence(const struct inquiry *inquiry, double k, const double *flow) {
  double plain = fabs(k) < 1 ? 1 / fabs(k) : fabs(k);
  if (k == 0 || k == -1 || k == 2 || k == 0.5) return true;
  /* The truth as a whole is easier to recognise than one path of it. */
  if (flow == inquiry->evidence[0].truth && plain == round(plain) && plain <= 4) return true;
  size_t different = 0;
  for (size_t i = 0; i < inquiry->judged->size; i++) different += flow[i] != 0;
  return inquiry->points > 1 || different > 1;
}

/* What a factor n may stand for: a node that brings n entries together, or has n as a constant. */
struct count {
  node_id node;
  enum { COUNT_NONE, COUNT_AXIS, COUNT_SUM, COUNT_SPREAD, COUNT_CONSTANT, COUNT_MEAN } kind;
};

static bool nearly(double a, double b) { return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)); }

static double sum_of(const double *at, size_t size) {
  double sum = 0;
  for (size_t i = 0; i < size; i++) sum += at[i];
  return sum;
}

/* Whether an edge is linear with slope 1/n or n throughout, because of a constant n. */
static bool scales(const double *flow, const double *bar, size_t size, double n) {
  bool by = true, times = true;
  for (size_t i = 0; i < size; i++) {
    by = by && nearly(fabs(flow[i]) * n, fabs(bar[i]));
    times = times && nearly(fabs(flow[i]), fabs(bar[i]) * n);
  }
  return size && (by || times);
}

static bool has_constant(const struct graph *graph, const struct node *node, double n) {
  const node_id *inputs = graph_inputs(graph, node);
  for (unsigned k = 0; k < node->count; k++) {
    const struct node *input = graph_node(graph, inputs[k]);
    bool fixed = input->role == ROLE_CONSTANT || input->role == ROLE_LITERAL;
    if (fixed && input->shape->size == 1 &&
        (fabs(*input->value) == n || fabs(*input->value) * n == 1))
      return true;
  }
  return false;
}

/* Looks at the edge from the i-th node of the region to its input k. */
static struct count count_at(struct inquiry *inquiry, size_t i, unsigned k, double n) {
  const struct graph *graph = graph_of(inquiry);
  node_id id = back_node(inquiry->back, i);
  const struct node *node = node_at(inquiry, id);
  const struct shape *y = node->shape, *x = node_at(inquiry, graph_inputs(graph, node)[k])->shape;
  const double *bar = run_bar(&inquiry->judge->result->run, id);
  struct count count = {id, COUNT_NONE};
  bool reduces = (double)x->size == n * (double)y->size;
  bool spreads = (double)y->size == n * (double)x->size;
  bool constant = x == y && has_constant(graph, node, n);
  /* An op that reduces several axes at once, a loss, may average over one of them. */
  for (unsigned axis = 0; axis < x->rank && y->size < x->size; axis++)
    if ((double)x->dim[axis] == n) count.kind = COUNT_AXIS;
  if (!bar || !y->size || !(reduces || spreads || constant)) return count;
  double *flow = arena_resize(inquiry->arena, NULL, (x->size + 1) * sizeof *flow);
  result_contribution(inquiry->judge->result, id, k, false, flow);
  double above = sum_of(bar, y->size), below = sum_of(flow, x->size);
  if (reduces && nearly(above, below))
    count.kind = COUNT_MEAN;
  else if (reduces && nearly(above * n, below))
    count.kind = COUNT_SUM;
  else if (spreads && nearly(fabs(above), fabs(below)))
    count.kind = COUNT_SPREAD;
  else if (constant && scales(flow, bar, y->size, n))
    count.kind = COUNT_CONSTANT;
  arena_release(inquiry->arena, flow);
  return count;
}

/* Whether a tensor on the way has an axis of so many entries: then a constant n may be its size. */
static bool has_axis(const struct inquiry *inquiry, double n) {
  for (size_t i = 0; i < inquiry->back->steps.count; i++) {
    const struct shape *shape = node_at(inquiry, back_node(inquiry->back, i))->shape;
    for (unsigned axis = 0; axis < shape->rank; axis++)
      if ((double)shape->dim[axis] == n) return true;
  }
  return false;
}

/* The most telling of the counts that are n, a mean rather than a constant or a sum: on the whole way
 * or (`only`) at one node. */
static bool find_count(struct inquiry *inquiry, double n, node_id only, struct count *found) {
  *found = (struct count){NODE_NONE, COUNT_NONE};
  for (size_t i = 0; inquiry->back && i < inquiry->back->steps.count; i++) {
    const struct node *node = node_at(inquiry, back_node(inquiry->back, i));
    if (only != NODE_NONE && back_node(inquiry->back, i) != only) continue;
    for (unsigned k = 0; k < node->count; k++) {
      if (!back_flows(inquiry->back, i, k)) continue;
      struct count count = count_at(inquiry, i, k, n);
      if (count.kind == COUNT_CONSTANT && !has_axis(inquiry, n)) continue;
      if (count.kind > found->kind) *found = count;
    }
  }
  return found->kind != COUNT_NONE;
}

static const char *count_text(struct inquiry *inquiry, const struct count *count, double n) {
  static const char *const verbs[] = {[COUNT_MEAN] = "averages over",
                                      [COUNT_SUM] = "sums over",
                                      [COUNT_AXIS] = "brings together",
                                      [COUNT_SPREAD] = "spreads it over",
                                      [COUNT_CONSTANT] = "has a constant for its"};
  return format(inquiry, "%s %s %s entries", name(inquiry, owner_of(inquiry, count->node)),
                verbs[count->kind], number(inquiry, n));
}

/* A factor that is a count, or one over it: names what counts.  2 may be anything, and is named as a
 * factor as well. */
static void name_count(struct inquiry *inquiry, struct candidate *found) {
  double n = fabs(found->factor) > 1 ? fabs(found->factor) : 1 / fabs(found->factor);
  struct count count;
  node_id only = found->family == FAMILY_PATH ? found->slip.node : NODE_NONE;
  if (n != round(n) || n < 2 || !find_count(inquiry, n, only, &count)) return;
  struct candidate counted = *found;
  counted.id = DIAGNOSIS_MEAN_SUM;
  counted.text = format(inquiry, "%s: %s", found->text, count_text(inquiry, &count, n));
  if (n > 2 || count.kind == COUNT_MEAN)
    *found = counted;
  else
    *vec_push(inquiry->arena, &inquiry->candidates) = counted;
}

static const char *times(struct inquiry *inquiry, double k) {
  double size = fabs(k);
  if (size == 1) return "";
  return size > 1 ? format(inquiry, "%s times too large", number(inquiry, size))
                  : format(inquiry, "%s times too small", number(inquiry, 1 / size));
}

/* The truth times k. */
static void try_factor(struct inquiry *inquiry) {
  const double *truth = inquiry->evidence[0].truth;
  double k = find_factor(inquiry, truth);
  if (!isfinite(k) || k == 1 || k == 0 || !has_evidence(inquiry, k, truth)) return;
  struct candidate *found =
      try_one(inquiry, (struct candidate){.family = FAMILY_FACTOR, .factor = k});
  if (!found) return;
  const char *also = k < 0 ? " and has the wrong sign" : "";
  found->id = DIAGNOSIS_FACTOR;
  found->text = format(inquiry, "%s is %s%s", inquiry->what, times(inquiry, k), also);
  if (k == -1) {
    found->id = DIAGNOSIS_SIGN;
    found->text = format(inquiry, "%s has the wrong sign", inquiry->what);
    return;
  }
  name_count(inquiry, found);
}

/* ---- axes ------------------------------------------------------------------------------------ */

static bool next_permutation(unsigned *axes, unsigned rank) {
  unsigned i = rank - 1;
  while (i > 0 && axes[i - 1] >= axes[i]) i--;
  if (i == 0) return false;
  unsigned j = rank - 1;
  while (axes[j] <= axes[i - 1]) j--;
  unsigned swap = axes[i - 1];
  axes[i - 1] = axes[j], axes[j] = swap;
  for (unsigned low = i, high = rank - 1; low < high; low++, high--)
    swap = axes[low], axes[low] = axes[high], axes[high] = swap;
  return true;
}

static const char *axes_text(struct inquiry *inquiry, const unsigned *axes) {
  struct dims dims = {.rank = inquiry->dims.rank};
  struct text text;
  for (unsigned i = 0; i < dims.rank; i++) dims.at[i] = axes[i];
  text_init(&text, inquiry->arena, NULL, NULL);
  dims_print(&dims, &text);
  return text_string(&text);
}

/* How a sentence calls what a claim is about. */
static const char *truth_word(const struct inquiry *inquiry) {
  const struct claim *claim = inquiry->judged->claim;
  if (!claim) return "derivative";
  return claim->kind == CLAIM_VALUE      ? "value"
         : claim->kind == CLAIM_JACOBIAN ? "Jacobian"
         : claim->kind == CLAIM_HESSIAN  ? "Hessian"
         : claim->kind == CLAIM_GRADIENT ? "gradient"
                                         : "contribution";
}

static void try_permutations(struct inquiry *inquiry) {
  const struct dims *dims = &inquiry->dims;
  struct candidate candidate = {.family = FAMILY_PERMUTE};
  if (dims->rank < 2 || dims->rank > AXES_PERMUTED) return;
  for (unsigned i = 0; i < dims->rank; i++) candidate.axes[i] = i;
  while (next_permutation(candidate.axes, dims->rank)) {
    bool fits = true;
    for (unsigned i = 0; i < dims->rank; i++)
      fits = fits && dims->at[i] == dims->at[candidate.axes[i]];
    struct candidate *found = fits ? try_one(inquiry, candidate) : NULL;
    if (!found) continue;
    bool matrix = dims->rank == 2;
    found->id = matrix ? DIAGNOSIS_TRANSPOSE : DIAGNOSIS_PERMUTATION;
    found->text =
        matrix ? format(inquiry, "%s is the transpose of the true %s", inquiry->what,
                        truth_word(inquiry))
               : format(inquiry, "%s is the true %s with its axes in the order %s", inquiry->what,
                        truth_word(inquiry), axes_text(inquiry, candidate.axes));
    return;
  }
}

static void try_sums(struct inquiry *inquiry) {
  const struct dims *dims = &inquiry->dims;
  if (inquiry->judged->size < 2) return;
  for (unsigned axis = 0; axis <= dims->rank; axis++) {
    bool all = axis == dims->rank;
    if (all ? dims->rank < 2 : dims->at[axis] < 2) continue;
    double n = all ? (double)inquiry->judged->size : (double)dims->at[axis];
    for (int mean = 0; mean < 2; mean++) {
      struct candidate *found = try_one(
          inquiry,
          (struct candidate){.family = FAMILY_SUM, .axis = axis, .factor = mean ? 1 / n : 1});
      if (!found) continue;
      const char *where = all ? "all axes" : format(inquiry, "axis %u", axis);
      found->id = DIAGNOSIS_SUM_EXTRA;
      found->text = format(inquiry, "%s is the true %s %s over %s, which it still has",
                           inquiry->what, truth_word(inquiry), mean ? "averaged" : "summed", where);
      return;
    }
  }
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Which node of the region this is; steps.count where it is none. */
static size_t step_of(const struct back *back, node_id id) {
  size_t i = 0;
  while (i < back->steps.count && back_node(back, i) != id) i++;
  return i;
}

/* The node's first input that the gradient flows on to; NODE_NONE where there is none. */
static node_id input_below(const struct inquiry *inquiry, size_t i) {
  const struct node *node = node_at(inquiry, back_node(inquiry->back, i));
  for (unsigned k = 0; k < node->count; k++)
    if (back_flows(inquiry->back, i, k)) return graph_inputs(graph_of(inquiry), node)[k];
  return NODE_NONE;
}

/* The nearest node of the region that uses this one; NODE_NONE at the top. */
static node_id user_above(const struct inquiry *inquiry, size_t i) {
  const struct back *back = inquiry->back;
  const node_id id = back_node(back, i);
  if (back_is_given(back, i)) return NODE_NONE;
  while (i-- > 0) {
    const struct node *node = node_at(inquiry, back_node(back, i));
    for (unsigned k = 0; k < node->count; k++)
      if (graph_inputs(graph_of(inquiry), node)[k] == id && back_flows(back, i, k))
        return back_node(back, i);
  }
  return NODE_NONE;
}

/* Adds the definition that a node belongs to, unless it is the one before it. */
static void add_to_path(struct inquiry *inquiry, node_id id, node_id *last, struct text *text) {
  if (owner_of(inquiry, id) == *last) return;
  *last = owner_of(inquiry, id);
  text_printf(text, " -> %s", name(inquiry, *last));
}

/* The names of the definitions on a way from the subject through an edge, from `from` to `user`, to
 * the top. */
static const char *path_through(struct inquiry *inquiry, node_id user, node_id from) {
  const struct back *back = inquiry->back;
  struct text text;
  VEC(node_id) way = {0};
  for (node_id at = from; at != back->target && at != NODE_NONE;) { /* down to the subject */
    *vec_push(inquiry->arena, &way) = at;
    at = input_below(inquiry, step_of(back, at));
  }
  text_init(&text, inquiry->arena, NULL, NULL);
  text_puts(&text, name(inquiry, back->target));
  node_id last = back->target;
  for (size_t i = way.count; i-- > 0;) add_to_path(inquiry, way.at[i], &last, &text);
  for (node_id at = user; at != NODE_NONE; at = user_above(inquiry, step_of(back, at)))
    add_to_path(inquiry, at, &last, &text);
  return text_string(&text);
}

/* The author's own formula for what comes by a user, " (2 * lambda * W)", or "". */
static const char *formula_of(struct inquiry *inquiry, node_id owner) {
  const struct net *net = inquiry->judge->net;
  for (size_t b = 0; b < net->claims.count; b++)
    for (size_t i = 0; i < net->claims.at[b]->at.count; i++) {
      const struct claim *claim = &net->claims.at[b]->at.at[i];
      if (claim->kind != CLAIM_CONTRIBUTION || claim->of != inquiry->back->target ||
          claim->by != owner || !claim->formula || claim == inquiry->judged->claim)
        continue;
      const char *bytes = report_bytes(net->report, claim->text);
      return format(inquiry, " (%.*s)", (int)(claim->text.end - claim->text.start), bytes);
    }
  return "";
}

static bool nearly_equal(const struct inquiry *inquiry, const double *a, const double *b) {
  for (size_t i = 0; i < inquiry->judged->size; i++)
    if (fabs(a[i] - b[i]) > 1e-9 * fmax(fabs(a[i]), fabs(b[i]))) return false;
  return true;
}

static bool all_zero(const struct inquiry *inquiry, const double *a) {
  for (size_t i = 0; i < inquiry->judged->size; i++)
    if (a[i] != 0) return false;
  return true;
}

/* Names what is wrong with a path: it is missing, has the wrong sign, or a factor. */
static void name_path(struct inquiry *inquiry, struct candidate *found, node_id owner,
                      const char *path) {
  double k = found->factor;
  if (k == 0) {
    found->id = DIAGNOSIS_PATH_MISSING;
    found->text =
        format(inquiry, "%s lacks the path %s%s", inquiry->what, path, formula_of(inquiry, owner));
  } else if (k == -1) {
    found->id = DIAGNOSIS_SIGN;
    found->text = format(inquiry, "in %s, what comes along %s has the wrong sign%s", inquiry->what,
                         path, formula_of(inquiry, owner));
  } else {
    found->id = DIAGNOSIS_FACTOR;
    found->text = format(inquiry, "in %s, what comes along %s is %s%s%s", inquiry->what, path,
                         times(inquiry, k), k < 0 ? " and has the wrong sign" : "",
                         formula_of(inquiry, owner));
    name_count(inquiry, found);
  }
}

/* Whether a path candidate says what one before has said: a later edge of the same path. */
static bool is_same_path(const struct inquiry *inquiry, const struct candidate *candidate) {
  for (size_t i = 0; i < inquiry->candidates.count; i++) {
    const struct candidate *other = &inquiry->candidates.at[i];
    if (other->flow && other->factor == candidate->factor &&
        nearly_equal(inquiry, other->flow, candidate->flow))
      return true;
  }
  return false;
}

static void try_flow(struct inquiry *inquiry, struct candidate candidate, double *flow,
                     node_id user, node_id from) {
  if (all_zero(inquiry, flow) || nearly_equal(inquiry, flow, inquiry->straight)) return;
  candidate.factor = find_factor(inquiry, flow);
  candidate.flow = flow;
  if (!isfinite(candidate.factor) || candidate.factor == 1 ||
      !has_evidence(inquiry, candidate.factor, flow) || is_same_path(inquiry, &candidate))
    return;
  struct candidate *found = try_one(inquiry, candidate);
  if (found) name_path(inquiry, found, owner_of(inquiry, user), path_through(inquiry, user, from));
}

static double *room_for(struct inquiry *inquiry) {
  return ARENA_ARRAY(inquiry->arena, double, inquiry->judged->size + 1);
}

/* Every edge of the region, the nearest to the subject first. */
static void try_paths(struct inquiry *inquiry) {
  double *flow = room_for(inquiry);
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    node_id id = back_node(inquiry->back, i);
    const struct node *node = node_at(inquiry, id);
    for (unsigned k = 0; k < node->count; k++) {
      if (!back_flows(inquiry->back, i, k)) continue;
      struct candidate candidate = {.family = FAMILY_PATH,
                                    .slip = {.kind = ALTER_DROP, .node = id, .input = k}};
      size_t before = inquiry->candidates.count;
      if (!flow_along(inquiry, &candidate.slip, flow)) return;
      try_flow(inquiry, candidate, flow, id, graph_inputs(graph_of(inquiry), node)[k]);
      if (inquiry->candidates.count > before) flow = room_for(inquiry); /* it is kept */
    }
  }
}

/* The users of the subject within the region, by definition: a node of each that has it as an
 * input. */
static size_t find_users(struct inquiry *inquiry, node_id *users, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < inquiry->back->steps.count; i++) {
    node_id id = back_node(inquiry->back, i), owner = owner_of(inquiry, id);
    const struct node *node = node_at(inquiry, id);
    bool uses = false, known = false;
    for (unsigned k = 0; k < node->count; k++)
      uses = uses || (graph_inputs(graph_of(inquiry), node)[k] == inquiry->back->target &&
                      back_flows(inquiry->back, i, k));
    for (size_t u = 0; u < count; u++) known = known || owner_of(inquiry, users[u]) == owner;
    if (uses && !known && count < most) users[count++] = id;
  }
  return count;
}

/* Whole users: their contribution missing, or the only one that is there. */
static void try_users(struct inquiry *inquiry) {
  enum { USERS_MOST = 32 };
  node_id users[USERS_MOST];
  size_t count = find_users(inquiry, users, USERS_MOST);
  if (count < 2) return;
  for (size_t u = 0; u < count; u++) {
    double *flow = room_for(inquiry);
    node_id owner = owner_of(inquiry, users[u]);
    if (!flow_by_user(inquiry, owner, flow)) return;
    struct candidate candidate = {.family = FAMILY_USER, .owner = owner};
    try_flow(inquiry, candidate, flow, users[u], inquiry->back->target);
    /* Of two, it is as if the other were missing, which is said; the last to come overwrites. */
    if (count == 2 && u != count - 1) continue;
    candidate.family = FAMILY_ONLY;
    struct candidate *found = try_one(inquiry, candidate);
    if (!found) continue;
    found->id = DIAGNOSIS_OVERWRITTEN;
    found->text =
        format(inquiry, "%s has only what comes by %s: it is assigned, not added to the others",
               inquiry->what, name(inquiry, owner));
  }
}

/* ---- local derivatives ----------------------------------------------------------------------- */

/* An op with its place: "tanh in h". */
static const char *op_at(struct inquiry *inquiry, node_id id) {
  return format(inquiry, "%s in %s", node_at(inquiry, id)->op->name,
                name(inquiry, owner_of(inquiry, id)));
}

static void try_edge(struct inquiry *inquiry, size_t i, unsigned k) {
  static const struct {
    enum alteration kind;
    enum diagnosis id;
    const char *pattern;
  } kinds[] = {
      {ALTER_PASS, DIAGNOSIS_LOCAL_MISSING, "lacks the local derivative of"},
      {ALTER_DIAGONAL, DIAGNOSIS_DIAGONAL_ONLY, "has only the diagonal of the Jacobian of"},
      {ALTER_AT_OUTPUT, DIAGNOSIS_LOCAL_AT_OUTPUT,
       "has, at its output instead of its input, the local "
       "derivative of"},
      {ALTER_AT_INPUT, DIAGNOSIS_LOCAL_AT_INPUT,
       "has, with its input in the place of its output, the "
       "local derivative of"}};
  node_id id = back_node(inquiry->back, i);
  for (size_t a = 0; a < sizeof kinds / sizeof *kinds; a++) {
    struct candidate candidate = {.family = FAMILY_SLIP,
                                  .slip = {.kind = kinds[a].kind, .node = id, .input = k}};
    struct candidate *found = try_one(inquiry, candidate);
    if (!found) continue;
    found->id = kinds[a].id;
    found->text = format(inquiry, "%s %s %s", inquiry->what, kinds[a].pattern, op_at(inquiry, id));
  }
}

/* A matrix that is not transposed on the way back, or is where it should not be. */
static void try_operands(struct inquiry *inquiry, size_t i, unsigned k) {
  node_id id = back_node(inquiry->back, i);
  const struct node *node = node_at(inquiry, id);
  for (unsigned other = 0; other <= node->count; other++) {
    struct slip slip = {.kind = ALTER_OPERAND, .node = id, .input = k, .other = other};
    struct candidate *found =
        try_one(inquiry, (struct candidate){.family = FAMILY_SLIP, .slip = slip});
    if (!found) continue;
    node_id matrix = other < node->count ? graph_inputs(graph_of(inquiry), node)[other] : NODE_NONE;
    found->id = DIAGNOSIS_OPERAND_TRANSPOSED;
    found->text =
        matrix == NODE_NONE
            ? format(inquiry, "%s has the transpose of grad(%s), in %s", inquiry->what,
                     name(inquiry, owner_of(inquiry, id)), op_at(inquiry, id))
            : format(inquiry, "%s has %s for its transpose, or the other way about, in %s",
                     inquiry->what, name(inquiry, matrix), op_at(inquiry, id));
  }
}

static void try_edges(struct inquiry *inquiry) {
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    const struct node *node = node_at(inquiry, back_node(inquiry->back, i));
    for (unsigned k = 0; k < node->count; k++)
      if (back_flows(inquiry->back, i, k)) {
        try_edge(inquiry, i, k);
        try_operands(inquiry, i, k);
      }
  }
}

static bool all_ones(const double *at, size_t size) {
  size_t i = 0;
  while (i < size && at[i] == 1) i++;
  return i == size;
}

/* Takes up a slip at a node's gradient, unless it comes to the same as nothing of it (`none`). */
static struct candidate *try_node(struct inquiry *inquiry, struct slip slip, const double *none) {
  struct candidate candidate = {.family = FAMILY_SLIP, .slip = slip};
  struct candidate *found = try_one(inquiry, candidate);
  if (!found || !nearly_equal(inquiry, inquiry->made, none)) return found;
  inquiry->candidates.count--;
  return NULL;
}

/* A node's gradient left out, as if it were 1. */
static void try_ones(struct inquiry *inquiry, size_t i, const double *none) {
  node_id id = back_node(inquiry->back, i);
  if (all_ones(back_bar(inquiry->back, i), node_at(inquiry, id)->shape->size)) return;
  struct candidate *found = try_node(inquiry, (struct slip){.kind = ALTER_ONES, .node = id}, none);
  if (!found) return;
  bool rule = !inquiry->judged->claim && id == inquiry->back->top;
  found->id = DIAGNOSIS_UPSTREAM_MISSING;
  found->text = rule ? format(inquiry, "%s lacks upstream", inquiry->what)
                     : format(inquiry, "%s lacks the upstream gradient grad(%s)", inquiry->what,
                              name(inquiry, id));
}

/* All but one slice of a node's gradient left out. */
static void try_slices(struct inquiry *inquiry, size_t i, const double *none) {
  enum { INDICES_MOST = 16 };
  node_id id = back_node(inquiry->back, i);
  const struct shape *shape = node_at(inquiry, id)->shape;
  for (unsigned axis = 0; axis < shape->rank; axis++)
    for (int64_t at = 0; at < shape->dim[axis] && at < INDICES_MOST && shape->dim[axis] > 1; at++) {
      struct slip slip = {.kind = ALTER_SLICE, .node = id, .axis = axis, .index = at};
      struct candidate *found = try_node(inquiry, slip, none);
      if (!found) continue;
      found->id = DIAGNOSIS_SUM_MISSING;
      found->text =
          format(inquiry, "%s has only index %d of axis %u of grad(%s): the sum over it is missing",
                 inquiry->what, (int)at, axis, name(inquiry, id));
    }
}

/* The gradients that the author knows: those of named nodes, and a rule's upstream. */
static void try_nodes(struct inquiry *inquiry) {
  static const struct slip straight = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  double *none = room_for(inquiry);
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    node_id id = back_node(inquiry->back, i);
    if (!node_at(inquiry, id)->name && id != inquiry->back->top) continue;
    const struct slip zero = {.kind = ALTER_ZERO, .node = id};
    const double *without = spend(inquiry) ? back_run(inquiry->back, &zero) : NULL;
    if (!without) return;
    memcpy(none, without, inquiry->judged->size * sizeof *none);
    back_run(inquiry->back, &straight); /* what back_bar tells of */
    try_ones(inquiry, i, none);
    try_slices(inquiry, i, none);
  }
}

/* ---- entries --------------------------------------------------------------------------------- */

/* The entries that are wrong, worst first, as "[0, 1], [2, 2] and 3 more". */
static const char *list_wrong(struct inquiry *inquiry, const struct evidence *evidence,
                              const bool *wrong) {
  enum { SHOWN = 5 };
  struct text text;
  text_init(&text, inquiry->arena, NULL, NULL);
  bool *said = ARENA_ARRAY(inquiry->arena, bool, inquiry->judged->size + 1);
  size_t count = 0;
  for (size_t i = 0; i < inquiry->judged->size; i++) count += wrong[i];
  for (size_t shown = 0; shown < SHOWN && shown < count; shown++) {
    size_t worst = SIZE_MAX;
    double largest = -1;
    for (size_t i = 0; i < inquiry->judged->size; i++) {
      double error = fabs(evidence->claimed[i] - evidence->truth[i]);
      if (isnan(error)) error = INFINITY;
      if (wrong[i] && !said[i] && error > largest) largest = error, worst = i;
    }
    if (worst == SIZE_MAX) break;
    said[worst] = true;
    struct dims index = {.rank = inquiry->dims.rank};
    size_t rest = worst;
    for (unsigned a = index.rank; a-- > 0; rest /= (size_t)inquiry->dims.at[a])
      index.at[a] = (int64_t)(rest % (size_t)inquiry->dims.at[a]);
    text_puts(&text, shown ? ", " : "");
    dims_print(&index, &text);
  }
  if (count > SHOWN) text_printf(&text, " and %zu more", count - SHOWN);
  return text_string(&text);
}

static bool is_wrong(const struct inquiry *inquiry, const struct evidence *evidence, size_t i) {
  double claimed = evidence->claimed[i], truth = evidence->truth[i];
  return claimed != truth &&
         !(fabs(claimed - truth) <= judge_room(inquiry->judged, claimed, truth, i));
}

/* Whether a square Jacobian was claimed as its diagonal. */
static bool is_diagonal(const struct inquiry *inquiry, const struct evidence *evidence) {
  const struct dims *dims = &inquiry->dims;
  unsigned half = dims->rank / 2;
  const struct claim *claim = inquiry->judged->claim;
  bool matrix = claim && (claim->kind == CLAIM_JACOBIAN || claim->kind == CLAIM_HESSIAN);
  if (!matrix || !dims->rank || dims->rank % 2) return false;
  size_t n = 1;
  for (unsigned a = 0; a < half; a++) {
    if (dims->at[a] != dims->at[a + half]) return false;
    n *= (size_t)dims->at[a];
  }
  for (size_t i = 0; i < n * n; i++) {
    if (i % (n + 1) ? evidence->claimed[i] != 0 : is_wrong(inquiry, evidence, i)) return false;
  }
  return true;
}

/* When nothing else explains it: most of it may be right. */
static struct finding find_entries(struct inquiry *inquiry) {
  const struct evidence *evidence = &inquiry->evidence[0];
  bool *wrong = ARENA_ARRAY(inquiry->arena, bool, inquiry->judged->size + 1);
  size_t count = 0, right = 0;
  for (size_t i = 0; i < inquiry->judged->size; i++) {
    wrong[i] = is_wrong(inquiry, evidence, i);
    count += wrong[i];
    right += !wrong[i];
  }
  struct finding none = {NULL, NULL};
  if (is_diagonal(inquiry, evidence))
    return make_finding(
        DIAGNOSIS_DIAGONAL_ONLY,
        format(inquiry, "%s has the diagonal only: the other entries are missing", inquiry->what));
  if (!right || count > inquiry->judged->size / 2) return none;
  return make_finding(DIAGNOSIS_SOME_ENTRIES,
                      format(inquiry, "%s is right but for %zu of %zu entries: %s", inquiry->what,
                             count, inquiry->judged->size, list_wrong(inquiry, evidence, wrong)));
}

/* ---- the evidence ---------------------------------------------------------------------------- */

static void take_evidence(struct inquiry *inquiry, size_t point) {
  struct judge *judge = inquiry->judge;
  size_t size = inquiry->judged->size;
  if (!judge_move_to(judge, inquiry->judged, point)) return;
  struct evidence *evidence = &inquiry->evidence[inquiry->points];
  *evidence = (struct evidence){point, room_for(inquiry), room_for(inquiry)};
  struct sides sides = judge_sides(judge, inquiry->judged);
  for (size_t i = 0; i < size; i++) evidence->claimed[i] = side(&sides, i);
  memcpy(evidence->truth, sides.truth, size * sizeof *evidence->truth);
  for (size_t i = 0; i < size; i++)
    if (!isfinite(evidence->claimed[i]) || !isfinite(evidence->truth[i])) return;
  inquiry->points++;
}

/* The worst point, then the file's, then others. */
static void gather_evidence(struct inquiry *inquiry) {
  const struct group *group = inquiry->judged->formulas->group;
  size_t worst = inquiry->judgement->point;
  bool moves = !inquiry->judged->claim || inquiry->judged->claim->formula;
  take_evidence(inquiry, worst);
  if (!inquiry->points) return;
  if (worst) take_evidence(inquiry, 0);
  for (size_t i = 1; moves && i <= group->points->count; i++)
    if (inquiry->points < EVIDENCE_MOST && i != worst) take_evidence(inquiry, i);
}

/* Puts the net where a piece of evidence was taken. */
static void return_to(struct inquiry *inquiry, const struct evidence *evidence) {
  judge_move_to(inquiry->judge, inquiry->judged, evidence->point);
  if (!inquiry->back) return;
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  back_refresh(inquiry->back);
  memcpy(inquiry->straight, back_run(inquiry->back, &none), inquiry->judged->size * sizeof(double));
}

/* Drops the candidates that do not make the claim at a further point. */
static void confirm(struct inquiry *inquiry, const struct evidence *evidence) {
  size_t kept = 0;
  return_to(inquiry, evidence);
  for (size_t i = 0; i < inquiry->candidates.count; i++) {
    const struct candidate *candidate = &inquiry->candidates.at[i];
    if (make(inquiry, candidate, evidence->truth, inquiry->made) &&
        matches(inquiry, evidence, inquiry->made))
      inquiry->candidates.at[kept++] = *candidate;
  }
  inquiry->candidates.count = kept;
}

/* ---- the region ------------------------------------------------------------------------------ */

/* The gradients that the author of a number had right: the slip is below them. */
static size_t find_right_numbers(struct inquiry *inquiry, struct given *cuts) {
  const struct judge *judge = inquiry->judge;
  size_t count = 0;
  for (size_t i = 0; i < judge->judged.count; i++) {
    const struct judged *judged = &judge->judged.at[i];
    const struct claim *claim = judged->claim;
    bool number = claim && claim->kind == CLAIM_GRADIENT && !claim->formula && !judged->call;
    if (number && judged != inquiry->judged &&
        judge->check->claims.at[judged->judgement].verdict == VERDICT_RIGHT)
      cuts[count++] = (struct given){claim->of, run_bar(&judge->result->run, claim->of)};
  }
  return count;
}

/* The gradients that a formula takes as given: u of every grad(u) in it. */
static size_t find_cuts(struct inquiry *inquiry, struct given **cuts) {
  const struct claim *claim = inquiry->judged->claim;
  const struct claims *claims = inquiry->judged->formulas->claims;
  const struct graph *graph = &claims->graph;
  *cuts = ARENA_ARRAY(inquiry->arena, struct given,
                      claims->stand_ins.count + inquiry->judge->judged.count + 1);
  if (!claim) return 0;
  if (!claim->formula) return find_right_numbers(inquiry, *cuts);
  bool *used = ARENA_ARRAY(inquiry->arena, bool, (size_t)claim->claimed + 1);
  size_t count = 0;
  used[claim->claimed] = true;
  for (node_id id = claim->claimed + 1; id-- > 0;) {
    const struct node *node = graph_node(graph, id);
    for (unsigned k = 0; used[id] && k < node->count; k++)
      used[graph_inputs(graph, node)[k]] = true;
  }
  for (size_t i = 0; i < claims->stand_ins.count; i++) {
    const struct stand_in *stand_in = &claims->stand_ins.at[i];
    if (stand_in->gradient && stand_in->node <= claim->claimed && used[stand_in->node])
      (*cuts)[count++] =
          (struct given){stand_in->of, run_bar(&inquiry->judge->result->run, stand_in->of)};
  }
  return count;
}

/* Where the claim's gradient comes from. */
static bool find_ends(const struct inquiry *inquiry, node_id *target, struct given *top) {
  const struct judged *judged = inquiry->judged;
  const struct run *run = &inquiry->judge->result->run;
  const struct claim *claim = judged->claim;
  if (judged->call) {
    *target = claim ? claim->of : judged->call->locals[judged->rule_input];
    *top = (struct given){judged->call->body, run_bar(run, judged->call->output)};
    return !claim || claim->kind == CLAIM_GRADIENT;
  }
  *target = claim->of;
  *top = (struct given){inquiry->judge->result->plan.output,
                        run_bar(run, inquiry->judge->result->plan.output)};
  if (claim->kind == CLAIM_CONTRIBUTION) *top = (struct given){claim->by, run_bar(run, claim->by)};
  return claim->kind == CLAIM_GRADIENT || claim->kind == CLAIM_CONTRIBUTION;
}

/* Makes the claim's region, where a pass without slips is the truth. */
static void make_region(struct inquiry *inquiry) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  struct given top, *cuts;
  node_id target;
  if (!find_ends(inquiry, &target, &top)) return;
  size_t count = find_cuts(inquiry, &cuts);
  struct back *back = ARENA_NEW(inquiry->arena, struct back);
  if (!back_make(back, inquiry->arena, inquiry->judge->result, target, top, cuts, count)) return;
  const double *straight = back_run(back, &none);
  if (!straight) return;
  inquiry->straight = room_for(inquiry);
  memcpy(inquiry->straight, straight, inquiry->judged->size * sizeof *straight);
  for (size_t i = 0; i < inquiry->judged->size; i++) {
    double truth = inquiry->evidence[0].truth[i], error = fabs(straight[i] - truth);
    if (!(error <= 1e-9 * (1 + fabs(truth)))) return;
  }
  inquiry->back = back;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static const char *what_is_claimed(struct inquiry *inquiry) {
  const struct claim *claim = inquiry->judged->claim;
  if (!claim) return "the rule";
  const char *subject = inquiry->judgement->subject;
  const char *slash = strchr(subject, '/');
  switch (claim->kind) {
  case CLAIM_GRADIENT: return format(inquiry, "d%s", subject);
  case CLAIM_CONTRIBUTION:
    return slash ? format(inquiry, "d%.*s by %s", (int)(slash - subject), subject, slash + 1)
                 : subject;
  case CLAIM_JACOBIAN:
    return slash ? format(inquiry, "d%.*s/d%s", (int)(slash - subject), subject, slash + 1)
                 : subject;
  case CLAIM_HESSIAN: return format(inquiry, "the Hessian by %s", subject);
  default: return subject;
  }
}

static bool has_finding(const struct judgement *judgement, const struct candidate *candidate) {
  for (size_t i = 0; i < judgement->diagnosis.count; i++)
    if (!strcmp(judgement->diagnosis.at[i].text, candidate->text)) return true;
  return false;
}

static void keep_findings(struct inquiry *inquiry) {
  struct judgement *judgement = inquiry->judgement;
  for (size_t i = 0; i < inquiry->candidates.count; i++) {
    const struct candidate *candidate = &inquiry->candidates.at[i];
    if (judgement->diagnosis.count < FINDINGS_MOST && !has_finding(judgement, candidate))
      *vec_push(inquiry->judge->arena, &judgement->diagnosis) =
          make_finding(candidate->id, candidate->text);
  }
  if (judgement->diagnosis.count) return;
  struct finding entries = find_entries(inquiry);
  if (entries.id) *vec_push(inquiry->judge->arena, &judgement->diagnosis) = entries;
}

static void try_all(struct inquiry *inquiry) {
  try_factor(inquiry);
  try_permutations(inquiry);
  try_sums(inquiry);
  if (!inquiry->back) return;
  try_users(inquiry);
  try_paths(inquiry);
  try_edges(inquiry);
  try_nodes(inquiry);
}

static void diagnose_claim(struct judge *judge, struct judged *judged) {
  struct inquiry inquiry = {.judge = judge,
                            .judged = judged,
                            .judgement = &judge->check->claims.at[judged->judgement],
                            .arena = judge->arena,
                            .work_left = WORK_MOST};
  const struct claim *claim = judged->claim;
  node_id subject = claim ? claim->of : judged->call->locals[judged->rule_input];
  inquiry.dims = claim ? claim_dims(&judge->net->graph, claim->kind, claim->of, claim->by)
                       : shape_dims(node_at(&inquiry, subject)->shape);
  inquiry.what = what_is_claimed(&inquiry);
  gather_evidence(&inquiry);
  if (!inquiry.points) return;
  inquiry.made = room_for(&inquiry);
  inquiry.part = room_for(&inquiry);
  judge_move_to(judge, judged, inquiry.evidence[0].point);
  make_region(&inquiry);
  try_all(&inquiry);
  for (size_t i = 1; i < inquiry.points && inquiry.candidates.count; i++)
    confirm(&inquiry, &inquiry.evidence[i]);
  keep_findings(&inquiry);
}

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
  struct given top = {output, run_bar(&judge->result->run, output)};
  size_t count = find_claimed(judge, judged->claim->of, cuts);
  struct back back;
  if (!back_make(&back, judge->arena, judge->result, judged->claim->of, top, cuts, count)) return;
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
static void find_inherited(struct judge *judge) {
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

void diagnose(struct judge *judge) {
  find_inherited(judge);
  for (size_t i = 0; i < judge->judged.count; i++) {
    struct judgement *judgement = &judge->check->claims.at[judge->judged.at[i].judgement];
    if (judgement->verdict == VERDICT_WRONG && !judgement->inherited_from)
      diagnose_claim(judge, &judge->judged.at[i]);
  }
  judge_move(judge, &no_points, 0, 0);
}
