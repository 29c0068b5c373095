#include "nets.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- lists of paths ---------------------------------------------------------------------- */

/* Takes over `path`, which may be NULL: memory ran out already. */
static bool push(struct nets *nets, char *path) {
  if (path && nets->count == nets->capacity) {
    size_t capacity = nets->capacity ? 2 * nets->capacity : 16;
    char **at = realloc(nets->at, capacity * sizeof *at);
    if (at) nets->at = at, nets->capacity = capacity;
  }
  if (!path || nets->count == nets->capacity) {
    free(path);
    return false;
  }
  nets->at[nets->count++] = path;
  return true;
}

void nets_free(struct nets *nets) {
  for (size_t i = 0; i < nets->count; i++) free(nets->at[i]);
  free(nets->at);
  *nets = (struct nets){0};
}

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- what is a net ----------------------------------------------------------------------- */

static bool has_ending(const char *name, const char *ending) {
  size_t size = strlen(name), own = strlen(ending);
  return size > own && !strcmp(name + size - own, ending);
}

/* Whether a line starts with the key `bpgraph`, quoted or not. */
static bool has_key(const char *line) {
  static const char key[] = "bpgraph";
  char quote = *line == '"' || *line == '\'' ? *line : '\0';
  line += quote != '\0';
  if (strncmp(line, key, strlen(key)) != 0) return false;
  line += strlen(key);
  if (quote && *line++ != quote) return false;
  return line[strspn(line, " \t")] == ':';
}

/* Whether a line may stand before a document's first key. */
static bool is_preamble(const char *line) {
  return !*line || strchr("#%\r\n", *line) || !strncmp(line, "---", 3);
}

/* A top-level key stands at the start of a line; only the first one may be indented, or have a brace
 * before it. */
static bool read_key(FILE *file) {
  char *line = NULL;
  size_t room = 0;
  bool first = true, found = false;
  while (!found && getline(&line, &room, file) >= 0) {
    const char *at = line;
    if (first && !strncmp(at, "\xef\xbb\xbf", 3)) at += 3;
    found = has_key(at);
    at += strspn(at, " \t");
    if (!first || is_preamble(at)) continue;
    first = false;
    if (*at == '{') at += 1 + strspn(at + 1, " \t");
    found = found || has_key(at);
  }
  free(line);
  return found;
}

static bool is_net(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return true; /* whoever loads it says what is wrong */
  bool found = read_key(file);
  fclose(file);
  return found;
}

/* ---- folders ----------------------------------------------------------------------------- */

static char *join(const char *folder, const char *name) {
  if (!strcmp(folder, ".")) return strdup(name);
  size_t size = strlen(folder), room = size + strlen(name) + 2;
  char *path = malloc(room);
  if (path) snprintf(path, room, "%s%s%s", folder, folder[size - 1] == '/' ? "" : "/", name);
  return path;
}

/* What is in a folder, sorted; but for what is hidden. */
static enum status list_folder(struct nets *entries, const char *folder) {
  DIR *stream = opendir(folder);
  if (!stream) {
    int error = errno;
    fail_usage(NULL, "cannot read folder %s: %s", folder, strerror(error));
    return STATUS_CANNOT;
  }
  bool pushed = true;
  for (struct dirent *entry; pushed && (entry = readdir(stream));)
    if (entry->d_name[0] != '.') pushed = push(entries, join(folder, entry->d_name));
  closedir(stream);
  if (!pushed) return fail_system("out of memory");
  if (entries->count) qsort(entries->at, entries->count, sizeof *entries->at, compare);
  return STATUS_FINE;
}

static enum status search(struct nets *nets, const char *folder);

/* A folder is searched, a net is taken; all else is passed over. */
static enum status search_entry(struct nets *nets, const char *path) {
  struct stat about;
  if (!lstat(path, &about) && S_ISDIR(about.st_mode)) return search(nets, path);
  if (!has_ending(path, ".yaml") && !has_ending(path, ".yml")) return STATUS_FINE;
  if (stat(path, &about) || !S_ISREG(about.st_mode) || !is_net(path)) return STATUS_FINE;
  return push(nets, strdup(path)) ? STATUS_FINE : fail_system("out of memory");
}

/* As deep as paths can be. */
static enum status search(struct nets *nets, const char *folder) {
  struct nets entries = {0};
  enum status worst = list_folder(&entries, folder);
  for (size_t i = 0; i < entries.count; i++) {
    enum status status = search_entry(nets, entries.at[i]);
    if (status > worst) worst = status;
  }
  nets_free(&entries);
  return worst;
}

static enum status search_operand(struct nets *nets, const char *folder) {
  size_t before = nets->count;
  enum status status = search(nets, folder);
  if (status == STATUS_FINE && nets->count == before)
    return fail_usage(NULL, "no nets in %s: no *.yaml there has the key 'bpgraph' at its top",
                      folder);
  return status;
}

static bool is_repeated(const struct list *operands, const char *path) {
  size_t times = 0;
  for (size_t i = 0; i < operands->count; i++) times += !strcmp(operands->at[i], path);
  return times > 1;
}

enum status nets_find(struct nets *nets, const struct command *command, const struct list *operands,
                      bool nets_only) {
  enum status worst = STATUS_FINE;
  *nets = (struct nets){0};
  if (is_repeated(operands, "-"))
    return fail_usage(command, "standard input can be read only once");
  for (size_t i = 0; i < operands->count; i++) {
    const char *path = operands->at[i];
    struct stat about;
    bool there = !stat(path, &about);
    enum status status = STATUS_FINE;
    if (there && S_ISDIR(about.st_mode))
      status = search_operand(nets, path);
    else if (nets_only && there && S_ISREG(about.st_mode) && !is_net(path))
      continue;
    else if (!push(nets, strdup(path)))
      status = fail_system("out of memory");
    if (status > worst) worst = status;
  }
  return worst;
}
