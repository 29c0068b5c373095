/* For people: one line a claim, and all there is to say under the wrong ones. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "export/check.h"

/* ---- what several formats say ------------------------------------------------------------ */

const char *verdict_name(enum verdict verdict) {
  static const char *const names[] = {"right", "wrong", "inconclusive"};
  return names[verdict];
}

static void print_visible(struct text *out, const char *text) {
  report_visible(out, text, strlen(text));
}

void print_place(const struct checked_place *place, struct text *out) {
  if (place->file) print_visible(out, place->file);
  if (place->line) text_printf(out, ":%zu:%zu", place->line, place->column);
}

/* Numbers that are to be compared. */
struct compared {
  double claimed, actual, numeric;
  bool has_claimed, has_numeric;
  double scale; /* the largest of them */
  int digits;   /* of the largest, so that the difference is seen */
};

static void compare(struct compared *compared) {
  enum { DIGITS = 6, MOST = 17 };
  const double others[] = {compared->claimed, compared->numeric};
  const bool has[] = {compared->has_claimed, compared->has_numeric};
  double gap = INFINITY;
  compared->scale = isfinite(compared->actual) ? fabs(compared->actual) : 0;
  for (int i = 0; i < 2; i++) {
    if (!has[i] || !isfinite(others[i])) continue;
    if (fabs(others[i]) > compared->scale) compared->scale = fabs(others[i]);
    if (i == 0) gap = fabs(others[i] - compared->actual);
  }
  compared->digits = DIGITS;
  if (gap > 0 && isfinite(gap) && compared->scale > 0) {
    double wanted = ceil(log10(compared->scale) - log10(gap)) + 2;
    if (wanted > DIGITS) compared->digits = wanted < MOST ? (int)wanted : MOST;
  }
}

/* What is left of numbers that are as large as the largest but cancel, as a part of it: noise, which
 * is another on another machine. */
#define EXACT 1e-13
#define MEASURED 1e-9 /* of numerical differences */

/* A number with no more digits than are more than noise; 0 where none is. */
static void print_compared(const struct compared *compared, double value, double noise,
                           struct text *out) {
  int digits = compared->digits;
  if (isfinite(value) && fabs(value) < compared->scale) {
    double certain = value != 0 ? floor(log10(fabs(value)) - log10(compared->scale * noise)) : 0;
    if (certain < digits) digits = certain > 0 ? (int)certain : 0;
  }
  text_rounded(out, digits ? value : 0, digits ? digits : 1);
}

static struct compared numbers_of(const struct judgement *said) {
  struct compared compared = {.claimed = said->claimed,
                              .actual = said->actual,
                              .numeric = said->numeric,
                              .has_claimed = true,
                              .has_numeric = said->has_numeric};
  compare(&compared);
  return compared;
}

/* Of backprop: what it says stands as the claim. */
static struct compared numbers_of_node(const struct witnessed *said) {
  struct compared compared = {.claimed = said->actual,
                              .actual = said->numeric,
                              .numeric = said->numeric,
                              .has_claimed = true};
  compare(&compared);
  return compared;
}

/* The start of a line of details: what it is about. */
static void start_detail(const char *indent, const char *label, struct text *out) {
  enum { WIDTH = 11 };
  text_puts(out, indent);
  text_puts(out, label);
  text_fill(out, ' ', WIDTH - strlen(label));
}

static void print_detail(const char *indent, const char *label, const char *text,
                         struct text *out) {
  start_detail(indent, label, out);
  print_visible(out, text);
  text_char(out, '\n');
}

static void print_number(const char *indent, const char *label, const struct compared *compared,
                         double value, double noise, struct text *out) {
  start_detail(indent, label, out);
  print_compared(compared, value, noise, out);
  text_char(out, '\n');
}

static void print_error(const char *indent, double absolute, double relative, struct text *out) {
  start_detail(indent, "error", out);
  text_rounded(out, absolute, 3);
  text_puts(out, ", relative ");
  text_rounded(out, relative, 3);
  text_char(out, '\n');
}

