/* A net: what a net file says, as a graph with names.
 *
 * Loading goes through these steps, each in a file of its own:
 *   yaml.c      text -> tree
 *   net.c       the top-level keys, and all names
 *   values.c    a value's tree -> syntax -> numbers
 *   define.c    each name's tree -> syntax -> nodes, in topological order
 *   expect.c    the claims */
#ifndef BPGRAPH_LOAD_NET_H
#define BPGRAPH_LOAD_NET_H

#include "base/map.h"
#include "graph/graph.h"
#include "lang/lower.h"
#include "load/tree.h"

enum section { SECTION_INPUTS, SECTION_PARAMETERS, SECTION_CONSTANTS, SECTION_NODES };

enum state { STATE_WAITING, STATE_BUILT, STATE_FAILED };

struct function;
struct rules;
struct claims;
struct users;

/* A call of a function of the file. */
struct call_site {
  const struct function *function;
  const char *name; /* what its nodes are named after; no NUL follows */
  size_t name_size;
  const node_id *locals; /* the nodes of its inputs and inner nodes, in the function's order */
  node_id body;          /* its value before the author's own rules come in */
  node_id output;        /* its value: the same as body where there are none */
  struct mark mark;      /* the function's name in the call */
  node_id first, end;    /* what its body was lowered into; and the calls in it stand before it */
};

/* A name of the file and what it stands for.  (The name itself is net.names.entries.at[i].) */
struct definition {
  tree_id key; /* its value is the item after it */
  node_id node;
  uint32_t waiters; /* the first of net.waits for it, or NO_WAIT */
  uint32_t waiting; /* an index into net.waiting while it waits itself */
  uint8_t section, state;
};

/* What a definition that waits has read so far. */
struct waiting {
  uint32_t unmet;      /* names in its syntax that are not built yet */
  uint32_t item_count; /* its syntax, kept in net.pool */
  size_t first_item;
};

/* --set NAME=VALUE */
struct setting {
  uint32_t definition;
  const char *value;
};

/* What the author wants a node to be called on pictures, and what it is; either may be NULL. */
struct caption {
  node_id node;
  const char *label, *description;
};

/* A definition that waits for another. */
struct wait {
  uint32_t definition, next;
};
#define NO_WAIT UINT32_MAX

struct load_options {
  const char *path;  /* "-": standard input */
  const char *bytes; /* the text itself, which `path` is a name for; NULL: read the file */
  size_t size;
  const char *data_root; /* NULL: the net's own folder */
  size_t set_count;
  const char *const *sets; /* NAME=VALUE */
};

struct net {
  struct arena *arena;
  struct report *report;
  struct graph graph;
  struct vocabulary words;
  struct scope scope;
  struct tree tree;
  struct source *source;
  const char *folder, *data_root;

  const char *title, *description;
  struct map names; /* name -> index into definitions */
  VEC(struct definition) definitions;
  struct expr pool;
  VEC(struct wait) waits;
  VEC(struct waiting) waiting;
  VEC(struct setting) settings;
  VEC(struct caption) captions; /* in the order of the file */
  bool has_captions;            /* some definition has a label or a description */
  VEC(const char *) files;      /* the data files that were read */
  struct map lost; /* words of names that could not be taken up: see report_undefined */
  bool incomplete; /* some keys are no names */
  bool doubtful;   /* some names could not be taken up at all */
  VEC(struct function *) functions;
  struct map function_names; /* name -> index into functions */
  VEC(struct call_site) calls_made;
  VEC(struct claims *) claims; /* blocks of `expect` */
  struct users *users;         /* who uses each node; made when a claim first wants to know */
  struct map inner;            /* names inside calls, "h.s" -> node */
  struct map groups;           /* what calls within expressions are named after */
  struct rules *rules;         /* of ops, for grad(L, v); made when first wanted */
  const char *group;           /* whose expression is being lowered: see enter_expression */
  size_t group_size;
  const struct expr_item *outermost; /* the last step of that expression */
  unsigned group_calls, calls_open, calls;
  bool in_value;      /* a start value is being lowered: its sources are known as functions */
  bool in_option;     /* it comes from --set: its files are the user's own */
  bool rough;         /* some file of the value had less than double precision */
  const char *naming; /* whose value it is: random sources take their seed from it */
  uint32_t naming_size;

