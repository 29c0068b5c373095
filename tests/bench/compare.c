/* compare TITLE RUNS -- PROGRAM A... -- PROGRAM B...: runs A and B in turn (A B A B ...), each RUNS
 * times with its output discarded, and prints one row: the medians of wall time and peak memory,
 * and the ratios B/A. Without B it measures A alone. */
#define _DEFAULT_SOURCE /* wait4 */
#include "stopwatch.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

struct side {
  char **argv;
  double *ms, *mib; /* one entry a run */
};

static bool run_once(struct side *side, int run, const posix_spawn_file_actions_t *quiet) {
  struct rusage usage;
  int status = 0;
  pid_t pid = 0;
  double start = now_ms();
  int error = posix_spawnp(&pid, side->argv[0], quiet, NULL, side->argv, environ);
  if (error != 0) {
    fprintf(stderr, "compare: %s: %s\n", side->argv[0], strerror(error));
    return false;
  }
  if (wait4(pid, &status, 0, &usage) != pid) return false;
  side->ms[run] = now_ms() - start;
  side->mib[run] = (double)usage.ru_maxrss / 1024;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "compare: %s failed (wait status %d)\n", side->argv[0], status);
    return false;
  }
  return true;
}

/* Cuts the words at each "--": those after the first are A, those after the second B. Returns how
 * many there are, 0 where one is empty. */
static int cut(char **argv, struct side sides[2]) {
  int count = 0;
  for (char **word = argv; *word; word++) {
    if (strcmp(*word, "--") != 0) continue;
    if (count == 2) break;
    *word = NULL;
    sides[count++].argv = word + 1;
  }
  for (int i = 0; i < count; i++) {
    if (!sides[i].argv[0]) return 0;
  }
  return count;
}

int main(int argc, char **argv) {
  struct side sides[2] = {{NULL, NULL, NULL}, {NULL, NULL, NULL}};
  long runs = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
  int count = argc > 3 ? cut(argv + 3, sides) : 0;
  if (runs < 1 || runs > 1000000 || count == 0) {
    fputs("usage: compare TITLE RUNS -- PROGRAM ARGS... [-- PROGRAM ARGS...]\n", stderr);
    return 2;
  }
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);

  bool ok = true;
  for (int i = 0; i < count; i++) {
    sides[i].ms = calloc((size_t)runs, sizeof(double));
    sides[i].mib = calloc((size_t)runs, sizeof(double));
    ok = ok && sides[i].ms && sides[i].mib && run_once(&sides[i], 0, &quiet); /* warms the caches */
  }
  for (int run = 0; run < runs && ok; run++) {
    for (int i = 0; i < count && ok; i++) ok = run_once(&sides[i], run, &quiet);
  }
  if (ok) {
    double ms[2] = {0, 0};
    double mib[2] = {0, 0};
    printf("%-28s", argv[1]);
    for (int i = 0; i < count; i++) {
      ms[i] = median(sides[i].ms, (int)runs);
      mib[i] = median(sides[i].mib, (int)runs);
      printf("  %c %10.3f ms %8.1f MiB", 'A' + i, ms[i], mib[i]);
    }
    if (count == 2) printf("  B/A %.3f time %.3f memory", ms[1] / ms[0], mib[1] / mib[0]);
    putchar('\n');
  }
  for (int i = 0; i < count; i++) {
    free(sides[i].ms);
    free(sides[i].mib);
  }
  posix_spawn_file_actions_destroy(&quiet);
  return ok ? 0 : 1;
}
