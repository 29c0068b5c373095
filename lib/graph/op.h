/* What an op is.  One row of this struct holds everything that the program knows of an op; the
 * rows stand in ops/, one file a family, and nothing outside a row names its op. */
#ifndef BPGRAPH_GRAPH_OP_H
#define BPGRAPH_GRAPH_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "tensor/shape.h"

enum { OP_INPUTS = 4, OP_ANY = 255, LINEAR_EACH = 1, LINEAR_ALL = 255 };

/* ---- attributes ------------------------------------------------------------------------- */

enum attr_type {
  ATTR_INT,    /* -1 */
  ATTR_INTS,   /* [0, 2], or 0 for [0] */
  ATTR_PAIRS,  /* [[1, 1], [0, 2]], kept flat: 1, 1, 0, 2 */
  ATTR_NUMBER, /* 0.01 */
  ATTR_BOOL,   /* true */
  ATTR_WORD,   /* one of `words` */
  ATTR_TEXT    /* "ij,jk->ik" */
};

struct attr {
  bool given; /* false: left out, and the default says nothing either */
  bool list;  /* ATTR_INTS: written as a list rather than as one integer */
  union {
    int64_t integer;
    double number;
    bool truth;
    unsigned word; /* index into the specification's words */
    struct {
      size_t count;
      const int64_t *at;
    } ints;
    struct {
      size_t size;
      const char *at;
    } text;
  };
};

struct attr_spec {
  const char *name, *meaning;
  enum attr_type type;
  bool required;
  struct attr fallback;     /* what holds where it is left out */
  const char *const *words; /* ATTR_WORD: the words, then NULL */
};

/* ---- shapes ------------------------------------------------------------------------------ */

/* What a shape rule sees, and where it leaves its answer or its complaint. */
struct infer {
  const struct op *op;
  const struct attr *attr; /* in the order of op->attrs */
  unsigned count;          /* inputs */
  const struct dims *x;    /* their shapes */
  struct dims y;           /* the answer */
  struct text *why;        /* the complaint, without the op's name */
  int blame_input;         /* the input it is about, or -1 */
  const char *blame_attr;  /* the attribute it is about, or NULL */
  /* Writes what an input is called and its shape: "W is [3, 4]". */
  void (*describe)(const struct infer *infer, unsigned input);
  void *context; /* of `describe` */
};

/* Each returns true with infer->y set, or false after a complaint. */
typedef bool infer_fn(struct infer *infer);

/* For shape rules: complains and returns false.  %0 and %1 ... in the format stand for "W is
 * [3, 4]" of that input; nothing else is interpreted. */
bool infer_fail(struct infer *infer, const char *format);
bool infer_fail_input(struct infer *infer, unsigned input, const char *format);
bool infer_fail_attr(struct infer *infer, const char *attr, const char *format);

/* ---- running ----------------------------------------------------------------------------- */

/* One operand of a kernel. */
struct operand {
  double *at;  /* its value; inputs are only read */
  double *bar; /* its adjoint, to be added to; NULL where nobody wants it */
  const struct shape *shape;
  bool fresh; /* bar holds nothing yet: an op that `stores` overwrites it instead of adding */
};

/* What went wrong in a kernel. */
struct fault {
  bool raised;
  unsigned input;   /* which input is to blame */
  size_t index;     /* its entry (flat) */
  const char *what; /* "is no index of an axis of 3", "is singular"; static text */
  double number;    /* the offending number, a condition estimate ... */
};

/* One use of an op in a run, with everything resolved: kernels look nothing up. */
struct call {
  const struct op *op;
  const struct attr *attr;
  unsigned count;   /* inputs */
  struct operand y; /* backward: y.at is the value, y.bar the upstream gradient */
  const struct operand *x;
  double *scratch; /* op->scratch(...) doubles; forward's survives until backward */
  struct fault *fault;
};

typedef void forward_fn(const struct call *call);
/* Adds to the bar of each input that has one. */
typedef void backward_fn(const struct call *call);

/* An op on one or two numbers: returns y and leaves dy/da and dy/db in partial[0..2). */
typedef double scalar_fn(double a, double b, double partial[2]);

/* Says that the derivative by an input is undefined at one of its entries (for broadcasting ops:
 * at an entry of y). */
struct kinks {
  void (*add)(struct kinks *kinks, unsigned input, size_t index);
};
typedef void kink_fn(const struct call *call, struct kinks *kinks);

