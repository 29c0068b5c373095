/* bpgraph eval: forward and backward; prints values and gradients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "output.h"

/* One -o: a format and a path. */
struct target {
  const char *format, *path;
};

static bool is_format(const char *name, size_t size) {
  for (size_t i = 0; bp_format_name(i); i++)
    if (strlen(bp_format_name(i)) == size && !memcmp(bp_format_name(i), name, size)) return true;
  return false;
}

static const char *format_named(const char *name, size_t size) {
  for (size_t i = 0; bp_format_name(i); i++)
    if (strlen(bp_format_name(i)) == size && !memcmp(bp_format_name(i), name, size))
      return bp_format_name(i);
  return NULL;
}

/* The length of what looks like a format in "xml:out.txt"; 0 where nothing does. */
static size_t prefix_of(const char *text) {
  size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz");
  return text[size] == ':' ? size : 0;
}

/* "json:out.txt", "out.json", "-". */
static bool read_target(const char *text, const char *fallback, struct target *target) {
  size_t prefix = prefix_of(text);
  target->path = prefix ? text + prefix + 1 : text;
  if (prefix)
    target->format = format_named(text, prefix);
  else
    target->format = strcmp(text, "-") ? bp_format_of(text) : fallback;
  return target->format && target->path[0];
}

static enum status fail_target(const struct command *command, const char *text) {
  size_t prefix = prefix_of(text);
  if (!text[prefix + (prefix > 0)])
    return fail_usage(command, "-o %s: the name of a file is missing", text);
  if (prefix)
    return fail_usage(command, "-o %s: unknown format '%.*s': it is text, json or npz", text,
                      (int)prefix, text);
  return fail_usage(command, "-o %s: the name's ending tells no format; write json:%s", text, text);
}

/* Whether two outputs would be written over each other. */
static bool is_same_target(const char *a, const char *b) {
  return !strcmp(a, b) || is_same_file(a, b);
}

static enum status write_target(const bp_result *result, const struct target *target) {
  struct output output;
  bool written = output_open(&output, target->path) &&
                 bp_export(result, target->format, output_write, &output);
  bool kept = output_close(&output, written);
  if (kept) return STATUS_FINE;
  const char *path = strcmp(target->path, "-") ? target->path : "standard output";
  return fail_system("cannot write %s: %s", path,
                     output.error ? strerror(output.error) : "out of memory");
}

static enum status check_targets(const struct command *command, const struct arguments *arguments,
                                 struct target *targets, size_t *count) {
  const char *format = arguments->format ? arguments->format : "text";
  if (!is_format(format, strlen(format)))
    return fail_usage(command, "--format: unknown format '%s': it is text, json or npz", format);
  *count = 0;
  if (!arguments->outputs.count || arguments->format)
    targets[(*count)++] = (struct target){format_named(format, strlen(format)), "-"};
  for (size_t i = 0; i < arguments->outputs.count; i++) {
    const char *text = arguments->outputs.at[i];
    struct target *target = &targets[(*count)++];
    if (!read_target(text, format, target)) return fail_target(command, text);
    for (const struct target *other = targets; other < target; other++)
      if (is_same_target(target->path, other->path))
        return fail_usage(command, "-o %s: another output goes there already", text);
    if (is_same_file(target->path, arguments->operands.at[0]))
      return fail_usage(command, "-o %s: the output is the net itself", text);
  }
  return STATUS_FINE;
}

/* No output may be a file that the net is read from. */
static enum status check_files(const bp_net *net, const struct target *targets, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; bp_net_file(net, k); k++)
      if (is_same_file(targets[i].path, bp_net_file(net, k)))
        return fail_usage(&command_eval, "-o %s: the net reads this file", targets[i].path);
  return STATUS_FINE;
}

static enum status evaluate(const struct arguments *arguments, const struct target *targets,
                            size_t count) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  bp_evaluate_options options = {.of = arguments->of,
                                 .upstream = arguments->upstream,
                                 .wrt = arguments->wrt,
                                 .all = arguments->all,
                                 .no_gradients = arguments->no_gradients};
  for (size_t i = 0; i < count; i++)
    options.table = options.table || !strcmp(targets[i].format, "text");
  enum status refused = check_files(net, targets, count);
  bp_result *result = refused ? NULL : bp_evaluate(net, &options);
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  if (refused > status) status = refused;
  for (size_t i = 0; result && i < count; i++) {
    enum status written = write_target(result, &targets[i]);
    if (written > status) status = written;
  }
  bp_result_free(result);
  bp_net_free(net);
  return status;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (arguments->operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments->operands.count);
  struct target *targets = calloc(arguments->outputs.count + 1, sizeof *targets);
  if (!targets) return fail_system("out of memory");
  size_t count = 0;
  enum status status = check_targets(command, arguments, targets, &count);
  if (status == STATUS_FINE) status = evaluate(arguments, targets, count);
  free(targets);
  return status;
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