/* "[0, 1]; 3 of 9 entries are wrong" */
static void print_worst(const char *indent, const struct judgement *said, struct text *out) {
  if (said->worst.rank) {
    start_detail(indent, "worst at", out);
    dims_print(&said->worst, out);
    if (said->wrong)
      text_printf(out, "; %zu of %zu entries %s wrong", said->wrong, said->entries,
                  said->wrong == 1 ? "is" : "are");
    text_char(out, '\n');
  }
  if (!said->point) return;
  start_detail(indent, "point", out);
  text_printf(out, "random point %zu; the file's own does not tell\n", said->point);
}

void print_judgement(const struct judgement *said, const char *indent, struct text *out) {
  struct compared compared = numbers_of(said);
  if (said->entries) {
    print_number(indent, "claimed", &compared, said->claimed, EXACT, out);
    print_number(indent, "actual", &compared, said->actual, EXACT, out);
    if (said->has_numeric)
      print_number(indent, "numerical", &compared, said->numeric, MEASURED, out);
    print_worst(indent, said, out);
    print_error(indent, said->max_abs_error, said->max_rel_error, out);
  }
  if (said->inherited_from) {
    start_detail(indent, "inherited", out);
    text_printf(out, "from the claim for %s, which is wrong\n", said->inherited_from);
  }
  if (!said->diagnosis.count && !said->inherited_from) {
    start_detail(indent, "diagnosis", out);
    text_puts(out, "none of the slips that are known makes this claim\n");
  }
  for (size_t i = 0; i < said->diagnosis.count; i++) {
    const struct finding *finding = &said->diagnosis.at[i];
    start_detail(indent, i ? "or" : "diagnosis", out);
    print_visible(out, finding->text);
    text_printf(out, " [%s]\n", finding->id);
  }
  if (said->note) print_detail(indent, "note", said->note, out);
}

void print_witnessed(const struct witnessed *said, const char *indent, struct text *out) {
  struct compared compared = numbers_of_node(said);
  print_number(indent, "backprop", &compared, said->actual, EXACT, out);
  print_number(indent, "numerical", &compared, said->numeric, MEASURED, out);
  if (said->worst.rank) {
    start_detail(indent, "worst at", out);
    dims_print(&said->worst, out);
    text_char(out, '\n');
  }
  if (said->note) print_detail(indent, "note", said->note, out);
}

void print_gist(const struct judgement *said, struct text *out) {
  struct compared compared = numbers_of(said);
  text_puts(out, "claimed ");
  print_compared(&compared, said->claimed, EXACT, out);
  text_puts(out, ", actual ");
  print_compared(&compared, said->actual, EXACT, out);
  if (said->worst.rank) {
    text_puts(out, " at ");
    dims_print(&said->worst, out);
  }
  if (said->point) text_printf(out, " of random point %zu", said->point);
}

void print_node_gist(const struct witnessed *said, struct text *out) {
  struct compared compared = numbers_of_node(said);
  text_puts(out, "backprop says ");
  print_compared(&compared, said->actual, EXACT, out);
  text_puts(out, ", differences ");
  print_compared(&compared, said->numeric, MEASURED, out);
  if (said->worst.rank) {
    text_puts(out, " at ");
    dims_print(&said->worst, out);
  }
}

void print_verdicts(const struct verdicts *verdicts, struct text *out) {
  const struct {
    size_t count;
    const char *what;
  } parts[] = {{verdicts->passed, "passed"},
               {verdicts->failed, "failed"},
               {verdicts->inconclusive, "inconclusive"},
               {verdicts->invalid, verdicts->invalid == 1 ? "net invalid" : "nets invalid"}};
  bool any = false;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (!parts[i].count) continue;
    text_printf(out, "%s%zu %s", any ? ", " : "", parts[i].count, parts[i].what);
    any = true;
  }
  if (!any) text_puts(out, "nothing to judge");
}

/* ---- lines ------------------------------------------------------------------------------- */

