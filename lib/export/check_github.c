/* Annotations for GitHub Actions: ::error file=net.yaml,line=21,col=8,title=gradient W::...
 *
 * GitHub shows ten annotations a step and drops the rest without a word; so at most ten are
 * written, errors first, and the last line says how many there are. */
#include <string.h>

#include "export/check.h"

enum { ANNOTATIONS_MOST = 10 };

struct annotating {
  struct text *out;
  size_t written, left_out;
};

/* What comes before the :: has two more characters to be escaped. */
static void print_escaped(struct text *out, const char *text, bool property) {
  for (; *text; text++) {
    bool special = *text == '%' || *text == '\r' || *text == '\n' ||
                   (property && (*text == ':' || *text == ','));
    if (special)
      text_printf(out, "%%%02X", (unsigned)*text);
    else
      text_char(out, *text);
  }
}

static void print_annotation(struct annotating *annotating, const char *level,
                             const struct checked_place *place, const char *title,
                             const char *message) {
  struct text *out = annotating->out;
  if (annotating->written == ANNOTATIONS_MOST) {
    annotating->left_out++;
    return;
  }
  annotating->written++;
  text_printf(out, "::%s ", level);
  if (place->file) { /* as it is called from the top of the repository */
    text_puts(out, "file=");
    print_escaped(out, place->file + 2 * !strncmp(place->file, "./", 2), true);
    text_char(out, ',');
  }
  if (place->line) text_printf(out, "line=%zu,col=%zu,", place->line, place->column);
  text_puts(out, "title=");
  print_escaped(out, title, true);
  text_puts(out, "::");
  print_escaped(out, message, false);
  text_char(out, '\n');
}

static void print_errors(struct annotating *annotating, const struct checked *net) {
  for (size_t i = 0; i < net->messages.count; i++) {
    const struct checked_message *message = &net->messages.at[i];
    struct text title, text;
    if (message->severity < SEVERITY_ERROR) continue;
    text_init(&title, annotating->out->arena, NULL, NULL);
    text_init(&text, annotating->out->arena, NULL, NULL);
    text_printf(&title, "invalid net BP%03u", message->number);
    text_puts(&text, message->text);
    if (message->hint) text_printf(&text, "\nhint: %s", message->hint);
    struct checked_place place = message->place;
    if (!place.file) place.file = net->name;
    print_annotation(annotating, "error", &place, text_string(&title), text_string(&text));
  }
}

/* The claims of one verdict. */
static void print_claims(struct annotating *annotating, const struct checked *net,
                         enum verdict verdict) {
  bool wrong = verdict == VERDICT_WRONG;
  for (size_t i = 0; i < net->claims.count; i++) {
    const struct judgement *said = &net->claims.at[i].said;
    struct text title, text;
    if (said->verdict != verdict) continue;
    text_init(&title, annotating->out->arena, NULL, NULL);
    text_init(&text, annotating->out->arena, NULL, NULL);
    text_printf(&title, "%s %s is %s", said->kind, said->subject, verdict_name(verdict));
    if (wrong) print_gist(said, &text);
    if (said->inherited_from)
      text_printf(&text, "\ninherited from the claim for %s, which is wrong", said->inherited_from);
    for (size_t k = 0; k < said->diagnosis.count; k++)
      text_printf(&text, "\n%s%s", k ? "or: " : "", said->diagnosis.at[k].text);
    if (said->note) text_printf(&text, "%s%s", text.count ? "\n" : "", said->note);
    print_annotation(annotating, wrong ? "error" : "warning", &net->claims.at[i].place,
                     text_string(&title), text_string(&text));
  }
}

static void print_nodes(struct annotating *annotating, const struct checked *net,
                        enum verdict verdict) {
  bool wrong = verdict == VERDICT_WRONG;
  for (size_t i = 0; i < net->backprop.count; i++) {
    const struct witnessed *said = &net->backprop.at[i].said;
    struct text title, text;
    if (said->verdict != verdict) continue;
    text_init(&title, annotating->out->arena, NULL, NULL);
    text_init(&text, annotating->out->arena, NULL, NULL);
    text_printf(&title, "backprop of %s is %s", said->node, verdict_name(verdict));
    if (wrong) print_node_gist(said, &text);
    if (said->note) text_printf(&text, "%s%s", text.count ? "\n" : "", said->note);
    print_annotation(annotating, wrong ? "error" : "warning", &net->backprop.at[i].place,
                     text_string(&title), text_string(&text));
  }
}

void check_github(const struct checked *const *nets, size_t count, struct text *out) {
  struct annotating annotating = {.out = out};
  for (size_t i = 0; i < count; i++) {
    print_errors(&annotating, nets[i]);
    print_claims(&annotating, nets[i], VERDICT_WRONG);
    print_nodes(&annotating, nets[i], VERDICT_WRONG);
  }
  for (size_t i = 0; i < count; i++) {
    print_claims(&annotating, nets[i], VERDICT_INCONCLUSIVE);
    print_nodes(&annotating, nets[i], VERDICT_INCONCLUSIVE);
  }
  struct verdicts sum = checked_verdicts(nets, count);
  text_printf(out, "bpgraph check: %zu net%s: ", count, count == 1 ? "" : "s");
  print_verdicts(&sum, out);
  if (annotating.left_out)
    text_printf(out, " (%zu more annotations are not shown)", annotating.left_out);
  text_char(out, '\n');
}
