/* The subcommands: one row each in main.c, one file cmd_<name>.c each. */
#ifndef BPGRAPH_CMD_COMMAND_H
#define BPGRAPH_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "bpgraph.h"

enum status { STATUS_FINE = 0, STATUS_NO = 1, STATUS_CANNOT = 2, STATUS_SYSTEM = 3 };

/* An option of a command. */
enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_LIST };

struct option {
  const char *name;     /* "--wrt", "-o" */
  const char *argument; /* "A,B"; NULL for a flag */
  const char *meaning;
  enum option_kind kind;
  size_t offset; /* of the bool, const char * or struct list in struct arguments */
};

struct list {
  const char **at;
  size_t count;
};

/* What the command line says. */
struct arguments {
  struct list operands; /* nets, names */
  struct list outputs, sets, forward;
  const char *format, *of, *upstream, *wrt, *data_root, *threads;
  const char *gradients, *rtol, *atol, *points, *seed, *numeric; /* of check */
  const char *times;                                             /* of hessian */
  const char *lang;                                              /* of codegen */
  bool all, strict, help, no_gradients, mutants, nets_only;
  const char *style, *palette, *show, *level, *collapse, *focus, *depth, *between; /* of render */
  const char *max_nodes, *seconds;
  bool legend, no_legend;
  bool color; /* messages may be coloured */
};

struct command {
  const char *name, *operands;
  const char *summary;          /* one line, and after an empty one what else --help says */
  const struct option *options; /* ends with a NULL name; the common ones come on top */
  const char *examples;
  enum status (*run)(const struct command *command, const struct arguments *arguments);
};

extern const struct command command_eval, command_derive, command_render, command_check,
    command_jacobian, command_hessian, command_codegen, command_ops, command_schema,
    command_explain;

/* ---- rows that several commands have in their options ------------------------------------- */

#define FIELD(name) offsetof(struct arguments, name)
#define ROW_OUTPUT                                                                                 \
  {                                                                                                \
    "-o", "[FORMAT:]FILE", "write to FILE; its ending picks the format; as often as wanted",       \
        OPTION_LIST, FIELD(outputs)                                                                \
  }
#define ROW_SET                                                                                    \
  {                                                                                                \
    "--set", "NAME=VALUE", "replace a start value: number, list, expression or @FILE",             \
        OPTION_LIST, FIELD(sets)                                                                   \
  }
#define ROW_OF                                                                                     \
  {                                                                                                \
    "--of", "NODE", "the node to differentiate, instead of the net's output", OPTION_VALUE,        \
        FIELD(of)                                                                                  \
  }
#define ROW_UPSTREAM                                                                               \
  {                                                                                                \
    "--upstream", "VALUE", "dL/d(output), for an output with more than one entry", OPTION_VALUE,   \
        FIELD(upstream)                                                                            \
  }
#define ROW_WRT                                                                                    \
  {                                                                                                \
    "--wrt", "A,B", "whose gradients are wanted, instead of all inputs and parameters",            \
        OPTION_VALUE, FIELD(wrt)                                                                   \
  }
#define ROW_DATA_ROOT                                                                              \
  {                                                                                                \
    "--data-root", "DIR", "folder that data files may lie in, instead of the net's own",           \
        OPTION_VALUE, FIELD(data_root)                                                             \
  }
#define ROW_THREADS                                                                                \
  { "--threads", "N", "threads for large products (default 1)", OPTION_VALUE, FIELD(threads) }
#define ROW_STRICT                                                                                 \
  { "--strict", NULL, "warnings make the exit status 1", OPTION_FLAG, FIELD(strict) }
#define ROW_END                                                                                    \
  { NULL, NULL, NULL, OPTION_FLAG, 0 }

/* ---- what commands share ----------------------------------------------------------------- */

/* Prints "bpgraph: error: ..." to standard error and returns STATUS_CANNOT. */
enum status fail_usage(const struct command *command, const char *format, ...);
/* The same for what is the system's fault: STATUS_SYSTEM. */
enum status fail_system(const char *format, ...);

/* Prints messages [from, end) of a net; a summary where several or errors. */
void print_messages(bp_net *net, size_t from, bool color);

/* Loads a net with the options of the command line. */
bp_net *load_net(const char *path, const struct arguments *arguments);

/* The exit status that a net's messages come to. */
enum status net_status(const bp_net *net, const struct arguments *arguments);

#endif
