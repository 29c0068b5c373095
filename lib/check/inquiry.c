#include "check/inquiry.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *inquiry_format(struct inquiry *inquiry, const char *pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, pattern, arguments);
  char *text = arena_alloc(inquiry->arena, (size_t)(size < 0 ? 0 : size) + 1);
  if (size > 0) vsnprintf(text, (size_t)size + 1, pattern, again);
  va_end(again);
  va_end(arguments);
  return text;
}

const char *inquiry_number(struct inquiry *inquiry, double value) {
  struct text text;
  text_init(&text, inquiry->arena, NULL, NULL);
  text_rounded(&text, value, 6);
  return text_string(&text);
}

struct finding make_finding(enum diagnosis id, const char *text) {
  return (struct finding){diagnosis_kinds[id].id, text};
}

const struct graph *inquiry_graph(const struct inquiry *inquiry) {
  return &inquiry->judge->net->graph;
}

const struct node *inquiry_node(const struct inquiry *inquiry, node_id id) {
  return graph_node(inquiry_graph(inquiry), id);
}

/* The definition that a node is a part of, as its author calls it. */
node_id inquiry_owner(const struct inquiry *inquiry, node_id id) {
  return inquiry_node(inquiry, id)->owner;
}

const char *inquiry_name(struct inquiry *inquiry, node_id id) {
  return judge_name(inquiry->judge, id);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* Whether `made` is the claim: a little more room than for a right claim, for rounding. */
bool inquiry_matches(const struct inquiry *inquiry, const struct evidence *evidence,
                     const double *made) {
  for (size_t i = 0; i < inquiry->judged->size; i++) {
    double claimed = evidence->claimed[i];
    if (claimed == made[i]) continue;
    if (!(fabs(claimed - made[i]) <= 4 * judge_room(inquiry->judged, claimed, made[i], i)))
      return false;
  }
  return true;
}

bool inquiry_spend(struct inquiry *inquiry) {
  if (inquiry->work_left < inquiry->back->work) return false;
  inquiry->work_left -= inquiry->back->work;
  return true;
}

/* What flows to the subject along an edge of the region, or through a node of it: the whole less
 * the whole without it. */
bool inquiry_flow(struct inquiry *inquiry, const struct slip *drop, double *out) {
  if (!inquiry_spend(inquiry)) return false;
  const double *without = back_run(inquiry->back, drop);
  if (!without) return false;
  for (size_t i = 0; i < inquiry->judged->size; i++) out[i] = inquiry->straight[i] - without[i];
  return true;
}

/* What comes by one user of the subject, all its edges together. */
bool inquiry_user_flow(struct inquiry *inquiry, node_id owner, double *out) {
  double *part = inquiry->part;
  memset(out, 0, inquiry->judged->size * sizeof *out);
  for (size_t i = 0; i < inquiry->back->steps.count; i++) {
    node_id id = back_node(inquiry->back, i);
    const struct node *node = inquiry_node(inquiry, id);
    if (inquiry_owner(inquiry, id) != owner) continue;
    for (unsigned k = 0; k < node->count; k++) {
      if (graph_inputs(inquiry_graph(inquiry), node)[k] != inquiry->back->target) continue;
      struct slip drop = {.kind = ALTER_DROP, .node = id, .input = k};
      if (!back_flows(inquiry->back, i, k)) continue;
      if (!inquiry_flow(inquiry, &drop, part)) return false;
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
bool inquiry_make(struct inquiry *inquiry, const struct candidate *candidate, const double *truth,
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
    if (!inquiry_flow(inquiry, &candidate->slip, out)) return false;
    for (size_t i = 0; i < size; i++) out[i] = truth[i] + (candidate->factor - 1) * out[i];
    return true;
  case FAMILY_USER:
    if (!inquiry_user_flow(inquiry, candidate->owner, out)) return false;
    for (size_t i = 0; i < size; i++) out[i] = truth[i] + (candidate->factor - 1) * out[i];
    return true;
  case FAMILY_ONLY: return inquiry_user_flow(inquiry, candidate->owner, out);
  case FAMILY_SLIP:
    slipped = inquiry_spend(inquiry) ? back_run(inquiry->back, &candidate->slip) : NULL;
    if (slipped) memcpy(out, slipped, size * sizeof *out);
    return slipped != NULL;
  }
  return false;
}

/* Takes a candidate up if it makes the claim at the first point; then it needs its text. */
struct candidate *inquiry_try(struct inquiry *inquiry, struct candidate candidate) {
  const struct evidence *first = &inquiry->evidence[0];
  if (!inquiry_make(inquiry, &candidate, first->truth, inquiry->made) ||
      !inquiry_matches(inquiry, first, inquiry->made))
    return NULL;
  struct candidate *taken = vec_push(inquiry->arena, &inquiry->candidates);
  *taken = candidate;
  return taken;
}

double *inquiry_room(struct inquiry *inquiry) {
  return ARENA_ARRAY(inquiry->arena, double, inquiry->judged->size + 1);
}

bool inquiry_equal(const struct inquiry *inquiry, const double *a, const double *b) {
  for (size_t i = 0; i < inquiry->judged->size; i++)
    if (fabs(a[i] - b[i]) > 1e-9 * fmax(fabs(a[i]), fabs(b[i]))) return false;
  return true;
}

bool inquiry_zero(const struct inquiry *inquiry, const double *a) {
  for (size_t i = 0; i < inquiry->judged->size; i++)
    if (a[i] != 0) return false;
  return true;
}

/* How a sentence calls what a claim is about. */
const char *inquiry_word(const struct inquiry *inquiry) {
  const struct claim *claim = inquiry->judged->claim;
  if (!claim) return "derivative";
  return claim->kind == CLAIM_VALUE      ? "value"
         : claim->kind == CLAIM_JACOBIAN ? "Jacobian"
         : claim->kind == CLAIM_HESSIAN  ? "Hessian"
         : claim->kind == CLAIM_GRADIENT ? "gradient"
                                         : "contribution";
}
