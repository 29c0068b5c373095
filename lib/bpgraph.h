/* bpgraph: computation graphs and their gradients.
 *
 * A net is read from a YAML file, evaluated, and its values and gradients are read off or exported:
 *
 *   bp_net *net = bp_net_load("net.yaml", NULL);
 *   bp_result *result = bp_net_ok(net) ? bp_evaluate(net, NULL) : NULL;
 *   if (result) {
 *     const double *gradient = bp_gradient(result, "W", NULL);
 *     ...
 *   }
 *   for (size_t i = 0; i < bp_message_count(net); i++) puts(bp_message_text(net, i));
 *   bp_result_free(result);
 *   bp_net_free(net);
 *
 * The library never prints and never exits.  What goes wrong is a message of the net.  All pointers
 * that it hands out belong to the object that they were asked of and live as long as it does; only
 * what has a `_free` of its own is freed by the caller, and `_free(NULL)` is fine.  Different nets
 * may be used by different threads; one net by one thread at a time. */
#ifndef BPGRAPH_H
#define BPGRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BP_API __attribute__((visibility("default")))
#else
#define BP_API
#endif

typedef struct bp_net bp_net;
typedef struct bp_result bp_result;
typedef struct bp_check bp_check;

/* ---- loading --------------------------------------------------------------------------- */

typedef struct bp_load_options {
  const char *data_root;   /* folder that data files may not lie outside of; NULL: the net's own */
  size_t set_count;        /* start values that are replaced: */
  const char *const *sets; /*   "NAME=VALUE", "NAME=@file" */
} bp_load_options;

/* Reads a net file ("-": standard input).  Always returns a net, if only one with error messages;
 * NULL when there is no memory for even that.  `options` may be NULL.  Free with bp_net_free. */
BP_API bp_net *bp_net_load(const char *path, const bp_load_options *options);

/* The same from `size` bytes of text, which `name` stands for in messages; files are found from
 * the working folder. */
BP_API bp_net *bp_net_parse(const char *name, const char *text, size_t size,
                            const bp_load_options *options);

/* Whether the net can be evaluated: no error was found. */
BP_API bool bp_net_ok(const bp_net *net);

BP_API void bp_net_free(bp_net *net);

/* The i-th data file that the net's values were read from, or NULL after the last. */
BP_API const char *bp_net_file(const bp_net *net, size_t i);

/* ---- messages -------------------------------------------------------------------------- */

typedef enum bp_severity { BP_NOTE, BP_WARNING, BP_ERROR, BP_FAILURE } bp_severity;

/* What there is to say so far, in the order of the file. */
BP_API size_t bp_message_count(const bp_net *net);
BP_API bp_severity bp_message_severity(const bp_net *net, size_t i);
BP_API const char *bp_message_text(const bp_net *net, size_t i);

/* The i-th message as the program prints it: "file:line:col: error: text [BP012]", the line with a
 * caret, the hint; with terminal colours on request.  Lives as long as the net. */
BP_API const char *bp_message_print(bp_net *net, size_t i, bool color);

/* "2 errors, 1 warning", or "" where there is neither. */
BP_API const char *bp_message_summary(bp_net *net);

/* The worst severity so far: BP_ERROR means a bad net, BP_FAILURE a failing system. */
BP_API bp_severity bp_worst(const bp_net *net);

/* ---- evaluating ------------------------------------------------------------------------ */

typedef struct bp_evaluate_options {
  const char *of;       /* node to differentiate; NULL: the net's output */
  const char *upstream; /* dL/d(output), e.g. "[1, 0]"; NULL: the net's, or 1 */
  const char *wrt;      /* "W,b": whose gradients; NULL: the net's, or all inputs and parameters */
  bool all;             /* values and gradients of all nodes */
  bool table;           /* values of all nodes, as the text format shows them */
  bool no_gradients;    /* values only */
} bp_evaluate_options;

/* Runs the net forward and backward.  NULL after an error message.  `options` may be NULL.  Free
 * with bp_result_free, before the net. */
BP_API bp_result *bp_evaluate(bp_net *net, const bp_evaluate_options *options);

