/* bpgraph jacobian: all derivatives of a node by another. */
#include "command.h"
#include "targets.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"npz", ".npz"}, {NULL, NULL}};

static bool produce(const void *matrices, const char *format, bp_write *write, void *user) {
  return bp_matrices_export(matrices, format, write, user);
}

static enum status answer(const struct command *command, const struct arguments *arguments,
                          const struct targets *targets) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  const bp_jacobian_options options = {.of = arguments->of, .wrt = arguments->wrt};
  enum status refused = targets_spare(targets, command, net);
  bp_matrices *matrices = refused ? NULL : bp_jacobian(net, &options);
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  if (refused > status) status = refused;
  if (matrices) {
    enum status written = targets_write(targets, produce, matrices);
    if (written > status) status = written;
  }
  bp_matrices_free(matrices);
  bp_net_free(net);
  return status;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments->operands.count);
  struct targets targets;
  enum status status = targets_read(&targets, command, arguments, formats);
  if (status == STATUS_FINE) status = answer(command, arguments, &targets);
  targets_free(&targets);
  return status;
}

#define FIELD(name) offsetof(struct arguments, name)

static const struct option options[] = {
    {"--of", "P", "the node to differentiate, of any shape, instead of the net's output",
     OPTION_VALUE, FIELD(of)},
    {"--wrt", "S", "by which node: a start node, or one in between", OPTION_VALUE, FIELD(wrt)},
    {"--set", "NAME=VALUE", "replace a start value: number, list, expression or @FILE", OPTION_LIST,
     FIELD(sets)},
    {"-o", "[FORMAT:]FILE", "write to FILE; its ending picks the format; as often as wanted",
     OPTION_LIST, FIELD(outputs)},
    {"--format", "FORMAT", "format of standard output: text (default), json, npz", OPTION_VALUE,
     FIELD(format)},
    {"--data-root", "DIR", "folder that data files may lie in, instead of the net's own",
     OPTION_VALUE, FIELD(data_root)},
    {"--threads", "N", "threads for large products (default 1)", OPTION_VALUE, FIELD(threads)},
    {"--strict", NULL, "warnings make the exit status 1", OPTION_FLAG, FIELD(strict)},
    {NULL, NULL, NULL, OPTION_FLAG, 0}};

const struct command command_jacobian = {
    "jacobian",
    "NET",
    "all derivatives of a node by another",
    options,
    "  bpgraph jacobian net.yaml --of p --wrt s\n"
    "  bpgraph jacobian net.yaml --of p --wrt s --format json\n"
    "  bpgraph jacobian net.yaml --of p --wrt s -o jacobian.npz\n",
    run};
