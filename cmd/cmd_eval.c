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

static const struct option options[] = {
    ROW_OUTPUT,
    {"--format", "FORMAT", "format of standard output: text (default), json, npz", OPTION_VALUE,
     FIELD(format)},
    {"--all", NULL, "values and gradients of all nodes, and what flows along each edge",
     OPTION_FLAG, FIELD(all)},
    ROW_SET,
    ROW_OF,
    ROW_UPSTREAM,
    ROW_WRT,
    ROW_DATA_ROOT,
    ROW_THREADS,
    ROW_STRICT,
    ROW_END};

const struct command command_eval = {
    "eval",
    "NET",
    "values and gradients of a net",
    options,
    "  bpgraph eval net.yaml\n"
    "  bpgraph eval net.yaml --format json --all\n"
    "  bpgraph eval net.yaml --set x=[1,2] --wrt W -o gradients.npz -o report.json\n",
    run};
