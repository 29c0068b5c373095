/* bpgraph codegen: flat code for the forward and the backward pass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "targets.h"

static const struct format formats[] = {{"c", ".c"}, {"python", ".py"}, {NULL, NULL}};

/* ---- which language goes where ------------------------------------------------------------- */

static bool has_ending(const char *path, const char *ending) {
  size_t size = strlen(path), tail = strlen(ending);
  return size > tail && !strcmp(path + size - tail, ending);
}

/* Whether an output says itself which language it gets: "c:f.txt", "f.py". */
static bool names_language(const char *text) {
  if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz")] == ':') return true;
  for (const struct format *format = formats; format->name; format++)
    if (has_ending(text, format->ending)) return true;
  return false;
}

/* Outputs that say nothing get the language of --lang. */
static char *spell_output(const char *text, const char *language) {
  const bool said = !language || names_language(text);
  size_t size = strlen(text) + (said ? 0 : strlen(language) + 1) + 1;
  char *spelled = malloc(size);
  if (spelled) snprintf(spelled, size, "%s%s%s", said ? "" : language, said ? "" : ":", text);
  return spelled;
}

static enum status check_language(const struct command *command, const char *language,
                                  const struct targets *targets) {
  for (size_t i = 0; language && i < targets->count; i++)
    if (strcmp(targets->at[i].format, language) != 0)
      return fail_usage(command, "--lang is %s, but '%s' gets %s", language, targets->at[i].path,
                        targets->at[i].format);
  return STATUS_FINE;
}

/* ---- the command --------------------------------------------------------------------------- */

struct code {
  const char *text;
  size_t size;
};

static bool write_code(const void *context, const char *format, bp_write *write, void *user) {
  const struct code *code = context;
  (void)format;
  return write(user, code->text, code->size);
}

/* All code is made before any of it is written. */
static enum status write_all(const struct targets *targets, bp_net *net, bp_result *result) {
  struct code *code = calloc(targets->count + 1, sizeof *code);
  enum status worst = STATUS_FINE;
  bool made = code != NULL;
  for (size_t i = 0; i < targets->count && made; i++) {
    code[i].text = bp_codegen(result, targets->at[i].format, &code[i].size);
    made = code[i].text != NULL;
  }
  for (size_t i = 0; i < targets->count && made; i++) {
    enum status status = target_write(&targets->at[i], write_code, &code[i]);
    if (status > worst) worst = status;
  }
  free(code);
  if (!code) return fail_system("out of memory");
  return made || bp_worst(net) >= BP_ERROR ? worst : STATUS_CANNOT;
}

static enum status generate(const struct command *command, const struct arguments *arguments,
                            const struct targets *targets) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  bp_evaluate_options options = {
      .of = arguments->of, .upstream = arguments->upstream, .wrt = arguments->wrt};
  bp_result *result = bp_evaluate(net, &options);
  enum status refused = targets_spare(targets, command, net);
  enum status written = result && !refused ? write_all(targets, net, result) : STATUS_FINE;
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  if (refused > status) status = refused;
  if (written > status) status = written;
  bp_result_free(result);
  bp_net_free(net);
  return status;
}

static enum status run(const struct command *command, const struct arguments *given) {
  struct arguments arguments = *given;
  if (arguments.operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments.operands.count);
  if (!arguments.lang && !arguments.format && !arguments.outputs.count)
    return fail_usage(command, "--lang is missing: it is c or python");
  if (arguments.lang && arguments.format)
    return fail_usage(command, "--lang and --format say the same: one of them is enough");
  if (arguments.lang && strcmp(arguments.lang, "c") != 0 && strcmp(arguments.lang, "python") != 0)
    return fail_usage(command, "--lang: unknown language '%s': it is c or python", arguments.lang);
  if (!arguments.outputs.count && arguments.lang) arguments.format = arguments.lang;
  char **spelled = calloc(arguments.outputs.count + 1, sizeof *spelled);
  bool fine = spelled != NULL;
  for (size_t i = 0; i < arguments.outputs.count && fine; i++) {
    spelled[i] = spell_output(arguments.outputs.at[i], arguments.lang);
    fine = spelled[i] != NULL;
  }
  arguments.outputs.at = (const char **)spelled;
  struct targets targets = {NULL, 0};
  enum status status =
      fine ? targets_read(&targets, command, &arguments, formats) : fail_system("out of memory");
  if (status == STATUS_FINE) status = check_language(command, arguments.lang, &targets);
  if (status == STATUS_FINE) status = generate(command, &arguments, &targets);
  targets_free(&targets);
  for (size_t i = 0; spelled && i < given->outputs.count; i++) free(spelled[i]);
  free(spelled);
  return status;
}

static const struct option options[] = {
    {"--lang", "LANGUAGE", "c (C17 with libm) or python (with NumPy)", OPTION_VALUE, FIELD(lang)},
    {"-o", "[FORMAT:]FILE", "write to FILE, .c or .py, instead of standard output", OPTION_LIST,
     FIELD(outputs)},
    {"--format", "FORMAT", "the language of standard output, as --lang", OPTION_VALUE,
     FIELD(format)},
    ROW_SET,
    ROW_OF,
    ROW_UPSTREAM,
    ROW_WRT,
    ROW_DATA_ROOT,
    ROW_THREADS,
    ROW_STRICT,
    ROW_END};

const struct command command_codegen = {
    "codegen",
    "NET",
    "flat code for output and gradients, in C or Python",
    options,
    "  bpgraph codegen net.yaml --lang python\n"
    "  bpgraph codegen net.yaml -o net.c\n"
    "  bpgraph codegen net.yaml -o net.c && cc -DTRY net.c -lm && ./a.out\n",
    run};
