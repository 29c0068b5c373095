/* From a check to what is written of it: places instead of marks, copies instead of pointers. */
#include <string.h>

#include "export/check.h"

static const char *copy(struct arena *arena, const char *text) {
  return text ? arena_copy(arena, text, strlen(text)) : NULL;
}

static const char *excerpt(struct arena *arena, const struct report *report, struct mark mark) {
  struct text text;
  text_init(&text, arena, NULL, NULL);
  report_excerpt(report, mark, &text);
  return text_string(&text);
}

static struct checked_place locate(struct arena *arena, const struct report *report,
                                   struct mark mark, const struct source *fallback) {
  struct place place;
  if (!report_locate(report, mark, &place))
    return (struct checked_place){.file = fallback ? copy(arena, fallback->name) : NULL,
                                  .excerpt = ""};
  return (struct checked_place){copy(arena, place.source->name), place.line, place.column,
                                excerpt(arena, report, mark)};
}

/* Where a claim stands: one of a file that has no lines points to the option that names it. */
static struct checked_place locate_claim(struct arena *arena, const struct report *report,
                                         struct mark mark, const struct source *net) {
  struct place place;
  bool option = report_locate(report, mark, &place) && !strncmp(place.source->name, "--", 2);
  if (!option) return locate(arena, report, mark, net);
  return (struct checked_place){.file = copy(arena, place.source->bytes), .excerpt = ""};
}

static void take_messages(struct checked *checked, struct arena *arena,
                          const struct report *report) {
  for (size_t i = 0; i < report->messages.count; i++) {
    const struct message *message = &report->messages.at[i];
    *vec_push(arena, &checked->messages) =
        (struct checked_message){diag_number(message->id), message->severity,
                                 locate(arena, report, message->mark, message->source),
                                 copy(arena, message->text), copy(arena, message->hint)};
  }
}

static void take_claim(struct checked *checked, struct arena *arena, const struct report *report,
                       const struct source *source, const struct judgement *said) {
  struct checked_claim *claim = vec_push(arena, &checked->claims);
  claim->said = *said;
  claim->said.kind = copy(arena, said->kind);
  claim->said.subject = copy(arena, said->subject);
  claim->said.title = copy(arena, said->title);
  claim->said.inherited_from = copy(arena, said->inherited_from);
  claim->said.note = copy(arena, said->note);
  claim->said.diagnosis.at = ARENA_ARRAY(arena, struct finding, said->diagnosis.count);
  for (size_t i = 0; i < said->diagnosis.count; i++)
    claim->said.diagnosis.at[i] = (struct finding){copy(arena, said->diagnosis.at[i].id),
                                                   copy(arena, said->diagnosis.at[i].text)};
  claim->place = locate_claim(arena, report, said->mark, source);
}

static void take_node(struct checked *checked, struct arena *arena, const struct report *report,
                      const struct source *source, const struct witnessed *said) {
  struct checked_node *node = vec_push(arena, &checked->backprop);
  node->said = *said;
  node->said.node = copy(arena, said->node);
  node->said.note = copy(arena, said->note);
  node->place = locate(arena, report, said->mark, source);
}

static void take_mutant(struct checked *checked, struct arena *arena, const struct mutant *mutant) {
  struct mutant *taken = vec_push(arena, &checked->mutants);
  *taken = *mutant;
  taken->text = copy(arena, mutant->text);
  taken->killer = copy(arena, mutant->killer);
  checked->survivors += mutant->survived;
}

void checked_take(struct checked *checked, struct arena *arena, const struct net *net,
                  const struct report *report, const struct check *check) {
  checked->title = copy(arena, net->title);
  checked->invalid = report_failed(report) || !check;
  take_messages(checked, arena, report);
  if (!check) return;
  checked->passed = check->passed;
  checked->failed = check->failed;
  checked->inconclusive = check->inconclusive;
  for (size_t i = 0; i < check->claims.count; i++)
    take_claim(checked, arena, report, net->source, &check->claims.at[i]);
  for (size_t i = 0; i < check->backprop.count; i++)
    take_node(checked, arena, report, net->source, &check->backprop.at[i]);
  for (size_t i = 0; i < check->mutants.count; i++)
    take_mutant(checked, arena, &check->mutants.at[i]);
}

enum checked_status checked_status(const struct checked *checked) {
  if (checked->invalid) return CHECKED_INVALID;
  return checked->failed ? CHECKED_FAILED : CHECKED_OK;
}

struct verdicts checked_verdicts(const struct checked *const *nets, size_t count) {
  struct verdicts sum = {0};
  for (size_t i = 0; i < count; i++) {
    sum.passed += nets[i]->passed;
    sum.failed += nets[i]->failed;
    sum.inconclusive += nets[i]->inconclusive;
    sum.invalid += nets[i]->invalid;
  }
  return sum;
}

/* ---- formats ----------------------------------------------------------------------------- */

static const struct {
  const char *name;
  check_export_fn *export;
} exporters[] = {
    {"text", check_text}, {"json", check_json}, {"junit", check_junit}, {"github", check_github}};
enum { EXPORTERS = sizeof exporters / sizeof *exporters };

check_export_fn *check_export_find(const char *format) {
  for (size_t i = 0; i < EXPORTERS; i++)
    if (!strcmp(exporters[i].name, format)) return exporters[i].export;
  return NULL;
}

const char *check_export_name(size_t i) { return i < EXPORTERS ? exporters[i].name : NULL; }
