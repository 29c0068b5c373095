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

static const struct option options[] = {
    {"--of", "P", "the node to differentiate, of any shape, instead of the net's output",
     OPTION_VALUE, FIELD(of)},
    {"--wrt", "S", "by which node: a start node, or one in between", OPTION_VALUE, FIELD(wrt)},
    ROW_SET,
    ROW_OUTPUT,
    {"--format", "FORMAT", "format of standard output: text (default), json, npz", OPTION_VALUE,
     FIELD(format)},
    ROW_DATA_ROOT,
    ROW_THREADS,
    ROW_STRICT,
    ROW_END};

const struct command command_jacobian = {
    "jacobian",
    "NET",
    "all derivatives of a node by another",
    options,
    "  bpgraph jacobian net.yaml --of p --wrt s\n"
    "  bpgraph jacobian net.yaml --of p --wrt s --format json\n"
    "  bpgraph jacobian net.yaml --of p --wrt s -o jacobian.npz\n",
    run};
