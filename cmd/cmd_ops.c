/* bpgraph ops: the ops, a line each, or one of them at length. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

static bool is_op(const char *name) {
  for (size_t i = 0; bp_op_name(i); i++)
    if (!strcmp(bp_op_name(i), name)) return true;
  return false;
}

static enum status fail_unknown(const char *name) {
  const char *nearest = bp_op_nearest(name);
  fail_usage(NULL, "unknown op '%s'", name);
  if (nearest)
    fprintf(stderr, "hint: did you mean '%s'?\n", nearest);
  else
    fputs("hint: bpgraph ops lists them\n", stderr);
  return STATUS_CANNOT;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  const char *name = arguments->operands.count ? arguments->operands.at[0] : NULL;
  const char *format = arguments->format ? arguments->format : "text";
  if (arguments->operands.count > 1) return fail_usage(command, "one op at a time");
  if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
    return fail_usage(command, "--format: it is text or json");
  if (name && !is_op(name)) return fail_unknown(name);
  struct output output;
  bool written = output_open(&output, "-") && bp_op_describe(name, format, output_write, &output);
  if (output_close(&output, written)) return STATUS_FINE;
  return fail_system("cannot write standard output: %s",
                     output.error ? strerror(output.error) : "out of memory");
}

static const struct option options[] = {{"--format", "FORMAT",
                                         "text (default) or json (see bpgraph schema ops)",
                                         OPTION_VALUE, offsetof(struct arguments, format)},
                                        ROW_END};

const struct command command_ops = {"ops",
                                    "[NAME]",
                                    "the ops that nodes may use, or all there is to say of one",
                                    options,
                                    "  bpgraph ops\n"
                                    "  bpgraph ops softmax\n"
                                    "  bpgraph ops softmax --format json\n",
                                    run};
