/* bpgraph schema: prints a JSON schema, for editors and validators. */
#include <string.h>

#include "command.h"
#include "output.h"

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count > 1) return fail_usage(command, "one schema at a time");
  const char *name = arguments->operands.count ? arguments->operands.at[0] : "net";
  const char *schema = bp_schema(name);
  if (!schema)
    return fail_usage(
        command, "no schema '%s': there are net, result, ops, check, jacobian and hessian", name);
  struct output output;
  bool written = output_open(&output, "-") && output_write(&output, schema, strlen(schema));
  if (output_close(&output, written)) return STATUS_FINE;
  return fail_system("cannot write standard output: %s", strerror(output.error));
}

static const struct option options[] = {ROW_END};

const struct command command_schema = {
    "schema",
    "[NAME]",
    "the JSON schema of net files, or of what --format json prints\n"
    "\n"
    "NAME is net (the default), result (of eval), ops, check, jacobian or hessian.",
    options,
    "  bpgraph schema net > net.schema.json\n",
    run};