  node_id output;
  tree_id output_key;
  node_id upstream; /* a literal of the output's shape, or NODE_NONE */
  VEC(node_id) wrt;
  VEC(struct mark) wrt_marks; /* where each is named */
  bool wrt_given;
};

/* Reads a net file.  False after a report; what could be built of the net is there all the same. */
bool net_load(struct net *net, struct arena *arena, struct report *report,
              const struct load_options *options);

/* The node of this name ("s", "h.z", "s.1"); NODE_NONE where there is none. */
node_id net_find(const struct net *net, const char *name, size_t size);

/* The name nearest to a misspelt one, or NULL. */
const char *net_nearest(const struct net *net, const char *name, size_t size);

/* A value given as an option's text: a node of it, or NODE_NONE after a report that calls the
 * text `option`. */
node_id net_option_value(struct net *net, const char *option, const char *text);

/* ---- between the files of the loader ----------------------------------------------------- */

/* Reads a mapping by a table of its keys: values[i] is the value of keys[i], TREE_NONE where it
 * is not there.  Reports unknown, double and missing keys, and what is no mapping at all. */
struct key {
  const char *name;
  bool required;
};
bool read_keys(struct net *net, tree_id mapping, const char *what, const struct key *keys,
               size_t count, tree_id *values);

/* Reports what is wrong with a key that cannot be a name; true where it can. */
bool check_name(struct net *net, tree_id key);

/* Appends the syntax of a constant (a number, an expression, a list of these) to net->pool. */
bool emit_constant(struct net *net, tree_id value);
/* The same for the text of an option, in one of the net's sources: a number, a constant expression,
 * or @FILE. */
bool emit_option(struct net *net, const char *text);
/* The same for a start value, with its sources. */
bool emit_value(struct net *net, tree_id value);
/* The same for an expression of `nodes` or a formula of `expect`. */
bool emit_expression(struct net *net, tree_id value);

/* A tensor of plain numbers, without any syntax: the common case, and a fast one.  OUTCOME_UNKNOWN
 * where something else than a number is in it. */
enum outcome read_numbers(struct net *net, tree_id value, node_id *out);

/* A given value as a literal: of `upstream`, of a claim.  NODE_NONE after a report. */
node_id read_value(struct net *net, tree_id id);

/* Turns a lowered start value into a start node, minding its `shape` and `domain`. */
node_id finish_value(struct net *net, const struct value *value, tree_id tree, enum role role);

/* Lowers the syntax from `first` on in net->pool and drops it. */
bool lower_pool(struct net *net, size_t first, struct value *out);

/* Appends an item to net->pool. */
struct expr_item *emit_item(struct net *net, enum expr_kind kind, struct mark mark);
/* Appends a call of `count` emitted arguments to a function known to call_source only. */
void emit_call(struct net *net, const char *name, uint32_t count, struct mark mark);
/* The functions that no author can call: an assertion or change of shape. */
#define CALL_SHAPE ":shape"

/* Sets each name's definition in the pool from `first` on; false after a report about names that
 * are not defined. */
bool resolve_names(struct net *net, size_t first);
/* The same for one name, which `next` follows (NULL: nothing does). */
bool resolve_item(struct net *net, struct expr_item *item, const struct expr_item *next);
/* Whether a name is one of the constants, pi and inf. */
bool is_known_word(const struct expr_item *item);

/* Says that a name is not defined, and what it may be meant for. */
void report_undefined(struct net *net, const struct expr_item *item);

/* Makes a lowered expression, whose nodes are those from `first` on, a node that can be named: its
 * parts belong to it.  NODE_NONE after a report. */
node_id build_node(struct net *net, node_id first, const struct value *value);

/* Builds the nodes of all definitions. */
void define_all(struct net *net);

/* Whether this is `value` or one of the sources of start values. */
bool is_source(const char *name, size_t size);

/* The functions that start values have: zeros, uniform, file ... */
enum outcome call_source(struct scope *scope, const struct expr_item *name, struct value *arguments,
                         size_t count, struct value *out);

/* Checks that values lie in a domain; reports and returns false where they do not. */
bool check_domain(struct net *net, struct mark mark, enum domain domain, const struct shape *shape,
                  const double *value);
bool find_domain(const char *name, size_t size, enum domain *out);
const char *domain_name(enum domain domain);

#endif