/* Tells apart the pieces of a piecewise op: a number that is the same for two calls of the same
 * shapes, just after `forward`, if and only if every entry is on the same piece in both, as far as 64 bits
 * tell: which side of 0, which of the inputs is the largest ... (see join_piece, ops/kernel.h). */
typedef uint64_t branch_fn(const struct call *call);

/* Doubles of scratch that a call wants, from its attributes and shapes. */
typedef size_t scratch_fn(const struct attr *attr, const struct shape *y, unsigned count,
                          const struct shape *const *x);

/* The axis of y that an axis of input k becomes where the op keeps entries along it apart: y at i
 * on the one depends on that input at i on the other only.  -1: the op mixes them.  Both axes have
 * the same number of entries. */
typedef int apart_fn(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                     unsigned k, unsigned axis);

/* Leaves the complaint of a kernel, unless there is one already. */
void call_fail(const struct call *call, unsigned input, size_t index, const char *what,
               double number);

/* ---- parts ------------------------------------------------------------------------------- */

/* Entries from .. to - 1 along an axis.  A part of a tensor is a box: one of these for each axis. */
struct extent {
  int64_t from, to;
};

/* How parts of the inputs and parts of the result belong together, so that a change of few entries
 * costs little.  `forward` must be able to run on parts alone: with operands that hold just these
 * parts, of their shapes, it gives the part of the result.  In `call` are the whole shapes, and no
 * numbers that may be read but those of indices. */
struct op_parts {
  /* The part of the result outside of which nothing changes when input k changes in `x`. */
  void (*reach)(const struct call *call, unsigned k, const struct extent *x, struct extent *y);
  /* The part of input k that a part of the result is computed from. */
  void (*need)(const struct call *call, unsigned k, const struct extent *y, struct extent *x);
  /* For ops whose result is a sum of terms, NULL for others: of `need`, what is in the terms that
   * the part `moved` of input m is in.  The change of the result is the change of these terms. */
  void (*meet)(const struct call *call, unsigned m, const struct extent *moved,
               const struct extent *y, unsigned k, struct extent *x);
  /* With `meet`: what `forward`'s result for some terms, in `part`, is to be multiplied with; for
   * means, which divide by the number of all terms.  NULL: 1. */
  double (*share)(const struct call *call, const struct call *part);
};

/* ---- generated code ---------------------------------------------------------------------- */

/* How the entries of an operand lie along nested loops: where the first is, and how far it is to
 * the next along each loop. */
enum { LOOPS_MOST = 2 * RANK_MOST };
struct lay {
  ptrdiff_t at, stride[LOOPS_MOST];
};

/* Nested loops, outermost first, around y = f or y += f, where f is the product of some entries. */
struct loops {
  unsigned rank;
  int64_t n[LOOPS_MOST];
  struct lay y;
  unsigned count; /* factors */
  struct factor {
    unsigned input;
    struct lay lay;
  } * factors;
};

/* What an op does as loops, one nest after the other; before, y may be filled with a number. */
struct loop_list {
  struct arena *arena;
  bool filled, adds; /* adds: y += f */
  double fill;
  VEC(struct loops) nests;
};
typedef void loops_fn(const struct attr *attr, const struct shape *y, unsigned count,
                      const struct shape *const *x, struct loop_list *out);

/* How generated code computes y.  The texts are code in which these stand for what is there:
 *   - the inputs' names and `y`; of a variadic op `inputs`, all of them with commas between, or `a` and
 *     `b`: the first two, then what that makes and the next, and so on;
 *   - {EXPR}: an expression of the rules that is a constant: {axis}, {shape(x)[-1]}.
 * They call functions of the language, of its library, and of ops/snippets.c.  A text may be several,
 * a line each, of which the first counts whose guard, a constant too, holds:
 * "rank(b) == 1 => f(a, b)\n" "g(a, b)". */
struct op_code {
  /* C has one of these five, or `same`.  An expression for an entry of y, from entries of the inputs: */
  const char *entry;
  /* An expression for an entry of y from the row that is reduced to it, of n entries that are `step`
   * apart, the first at x.  Rows go along the attribute axis or axes, else along the last axis.
   * Inputs that are not like the first have an entry for each row. */
  const char *row;
  /* A statement that fills such a row of y from that of x. */
  const char *rows;
  /* A statement that fills y, at pointers to first entries. */
  const char *whole;
  loops_fn *loops;
  /* Of `whole`: it is about so many last axes of each input, and repeated over those before them (0: it
   * is about all); and so many doubles it wants at `work`, a constant of the rules. */
  unsigned char core[OP_INPUTS];
  const char *work;
  bool same; /* y has the entries of the first input, in the same order */

