/* bpgraph explain: the code of a message, or the name of a slip, at length. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count > 1) return fail_usage(command, "one code at a time");
  const char *code = arguments->operands.count ? arguments->operands.at[0] : NULL;
  if (code && !bp_is_code(code)) {
    fail_usage(NULL, "unknown code '%s'", code);
    fputs("hint: bpgraph explain lists them\n", stderr);
    return STATUS_CANNOT;
  }
  struct output output;
  bool written = output_open(&output, "-") && bp_explain(code, output_write, &output);
  if (output_close(&output, written)) return STATUS_FINE;
  return fail_system("cannot write standard output: %s",
                     output.error ? strerror(output.error) : "out of memory");
}

static const struct option options[] = {ROW_END};

const struct command command_explain = {
    "explain",
    "[CODE]",
    "what a message's code, or what check finds wrong with a claim, means",
    options,
    "  bpgraph explain\n"
    "  bpgraph explain BP203\n"
    "  bpgraph explain transpose\n",
    run};
