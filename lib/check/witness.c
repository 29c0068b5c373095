#include "check/witness.h"

#include <math.h>

#include "engine/difference.h"

static void make_differences(struct judge *judge, struct arena *arena,
                             struct differences *differences, const node_id *roots, size_t count) {
  struct result *result = judge->result;
  differences_make(differences, arena, &result->run, result->plan.output, result->upstream, roots,
                   count);
}

static struct dims index_in(const struct shape *shape, size_t index) {
  struct dims dims = {.rank = shape->rank};
  unravel(shape, index, dims.at);
  return dims;
}

/* ---- backprop -------------------------------------------------------------------------------- */

static const char *format_count(struct judge *judge, size_t count, const char *text) {
  struct text out;
  text_init(&out, judge->arena, NULL, NULL);
  text_printf(&out, "%zu %s %s", count, count == 1 ? "entry" : "entries", text);
  return text_string(&out);
}

static const char *note_of(struct judge *judge, const struct tensor_summary *summary) {
  if (summary->verdict == DIFFERENCE_INCONCLUSIVE)
    return difference_reason_text(summary->difference.reason);
  if (summary->between)
    return format_count(judge, summary->between,
                        "at a kink, between the derivatives of its two sides");
  if (summary->inconclusive)
    return format_count(judge, summary->inconclusive, "could not be judged");
  return NULL;
}

static void report_progress(void *context, size_t done, size_t total) {
  const struct judge *judge = context;
  judge->options->progress(judge->options->user, "numerical check", done, total);
}

static void witness_node(struct judge *judge, struct differences *differences, node_id id,
                         size_t limit, double work) {
  static const enum verdict verdicts[] = {[DIFFERENCE_RIGHT] = VERDICT_RIGHT,
                                          [DIFFERENCE_WRONG] = VERDICT_WRONG,
                                          [DIFFERENCE_INCONCLUSIVE] = VERDICT_INCONCLUSIVE};
  const struct node *node = graph_node(&judge->net->graph, id);
  const double *gradient;
  enum gradient kind = result_gradient(judge->result, id, &gradient);
  if (kind == GRADIENT_NULL || !node->shape->size) return;
  if (!gradient) gradient = ARENA_ARRAY(judge->arena, double, node->shape->size);
  struct tensor_check check = {.root = id,
                               .claimed = gradient,
                               .limit = limit,
                               .work = work,
                               .seed = judge->options->seed ? *judge->options->seed : 0};
  struct tensor_summary summary;
  difference_tensor(differences, &check, &summary);
  struct witnessed witnessed = {.node = judge_name(judge, id),
                                .mark = node->mark,
                                .verdict = verdicts[summary.verdict],
                                .entries = summary.checked,
                                .of = summary.entries,
                                .max_abs_error = summary.largest,
                                .numeric = summary.difference.value,
                                .note = note_of(judge, &summary)};
  if (summary.worst < node->shape->size) {
    witnessed.worst = index_in(node->shape, summary.worst);
    witnessed.actual = gradient[summary.worst];
  }
  *vec_push(judge->arena, &judge->check->backprop) = witnessed;
}

void witness_backprop(struct judge *judge) {
  struct result *result = judge->result;
  size_t count = result->wrt.count;
  if (judge->options->numeric == NUMERIC_NONE || !result->gradients || !count) return;
  size_t *sizes = ARENA_ARRAY(judge->arena, size_t, count);
  size_t *limits = ARENA_ARRAY(judge->arena, size_t, count);
  for (size_t i = 0; i < count; i++)
    sizes[i] = graph_node(&judge->net->graph, result->wrt.at[i])->shape->size;
  bool all = judge->options->numeric == NUMERIC_ALL;
  differences_share(all ? SIZE_MAX : DIFFERENCE_LIMIT, count, sizes, limits);
  struct differences differences;
  make_differences(judge, judge->arena, &differences, result->wrt.at, count);
  if (judge->options->progress) {
    differences.progress = report_progress;
    differences.context = judge;
  }
  /* Where each entry of a large net costs much, a sample and the random directions have to do. */
  const double work = all ? 0 : DIFFERENCE_WORK / (double)count;
  for (size_t i = 0; i < count; i++)
    witness_node(judge, &differences, result->wrt.at[i], limits[i], work);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static bool is_gradient(const struct judged *judged) {
  return judged->claim && judged->claim->kind == CLAIM_GRADIENT && !judged->call;
}

/* "at a kink, between the derivatives of its two sides, 0 and 1" */
static const char *kink_note(struct judge *judge, const struct difference *difference) {
  const double sides[] = {fmin(difference->left, difference->right),
                          fmax(difference->left, difference->right)};
  struct text text;
  text_init(&text, judge->arena, NULL, NULL);
  text_puts(&text, "at a kink, between the derivatives of its two sides");
  for (int i = 0; i < 2; i++) {
    text_puts(&text, i ? " and " : ", ");
    text_rounded(&text, fabs(sides[i]) < 1e-9 ? 0 : sides[i], 4);
  }
  return text_string(&text);
}

/* A claim that is held against differences at some entries. */
struct measuring {
  const struct judged *judged;
  const struct sides *sides;
  struct judgement *judgement;
  const char *note;
};

static void accept(struct judge *judge, void *argument) {
  enum { ENTRIES_MOST = 1000 };
  struct measuring *measuring = argument;
  const struct judged *judged = measuring->judged;
  struct differences differences;
  node_id root = judged->claim->of;
  const char *note = NULL;
  size_t looked = 0;
  make_differences(judge, &judge->scratch, &differences, &root, 1);
  for (size_t i = 0; i < judged->size; i++) {
    double claimed = side(measuring->sides, i);
    if (!judge_is_wrong(judged, claimed, measuring->sides->truth[i], i)) continue;
    struct difference difference;
    if (looked++ == ENTRIES_MOST) return;
    difference_at(&differences, root, i, claimed, &difference);
    if (difference.verdict != DIFFERENCE_RIGHT || difference.reason != DIFFERENCE_KINK) return;
    if (!note) note = kink_note(judge, &difference);
  }
  measuring->note = note;
}

const char *witness_accepts(struct judge *judge, const struct judged *judged,
                            const struct sides *sides) {
  struct measuring measuring = {.judged = judged, .sides = sides};
  if (!is_gradient(judged) || !judge->result->undefined.count) return NULL;
  judge_with_scratch(judge, accept, &measuring);
  return measuring.note;
}

static void measure(struct judge *judge, void *argument) {
  struct measuring *measuring = argument;
  struct judgement *judgement = measuring->judgement;
  struct differences differences;
  struct difference difference;
  node_id root = measuring->judged->claim->of;
  make_differences(judge, &judge->scratch, &differences, &root, 1);
  size_t index = 0;
  const struct shape *shape = graph_node(&judge->net->graph, root)->shape;
  for (unsigned axis = 0; axis < shape->rank; axis++)
    index = index * (size_t)shape->dim[axis] + (size_t)judgement->worst.at[axis];
  difference_at(&differences, root, index, judgement->actual, &difference);
  judgement->has_numeric = isfinite(difference.value);
  judgement->numeric = difference.value;
}

void witness_claim(struct judge *judge, const struct judged *judged, struct judgement *judgement) {
  struct measuring measuring = {.judged = judged, .judgement = judgement};
  if (!is_gradient(judged) || judge->options->numeric == NUMERIC_NONE || !judged->size) return;
  if (judge_move_to(judge, judged, judgement->point))
    judge_with_scratch(judge, measure, &measuring);
}
