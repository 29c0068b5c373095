/* Slips at one op or one node: a local derivative, an upstream gradient, a sum. */
#include <math.h>
#include <string.h>

#include "check/inquiry.h"

/* ---- local derivatives ----------------------------------------------------------------------- */

/* An op with its place: "tanh in h". */
static const char *op_at(struct inquiry *inquiry, node_id id) {
  return inquiry_format(inquiry, "%s in %s", inquiry_node(inquiry, id)->op->name,
                        inquiry_name(inquiry, inquiry_owner(inquiry, id)));
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
    struct candidate *found = inquiry_try(inquiry, candidate);
    if (!found) continue;
    found->id = kinds[a].id;
    found->text =
        inquiry_format(inquiry, "%s %s %s", inquiry->what, kinds[a].pattern, op_at(inquiry, id));
  }
}

/* A matrix that is not transposed on the way back, or is where it should not be. */
static void try_operands(struct inquiry *inquiry, size_t i, unsigned k) {
  node_id id = back_node(inquiry->back, i);
  const struct node *node = inquiry_node(inquiry, id);
  for (unsigned other = 0; other <= node->count; other++) {
    struct slip slip = {.kind = ALTER_OPERAND, .node = id, .input = k, .other = other};
    struct candidate *found =
        inquiry_try(inquiry, (struct candidate){.family = FAMILY_SLIP, .slip = slip});
    if (!found) continue;
    node_id matrix =
        other < node->count ? graph_inputs(inquiry_graph(inquiry), node)[other] : NODE_NONE;
    found->id = DIAGNOSIS_OPERAND_TRANSPOSED;
    found->text =
        matrix == NODE_NONE
            ? inquiry_format(inquiry, "%s has the transpose of grad(%s), in %s", inquiry->what,
                             inquiry_name(inquiry, inquiry_owner(inquiry, id)), op_at(inquiry, id))
            : inquiry_format(inquiry, "%s has %s for its transpose, or the other way about, in %s",
                             inquiry->what, inquiry_name(inquiry, matrix), op_at(inquiry, id));
  }
}

void try_edges(struct inquiry *inquiry) {
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    const struct node *node = inquiry_node(inquiry, back_node(inquiry->back, i));
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
  struct candidate *found = inquiry_try(inquiry, candidate);
  if (!found || !inquiry_equal(inquiry, inquiry->made, none)) return found;
  inquiry->candidates.count--;
  return NULL;
}

/* A node's gradient left out, as if it were 1. */
static void try_ones(struct inquiry *inquiry, size_t i, const double *none) {
  node_id id = back_node(inquiry->back, i);
  if (all_ones(back_bar(inquiry->back, i), inquiry_node(inquiry, id)->shape->size)) return;
  struct candidate *found = try_node(inquiry, (struct slip){.kind = ALTER_ONES, .node = id}, none);
  if (!found) return;
  bool rule = !inquiry->judged->claim && id == inquiry->back->top;
  found->id = DIAGNOSIS_UPSTREAM_MISSING;
  found->text = rule ? inquiry_format(inquiry, "%s lacks upstream", inquiry->what)
                     : inquiry_format(inquiry, "%s lacks the upstream gradient grad(%s)",
                                      inquiry->what, inquiry_name(inquiry, id));
}

/* Whether what was made and the rest of the truth meet in some entry: whether anything was summed. */
static bool adds_up(const struct inquiry *inquiry) {
  const double *made = inquiry->made, *truth = inquiry->evidence[0].truth;
  for (size_t i = 0; i < inquiry->judged->size; i++)
    if (made[i] != 0 && fabs(truth[i] - made[i]) > 1e-9 * fabs(made[i])) return true;
  return false;
}

/* All but one slice of a node's gradient left out, where the slices are summed. */
static void try_slices(struct inquiry *inquiry, size_t i, const double *none) {
  enum { INDICES_MOST = 16 };
  node_id id = back_node(inquiry->back, i);
  const struct shape *shape = inquiry_node(inquiry, id)->shape;
  for (unsigned axis = 0; axis < shape->rank; axis++)
    for (int64_t at = 0; at < shape->dim[axis] && at < INDICES_MOST && shape->dim[axis] > 1; at++) {
      struct slip slip = {.kind = ALTER_SLICE, .node = id, .axis = axis, .index = at};
      struct candidate *found = try_node(inquiry, slip, none);
      if (found && !adds_up(inquiry)) inquiry->candidates.count--;
      if (!found || !adds_up(inquiry)) continue;
      found->id = DIAGNOSIS_SUM_MISSING;
      found->text = inquiry_format(
          inquiry, "%s has only index %d of axis %u of grad(%s): the sum over it is missing",
          inquiry->what, (int)at, axis, inquiry_name(inquiry, id));
    }
}

/* The gradients that the author knows: those of named nodes, and a rule's upstream. */
void try_nodes(struct inquiry *inquiry) {
  static const struct slip straight = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  double *none = inquiry_room(inquiry);
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    node_id id = back_node(inquiry->back, i);
    if (!inquiry_node(inquiry, id)->name && id != inquiry->back->top) continue;
    const struct slip zero = {.kind = ALTER_ZERO, .node = id};
    const double *without = inquiry_spend(inquiry) ? back_run(inquiry->back, &zero) : NULL;
    if (!without) return;
    memcpy(none, without, inquiry->judged->size * sizeof *none);
    back_run(inquiry->back, &straight); /* what back_bar tells of */
    try_ones(inquiry, i, none);
    try_slices(inquiry, i, none);
  }
}