BP_API void bp_result_free(bp_result *result);

/* A tensor's shape: `rank` sizes at `dim`; `size` is their product. */
typedef struct bp_shape {
  unsigned rank;
  const int64_t *dim;
  size_t size;
} bp_shape;

/* A node's value, row-major; NULL where there is no such node or it was not computed.  `shape` may
 * be NULL. */
BP_API const double *bp_value(const bp_result *result, const char *node, bp_shape *shape);

/* dL/d(node); NULL where it has none: constants, indices, nodes that were not asked for. */
BP_API const double *bp_gradient(const bp_result *result, const char *node, bp_shape *shape);

/* The name of the output. */
BP_API const char *bp_output(const bp_result *result);

/* ---- deriving -------------------------------------------------------------------------- */

typedef struct bp_derivation bp_derivation;

typedef struct bp_derive_options {
  const char *of, *upstream, *wrt; /* as for bp_evaluate */
  size_t forward_count;       /* forward mode, where there are any: the directions along which */
  const char *const *forward; /*   nodes move, "NAME=VALUE"; VALUE alone where `wrt` is one node */
} bp_derive_options;

/* Differentiates a net symbol to symbol.  The result is a net again, which has the nodes of the
 * first and, for every x in `wrt`, a node d_x that is the gradient of the output by x; in forward
 * mode a node t_y that says how the output y moves.  NULL after an error message: when the output
 * has several entries and nothing comes from above, too.  `options` may be NULL.  Free with
 * bp_derivation_free, before the net. */
BP_API bp_derivation *bp_derive(bp_net *net, const bp_derive_options *options);

/* The derived net as the text of a net file of `size` bytes (which may be NULL), followed by a NUL.
 * Data files that it names are found from the folder of the net that it was derived from. */
BP_API const char *bp_derivation_text(const bp_derivation *derivation, size_t *size);

BP_API void bp_derivation_free(bp_derivation *derivation);

/* ---- exporting ------------------------------------------------------------------------- */

/* Takes `size` bytes; returns false when it cannot. */
typedef bool bp_write(void *user, const char *bytes, size_t size);

/* Writes a result as "text", "json" or "npz"; false when there is no such format, or `write`
 * refused something. */
BP_API bool bp_export(const bp_result *result, const char *format, bp_write *write, void *user);

/* The format that a file's name stands for ("out.json": "json"), or NULL. */
BP_API const char *bp_format_of(const char *path);

/* The i-th format, or NULL after the last. */
BP_API const char *bp_format_name(size_t i);

/* ---- checking -------------------------------------------------------------------------- */

typedef enum bp_numeric {
  BP_NUMERIC_AUTO, /* every entry where they are not too many, else a sample and directions */
  BP_NUMERIC_ALL,
  BP_NUMERIC_NONE /* claims are judged, backprop is not */
} bp_numeric;

typedef struct bp_check_options {
  const char *of, *upstream, *wrt; /* as in bp_evaluate_options */
  const char *gradients;           /* a .json or .npz file of gradients, name -> tensor, that are
                                      judged as claims; or NULL */
  const double *rtol, *atol;       /* NULL: as the net's blocks of claims say */
  const size_t *points;            /* random points that formulas are judged at; NULL: the same */
  const uint64_t *seed;            /* of these and of samples; NULL: the same */
  bp_numeric numeric;
  bool mutants; /* alter each formula and see whether that is noticed */
  bool all;     /* as text, a net among several shows its claims even where all are right */
  /* Called now and then, from the same thread, with what is being done; NULL: nobody. */
  void (*progress)(void *user, const char *what, size_t done, size_t of);
  void *user;
} bp_check_options;

typedef enum bp_verdict { BP_RIGHT, BP_WRONG, BP_INCONCLUSIVE } bp_verdict;

/* Judges what a net claims of its values and gradients, and backprop itself by numerical
 * differences.  A net with errors, or with claims that cannot be judged, gives a bp_check too: one
 * that says so, with its messages (see bp_check_valid).  NULL when there is no memory for even
 * that.  `options` may be NULL.
 *
 * A bp_check stands by itself: the net may be freed before it.  Free with bp_check_free. */
