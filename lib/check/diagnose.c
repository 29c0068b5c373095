#include "check/diagnose.h"

#include <math.h>
#include <string.h>

#include "check/inquiry.h"

const struct diagnosis_kind diagnosis_kinds[] = {
#define DIAGNOSIS(symbol, id, meaning, example) {#id, meaning, example},
#include "check/diagnosis.def"
#undef DIAGNOSIS
    {NULL, NULL, NULL}};

#define WORK_IN_ALL ((size_t)2000000000)

/* ---- the evidence ---------------------------------------------------------------------------- */

static void take_evidence(struct inquiry *inquiry, size_t point) {
  struct judge *judge = inquiry->judge;
  size_t size = inquiry->judged->size;
  if (!judge_move_to(judge, inquiry->judged, point)) return;
  struct evidence *evidence = &inquiry->evidence[inquiry->points];
  *evidence = (struct evidence){point, inquiry_room(inquiry), inquiry_room(inquiry)};
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
    if (inquiry_make(inquiry, candidate, evidence->truth, inquiry->made) &&
        inquiry_matches(inquiry, evidence, inquiry->made))
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
      (*cuts)[count++] = (struct given){stand_in->of, graph_node(graph, stand_in->node)->value};
  }
  return count;
}

/* Where the claim's gradient comes from. */
static bool find_ends(const struct inquiry *inquiry, struct region *region) {
  const struct judged *judged = inquiry->judged;
  const struct run *run = &inquiry->judge->result->run;
  const struct claim *claim = judged->claim;
  const struct call_site *call = judged->call;
  region->most = NODES_MOST;
  if (call) {
    region->target = claim ? claim->of : call->locals[judged->rule_input];
    region->first = call->first;
    region->top = (struct given){call->body, claim ? run_bar(run, call->output) : judged->upstream};
    return !claim || claim->kind == CLAIM_GRADIENT;
  }
  node_id top = claim->kind == CLAIM_CONTRIBUTION ? claim->by : inquiry->judge->result->plan.output;
  region->target = claim->of;
  region->top = (struct given){top, run_bar(run, top)};
  return claim->kind == CLAIM_GRADIENT || claim->kind == CLAIM_CONTRIBUTION;
}

/* Makes the claim's region, where a pass without slips is the truth. */
static void make_region(struct inquiry *inquiry) {
  static const struct slip none = {.kind = ALTER_NOTHING, .node = NODE_NONE};
  struct region region = {0};
  struct given *cuts;
  if (!find_ends(inquiry, &region)) return;
  region.cut_count = find_cuts(inquiry, &cuts);
  region.cuts = cuts;
  struct back *back = ARENA_NEW(inquiry->arena, struct back);
  if (!back_make(back, inquiry->arena, inquiry->judge->result, &region)) return;
  const double *straight = back_run(back, &none);
  if (!straight) return;
  inquiry->straight = inquiry_room(inquiry);
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
  case CLAIM_GRADIENT: return inquiry_format(inquiry, "d%s", subject);
  case CLAIM_CONTRIBUTION:
    return slash
               ? inquiry_format(inquiry, "d%.*s by %s", (int)(slash - subject), subject, slash + 1)
               : subject;
  case CLAIM_JACOBIAN:
    return slash ? inquiry_format(inquiry, "d%.*s/d%s", (int)(slash - subject), subject, slash + 1)
                 : subject;
  case CLAIM_HESSIAN: return inquiry_format(inquiry, "the Hessian by %s", subject);
  default: return subject;
  }
}

static bool has_finding(const struct judgement *judgement, const struct candidate *candidate) {
  for (size_t i = 0; i < judgement->diagnosis.count; i++)
    if (!strcmp(judgement->diagnosis.at[i].text, candidate->text)) return true;
  return false;
}

static void add_finding(struct inquiry *inquiry, struct finding finding) {
  struct arena *arena = inquiry->judge->arena;
  finding.text = arena_copy(arena, finding.text, strlen(finding.text));
  *vec_push(arena, &inquiry->judgement->diagnosis) = finding;
}