  const char *python;   /* an expression */
  const char *composed; /* y in the net language, for a language that there is no text for */
};

/* ---- the row ----------------------------------------------------------------------------- */

/* What an op means to those who simplify expressions (derive/simplify.h); most ops are NONE. */
enum algebra {
  ALGEBRA_NONE,
  ALGEBRA_RESHAPE,      /* the entries of x in the same order */
  ALGEBRA_BROADCAST_TO, /* x repeated to a shape */
  ALGEBRA_SUM_TO,       /* the adjoint of that */
  ALGEBRA_SUM,          /* along axes: attributes `axis`, `keepdims` */
  ALGEBRA_ZEROS,        /* of the shape of x */
  ALGEBRA_ONES,
  ALGEBRA_CHOICE, /* of the second input where the first is not 0, else of the third */
  ALGEBRA_OUTER,  /* of two vectors */
  ALGEBRA_COUNT
};

/* A setting for the table test: shapes such as "2,3; 3" and attributes as in an expression. */
struct op_sample {
  const char *shapes, *attrs;
};

/* Where random values for tests are drawn from. */
struct op_domain {
  double low, high;
};

struct op {
  const char *name;
  const char *symbol; /* how expressions write it: "+", "@", ".T", "[]"; else NULL */
  const char *family; /* heading in `bpgraph ops` */
  const char *meaning, *formula;
  const char *inputs[OP_INPUTS]; /* names; a variadic op has one, for all */
  unsigned char least, most;     /* how many inputs; most may be OP_ANY */
  const char *of_several; /* what does the same with several inputs, entry by entry, or NULL */
  unsigned char indices;  /* bit k: input k holds integers and has no gradient */
  unsigned char labels;   /* bit k: the same, where its rank is below that of input 0 */
  const struct attr_spec *attrs; /* ends with a NULL name; or NULL */
  infer_fn *infer;
  forward_fn *forward;
  backward_fn *backward; /* fused; NULL: the rule is evaluated */
  scalar_fn *scalar;     /* elementwise ops of one or two inputs */
  scratch_fn *scratch;
  bool stores;     /* backward honours operand.fresh */
  apart_fn *apart; /* NULL: all entries of y depend on all of the inputs */
  enum algebra algebra;

  /* The derivative, in the net language: the gradient for each input, in which the inputs' names,
   * the attributes, `y`, `upstream`, shape(), rank() and integer arithmetic are known.  A rule may
   * be several, tried in order: "rank(a) == 1: ...; ...".  NULL: no gradient flows to that input.
   * A variadic op has one rule for any input `x` (see derive/rule.h). */
  const char *rules[OP_INPUTS];
  bool once; /* the rule itself has no rule: differentiable once */

  const struct op_parts *parts; /* NULL: every entry of the result may depend on all entries */
  /* linear[k]: the inputs (bits, k among them) in which y is linear together while the others stay;
   * 0: not linear in input k.  A variadic op has one: LINEAR_ALL, or LINEAR_EACH by itself. */
  unsigned char linear[OP_INPUTS];
  bool moves; /* each entry of y is a constant or a multiple of one entry of x, whatever x holds */
  bool stops; /* no gradient flows, by convention, though y changes with x */
  bool wraps; /* y is the first input; whatever flows to the others is up to its author */
  branch_fn *branches; /* NULL: one piece, as far as finite numbers go */

  kink_fn *kinks;                   /* NULL: differentiable wherever it is finite */
  const char *undefined[OP_INPUTS]; /* where the kinks are, by input, for people; NULL, "false" */
  const char *convention;           /* what holds at a kink, e.g. "0" */

  struct op_code code; /* what generated code has for it */

  const struct op_sample *samples;    /* ends with NULL shapes */
  struct op_domain domain[OP_INPUTS]; /* {0, 0}: -2 .. 2 */
};

/* The index of an attribute in op->attrs, or -1. */
int op_attr(const struct op *op, const char *name, size_t size);
/* The number of attributes. */
size_t op_attr_count(const struct op *op);
/* The index of an input by its name, or -1. */
int op_input(const struct op *op, const char *name, size_t size);
/* The name of an input, also of a variadic op's. */
const char *op_input_name(const struct op *op, unsigned input);

#endif