/* How wide the columns of one net are. */
struct columns {
  size_t verdict, kind, subject, node;
};

static const char *word_of(enum verdict verdict) {
  return verdict == VERDICT_WRONG ? "WRONG" : verdict_name(verdict);
}

static void widen(size_t *width, const char *text) {
  size_t own = utf8_width(text, strlen(text));
  if (own > *width) *width = own;
}

static struct columns measure(const struct checked *net) {
  struct columns columns = {0};
  for (size_t i = 0; i < net->claims.count; i++) {
    const struct judgement *said = &net->claims.at[i].said;
    widen(&columns.verdict, word_of(said->verdict));
    widen(&columns.kind, said->kind);
    widen(&columns.subject, said->subject);
  }
  for (size_t i = 0; i < net->backprop.count; i++) {
    widen(&columns.verdict, word_of(net->backprop.at[i].said.verdict));
    widen(&columns.node, net->backprop.at[i].said.node);
  }
  return columns;
}

static void print_cell(const char *text, size_t width, struct text *out) {
  text_puts(out, text);
  size_t own = utf8_width(text, strlen(text));
  text_fill(out, ' ', own < width ? width - own : 0);
}

static const char details[] = "           ";

/* The line that a place is in, behind the details' indentation. */
static void print_excerpt(const struct checked_place *place, struct text *out) {
  for (const char *line = place->excerpt, *end; *line; line = end + 1) {
    end = strchr(line, '\n');
    text_puts(out, "      ");
    text_add(out, line, (size_t)(end + 1 - line));
  }
}

static void print_claim(const struct checked_claim *claim, const struct columns *columns,
                        struct text *out) {
  const struct judgement *said = &claim->said;
  bool right = said->verdict == VERDICT_RIGHT;
  text_puts(out, "  ");
  print_cell(word_of(said->verdict), columns->verdict, out);
  text_puts(out, "  ");
  print_cell(said->kind, columns->kind, out);
  text_puts(out, "  ");
  print_cell(said->subject, right && !said->note ? 0 : columns->subject, out);
  if (!right) text_puts(out, "  ");
  if (!right) print_place(&claim->place, out);
  if (right && said->note) text_puts(out, "  ");
  if (right && said->note) print_visible(out, said->note);
  text_char(out, '\n');
  if (right) return;
  print_excerpt(&claim->place, out);
  print_judgement(said, details, out);
}

