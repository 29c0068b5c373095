/* bpgraph eval: forward and backward; prints values and gradients. */
#include <string.h>

#include "command.h"
#include "targets.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"npz", ".npz"}, {NULL, NULL}};

static bool export(const void *result, const char *format, bp_write *write, void *user) {
  return bp_export(result, format, write, user);
}

static enum status evaluate(const struct command *command, const struct arguments *arguments,
                            const struct targets *targets) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  bp_evaluate_options options = {.of = arguments->of,
                                 .upstream = arguments->upstream,
                                 .wrt = arguments->wrt,
                                 .all = arguments->all,
                                 .no_gradients = arguments->no_gradients};
  for (size_t i = 0; i < targets->count; i++)
    options.table = options.table || !strcmp(targets->at[i].format, "text");
  enum status refused = targets_spare(targets, command, net);
  bp_result *result = refused ? NULL : bp_evaluate(net, &options);
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  if (refused > status) status = refused;
  if (result) {
    enum status written = targets_write(targets, export, result);
    if (written > status) status = written;
  }
  bp_result_free(result);
  bp_net_free(net);
  return status;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments->operands.count);
  struct targets targets;
  enum status status = targets_read(&targets, command, arguments, formats);
  if (status == STATUS_FINE) status = evaluate(command, arguments, &targets);
  targets_free(&targets);
  return status;
}

#define FIELD(name) offsetof(struct arguments, name)

static const struct option options[] = {
    {"-o", "[FORMAT:]FILE", "write to FILE; its ending picks the format; as often as wanted",
     OPTION_LIST, FIELD(outputs)},
    {"--format", "FORMAT", "format of standard output: text (default), json, npz", OPTION_VALUE,
     FIELD(format)},
    {"--all", NULL, "values and gradients of all nodes, and what flows along each edge",
     OPTION_FLAG, FIELD(all)},
    {"--set", "NAME=VALUE", "replace a start value: number, list, expression or @FILE", OPTION_LIST,
     FIELD(sets)},
    {"--of", "NODE", "the node to differentiate, instead of the net's output", OPTION_VALUE,
     FIELD(of)},
    {"--upstream", "VALUE", "dL/d(output), for an output with more than one entry", OPTION_VALUE,
     FIELD(upstream)},
    {"--wrt", "A,B", "whose gradients are wanted, instead of all inputs and parameters",
     OPTION_VALUE, FIELD(wrt)},
    {"--data-root", "DIR", "folder that data files may lie in, instead of the net's own",
     OPTION_VALUE, FIELD(data_root)},
    {"--threads", "N", "threads for large products (default 1)", OPTION_VALUE, FIELD(threads)},
    {"--strict", NULL, "warnings make the exit status 1", OPTION_FLAG, FIELD(strict)},
    {NULL, NULL, NULL, OPTION_FLAG, 0}};

const struct command command_eval = {
    "eval",
    "NET",
    "values and gradients of a net",
    options,
    "  bpgraph eval net.yaml\n"
    "  bpgraph eval net.yaml --format json --all\n"
    "  bpgraph eval net.yaml --set x=[1,2] --wrt W -o gradients.npz -o report.json\n",
    run};