BP_API bp_check *bp_check_net(bp_net *net, const bp_check_options *options);

BP_API void bp_check_free(bp_check *check);

/* Whether all could be judged. */
BP_API bool bp_check_valid(const bp_check *check);

/* How many verdicts on claims and on backprop there are of one kind. */
BP_API size_t bp_check_count(const bp_check *check, bp_verdict verdict);

/* How many altered formulas went unnoticed; 0 where none were asked for. */
BP_API size_t bp_check_survivors(const bp_check *check);

/* Writes the verdicts on `count` nets as one "text", "json" (schema: "check"), "junit" or "github"
 * (workflow commands, at most ten and a summary); false when there is no such format, memory ran
 * out, or `write` refused something. */
BP_API bool bp_check_export(const bp_check *const *checks, size_t count, const char *format,
                            bp_write *write, void *user);

/* The i-th format of a check, or NULL after the last. */
BP_API const char *bp_check_format_name(size_t i);

/* ---- Jacobians and Hessians ------------------------------------------------------------ */

typedef struct bp_matrices bp_matrices;

typedef struct bp_jacobian_options {
  const char *of;  /* node to differentiate, of any shape; NULL: the net's output */
  const char *wrt; /* by which node; NULL: the only one of the net's */
} bp_jacobian_options;

/* All derivatives of a node by another, which need not be a start node: then it counts as free, and
 * what does not depend on it as fixed.  NULL after an error message: of names, of what would not
 * fit into memory, of kernels that cannot be computed.  `options` may be NULL.  Free with
 * bp_matrices_free, before the net. */
BP_API bp_matrices *bp_jacobian(bp_net *net, const bp_jacobian_options *options);

typedef struct bp_hessian_options {
  const char *of;       /* node with one entry; NULL: the net's output */
  const char *upstream; /* for one with more: the Hessian is that of upstream . of */
  const char *wrt;      /* "W,b": by which nodes; NULL: the net's, or all inputs and parameters */
  const char *times;    /* a vector of the shape of the one node of wrt: only the product with it */
} bp_hessian_options;

/* All second derivatives by each pair of nodes in wrt, or the Hessian times a vector, which costs a
 * few gradients whatever the size.  NULL as for bp_jacobian, and for ops without a second
 * derivative.  `options` may be NULL.  Free with bp_matrices_free, before the net. */
BP_API bp_matrices *bp_hessian(bp_net *net, const bp_hessian_options *options);

BP_API void bp_matrices_free(bp_matrices *matrices);

/* The shape of d(of)/d(by), or of d2L/d(of) d(by), is that of `of`, rows, and then that of `by`,
 * columns.  False where there is no such matrix. */
BP_API bool bp_matrix_shape(const bp_matrices *matrices, const char *of, const char *by,
                            bp_shape *rows, bp_shape *columns);

/* Writes row i of it, as many numbers as `by` has entries.  False where there is no such row. */
BP_API bool bp_matrix_row(const bp_matrices *matrices, const char *of, const char *by, size_t i,
                          double *row);

/* "zero", "diagonal", "block diagonal" or "dense", as the graph says, whatever the values; NULL where
 * there is no such matrix. */
BP_API const char *bp_matrix_structure(const bp_matrices *matrices, const char *of, const char *by);

/* The Hessian times a vector; NULL where that was not asked for.  `shape` may be NULL. */
BP_API const double *bp_hessian_product(const bp_matrices *matrices, bp_shape *shape);

/* The eigenvalues of a Hessian of up to 64 rows, ascending; else NULL. */
BP_API const double *bp_hessian_eigenvalues(const bp_matrices *matrices, size_t *count);

/* Writes all of it as "text", "json" (schemas: "jacobian", "hessian") or "npz".  False when there is
 * no such format, memory ran out, or `write` refused something. */
BP_API bool bp_matrices_export(const bp_matrices *matrices, const char *format, bp_write *write,
                               void *user);

/* ---- pictures -------------------------------------------------------------------------- */

typedef struct bp_picture bp_picture;

