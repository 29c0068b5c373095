/* Expressions: text becomes a syntax tree.
 *
 *   compare: sum [(< <= > >= == !=) sum]
 *   sum:     term {(+ | -) term}
 *   term:    unary {(* | / | @) unary}
 *   unary:   (- | +) unary | power
 *   power:   postfix [** unary]
 *   postfix: primary {.NAME | [INDEX, ...]}
 *   primary: NUMBER | NAME | NAME(ARGUMENT, ...) | (compare) | [compare, ...] | "TEXT"
 *
 * Derivative rules may also use `and`, `or`, `not`, `//` and `%` on constants.
 *
 * The tree is kept in postfix order: every item follows its operands, so that it is lowered by one
 * loop with a stack, whatever its depth. */
#ifndef BPGRAPH_LANG_EXPR_H
#define BPGRAPH_LANG_EXPR_H

#include "base/report.h"

enum expr_kind {
  EXPR_NUMBER,  /* number */
  EXPR_NAME,    /* name */
  EXPR_TEXT,    /* name: what stands between quotes */
  EXPR_TRUTH,   /* number: 1 for true, 0 for false */
  EXPR_SYMBOL,  /* symbol with `count` operands */
  EXPR_CALL,    /* name(count arguments) */
  EXPR_KEYWORD, /* name=operand, an argument of the call that follows */
  EXPR_MEMBER,  /* operand.name */
  EXPR_INDEX,   /* operand[count indices] */
  EXPR_SLICE,   /* start:stop:step, each possibly EXPR_NONE */
  EXPR_NONE,    /* a bound that was left out */
  EXPR_LIST     /* [count items] */
};

/* The operators.  The name is that of expressions and of the op rows' `symbol`. */
enum symbol {
  SYMBOL_ADD,
  SYMBOL_SUB,
  SYMBOL_MUL,
  SYMBOL_DIV,
  SYMBOL_MATMUL,
  SYMBOL_POW,
  SYMBOL_LESS,
  SYMBOL_LESS_EQUAL,
  SYMBOL_GREATER,
  SYMBOL_GREATER_EQUAL,
  SYMBOL_EQUAL,
  SYMBOL_NOT_EQUAL,
  SYMBOL_FLOOR_DIV, /* the rest: constants in rules only */
  SYMBOL_MOD,
  SYMBOL_AND,
  SYMBOL_OR,
  SYMBOL_NOT,
  SYMBOL_COUNT
};
extern const char *const symbol_text[SYMBOL_COUNT];

struct expr_item {
  uint8_t kind;     /* enum expr_kind */
  uint8_t symbol;   /* enum symbol */
  bool constant;    /* stands in an attribute, an index or a list: folded where possible */
  bool word;        /* a name that is a keyword's whole value: possibly one of the op's words */
  uint32_t count;   /* operands */
  struct mark mark; /* the very symbol */
  struct mark text; /* the whole subexpression */
  union {
    double number;
    struct {
      const char *name;
      uint32_t size;
      uint32_t id; /* for whoever resolves names */
    };
  };
};

struct expr {
  VEC(struct expr_item) items;
};

/* Where an expression's text came from. */
struct expr_text {
  const char *at;
  size_t size;
  uint32_t base; /* the mark of its first byte, 0: none */
  /* Where each byte (and the end) starts, and where each ends, if they do not simply follow. */
  const uint32_t *map, *ends;
};

/* Appends the items of an expression to `out`; `constant` says that all of it stands where only
 * constants do.  Reports the first fault and returns false. */
bool expr_parse(struct arena *arena, struct report *report, const struct expr_text *text,
                bool constant, struct expr *out);

/* The same for derivative rules (and, or, not, //, %). */
bool expr_parse_rule(struct arena *arena, struct report *report, const struct expr_text *text,
                     struct expr *out);

#endif