static bool same_title(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

/* Says which random points the claims of a block, from the i-th on, were judged at. */
static void print_points(const struct checked *net, size_t i, struct text *out) {
  const char *title = net->claims.at[i].said.title;
  size_t most = 0;
  uint64_t seed = 0;
  for (; i < net->claims.count && same_title(title, net->claims.at[i].said.title); i++) {
    const struct judgement *said = &net->claims.at[i].said;
    if (said->points > most) most = said->points, seed = said->seed;
  }
  if (most > 1)
    text_printf(out, ", formulas at %zu random points, too (seed %" PRIu64 ")", most - 1, seed);
}

static void print_claims(const struct checked *net, const struct columns *columns,
                         struct text *out) {
  const char *title = NULL;
  for (size_t i = 0; i < net->claims.count; i++) {
    const struct checked_claim *claim = &net->claims.at[i];
    if (!i || !same_title(title, claim->said.title)) {
      text_puts(out, claim->said.title ? "claims: " : "claims");
      if (claim->said.title) print_visible(out, claim->said.title);
      print_points(net, i, out);
      text_char(out, '\n');
    }
    title = claim->said.title;
    print_claim(claim, columns, out);
  }
}

static void print_node(const struct checked_node *node, const struct columns *columns,
                       struct text *out) {
  const struct witnessed *said = &node->said;
  text_puts(out, "  ");
  print_cell(word_of(said->verdict), columns->verdict, out);
  text_puts(out, "  ");
  print_cell(said->node, columns->node, out);
  if (said->entries < said->of)
    text_printf(out, "  %zu of %zu entries", said->entries, said->of);
  else
    text_printf(out, "  %zu entr%s", said->of, said->of == 1 ? "y" : "ies");
  if (said->verdict != VERDICT_RIGHT) {
    text_puts(out, "  ");
    print_place(&node->place, out);
  } else if (said->note) {
    text_puts(out, "  ");
    print_visible(out, said->note);
  }
  text_char(out, '\n');
  if (said->verdict == VERDICT_WRONG)
    print_witnessed(said, details, out);
  else if (said->verdict == VERDICT_INCONCLUSIVE && said->note)
    print_detail(details, "because", said->note, out);
}

static void print_backprop(const struct checked *net, const struct columns *columns,
                           struct text *out) {
  if (net->backprop.count) text_puts(out, "backprop itself, by numerical differences\n");
  for (size_t i = 0; i < net->backprop.count; i++) print_node(&net->backprop.at[i], columns, out);
}

static void print_mutants(const struct checked *net, struct text *out) {
  if (!net->mutated) return;
  if (!net->mutants.count) {
    text_puts(out, "mutants of the formulas: none, for no formula is right\n");
    return;
  }
  text_printf(out, "mutants of the formulas: %zu of %zu noticed\n",
              net->mutants.count - net->survivors, net->mutants.count);
  for (size_t i = 0; i < net->mutants.count; i++) {
    const struct mutant *mutant = &net->mutants.at[i];
    if (!mutant->survived) continue;
    const struct checked_claim *claim = &net->claims.at[mutant->claim];
    text_printf(out, "  survives  %s %s  ", claim->said.kind, claim->said.subject);
    print_place(&claim->place, out);
    text_char(out, '\n');
    print_excerpt(&claim->place, out);
    print_detail(details, "mutant", mutant->text, out);
    if (mutant->killer) print_detail(details, "told apart", mutant->killer, out);
  }
}

/* ---- nets -------------------------------------------------------------------------------- */

/* Whether more than one line is worth being written. */
static bool is_short(const struct checked *net, size_t count) {
  bool nothing = !net->claims.count && !net->backprop.count;
  return nothing || (count > 1 && !net->all && !net->failed && !net->inconclusive &&
                     !net->survivors && !net->invalid);
}

/* "net.yaml: 3 passed" */
static void print_summary(const struct checked *net, struct text *out) {
  struct verdicts verdicts = checked_verdicts(&net, 1);
  size_t errors = 0;
  for (size_t i = 0; i < net->messages.count; i++)
    errors += net->messages.at[i].severity >= SEVERITY_ERROR;
  print_visible(out, net->name);
  text_puts(out, ": ");
  if (net->invalid) text_printf(out, "invalid: %zu error%s", errors, errors == 1 ? "" : "s");
  verdicts.invalid = 0;
  bool any = verdicts.passed || verdicts.failed || verdicts.inconclusive;
  if (net->invalid && any) text_puts(out, "; ");
  if (!net->invalid || any) print_verdicts(&verdicts, out);
  text_char(out, '\n');
}

static void print_net(const struct checked *net, struct text *out) {
  struct columns columns = measure(net);
  print_visible(out, net->name);
  if (net->title) {
    text_puts(out, ": ");
    report_visible(out, net->title, strcspn(net->title, "\n"));
  }
  text_puts(out, "\n\n");
  print_claims(net, &columns, out);
  print_backprop(net, &columns, out);
  print_mutants(net, out);
  text_char(out, '\n');
  print_summary(net, out);
}

void check_text(const struct checked *const *nets, size_t count, struct text *out) {
  for (size_t i = 0; i < count; i++) {
    bool brief = is_short(nets[i], count);
    if (i && (!brief || !is_short(nets[i - 1], count))) text_char(out, '\n');
    if (brief)
      print_summary(nets[i], out);
    else
      print_net(nets[i], out);
  }
  if (count < 2) return;
  struct verdicts sum = checked_verdicts(nets, count);
  text_printf(out, "\n%zu nets: ", count);
  print_verdicts(&sum, out);
  text_char(out, '\n');
}
