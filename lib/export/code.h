/* Flat code that computes a net's output and its gradients: one assignment a node, forward, then
 * backward, as in the lectures.
 *
 * The gradients are nodes of a copy of the graph (derive/gradient.h), so that both passes are the same
 * kind of text, and an op says only how its value is computed (struct op_code).  code.c finds out
 * what is to be assigned, in which order and under which names; code_text.c puts operands into the
 * texts of the ops; code_c.c (with code_loops.c, code_tensors.c) and code_python.c write one language
 * each. */
#ifndef BPGRAPH_EXPORT_CODE_H
#define BPGRAPH_EXPORT_CODE_H

#include "derive/gradient.h"
#include "engine/evaluate.h"

struct code;
struct snippet;

/* ---- what is written --------------------------------------------------------------------- */

/* What the code has for a node. */
enum unit_place {
  PLACE_NOWHERE,  /* it is not needed */
  PLACE_NUMBER,   /* a literal, a number for all its entries */
  PLACE_VARIABLE, /* a name */
  PLACE_INLINE    /* it is written where it is used: once, in an expression of the same shape */
};

struct unit {
  node_id same;     /* the node whose value it has: others take that instead; itself otherwise */
  const char *name; /* of a variable */
  const char *text; /* of its op, that which counts here; NULL: it has parts instead */
  node_id parts;    /* the first of these, which end with `same`; else NODE_NONE */
  node_id whole;    /* the node whose last part it is, and which it is called after; else itself */
  node_id owner;    /* the node whose gradient it is, or helps to compute; NODE_NONE: forward */
  node_id user;     /* the last that uses it */
  uint32_t uses;
  uint32_t leaf; /* in C: its place among the tensors of the loops that are being written */
  uint8_t place; /* enum unit_place */
  uint8_t depth; /* of what is inlined in it */
  bool needed, is_argument, is_gradient;
  bool is_copied; /* some gradient is a copy of it, or it is asked for */
};

/* An assignment: to the variable of a node or, where `copied` is not NODE_NONE, to that of its
 * gradient, which is the same as another node's and has been computed. */
struct step {
  node_id node, copied;
};

/* What there is to know of a node of the net itself on the way back. */
struct back {
  node_id copied;    /* its gradient is a copy of this node; NODE_NONE: it has its own, or none */
  node_id only_user; /* the one node that uses it; NODE_NONE: several do, or none */
  const char *name;  /* of the copy */
  bool asked;        /* somebody asks for its gradient */
  bool used;         /* the copy is used */
};

/* A gradient that is asked for. */
struct wanted {
  node_id node;
  node_id gradient;   /* NODE_NONE: 0 everywhere */
  const char *name;   /* of its variable */
  const char *member; /* of what is returned, as a name of the code */
  const char *key;    /* as the author calls it */
};

/* ---- languages --------------------------------------------------------------------------- */

struct language {
  const char *name, *title; /* "c", "C" */
  /* The text that an op has for this language, all alternatives; NULL: none. */
  const char *(*op_text)(const struct code *code, node_id id);
  /* Whether a node's value can be written within the expression that `user` is, too. */
  bool (*is_inlined)(const struct code *code, node_id id, node_id user);
  /* The text of a function that generated code needs, or NULL. */
  const char *(*snippet_text)(const struct snippet *snippet);
  const char *reserved; /* words that are no names, with blanks between */
  bool letters;         /* names may have Greek letters */
  /* Writes a number, a constant of the rules. */
  void (*print_constant)(const struct value *value, struct text *out);
  void (*write)(struct code *code, struct text *out);
};

extern const struct language language_c, language_python;

/* ---- the whole --------------------------------------------------------------------------- */

struct rename {
  const char *from, *to;
};

struct code {
  const struct result *result;
  const struct language *language;
  struct net *net;
  struct graph *graph;
  struct arena *arena;
  struct rules rules;
  struct simplifier simplifier;
  struct gradients gradients;
  node_id output, upstream; /* upstream: the start node that stands for it, or NODE_NONE */
  const double *upstream_value;
  size_t forward; /* nodes of the net itself */
  VEC(struct unit) units;
  VEC(struct step) steps; /* forward, then backward */
  size_t backward;        /* the first step that is backward */
  VEC(node_id) arguments; /* start nodes, in the order of the file */
  VEC(struct wanted) wanted;
  VEC(struct rename) renames;
  struct map names;    /* that are taken; each one's place in `times` */
  VEC(uint32_t) times; /* how often a name was asked for again */
  struct back *back;   /* of each node of the net */
  const char *function;
  bool failed;
};

/* Writes code for the output and the gradients of an evaluated net; false after a report.  All that
 * it takes is allocated in the arena of `out`. */
bool code_write(const struct result *result, const struct language *language, struct text *out);

/* The language of this name, or NULL. */
const struct language *language_find(const char *name);

/* ---- between the files ------------------------------------------------------------------- */

static inline struct unit *unit_of(const struct code *code, node_id id) {
  return &code->units.at[id];
}
static inline const struct node *code_node(const struct code *code, node_id id) {
  return graph_node(code->graph, id);
}
/* The node whose value input k of a node is. */
node_id code_input(const struct code *code, node_id id, unsigned k);

/* The name of the variable that holds a node's value, where `owner` is whose gradient uses it. */
const char *variable_name(const struct code *code, node_id id, node_id owner);

/* Whether a tensor of numbers has only one, and which. */
bool is_uniform(const struct node *node, double *number);

/* A name that nothing else has: `wanted` or, where that is taken, something like it. */
const char *code_name(struct code *code, const char *wanted);

/* Reports that an op has no code; code->failed is set. */
void code_fail(struct code *code, node_id id);

/* "bpgraph 0.1.0", the file's name and hash, the title: a line each, without marks of comments. */
void print_origin(struct code *code, const char *prefix, struct text *out);

/* What stands for an operand: an expression, and how tightly it binds. */
enum level { LEVEL_CHOICE = 1, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_UNARY, LEVEL_ATOM };
enum level level_of(const char *text);

/* What the names in a text stand for: NULL, a name of the language. */
struct symbols {
  const char *(*find)(struct symbols *symbols, const char *name, size_t size);
};

/* The text of an op with operands for names. */
const char *fill_text(struct code *code, node_id id, const char *text, struct symbols *symbols);

/* The same for an op of many inputs, whose text is about `a` and `b`: f(f(a, b), c) ...  `at` is where
 * `symbols` has the number of the input that `b` stands for. */
const char *fold_text(struct code *code, node_id id, const char *text, struct symbols *symbols,
                      unsigned *at);

/* How often a text has a name in it. */
unsigned count_name(const char *text, const char *name);

/* Which of the snippets (ops/snippets.h) a text calls, and which these call. */
bool *find_snippets(struct code *code, const char *text);

/* A text's alternative that counts for a node, or NULL where none does; *size without its guard. */
const char *choose_text(struct code *code, node_id id, const char *text, size_t *size);

/* printf into a text of the arena. */
const char *format_text(struct code *code, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
