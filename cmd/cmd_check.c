/* bpgraph check: judges what nets claim, and backprop itself. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "nets.h"
#include "output.h"
#include "progress.h"
#include "targets.h"

static const struct format formats[] = {
    {"text", ".txt"}, {"json", ".json"}, {"junit", ".xml"}, {"github", NULL}, {NULL, NULL}};

/* ---- options that are numbers ------------------------------------------------------------ */

/* The room for options: bp_check_options points into it. */
struct numbers {
  double rtol, atol;
  size_t points;
  uint64_t seed;
};

static bool read_tolerance(const char *text, double *out) {
  char *end;
  if (!*text || text[strspn(text, "0123456789.eE+-")]) return false;
  *out = strtod(text, &end);
  return !*end && *out >= 0 && isfinite(*out);
}

static bool read_whole(const char *text, uint64_t most, uint64_t *out) {
  if (!*text || text[strspn(text, "0123456789")]) return false;
  errno = 0;
  unsigned long long value = strtoull(text, NULL, 10);
  *out = value;
  return !errno && value <= most;
}

static enum status read_tolerances(const struct command *command, const struct arguments *arguments,
                                   struct numbers *numbers, bp_check_options *options) {
  const struct {
    const char *option, *text;
    double *room;
    const double **field;
  } all[] = {{"--rtol", arguments->rtol, &numbers->rtol, &options->rtol},
             {"--atol", arguments->atol, &numbers->atol, &options->atol}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!all[i].text) continue;
    if (!read_tolerance(all[i].text, all[i].room))
      return fail_usage(command, "%s: a number, 0 or more, is expected, not '%s'", all[i].option,
                        all[i].text);
    *all[i].field = all[i].room;
  }
  return STATUS_FINE;
}

static enum status read_counts(const struct command *command, const struct arguments *arguments,
                               struct numbers *numbers, bp_check_options *options) {
  enum { POINTS_MOST = 1000000 };
  uint64_t points;
  if (arguments->points) {
    if (!read_whole(arguments->points, POINTS_MOST, &points))
      return fail_usage(command, "--points: a whole number up to %d is expected, not '%s'",
                        POINTS_MOST, arguments->points);
    numbers->points = (size_t)points;
    options->points = &numbers->points;
  }
  if (arguments->seed) {
    if (!read_whole(arguments->seed, UINT64_MAX, &numbers->seed))
      return fail_usage(command, "--seed: a whole number is expected, not '%s'", arguments->seed);
    options->seed = &numbers->seed;
  }
  return STATUS_FINE;
}

static enum status read_numeric(const struct command *command, const struct arguments *arguments,
                                bp_check_options *options) {
  static const char *const modes[] = {
      [BP_NUMERIC_AUTO] = "auto", [BP_NUMERIC_ALL] = "all", [BP_NUMERIC_NONE] = "none"};
  const char *text = arguments->numeric ? arguments->numeric : modes[BP_NUMERIC_AUTO];
  for (int mode = BP_NUMERIC_AUTO; mode <= BP_NUMERIC_NONE; mode++)
    if (!strcmp(text, modes[mode])) {
      options->numeric = (bp_numeric)mode;
      return STATUS_FINE;
    }
  return fail_usage(command, "--numeric is all, auto or none, not '%s'", text);
}

static enum status read_options(const struct command *command, const struct arguments *arguments,
                                struct numbers *numbers, bp_check_options *options) {
  *options = (bp_check_options){.of = arguments->of,
                                .upstream = arguments->upstream,
                                .wrt = arguments->wrt,
                                .gradients = arguments->gradients,
                                .mutants = arguments->mutants,
                                .all = arguments->all};
  enum status status = read_tolerances(command, arguments, numbers, options);
  if (status == STATUS_FINE) status = read_counts(command, arguments, numbers, options);
  if (status == STATUS_FINE) status = read_numeric(command, arguments, options);
  return status;
}

/* ---- nets -------------------------------------------------------------------------------- */

/* A run of the command. */
struct checking {
  const struct command *command;
  const struct arguments *arguments;
  const struct targets *targets;
  bp_check_options options;
  struct progress progress;
  bp_check **checks;
  size_t count;
  enum status worst;
  bool refused; /* an output is a file that a net reads: nothing is written */
};

static void worsen(struct checking *checking, enum status status) {
  if (status > checking->worst) checking->worst = status;
}

static enum status verdict_status(const bp_check *check, bool strict) {
  if (bp_check_count(check, BP_WRONG)) return STATUS_NO;
  bool doubtful = bp_check_count(check, BP_INCONCLUSIVE) || bp_check_survivors(check);
  return strict && doubtful ? STATUS_NO : STATUS_FINE;
}

static bool check_net(struct checking *checking, const char *path) {
  bp_net *net = load_net(path, checking->arguments);
  bp_check *check = NULL;
  if (net) {
    checking->progress.about = path;
    check = bp_check_net(net, &checking->options);
    progress_clear(&checking->progress);
    checking->refused = targets_spare(checking->targets, checking->command, net) != STATUS_FINE;
    if (checking->refused) worsen(checking, STATUS_CANNOT);
    print_messages(net, 0, checking->arguments->color);
    worsen(checking, net_status(net, checking->arguments));
  }
  bp_net_free(net);
  if (!check) {
    worsen(checking, fail_system("out of memory"));
    return false;
  }
  checking->checks[checking->count++] = check;
  worsen(checking, verdict_status(check, checking->arguments->strict));
  return !checking->refused;
}

