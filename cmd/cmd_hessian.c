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

#define FIELD(name) offsetof(struct arguments, name)

static const struct option options[] = {
    {"--wrt", "X,Y", "by which nodes, instead of all inputs and parameters; blocks for each pair",
     OPTION_VALUE, FIELD(wrt)},
    {"--times", "V", "only the product with V, of the shape of the one node of --wrt", OPTION_VALUE,
     FIELD(times)},
    {"--of", "NODE", "the node to differentiate, instead of the net's output", OPTION_VALUE,
     FIELD(of)},
    {"--upstream", "VALUE", "dL/d(output), for an output with more than one entry", OPTION_VALUE,
     FIELD(upstream)},
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

const struct command command_hessian = {
    "hessian",
    "NET",
    "all second derivatives, or their product with a vector",
    options,
    "  bpgraph hessian net.yaml --wrt W,b\n"
    "  bpgraph hessian net.yaml --wrt W --times @v.npy -o product.npz\n"
    "  bpgraph hessian net.yaml --wrt x --times [1,0] --format json\n",
    run};
