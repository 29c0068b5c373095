/* bpgraph derive: the gradient as a net file of its own. */
#include "answer.h"

static const struct format formats[] = {{"yaml", ".yaml"}, {"yaml", ".yml"}, {NULL, NULL}};

static bool produce(const void *derivation, const char *format, bp_write *write, void *user) {
  (void)format;
  size_t size;
  const char *text = bp_derivation_text(derivation, &size);
  return write(user, text, size);
}

static void *make(bp_net *net, const struct arguments *arguments, const struct targets *targets) {
  (void)targets;
  const bp_derive_options options = {.of = arguments->of,
                                     .upstream = arguments->upstream,
                                     .wrt = arguments->wrt,
                                     .forward_count = arguments->forward.count,
                                     .forward = arguments->forward.at};
  return bp_derive(net, &options);
}

static void release(void *derivation) { bp_derivation_free(derivation); }

static enum status run(const struct command *command, const struct arguments *arguments) {
  const struct answering answering = {formats, make, produce, release};
  return answer_net(command, arguments, &answering);
}

static const struct option options[] = {
    {"-o", "FILE", "write to FILE, a .yaml (standard output otherwise); as often as wanted",
     OPTION_LIST, FIELD(outputs)},
    ROW_SET,
    ROW_OF,
    ROW_UPSTREAM,
    ROW_WRT,
    {"--forward", "X=VALUE",
     "forward mode: how the output moves when X moves along VALUE; once for each\n"
     "                       that moves; VALUE alone for the node that --wrt names",
     OPTION_LIST, FIELD(forward)},
    ROW_DATA_ROOT,
    ROW_STRICT,
    ROW_END};

const struct command command_derive = {
    "derive",
    "NET",
    "the gradient of a net as a net file: forward and derivative nodes\n"
    "\n"
    "The derived net has the nodes of NET (functions written out; without `expect`), and d_W for "
    "every\n"
    "W whose gradient is wanted, with what leads there.  It is evaluated, drawn and derived like\n"
    "any other.  Its data files are found from its own folder: write it beside NET.",
    options,
    "  bpgraph derive net.yaml -o gradient.yaml\n"
    "  bpgraph eval gradient.yaml --all\n"
    "  bpgraph derive gradient.yaml --of d_W --upstream [1,0] --wrt W -o second.yaml\n"
    "  bpgraph derive net.yaml --forward x=[1,0] -o moves.yaml\n",
    run};