static bool export(const void *context, const char *format, bp_write *write, void *user) {
  const struct checking *checking = context;
  return bp_check_export((const bp_check *const *)checking->checks, checking->count, format, write,
                         user);
}

static enum status check_nets(struct checking *checking, const struct list *nets) {
  checking->checks = calloc(nets->count + 1, sizeof *checking->checks);
  if (!checking->checks) return fail_system("out of memory");
  progress_start(&checking->progress);
  checking->options.progress = progress_show;
  checking->options.user = &checking->progress;
  for (size_t i = 0; i < nets->count && check_net(checking, nets->at[i]); i++)
    ;
  if (!checking->refused) worsen(checking, targets_write(checking->targets, export, checking));
  for (size_t i = 0; i < checking->count; i++) bp_check_free(checking->checks[i]);
  free(checking->checks);
  return checking->worst;
}

/* The file of gradients is read: no output may go there, and it is of one net. */
static enum status check_gradients(const struct command *command, const struct arguments *arguments,
                                   const struct targets *targets) {
  if (!arguments->gradients) return STATUS_FINE;
  if (arguments->operands.count != 1)
    return fail_usage(command, "--gradients belongs to one net, not %zu",
                      arguments->operands.count);
  for (size_t i = 0; i < targets->count; i++)
    if (is_same_file(targets->at[i].path, arguments->gradients))
      return fail_usage(command, "-o %s: the gradients are read from this file",
                        targets->at[i].path);
  return STATUS_FINE;
}

/* With the nets that were found in the place of the operands. */
static enum status check_found(const struct command *command, const struct arguments *arguments) {
  struct checking checking = {.command = command, .arguments = arguments};
  struct targets targets;
  struct numbers numbers;
  checking.targets = &targets;
  enum status status = read_options(command, arguments, &numbers, &checking.options);
  if (status != STATUS_FINE) return status;
  status = targets_read(&targets, command, arguments, formats);
  if (status == STATUS_FINE) status = check_gradients(command, arguments, &targets);
  if (status == STATUS_FINE) status = check_nets(&checking, &arguments->operands);
  targets_free(&targets);
  return status;
}

static enum status run(const struct command *command, const struct arguments *arguments) {
  if (!arguments->operands.count)
    return fail_usage(command, "a net, or a folder with nets, is expected");
  struct nets nets;
  enum status found = nets_find(&nets, command, &arguments->operands, arguments->nets_only),
              status = STATUS_FINE;
  struct arguments with_nets = *arguments;
  with_nets.operands = (struct list){(const char **)nets.at, nets.count};
  if (nets.count || found == STATUS_FINE) status = check_found(command, &with_nets);
  nets_free(&nets);
  return found > status ? found : status;
}

static const struct option options[] = {
    {"-o", "[FORMAT:]FILE",
     "write to FILE; .txt, .json and .xml (junit) pick the format; as often as wanted", OPTION_LIST,
     FIELD(outputs)},
    {"--format", "FORMAT", "format of standard output: text (default), json, junit, github",
     OPTION_VALUE, FIELD(format)},
    {"--all", NULL, "as text, a line for each claim also of those nets where all is right",
     OPTION_FLAG, FIELD(all)},
    {"--nets-only", NULL, "pass over files without the key 'bpgraph', as among those of folders",
     OPTION_FLAG, FIELD(nets_only)},
    {"--gradients", "FILE", "judge the gradients in a .json or .npz file, name -> tensor",
     OPTION_VALUE, FIELD(gradients)},
    {"--rtol", "X", "relative tolerance, instead of the net's (1e-6)", OPTION_VALUE, FIELD(rtol)},
    {"--atol", "X", "absolute tolerance, instead of the net's (1e-9)", OPTION_VALUE, FIELD(atol)},
    {"--points", "N", "random points that formulas are judged at, instead of the net's (8)",
     OPTION_VALUE, FIELD(points)},
    {"--seed", "N", "seed of the random points, instead of the net's (0)", OPTION_VALUE,
     FIELD(seed)},
    {"--numeric", "MODE",
     "check backprop by differences at all entries, auto (a sample of many) or none", OPTION_VALUE,
     FIELD(numeric)},
    {"--mutants", NULL, "alter each formula, and see whether that is noticed", OPTION_FLAG,
     FIELD(mutants)},
    ROW_SET,
    ROW_OF,
    ROW_UPSTREAM,
    {"--wrt", "A,B", "whose gradients differences confirm, instead of all inputs and parameters",
     OPTION_VALUE, FIELD(wrt)},
    ROW_DATA_ROOT,
    ROW_THREADS,
    {"--strict", NULL,
     "warnings, inconclusive verdicts and surviving mutants make the exit status 1", OPTION_FLAG,
     FIELD(strict)},
    ROW_END};

const struct command command_check = {
    "check",
    "NET...",
    "what is wrong with claimed gradients; and backprop itself, by differences\n"
    "\n"
    "Claims are what a net holds under `expect`, and what --gradients names.  Folders are "
    "searched\n"
    "for *.yaml that are nets.",
    options,
    "  bpgraph check net.yaml\n"
    "  bpgraph check nets --strict -o junit.xml\n"
    "  bpgraph check net.yaml --gradients mine.json --format github\n",
    run};
