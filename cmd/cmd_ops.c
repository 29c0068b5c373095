/* bpgraph ops: the ops, one line each. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static void print_text(void) {
  const char *family = NULL;
  for (size_t i = 0; bp_op_name(i); i++) {
    if (!family || strcmp(family, bp_op_family(i)) != 0) {
      printf("%s%s\n", family ? "\n" : "", bp_op_family(i));
      family = bp_op_family(i);
    }
    printf("  %-22s %s\n", bp_op_name(i), bp_op_meaning(i));
  }
}

static void print_json(void) {
  printf("{\"bpgraph\": \"%s\", \"format\": \"1.0\", \"ops\": [", bp_version());
  for (size_t i = 0; bp_op_name(i); i++)
    printf("%s\n  {\"name\": \"%s\", \"family\": \"%s\", \"meaning\": \"%s\"}", i ? "," : "",
           bp_op_name(i), bp_op_family(i), bp_op_meaning(i));
  printf("\n]}\n");
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count) return fail_usage(command, "no operands are taken");
  bool json = arguments->format && !strcmp(arguments->format, "json");
  if (arguments->format && !json && strcmp(arguments->format, "text") != 0)
    return fail_usage(command, "--format: it is text or json");
  if (json)
    print_json();
  else
    print_text();
  if (fflush(stdout) || ferror(stdout)) return fail_system("cannot write standard output");
  return STATUS_FINE;
}

static const struct option options[] = {
    {"--format", "FORMAT", "text (default) or json", OPTION_VALUE,
     offsetof(struct arguments, format)},
    {NULL, NULL, NULL, OPTION_FLAG, 0}};

const struct command command_ops = {"ops", "", "the ops that nodes may use", options,
                                    "  bpgraph ops\n", run};