/* As the options of `bpgraph render`; what is NULL or 0 has its default. */
typedef struct bp_picture_options {
  const char *style;    /* "wires": op circles, values on the wires; "boxes"; "compact" */
  const char *palette;  /* "default", "classic" */
  const char *show;     /* of value, gradient, local, contribution, shape: with commas between */
  const char *level;    /* "ops": every op; "names": the author's nodes; NULL: by their number */
  const char *collapse; /* calls or functions that become one node: "h,layer" */
  const char *focus;    /* a node around which to draw, */
  const int *depth;     /*   so many edges away; NULL: 2 */
  const char *between;  /* "A,B": only what lies on the ways from A to B */
  size_t max_nodes;     /* that may be drawn; 0: 2000 */
  double seconds;       /* that laying out an image may take; 0: 60 */
} bp_picture_options;

/* Makes the picture of a result, which must have been asked for with `all`.  NULL after an error
 * message: an option makes no sense, or too many nodes would be drawn.  `options` may be NULL.  Free
 * with bp_picture_free, before the result. */
BP_API bp_picture *bp_picture_make(bp_result *result, const bp_picture_options *options);

/* Draws it as "dot", "svg", "png" or "pdf"; with `legend`, title and legend are part of it.  The
 * bytes live as long as the picture.  NULL after a message: the `dot` program that draws images
 * (found by PATH) is missing, has failed or has taken too long; or when there is no such format. */
BP_API const char *bp_picture_draw(bp_picture *picture, const char *format, bool legend,
                                   size_t *size);

BP_API void bp_picture_free(bp_picture *picture);

/* ---- code -------------------------------------------------------------------------------- */

/* Code in "c" or "python" that computes the output of a result and the gradients that it has: one
 * assignment a node, forward, then backward.  In C (C17 with libm) it is a function that takes the
 * values of inputs, parameters and constants in the order of the file, numbers as double and tensors
 * as arrays, row by row; after them, an array for an output of more than one entry, and a struct
 * with a member for each gradient, which it fills; it returns an output of one entry.  In Python
 * (with NumPy) it returns the output and a dictionary of gradients.
 *
 * Returns `*size` bytes, followed by a NUL, which belong to the result.  NULL after a message of the
 * net (an op has no code in this language, the output has several entries and there is no
 * `upstream`, memory ran out), or where there is no such language. */
BP_API const char *bp_codegen(bp_result *result, const char *language, size_t *size);

/* ---- the rest -------------------------------------------------------------------------- */

/* The library's version: "0.1.0". */
BP_API const char *bp_version(void);

/* The version of libyaml. */
BP_API const char *bp_yaml_version(void);

/* The BLAS that large products would use, with the core that it has chosen; opens it. */
BP_API const char *bp_blas_description(void);

/* How many threads BLAS may use: results may differ in the last bits. */
BP_API void bp_set_threads(int threads);

/* A JSON schema by name ("net", "result", "check", "jacobian", ...), or NULL. */
BP_API const char *bp_schema(const char *name);

/* The i-th op's name, or NULL after the last; and what it does, in one line. */
BP_API const char *bp_op_name(size_t i);
BP_API const char *bp_op_family(size_t i);
BP_API const char *bp_op_meaning(size_t i);

/* The name of an op nearest to a misspelt one, or NULL where none is near. */
BP_API const char *bp_op_nearest(const char *name);

/* Writes what there is to know of an op, an example net included, as "text" or as "json" (schema:
 * "ops").  NULL for a name stands for all ops: as text, a list with a line each.  False when there
 * is no such op or format, memory ran out, or `write` refused something. */
BP_API bool bp_op_describe(const char *name, const char *format, bp_write *write, void *user);

/* Writes what there is to say of a message's code ("BP203", "203") or of what `check` finds wrong
 * with a claim ("transpose"); NULL for a code stands for all of them, a line each.  False when there
 * is no such code, memory ran out, or `write` refused something. */
BP_API bool bp_explain(const char *code, bp_write *write, void *user);

/* Whether bp_explain knows a code. */
BP_API bool bp_is_code(const char *code);

#ifdef __cplusplus
}
#endif
#endif
