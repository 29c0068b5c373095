#include "targets.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"

static const struct format *format_named(const struct format *formats, const char *name,
                                         size_t size) {
  for (; formats->name; formats++)
    if (strlen(formats->name) == size && !memcmp(formats->name, name, size)) return formats;
  return NULL;
}

/* The format that a file's ending stands for, or NULL. */
static const struct format *format_of(const struct format *formats, const char *path) {
  size_t size = strlen(path);
  for (; formats->name; formats++) {
    size_t ending = formats->ending ? strlen(formats->ending) : size;
    if (size > ending && !strcmp(path + size - ending, formats->ending)) return formats;
  }
  return NULL;
}

/* The length of what looks like a format in "xml:out.txt"; 0 where nothing does. */
static size_t prefix_of(const char *text) {
  size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz");
  return text[size] == ':' ? size : 0;
}

/* "json:out.txt", "out.json", "-". */
static bool read_target(const char *text, const struct format *formats,
                        const struct format *fallback, struct target *target) {
  size_t prefix = prefix_of(text);
  const struct format *format = fallback;
  target->path = prefix ? text + prefix + 1 : text;
  if (prefix)
    format = format_named(formats, text, prefix);
  else if (strcmp(text, "-") != 0)
    format = format_of(formats, text);
  target->format = format ? format->name : NULL;
  return format && target->path[0];
}

/* Writes "text, json or npz"; a format with several endings has a row for each, one after another. */
static void list_formats(const struct format *formats, char *list, size_t size) {
  list[0] = '\0';
  for (size_t i = 0, next; formats[i].name; i = next) {
    for (next = i + 1; formats[next].name && !strcmp(formats[next].name, formats[i].name);) next++;
    const char *between = !i ? "" : formats[next].name ? ", " : " or ";
    strncat(list, between, size - strlen(list) - 1);
    strncat(list, formats[i].name, size - strlen(list) - 1);
  }
}

static enum status fail_target(const struct command *command, const struct format *formats,
                               const char *text) {
  char list[100];
  size_t prefix = prefix_of(text);
  list_formats(formats, list, sizeof list);
  if (!text[prefix + (prefix > 0)])
    return fail_usage(command, "-o %s: the name of a file is missing", text);
  if (prefix)
    return fail_usage(command, "-o %s: unknown format '%.*s': it is %s", text, (int)prefix, text,
                      list);
  return fail_usage(command, "-o %s: the name's ending tells no format (%s); write %s:%s", text,
                    list, formats[formats[1].name != NULL].name, text);
}

/* Whether two outputs would be written over each other, be they there already or not. */
static bool is_same_target(const char *a, const char *b) {
  return !strcmp(a, b) || is_same_file(a, b) || is_same_place(a, b);
}

static enum status check_target(const struct targets *targets, const struct command *command,
                                const struct arguments *arguments, const char *text) {
  const struct target *target = &targets->at[targets->count - 1];
  for (const struct target *other = targets->at; other < target; other++)
    if (is_same_target(target->path, other->path))
      return fail_usage(command, "-o %s: another output goes there already", text);
  for (size_t i = 0; i < arguments->operands.count; i++)
    if (is_same_file(target->path, arguments->operands.at[i]))
      return fail_usage(command, "-o %s: the output is the net itself", text);
  return STATUS_FINE;
}

enum status targets_read(struct targets *targets, const struct command *command,
                         const struct arguments *arguments, const struct format *formats) {
  const char *name = arguments->format ? arguments->format : formats->name;
  const struct format *standard = format_named(formats, name, strlen(name));
  char list[100];
  *targets = (struct targets){calloc(arguments->outputs.count + 1, sizeof *targets->at), 0};
  if (!targets->at) return fail_system("out of memory");
  list_formats(formats, list, sizeof list);
  if (!standard) return fail_usage(command, "--format: unknown format '%s': it is %s", name, list);
  if (!arguments->outputs.count || arguments->format)
    targets->at[targets->count++] = (struct target){standard->name, "-"};
  enum status status = STATUS_FINE;
  for (size_t i = 0; i < arguments->outputs.count && status == STATUS_FINE; i++) {
    const char *text = arguments->outputs.at[i];
    status = read_target(text, formats, standard, &targets->at[targets->count++])
                 ? check_target(targets, command, arguments, text)
                 : fail_target(command, formats, text);
  }
  return status;
}

void targets_free(struct targets *targets) {
  free(targets->at);
  *targets = (struct targets){NULL, 0};
}

enum status targets_spare(const struct targets *targets, const struct command *command,
                          const bp_net *net) {
  for (size_t i = 0; i < targets->count; i++)
    for (size_t k = 0; bp_net_file(net, k); k++)
      if (is_same_file(targets->at[i].path, bp_net_file(net, k)))
        return fail_usage(command, "-o %s: the net reads this file", targets->at[i].path);
  return STATUS_FINE;
}

enum status target_write(const struct target *target, produce_fn *produce, const void *context) {
  struct output output;
  bool written =
      output_open(&output, target->path) && produce(context, target->format, output_write, &output);
  bool kept = output_close(&output, written);
  if (kept) return STATUS_FINE;
  const char *path = strcmp(target->path, "-") ? target->path : "standard output";
  return fail_system("cannot write %s: %s", path,
                     output.error ? strerror(output.error) : "out of memory");
}

enum status targets_write(const struct targets *targets, produce_fn *produce, const void *context) {
  enum status worst = STATUS_FINE;
  for (size_t i = 0; i < targets->count; i++) {
    enum status status = target_write(&targets->at[i], produce, context);
    if (status > worst) worst = status;
  }
  return worst;
}
