/* Lowering: a syntax tree becomes nodes of a graph.
 *
 * Numbers in an expression become literals, operators and calls become ops; nothing is evaluated
 * aside.  Only what must be known before anything runs is folded: attributes, slice bounds,
 * indices and lists (and, in derivative rules, all arithmetic on constants). */
#ifndef BPGRAPH_LANG_LOWER_H
#define BPGRAPH_LANG_LOWER_H

#include "base/map.h"
#include "graph/graph.h"
#include "lang/expr.h"

enum value_kind {
  VALUE_FAILED, /* could not be built, and was reported */
  VALUE_NUMBER,
  VALUE_NODE,
  VALUE_LIST,  /* of constants */
  VALUE_TRUTH, /* true or false; counts as the number 1 or 0 */
  VALUE_WORD,  /* a bare word, possibly a name */
  VALUE_TEXT,  /* "..." */
  VALUE_SLICE, /* a list of start, stop, step */
  VALUE_NONE,  /* left out */
  VALUE_SPREAD /* several nodes, spliced into a call's arguments */
};

struct value {
  enum value_kind kind;
  struct mark mark, text;
  const struct expr_item *item; /* VALUE_WORD: the name, for whoever resolves it */
  const char *keyword;          /* an argument given by name; else NULL */
  uint32_t keyword_size;
  struct mark keyword_mark;
  union {
    double number;
    node_id node;
    struct {
      size_t count;
      const struct value *at;
    } list;
    struct {
      size_t size;
      const char *bytes;
    } word;
  };
};

/* The ops by name and by what expressions write. */
struct vocabulary {
  struct map names;
  VEC(const struct op *) all;
  const struct op *ops[SYMBOL_COUNT]; /* operators with two operands */
  const struct op *negate, *copy, *transpose, *take, *slice;
};
void vocabulary_init(struct vocabulary *words, struct arena *arena);
const struct op *vocabulary_find(const struct vocabulary *words, const char *name, size_t size);

/* What a call by name came to. */
enum outcome { OUTCOME_UNKNOWN, OUTCOME_DONE, OUTCOME_FAILED };

/* What names mean while an expression is lowered. */
struct scope {
  struct graph *graph;
  struct report *report;
  struct arena *arena;
  const struct vocabulary *words;
  bool fold; /* in rules: all arithmetic on constants is folded */
  /* What a name stands for; false after a report. */
  bool (*find)(struct scope *scope, const struct expr_item *name, struct value *out);
  /* Functions beside the ops; NULL: there are none. */
  enum outcome (*call)(struct scope *scope, const struct expr_item *name, struct value *arguments,
                       size_t count, struct value *out);
  /* What `operand.name` stands for beside .T, .mT and .shape; NULL: nothing. */
  bool (*member)(struct scope *scope, const struct value *operand, const struct expr_item *name,
                 struct value *out);
  void *context;
  VEC(struct value) stack;
};

/* Lowers a whole expression; false after a report. */
bool lower_expr(struct scope *scope, const struct expr_item *items, size_t count,
                struct value *out);

/* Makes a node of a value: a number becomes a literal, a list a constant tensor.  NODE_NONE after
 * a report. */
node_id value_node(struct scope *scope, const struct value *value);

/* The number that a value stands for before anything runs; false where it is none. */
bool value_number(const struct scope *scope, const struct value *value, double *number);

/* The same for lists (of numbers or lists); a constant vector of the net counts. */
bool value_list(const struct scope *scope, const struct value *value, struct value *list);

/* Applies an op to arguments (positional inputs, then attributes and inputs by keyword). */
bool apply_op(struct scope *scope, const struct op *op, struct value *arguments, size_t count,
              struct mark mark, struct mark text, struct value *out);

/* Reads one attribute's value as its specification wants it; reports what does not fit. */
bool bind_attr(struct scope *scope, const struct op *op, const struct attr_spec *spec,
               const struct value *value, struct attr *out);

/* A fresh array with all attributes at their defaults; NULL for an op without any. */
struct attr *default_attrs(struct arena *arena, const struct op *op);

struct value make_number(double number, struct mark mark);
struct value make_node(node_id node, struct mark mark, struct mark text);

#endif
