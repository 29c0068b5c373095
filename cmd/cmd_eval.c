/* bpgraph eval: forward and backward; prints values and gradients. */
#include <string.h>

#include "answer.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"npz", ".npz"}, {NULL, NULL}};

static bool export(const void *result, const char *format, bp_write *write, void *user) {
  return bp_export(result, format, write, user);
}

static void *make(bp_net *net, const struct arguments *arguments, const struct targets *targets) {
  bp_evaluate_options options = {.of = arguments->of,
                                 .upstream = arguments->upstream,
                                 .wrt = arguments->wrt,
                                 .all = arguments->all,
                                 .no_gradients = arguments->no_gradients};
  for (size_t i = 0; i < targets->count; i++)
    options.table = options.table || !strcmp(targets->at[i].format, "text");
  return bp_evaluate(net, &options);
}

static void release(void *result) { bp_result_free(result); }

static enum status run(const struct command *command, const struct arguments *arguments) {
  const struct answering answering = {formats, make, export, release};
  return answer_net(command, arguments, &answering);
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
