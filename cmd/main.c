/* The program: global options, the command's row, the exit status. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static const struct command *const commands[] = {
    &command_eval,    &command_derive,  &command_render, &command_check,  &command_jacobian,
    &command_hessian, &command_codegen, &command_ops,    &command_schema, &command_explain};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- what commands share ----------------------------------------------------------------- */

static void print_error(const char *format, va_list arguments) {
  fputs("bpgraph: error: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

enum status fail_usage(const struct command *command, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_error(format, arguments);
  va_end(arguments);
  if (command) fprintf(stderr, "hint: bpgraph %s --help\n", command->name);
  return STATUS_CANNOT;
}

enum status fail_system(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_error(format, arguments);
  va_end(arguments);
  return STATUS_SYSTEM;
}

void print_messages(bp_net *net, size_t from, bool color) {
  size_t count = bp_message_count(net);
  for (size_t i = from; i < count; i++) fputs(bp_message_print(net, i, color), stderr);
  if (count > 1 || bp_worst(net) >= BP_ERROR) fputs(bp_message_summary(net), stderr);
}

bp_net *load_net(const char *path, const struct arguments *arguments) {
  bp_load_options options = {.data_root = arguments->data_root,
                             .set_count = arguments->sets.count,
                             .sets = arguments->sets.at};
  return bp_net_load(path, &options);
}

enum status net_status(const bp_net *net, const struct arguments *arguments) {
  switch (bp_worst(net)) {
  case BP_FAILURE: return STATUS_SYSTEM;
  case BP_ERROR: return STATUS_CANNOT;
  case BP_WARNING: return arguments->strict ? STATUS_NO : STATUS_FINE;
  default: return STATUS_FINE;
  }
}

/* ---- help -------------------------------------------------------------------------------- */

static void print_help(void) {
  puts("usage: bpgraph COMMAND [options] NET\n"
       "\n"
       "Reads a YAML file that describes a computation graph; says, draws and checks its "
       "gradients.\n"
       "\n"
       "commands:");
  for (size_t i = 0; i < COMMANDS; i++) {
    const char *summary = commands[i]->summary; /* its first line; the others are for --help */
    printf("  %-8s %-11s %.*s\n", commands[i]->name, commands[i]->operands,
           (int)strcspn(summary, "\n"), summary);
  }
  puts("\n"
       "bpgraph COMMAND --help says more of each.  '-' is standard input or output.\n"
       "\n"
       "  --help                     this text\n"
       "  --version                  versions of bpgraph and of the libraries it uses\n"
       "  --color=auto|always|never  colour messages (also: NO_COLOR, TERM=dumb)\n"
       "\n"
       "a net:\n"
       "  bpgraph: 1\n"
       "  inputs: {x: -2, y: 5, z: -4}\n"
       "  nodes:\n"
       "    q: x + y\n"
       "    f: q * z\n"
       "\n"
       "exit status: 0 fine, 1 the answer is no, 2 cannot judge, 3 the system failed");
}

static enum status print_command_help(const struct command *command) {
  printf("usage: bpgraph %s [options]%s%s\n\n%s\n", command->name, *command->operands ? " " : "",
         command->operands, command->summary);
  if (command->options->name) puts("\noptions:");
  for (const struct option *option = command->options; option->name; option++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    printf("  %-20s %s\n", left, option->meaning);
  }
  printf("\nexamples:\n%s", command->examples);
  return fflush(stdout) ? fail_system("cannot write standard output") : STATUS_FINE;
}

/* The first line of what a program prints about itself; "" where it cannot be asked. */
static void ask_version(const char *command_line, char *line, int size) {
  line[0] = '\0';
  FILE *pipe = popen(command_line, "r");
  if (!pipe) return;
  if (!fgets(line, size, pipe)) line[0] = '\0';
  line[strcspn(line, "\n")] = '\0';
  pclose(pipe);
}

static void print_version(void) {
  char graphviz[200];
  printf("bpgraph %s\nlibyaml %s\n", bp_version(), bp_yaml_version());
  fflush(stdout);
  ask_version("dot -V 2>&1 </dev/null", graphviz, sizeof graphviz);
  const char *number = strstr(graphviz, "graphviz version ");
  printf("graphviz %s\n", number ? number + strlen("graphviz version ") : "(no 'dot' program)");
  printf("blas %s\n", bp_blas_description());
}

/* ---- the command line -------------------------------------------------------------------- */

static const struct option *find_option(const struct command *command, const char *text,
                                        size_t size) {
  for (const struct option *option = command->options; option->name; option++)
    if (strlen(option->name) == size && !memcmp(option->name, text, size)) return option;
  return NULL;
}

static bool append(struct list *list, const char *text, int limit) {
  if (!list->at) list->at = calloc((size_t)limit, sizeof *list->at);
  if (!list->at) return false;
  list->at[list->count++] = text;
  return true;
}

/* Reads argv[i], which is an option, with its argument; returns the index of the last one used, or
 * -1 after an error message. */
static int read_option(const struct command *command, int argc, char **argv, int i,
                       struct arguments *arguments) {
  const char *text = argv[i], *equals = text[1] == '-' ? strchr(text, '=') : NULL;
  size_t size = equals ? (size_t)(equals - text) : strlen(text);
  if (text[1] != '-' && size > 2) size = 2; /* -oFILE */
  const struct option *option = find_option(command, text, size);
  if (!option) {
    fail_usage(command, "unknown option '%.*s'", (int)size, text);
    return -1;
  }
  void *field = (char *)arguments + option->offset;
  if (option->kind == OPTION_FLAG) {
    if (equals) {
      fail_usage(command, "%s takes no value", option->name);
      return -1;
    }
    *(bool *)field = true;
    return i;
  }
  const char *value = equals ? equals + 1 : text[size] ? text + size : NULL;
  if (!value && i + 1 < argc) value = argv[++i];
  if (!value) {
    fail_usage(command, "%s needs a value: %s %s", option->name, option->name, option->argument);
    return -1;
  }
  if (option->kind == OPTION_VALUE && *(const char **)field) {
    fail_usage(command, "%s is given twice", option->name);
    return -1;
  }
  if (option->kind == OPTION_VALUE) {
    *(const char **)field = value;
  } else if (!append(field, value, argc)) {
    fail_system("out of memory");
    return -1;
  }
  return i;
}

static bool is_color(const char *when) {
  return !strcmp(when, "auto") || !strcmp(when, "always") || !strcmp(when, "never");
}

static enum status fail_color(void) { return fail_usage(NULL, "--color is auto, always or never"); }

static bool wants_color(const char *when) {
  const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
  if (!strcmp(when, "always")) return true;
  if (!strcmp(when, "never") || (none && *none)) return false;
  return term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO);
}

static bool set_threads(const struct command *command, const char *text) {
  char *end;
  errno = 0;
  long threads = text ? strtol(text, &end, 10) : 1;
  if (text && (errno || *end || end == text || threads < 1 || threads > 1024)) {
    fail_usage(command, "--threads: a number from 1 to 1024 is expected, not '%s'", text);
    return false;
  }
  /* OpenBLAS reads this when it is opened. */
  char number[8];
  snprintf(number, sizeof number, "%d", (int)threads);
  setenv("OPENBLAS_NUM_THREADS", number, 1);
  return true;
}

static enum status run_command(const struct command *command, int argc, char **argv,
                               const char *color) {
  struct arguments arguments = {0};
  bool operands_only = false;
  enum status status = STATUS_FINE;
  if (!append(&arguments.operands, NULL, argc + 1)) return fail_system("out of memory");
  arguments.operands.count = 0;
  for (int i = 0; i < argc && i >= 0; i++) {
    const char *text = argv[i];
    if (operands_only || text[0] != '-' || !text[1]) {
      append(&arguments.operands, text, argc);
    } else if (!strcmp(text, "--")) {
      operands_only = true;
    } else if (!strcmp(text, "--help") || !strcmp(text, "-h")) {
      arguments.help = true;
    } else if (!strncmp(text, "--color=", 8)) {
      color = text + 8;
    } else {
      i = read_option(command, argc, argv, i, &arguments);
      if (i < 0) {
        status = STATUS_CANNOT;
        break;
      }
    }
  }
  arguments.color = wants_color(color);
  if (status == STATUS_FINE && !is_color(color))
    status = fail_color();
  else if (status == STATUS_FINE && arguments.help)
    status = print_command_help(command);
  else if (status == STATUS_FINE && !set_threads(command, arguments.threads))
    status = STATUS_CANNOT;
  else if (status == STATUS_FINE)
    status = command->run(command, &arguments);
  free(arguments.operands.at);
  free(arguments.outputs.at);
  free(arguments.sets.at);
  free(arguments.forward.at);
  return status;
}

static const struct command *find_command(const char *name) {
  for (size_t i = 0; i < COMMANDS; i++)
    if (!strcmp(commands[i]->name, name)) return commands[i];
  return NULL;
}

static enum status fail_command(const char *name) {
  fail_usage(NULL, "unknown command '%s'", name);
  const char *ending = strrchr(name, '.');
  if (ending && (!strcmp(ending, ".yaml") || !strcmp(ending, ".yml"))) {
    fprintf(stderr, "hint: bpgraph eval %s\n", name);
    return STATUS_CANNOT;
  }
  fputs("hint: the commands are", stderr);
  for (size_t i = 0; i < COMMANDS; i++) fprintf(stderr, "%s %s", i ? "," : "", commands[i]->name);
  fputc('\n', stderr);
  return STATUS_CANNOT;
}

int main(int argc, char **argv) {
  const char *color = "auto";
  int at = 1;
  signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error message, not a death */
  signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
  for (; at < argc && !strncmp(argv[at], "--color=", 8); at++) color = argv[at] + 8;
  if (!is_color(color)) return (int)fail_color();
  const char *name = at < argc ? argv[at] : "--help";
  enum status none = at < argc ? STATUS_FINE : STATUS_CANNOT;
  if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
    const struct command *about = at + 1 < argc ? find_command(argv[at + 1]) : NULL;
    if (about) return (int)print_command_help(about);
    print_help();
    return fflush(stdout) ? (int)fail_system("cannot write standard output") : (int)none;
  }
  if (!strcmp(name, "--version")) {
    print_version();
    return fflush(stdout) ? (int)fail_system("cannot write standard output") : STATUS_FINE;
  }
  const struct command *command = find_command(name);
  if (!command) return (int)fail_command(name);
  return (int)run_command(command, argc - at - 1, argv + at + 1, color);
}
