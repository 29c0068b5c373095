/* Slips that concern a claim as a whole: a factor, the order of its axes, some entries. */
#include <math.h>
#include <string.h>

#include "check/inquiry.h"

/* ---- factors --------------------------------------------------------------------------------- */

/* The k of claim = rest + k * flow, read off where the flow is largest; NAN where it is 0. */
double inquiry_factor(const struct inquiry *inquiry, const double *flow) {
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
bool inquiry_evidence(const struct inquiry *inquiry, double k, const double *flow) {
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

static node_id find_constant(const struct graph *graph, const struct node *node, double n) {
  const node_id *inputs = graph_inputs(graph, node);
  for (unsigned k = 0; k < node->count; k++) {
    const struct node *input = graph_node(graph, inputs[k]);
    bool fixed = input->role == ROLE_CONSTANT || input->role == ROLE_LITERAL;
    if (fixed && input->shape->size == 1 &&
        (fabs(*input->value) == n || fabs(*input->value) * n == 1))
      return inputs[k];
  }
  return NODE_NONE;
}

/* Looks at the edge from the i-th node of the region to its input k. */
static struct count count_at(struct inquiry *inquiry, size_t i, unsigned k, double n) {
  const struct graph *graph = inquiry_graph(inquiry);
  node_id id = back_node(inquiry->back, i);
  const struct node *node = inquiry_node(inquiry, id);
  const struct shape *y = node->shape,
                     *x = inquiry_node(inquiry, graph_inputs(graph, node)[k])->shape;
  const double *bar = run_bar(&inquiry->judge->result->run, id);
  struct count count = {id, COUNT_NONE};
  bool reduces = (double)x->size == n * (double)y->size;
  bool spreads = (double)y->size == n * (double)x->size;
  bool constant = x == y && find_constant(graph, node, n) != NODE_NONE;
  /* An op that reduces several axes at once, a loss, may average over one of them. */
  for (unsigned axis = 0; axis < x->rank && y->size < x->size; axis++)
    if ((double)x->dim[axis] == n) count.kind = COUNT_AXIS;
  if (!bar || !y->size || !(reduces || spreads || constant)) return count;
  double *flow = arena_resize(inquiry->arena, NULL, (x->size + 1) * sizeof *flow);
  result_contribution(&inquiry->view, id, k, false, flow);
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
    const struct shape *shape = inquiry_node(inquiry, back_node(inquiry->back, i))->shape;
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
    const struct node *node = inquiry_node(inquiry, back_node(inquiry->back, i));
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
                                      [COUNT_SPREAD] = "spreads it over"};
  const char *who = inquiry_name(inquiry, inquiry_owner(inquiry, count->node));
  const char *number = inquiry_number(inquiry, n);
  if (count->kind != COUNT_CONSTANT)
    return inquiry_format(inquiry, "%s %s %s entries", who, verbs[count->kind], number);
  const struct graph *graph = inquiry_graph(inquiry);
  node_id constant = find_constant(graph, graph_node(graph, count->node), n);
  bool named = graph_node(graph, constant)->name != NULL;
  return inquiry_format(inquiry, "%s has the constant %s%s%s in it", who,
                        named ? inquiry_name(inquiry, constant) : "", named ? " = " : "", number);
}

/* A factor that is a count, or one over it: names what counts.  2 may be anything, and is named as a
 * factor as well. */
void inquiry_count(struct inquiry *inquiry, struct candidate *found) {
  double n = fabs(found->factor) > 1 ? fabs(found->factor) : 1 / fabs(found->factor);
  struct count count;
  node_id only = found->family == FAMILY_PATH ? found->slip.node : NODE_NONE;
  if (n != round(n) || n < 2 || !find_count(inquiry, n, only, &count)) return;
  struct candidate counted = *found;
  counted.id = DIAGNOSIS_MEAN_SUM;
  counted.text = inquiry_format(inquiry, "%s: %s", found->text, count_text(inquiry, &count, n));
  if (n > 2 || count.kind == COUNT_MEAN)
    *found = counted;
  else
    *vec_push(inquiry->arena, &inquiry->candidates) = counted;
}

const char *inquiry_times(struct inquiry *inquiry, double k) {
  double size = fabs(k);
  if (size == 1) return "";
  return size > 1
             ? inquiry_format(inquiry, "%s times too large", inquiry_number(inquiry, size))
             : inquiry_format(inquiry, "%s times too small", inquiry_number(inquiry, 1 / size));
}

/* The truth times k. */
void try_factor(struct inquiry *inquiry) {
  const double *truth = inquiry->evidence[0].truth;
  double k = inquiry_factor(inquiry, truth);
  if (!isfinite(k) || k == 1 || k == 0 || !inquiry_evidence(inquiry, k, truth)) return;
  struct candidate *found =
      inquiry_try(inquiry, (struct candidate){.family = FAMILY_FACTOR, .factor = k});
  if (!found) return;
  const char *also = k < 0 ? " and has the wrong sign" : "";
  found->id = DIAGNOSIS_FACTOR;
  found->text =
      inquiry_format(inquiry, "%s is %s%s", inquiry->what, inquiry_times(inquiry, k), also);
  if (k == -1) {
    found->id = DIAGNOSIS_SIGN;
    found->text = inquiry_format(inquiry, "%s has the wrong sign", inquiry->what);
    return;
  }
  inquiry_count(inquiry, found);
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

void try_permutations(struct inquiry *inquiry) {
  const struct dims *dims = &inquiry->dims;
  struct candidate candidate = {.family = FAMILY_PERMUTE};
  if (dims->rank < 2 || dims->rank > AXES_PERMUTED) return;
  for (unsigned i = 0; i < dims->rank; i++) candidate.axes[i] = i;
  while (next_permutation(candidate.axes, dims->rank)) {
    bool fits = true;
    for (unsigned i = 0; i < dims->rank; i++)
      fits = fits && dims->at[i] == dims->at[candidate.axes[i]];
    struct candidate *found = fits ? inquiry_try(inquiry, candidate) : NULL;
    if (!found) continue;
    bool matrix = dims->rank == 2;
    found->id = matrix ? DIAGNOSIS_TRANSPOSE : DIAGNOSIS_PERMUTATION;
    found->text = matrix
                      ? inquiry_format(inquiry, "%s is the transpose of the true %s", inquiry->what,
                                       inquiry_word(inquiry))
                      : inquiry_format(inquiry, "%s is the true %s with its axes in the order %s",
                                       inquiry->what, inquiry_word(inquiry),
                                       axes_text(inquiry, candidate.axes));
    return;
  }
}

void try_sums(struct inquiry *inquiry) {
  const struct dims *dims = &inquiry->dims;
  if (inquiry->judged->size < 2) return;
  for (unsigned axis = 0; axis <= dims->rank; axis++) {
    bool all = axis == dims->rank;
    if (all ? dims->rank < 2 : dims->at[axis] < 2) continue;
    double n = all ? (double)inquiry->judged->size : (double)dims->at[axis];
    for (int mean = 0; mean < 2; mean++) {
      struct candidate *found = inquiry_try(
          inquiry,
          (struct candidate){.family = FAMILY_SUM, .axis = axis, .factor = mean ? 1 / n : 1});
      if (!found) continue;
      const char *where = all ? "all axes" : inquiry_format(inquiry, "axis %u", axis);
      found->id = DIAGNOSIS_SUM_EXTRA;
      found->text =
          inquiry_format(inquiry, "%s is the true %s %s over %s, which it still has", inquiry->what,
                         inquiry_word(inquiry), mean ? "averaged" : "summed", where);
      return;
    }
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
struct finding find_entries(struct inquiry *inquiry) {
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
    return make_finding(DIAGNOSIS_DIAGONAL_ONLY,
                        inquiry_format(inquiry,
                                       "%s has the diagonal only: the other entries are missing",
                                       inquiry->what));
  if (!right || count > inquiry->judged->size / 2) return none;
  return make_finding(DIAGNOSIS_SOME_ENTRIES,
                      inquiry_format(inquiry, "%s is right but for %zu of %zu entries: %s",
                                     inquiry->what, count, inquiry->judged->size,
                                     list_wrong(inquiry, evidence, wrong)));
}
