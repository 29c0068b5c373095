/* What `check` has found out about a net, and the exporters that write it.
 *
 * A struct checked holds all that is ever written, in an arena of its own: places are looked up,
 * lines are quoted, names are copied.  So a net and its numbers can be given back before the next
 * net is read, however many there are. */
#ifndef BPGRAPH_EXPORT_CHECK_H
#define BPGRAPH_EXPORT_CHECK_H

#include "check/check.h"

/* Where something stands.  file NULL: nowhere; line 0: it is about the file as a whole. */
struct checked_place {
  const char *file;
  size_t line, column;
  const char *excerpt; /* the line, and a caret under it; "" where there is none */
};

struct checked_message {
  unsigned number;
  enum severity severity;
  struct checked_place place;
  const char *text, *hint;
};

struct checked_claim {
  struct judgement said;
  struct checked_place place;
};

struct checked_node {
  struct witnessed said;
  struct checked_place place;
};

enum checked_status { CHECKED_OK, CHECKED_FAILED, CHECKED_INVALID };

struct checked {
  const char *name, *title; /* the file as the user called it; title may be NULL */
  bool invalid;             /* something could not be checked: an error is among the messages */
  bool all;                 /* the text shows every claim even where all is right */
  bool mutated;             /* mutants were made */
  size_t passed, failed, inconclusive, survivors;
  VEC(struct checked_message) messages;
  VEC(struct checked_claim) claims;
  VEC(struct checked_node) backprop;
  VEC(struct mutant) mutants;
};

/* Takes over what a check has found out, and all messages so far.  `check` is NULL where the net
 * was too bad to begin with.  Name, `all` and `mutated` are the caller's to set. */
void checked_take(struct checked *checked, struct arena *arena, const struct net *net,
                  const struct report *report, const struct check *check);

enum checked_status checked_status(const struct checked *checked);

/* How many verdicts there are of each kind, and how many nets are invalid. */
struct verdicts {
  size_t passed, failed, inconclusive, invalid;
};
struct verdicts checked_verdicts(const struct checked *const *nets, size_t count);

/* Writes the judgement of several nets in one format. */
typedef void check_export_fn(const struct checked *const *nets, size_t count, struct text *out);

check_export_fn check_text, check_json, check_junit, check_github;

/* The exporter of a format by name, or NULL; and the name of the i-th, NULL after the last. */
check_export_fn *check_export_find(const char *format);
const char *check_export_name(size_t i);

/* ---- what several formats say ------------------------------------------------------------ */

/* "right", "wrong", "inconclusive". */
const char *verdict_name(enum verdict verdict);

/* "net.yaml:21:8"; as much of it as there is. */
void print_place(const struct checked_place *place, struct text *out);

/* A claim's numbers and what explains them, a line each, behind `indent`. */
void print_judgement(const struct judgement *said, const char *indent, struct text *out);
/* The same of a gradient that differences do not confirm. */
void print_witnessed(const struct witnessed *said, const char *indent, struct text *out);

/* One line of the same: "claimed 0.2, actual -0.2 at [0, 1]". */
void print_gist(const struct judgement *said, struct text *out);
void print_node_gist(const struct witnessed *said, struct text *out);

/* "3 passed, 1 failed, 1 inconclusive, 1 net invalid". */
void print_verdicts(const struct verdicts *verdicts, struct text *out);

#endif
