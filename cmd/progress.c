#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void progress_start(struct progress *progress) {
  const char *term = getenv("TERM"), *ci = getenv("CI");
  bool watched = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
  *progress = (struct progress){.began = now(), .wanted = watched && !(ci && *ci)};
}

void progress_show(void *user, const char *what, size_t done, size_t of) {
  struct progress *progress = user;
  if (!progress->wanted) return;
  double time = now();
  if (time - progress->began < 1 || time - progress->shown < 0.1) return;
  progress->shown = time;
  progress->drawn = true;
  fprintf(stderr, "\r\033[K%s: %s, %zu of %zu", progress->about ? progress->about : "", what, done,
          of);
  fflush(stderr);
}

void progress_clear(struct progress *progress) {
  if (progress->drawn) fputs("\r\033[K", stderr);
  progress->drawn = false;
}
