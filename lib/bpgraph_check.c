/* The public interface: checking. */
#include <stdlib.h>
#include <string.h>

#include "export/check.h"
#include "handles.h"

struct bp_check {
  struct arena arena;
  struct checked checked;
};

/* ---- judging ----------------------------------------------------------------------------- */

struct judging {
  bp_net *net;
  bp_check *check;
  struct check_options options;
  struct arena work; /* the numbers, which are given back when all is checked */
  struct check found;
  bool begun;
};

static void judge(void *argument) {
  struct judging *judging = argument;
  judging->begun = true;
  check_net(&judging->found, &judging->work, &judging->net->net, &judging->options);
}

static void take(void *argument) {
  struct judging *judging = argument;
  struct bp_net *net = judging->net;
  struct checked *checked = &judging->check->checked;
  struct arena *arena = &judging->check->arena;
  const char *name = net->net.source ? net->net.source->name : net->name ? net->name : "";
  checked->name = arena_copy(arena, name, strlen(name));
  checked_take(checked, arena, &net->net, &net->report, judging->begun ? &judging->found : NULL);
  if (!net->exhausted) return;
  checked->invalid = true;
  *vec_push(arena, &checked->messages) =
      (struct checked_message){.number = diag_number(DIAG_OUT_OF_MEMORY),
                               .severity = SEVERITY_FAILURE,
                               .place = {.excerpt = ""},
                               .text = "out of memory"};
}

static enum numeric_mode numeric_mode(bp_numeric numeric) {
  static const enum numeric_mode modes[] = {[BP_NUMERIC_AUTO] = NUMERIC_AUTO,
                                            [BP_NUMERIC_ALL] = NUMERIC_ALL,
                                            [BP_NUMERIC_NONE] = NUMERIC_NONE};
  return modes[numeric];
}

static void read_options(struct judging *judging, const bp_check_options *given) {
  judging->options = (struct check_options){
      .evaluate = {.of = given->of, .upstream = given->upstream, .wrt = given->wrt},
      .gradients = given->gradients,
      .rtol = given->rtol,
      .atol = given->atol,
      .points = given->points,
      .seed = given->seed,
      .numeric = numeric_mode(given->numeric),
      .mutants = given->mutants,
      .progress = given->progress,
      .user = given->user};
  judging->check->checked.all = given->all;
  judging->check->checked.mutated = given->mutants;
}

bp_check *bp_check_net(bp_net *net, const bp_check_options *given) {
  bp_check *check = calloc(1, sizeof *check);
  if (!check) return NULL;
  struct judging judging = {.net = net, .check = check};
  arena_init(&check->arena, NULL);
  arena_init(&judging.work, NULL);
  if (given) read_options(&judging, given);
  if (bp_net_ok(net) && !run_guarded(&net->arena, &judging.work, judge, &judging))
    report_exhausted(net);
  bool taken = run_guarded(&net->arena, &check->arena, take, &judging);
  arena_free(&judging.work);
  if (taken) return check;
  bp_check_free(check);
  return NULL;
}

void bp_check_free(bp_check *check) {
  if (!check) return;
  arena_free(&check->arena);
  free(check);
}

/* ---- what came of it --------------------------------------------------------------------- */

bool bp_check_valid(const bp_check *check) { return !check->checked.invalid; }

size_t bp_check_count(const bp_check *check, bp_verdict verdict) {
  const size_t counts[] = {[BP_RIGHT] = check->checked.passed,
                           [BP_WRONG] = check->checked.failed,
                           [BP_INCONCLUSIVE] = check->checked.inconclusive};
  return counts[verdict];
}

size_t bp_check_survivors(const bp_check *check) { return check->checked.survivors; }

/* ---- exporting --------------------------------------------------------------------------- */

struct exporting {
  const bp_check *const *checks;
  size_t count;
  check_export_fn *export;
  struct arena arena;
  bp_write *write;
  void *user;
  bool written;
};

static void export_checks(void *argument) {
  struct exporting *exporting = argument;
  struct text out;
  text_init(&out, &exporting->arena, exporting->write, exporting->user);
  const struct checked **nets =
      ARENA_ARRAY(&exporting->arena, const struct checked *, exporting->count);
  for (size_t i = 0; i < exporting->count; i++) nets[i] = &exporting->checks[i]->checked;
  exporting->export(nets, exporting->count, &out);
  exporting->written = text_flush(&out);
}

bool bp_check_export(const bp_check *const *checks, size_t count, const char *format,
                     bp_write *write, void *user) {
  struct exporting exporting = {.checks = checks,
                                .count = count,
                                .export = check_export_find(format),
                                .write = write,
                                .user = user};
  if (!exporting.export) return false;
  arena_init(&exporting.arena, NULL);
  run_guarded(&exporting.arena, NULL, export_checks, &exporting);
  arena_free(&exporting.arena);
  return exporting.written;
}

const char *bp_check_format_name(size_t i) { return check_export_name(i); }
