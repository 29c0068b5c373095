/* bpgraph render: a picture of a net, with its values and gradients. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "targets.h"

static const struct format formats[] = {
    {"dot", ".dot"}, {"svg", ".svg"}, {"png", ".png"}, {"pdf", ".pdf"}, {NULL, NULL}};

/* ---- numbers among the options ----------------------------------------------------------- */

static bool read_count(const struct command *command, const char *option, const char *text,
                       long least, long *out) {
  char *end;
  if (!text) return true;
  errno = 0;
  *out = strtol(text, &end, 10);
  if (!errno && end != text && !*end && *out >= least && *out <= INT_MAX) return true;
  fail_usage(command, "%s: a whole number from %ld is expected, not '%s'", option, least, text);
  return false;
}

static bool read_seconds(const struct command *command, const char *text, double *out) {
  char *end;
  if (!text) return true;
  *out = strtod(text, &end);
  if (end != text && !*end && *out > 0 && *out <= 1e6) return true;
  fail_usage(command, "--seconds: a positive number is expected, not '%s'", text);
  return false;
}

static bool read_options(const struct command *command, const struct arguments *arguments,
                         bp_picture_options *options, int *depth) {
  long edges = 0, most = 0;
  *options = (bp_picture_options){.style = arguments->style,
                                  .palette = arguments->palette,
                                  .show = arguments->show,
                                  .level = arguments->level,
                                  .collapse = arguments->collapse,
                                  .focus = arguments->focus,
                                  .between = arguments->between};
  if (!read_count(command, "--depth", arguments->depth, 0, &edges) ||
      !read_count(command, "--max-nodes", arguments->max_nodes, 1, &most) ||
      !read_seconds(command, arguments->seconds, &options->seconds))
    return false;
  *depth = (int)edges;
  if (arguments->depth) options->depth = depth;
  options->max_nodes = (size_t)most;
  if (arguments->legend && arguments->no_legend) {
    fail_usage(command, "--legend and --no-legend exclude each other");
    return false;
  }
  if (arguments->depth && !arguments->focus) {
    fail_usage(command, "--depth goes with --focus NODE");
    return false;
  }
  return true;
}

/* ---- drawing ----------------------------------------------------------------------------- */

struct bytes {
  const char *at;
  size_t size;
};

static bool write_bytes(const void *context, const char *format, bp_write *write, void *user) {
  const struct bytes *bytes = context;
  (void)format;
  return write(user, bytes->at, bytes->size);
}

/* Draws and writes one output; nothing is opened before all of it is there. */
static enum status draw(bp_picture *picture, const struct target *target,
                        const struct arguments *arguments) {
  struct bytes bytes;
  bool legend = arguments->legend || (!arguments->no_legend && !strcmp(target->format, "svg"));
  bytes.at = bp_picture_draw(picture, target->format, legend, &bytes.size);
  return bytes.at ? target_write(target, write_bytes, &bytes) : STATUS_SYSTEM;
}

static enum status draw_all(bp_result *result, const struct targets *targets,
                            const struct arguments *arguments, const bp_picture_options *options) {
  enum status worst = STATUS_FINE;
  bp_picture *picture = bp_picture_make(result, options);
  for (size_t i = 0; picture && i < targets->count; i++) {
    enum status status = draw(picture, &targets->at[i], arguments);
    if (status > worst) worst = status;
  }
  bp_picture_free(picture);
  return worst;
}

static enum status render(const struct command *command, const struct arguments *arguments,
                          const struct targets *targets, const bp_picture_options *options) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  bp_evaluate_options evaluation = {.of = arguments->of,
                                    .upstream = arguments->upstream,
                                    .wrt = arguments->wrt,
                                    .all = true,
                                    .no_gradients = arguments->no_gradients};
  bp_result *result = bp_evaluate(net, &evaluation);
  enum status worst = targets_spare(targets, command, net);
  if (result && !worst) worst = draw_all(result, targets, arguments, options);
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  bp_result_free(result);
  bp_net_free(net);
  return status > worst ? status : worst;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments->operands.count);
  bp_picture_options options;
  int depth;
  if (!read_options(command, arguments, &options, &depth)) return STATUS_CANNOT;
  struct targets targets;
  enum status status = targets_read(&targets, command, arguments, formats);
  if (status == STATUS_FINE) status = render(command, arguments, &targets, &options);
  targets_free(&targets);
  return status;
}

static const struct option options[] = {
    ROW_OUTPUT,
    {"--format", "FORMAT", "format of standard output: dot (default), svg, png, pdf", OPTION_VALUE,
     FIELD(format)},
    {"--style", "STYLE", "wires (default): numbers on the wires; boxes: one a node; compact",
     OPTION_VALUE, FIELD(style)},
    {"--palette", "PALETTE", "default: for all eyes; classic: green and red", OPTION_VALUE,
     FIELD(palette)},
    {"--show", "A,B", "of value, gradient, local, contribution, shape", OPTION_VALUE, FIELD(show)},
    {"--level", "LEVEL", "ops: all; names: the author's nodes (default of large nets)",
     OPTION_VALUE, FIELD(level)},
    {"--collapse", "A,B", "draw calls, or all calls of functions, as one node each", OPTION_VALUE,
     FIELD(collapse)},
    {"--focus", "NODE", "draw what is near NODE", OPTION_VALUE, FIELD(focus)},
    {"--depth", "K", "with --focus: so many edges away (default 2)", OPTION_VALUE, FIELD(depth)},
    {"--between", "A,B", "draw what lies on the ways from A to B", OPTION_VALUE, FIELD(between)},
    {"--max-nodes", "N", "how many nodes may be drawn (default 2000)", OPTION_VALUE,
     FIELD(max_nodes)},
    {"--seconds", "S", "how long the layout of an image may take (default 60)", OPTION_VALUE,
     FIELD(seconds)},
    {"--legend", NULL, "with title and legend (default of svg)", OPTION_FLAG, FIELD(legend)},
    {"--no-legend", NULL, "without", OPTION_FLAG, FIELD(no_legend)},
    {"--no-gradients", NULL, "values only", OPTION_FLAG, FIELD(no_gradients)},
    ROW_SET,
    ROW_OF,
    ROW_UPSTREAM,
    {"--wrt", "A,B", "whose gradients are wanted: others' are not shown", OPTION_VALUE, FIELD(wrt)},
    ROW_DATA_ROOT,
    ROW_THREADS,
    ROW_STRICT,
    ROW_END};

const struct command command_render = {
    "render",
    "NET",
    "a picture of a net, with its values and gradients",
    options,
    "  bpgraph render net.yaml -o net.svg\n"
    "  bpgraph render net.yaml --style boxes --show value,gradient,local -o net.pdf -o net.png\n"
    "  bpgraph render net.yaml --focus h --depth 3 | gvpr 'N [gradient == \"0\"] { print(quantity) "
    "}'\n",
    run};
