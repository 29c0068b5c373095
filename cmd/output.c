#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(struct output *output) {
  if (!output->error) output->error = errno ? errno : EIO;
  return false;
}

static bool open_directly(struct output *output, const char *path) {
  output->file = open(path, O_WRONLY | O_CLOEXEC);
  return output->file >= 0 || fail(output);
}

/* Where the link at `path` points, seen from the working folder. */
static char *join_link(const char *path, const char *target) {
  const char *slash = strrchr(path, '/');
  size_t folder = slash && target[0] != '/' ? (size_t)(slash + 1 - path) : 0;
  char *joined = malloc(folder + strlen(target) + 1);
  if (!joined) return NULL;
  memcpy(joined, path, folder);
  strcpy(joined + folder, target);
  return joined;
}

/* The file behind all links; behind one that dangles it is made where the link points. */
static char *resolve(const char *path) {
  char *real = realpath(path, NULL);
  if (real) return real;
  char *at = strdup(path), target[PATH_MAX];
  for (ssize_t size; at && (size = readlink(at, target, sizeof target - 1)) >= 0;) {
    target[size] = '\0';
    char *next = join_link(at, target);
    free(at);
    at = next;
  }
  return at;
}

static bool open_beside(struct output *output, const struct stat *there) {
  size_t size = strlen(output->target);
  output->temporary = malloc(size + 16);
  if (!output->temporary) return fail(output);
  memcpy(output->temporary, output->target, size);
  memcpy(output->temporary + size, ".tmp-XXXXXX", 12);
  output->file = mkstemp(output->temporary);
  if (output->file < 0) {
    fail(output);
    free(output->temporary);
    output->temporary = NULL;
    return false;
  }
  mode_t mask = umask(0);
  umask(mask);
  mode_t mode = there ? there->st_mode & 07777 : 0666 & ~mask;
  fchmod(output->file, mode);
  return true;
}

bool output_open(struct output *output, const char *path) {
  *output = (struct output){.path = path, .file = -1};
  if (!strcmp(path, "-")) {
    output->file = STDOUT_FILENO;
    return fcntl(output->file, F_GETFD) >= 0 || fail(output);
  }
  struct stat about;
  bool there = stat(path, &about) == 0;
  if (!there && errno != ENOENT) return fail(output);
  if (there && S_ISDIR(about.st_mode)) {
    errno = EISDIR;
    return fail(output);
  }
  if (there && !S_ISREG(about.st_mode)) return open_directly(output, path);
  if (there && access(path, W_OK)) return fail(output);
  output->target = resolve(path);
  if (!output->target) return fail(output);
  return open_beside(output, there ? &about : NULL);
}

bool output_write(void *user, const char *bytes, size_t size) {
  struct output *output = user;
  while (size) {
    ssize_t written = write(output->file, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(output);
    bytes += written;
    size -= (size_t)written;
  }
  return true;
}

bool output_close(struct output *output, bool keep) {
  keep = keep && !output->error;
  if (output->temporary && keep && fsync(output->file) && errno != EINVAL && errno != ENOSYS)
    keep = fail(output);
  if (output->file >= 0 && output->file != STDOUT_FILENO && close(output->file))
    keep = fail(output);
  if (output->temporary) {
    if (keep && rename(output->temporary, output->target)) keep = fail(output);
    if (!keep) unlink(output->temporary);
  }
  free(output->temporary);
  free(output->target);
  output->temporary = output->target = NULL;
  output->file = -1;
  return keep;
}

bool is_same_file(const char *a, const char *b) {
  struct stat one, other;
  return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino && S_ISREG(one.st_mode);
}

/* About the folder that a path is in. */
static bool look_at_folder(const char *path, size_t size, struct stat *about) {
  char *folder = size ? strndup(path, size) : strdup(".");
  bool there = folder && !stat(folder, about);
  free(folder);
  return there;
}

bool is_same_place(const char *a, const char *b) {
  const char *slash = strrchr(a, '/'), *other_slash = strrchr(b, '/');
  size_t folder = slash ? (size_t)(slash + 1 - a) : 0;
  size_t other_folder = other_slash ? (size_t)(other_slash + 1 - b) : 0;
  struct stat one, other;
  return !strcmp(a + folder, b + other_folder) && strcmp(a, "-") && strcmp(b, "-") &&
         look_at_folder(a, folder, &one) && look_at_folder(b, other_folder, &other) &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}