static void keep_findings(struct inquiry *inquiry) {
  struct judgement *judgement = inquiry->judgement;
  for (size_t i = 0; i < inquiry->candidates.count; i++) {
    const struct candidate *candidate = &inquiry->candidates.at[i];
    if (judgement->diagnosis.count < FINDINGS_MOST && !has_finding(judgement, candidate))
      add_finding(inquiry, make_finding(candidate->id, candidate->text));
  }
  if (judgement->diagnosis.count) return;
  struct finding entries = find_entries(inquiry);
  if (entries.id) add_finding(inquiry, entries);
}

static void try_all(struct inquiry *inquiry) {
  /* One number is always another times a factor: everything else says more. */
  const bool single = inquiry->judged->size == 1 && inquiry->points == 1;
  if (!single) try_factor(inquiry);
  try_permutations(inquiry);
  try_sums(inquiry);
  if (inquiry->back) {
    try_users(inquiry);
    try_paths(inquiry);
    try_edges(inquiry);
    try_nodes(inquiry);
  }
  if (single) try_factor(inquiry);
}

/* A wrong claim, and what may be spent on it. */
struct task {
  struct judged *judged;
  size_t work;
};

static void diagnose_claim(struct judge *judge, void *argument) {
  struct task *task = argument;
  struct judged *judged = task->judged;
  struct inquiry inquiry = {.judge = judge,
                            .judged = judged,
                            .judgement = judge_judgement(judge, judged),
                            .arena = &judge->scratch,
                            .view = result_view(judge->result, &judge->scratch),
                            .work_left = task->work};
  const struct claim *claim = judged->claim;
  node_id subject = claim ? claim->of : judged->call->locals[judged->rule_input];
  inquiry.dims = claim ? claim_dims(&judge->net->graph, claim->kind, claim->of, claim->by)
                       : shape_dims(inquiry_node(&inquiry, subject)->shape);
  inquiry.what = what_is_claimed(&inquiry);
  gather_evidence(&inquiry);
  if (!inquiry.points) return;
  inquiry.made = inquiry_room(&inquiry);
  inquiry.part = inquiry_room(&inquiry);
  judge_move_to(judge, judged, inquiry.evidence[0].point);
  make_region(&inquiry);
  try_all(&inquiry);
  for (size_t i = 1; i < inquiry.points && inquiry.candidates.count; i++)
    confirm(&inquiry, &inquiry.evidence[i]);
  keep_findings(&inquiry);
  task->work = inquiry.work_left;
}

static bool wants_diagnosis(struct judge *judge, const struct judged *judged) {
  const struct judgement *judgement = judge_judgement(judge, judged);
  return judgement->verdict == VERDICT_WRONG && !judgement->inherited_from;
}

/* How many claims it takes a few seconds to explain: each is looked at where it is worst and at other
 * points, and the net has to be moved there, some ten times in all. */
static size_t count_explained(const struct judge *judge) {
  enum { NODE_WORK = 200, VALUE_WORK = 16, LEAST = 10, MOST = 1000 };
  const struct plan *plan = &judge->result->plan;
  size_t count = WORK_IN_ALL / (NODE_WORK * plan->node_count + VALUE_WORK * plan->values + 1);
  return count < LEAST ? LEAST : count < MOST ? count : MOST;
}

/* What one of `waiting` claims may spend of what is left for all of them. */
static size_t share_work(size_t left, size_t waiting) {
  size_t share = left / waiting;
  return share < WORK_MOST ? share : WORK_MOST;
}

void diagnose(struct judge *judge) {
  size_t waiting = 0, done = 0, left = WORK_IN_ALL;
  judge->explained = count_explained(judge);
  find_inherited(judge);
  for (size_t i = 0; i < judge->judged.count; i++)
    waiting += wants_diagnosis(judge, &judge->judged.at[i]);
  if (waiting > judge->explained) waiting = judge->explained;
  for (size_t i = 0; i < judge->judged.count; i++) {
    struct judged *judged = &judge->judged.at[i];
    struct judgement *judgement = judge_judgement(judge, judged);
    if (!wants_diagnosis(judge, judged)) continue;
    if (done == waiting) {
      if (!judgement->note) judgement->note = "not looked into: too many claims are wrong";
      continue;
    }
    size_t share = share_work(left, waiting - done++);
    struct task task = {judged, share};
    judge_with_scratch(judge, diagnose_claim, &task);
    left -= share - task.work;
  }
  judge_move(judge, &no_points, 0, 0);
}
