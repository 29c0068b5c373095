/* bpgraph jacobian: all derivatives of a node by another. */
#include "answer.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"npz", ".npz"}, {NULL, NULL}};

static bool produce(const void *matrices, const char *format, bp_write *write, void *user) {
  return bp_matrices_export(matrices, format, write, user);
}

static void *make(bp_net *net, const struct arguments *arguments, const struct targets *targets) {
  (void)targets;
  const bp_jacobian_options options = {.of = arguments->of, .wrt = arguments->wrt};
  return bp_jacobian(net, &options);
}

static void release(void *matrices) { bp_matrices_free(matrices); }

static enum status run(const struct command *command, const struct arguments *arguments) {
  const struct answering answering = {formats, make, produce, release};
  return answer_net(command, arguments, &answering);
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
