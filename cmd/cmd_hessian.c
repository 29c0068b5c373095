/* bpgraph hessian: all second derivatives, or their product with a vector. */
#include "answer.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"npz", ".npz"}, {NULL, NULL}};

static bool produce(const void *matrices, const char *format, bp_write *write, void *user) {
  return bp_matrices_export(matrices, format, write, user);
}

static void *make(bp_net *net, const struct arguments *arguments, const struct targets *targets) {
  (void)targets;
  const bp_hessian_options options = {.of = arguments->of,
                                      .upstream = arguments->upstream,
                                      .wrt = arguments->wrt,
                                      .times = arguments->times};
  return bp_hessian(net, &options);
}

static void release(void *matrices) { bp_matrices_free(matrices); }

static enum status run(const struct command *command, const struct arguments *arguments) {
  const struct answering answering = {formats, make, produce, release};
  return answer_net(command, arguments, &answering);
}

static const struct option options[] = {
    {"--wrt", "X,Y", "by which nodes, instead of all inputs and parameters; blocks for each pair",
     OPTION_VALUE, FIELD(wrt)},
    {"--times", "V", "only the product with V, of the shape of the one node of --wrt", OPTION_VALUE,
     FIELD(times)},
    ROW_OF,
    ROW_UPSTREAM,
    ROW_SET,
    ROW_OUTPUT,
    {"--format", "FORMAT", "format of standard output: text (default), json, npz", OPTION_VALUE,
     FIELD(format)},
    ROW_DATA_ROOT,
    ROW_THREADS,
    ROW_STRICT,
    ROW_END};

const struct command command_hessian = {
    "hessian",
    "NET",
    "all second derivatives, or their product with a vector",
    options,
    "  bpgraph hessian net.yaml --wrt W,b\n"
    "  bpgraph hessian net.yaml --wrt W --times @v.npy -o product.npz\n"
    "  bpgraph hessian net.yaml --wrt x --times [1,0] --format json\n",
    run};
