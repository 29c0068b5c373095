/* difference MLP: the numerical check of every parameter of a net, by central differences, on one
 * thread: by parts (engine/difference.h) against computing the whole net for each step with the same
 * engine, as a check does that knows nothing of parts.  The latter is measured on a sample of
 * entries, in turn with the former, and scaled to all of them. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "engine/difference.h"
#include "load/net.h"
#include "stopwatch.h"

enum { ROUNDS = 3, SAMPLE = 100 };

struct bench {
  struct arena arena;
  struct report report;
  struct net net;
  struct plan plan;
  struct run run;
  struct differences differences;
};

static void open_net(struct bench *b, const char *path) {
  arena_init(&b->arena, NULL);
  report_init(&b->report, &b->arena);
  const struct load_options load = {.path = path};
  if (!net_load(&b->net, &b->arena, &b->report, &load)) {
    fprintf(stderr, "difference: cannot load %s\n", path);
    exit(2);
  }
  const struct plan_options options = {
      .output = b->net.output, .own_starts = true, .all_gradients = true};
  if (!plan_make(&b->plan, &b->arena, &b->report, &b->net.graph, &options)) exit(2);
  run_make(&b->run, &b->arena, &b->plan);
  if (!run_forward(&b->run) || !run_backward(&b->run, NULL)) exit(2);
}

static bool is_parameter(const struct bench *b, size_t id) {
  return graph_node(&b->net.graph, (node_id)id)->role == ROLE_PARAMETER;
}

static size_t size_of(const struct bench *b, size_t id) {
  return graph_node(&b->net.graph, (node_id)id)->shape->size;
}

static size_t find_parameters(struct bench *b, node_id *roots) {
  size_t count = 0, entries = 0;
  for (size_t id = 0; id < b->plan.node_count; id++)
    if (is_parameter(b, id)) roots[count++] = (node_id)id, entries += size_of(b, id);
  differences_make(&b->differences, &b->arena, &b->run, b->net.output, NULL, roots, count);
  return entries;
}

/* Milliseconds for all parameters; counts those that are right. */
static double time_parts(struct bench *b, size_t *right) {
  const double start = now_ms();
  *right = 0;
  for (size_t id = 0; id < b->plan.node_count; id++) {
    struct tensor_check check = {.root = (node_id)id, .limit = SIZE_MAX};
    struct tensor_summary summary;
    if (!is_parameter(b, id)) continue;
    check.claimed = run_bar(&b->run, check.root);
    difference_tensor(&b->differences, &check, &summary);
    *right += summary.right;
  }
  return now_ms() - start;
}

/* Milliseconds for as many entries, from a sample of each parameter. */
static double time_whole(struct bench *b, size_t entries) {
  size_t checked = 0;
  const double start = now_ms();
  for (size_t id = 0; id < b->plan.node_count; id++) {
    if (!is_parameter(b, id)) continue;
    double *value = (double *)run_value(&b->run, (node_id)id);
    const size_t size = size_of(b, id), step = size / (SAMPLE / 4) + 1;
    for (size_t i = 0; i < size; i += step, checked++) {
      const double x = value[i], h = 0x1p-17;
      double above, below;
      value[i] = x + h;
      run_forward(&b->run);
      above = *run_value(&b->run, b->net.output);
      value[i] = x - h;
      run_forward(&b->run);
      below = *run_value(&b->run, b->net.output);
      value[i] = x;
      const double slope = (above - below) / (2 * h), claimed = run_bar(&b->run, (node_id)id)[i];
      if (fabs(slope - claimed) > 1e-4) printf("entry %zu: %g, %g\n", i, slope, claimed);
    }
  }
  const double taken = now_ms() - start;
  run_forward(&b->run);
  return taken * (double)entries / (double)checked;
}

static long peak_kilobytes(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

int main(int argc, char **argv) {
  static struct bench b;
  double parts[ROUNDS], whole[ROUNDS];
  size_t right = 0;
  if (argc != 2) return fprintf(stderr, "usage: difference NET\n"), 2;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  open_net(&b, argv[1]);
  node_id *roots = ARENA_ARRAY(&b.arena, node_id, b.plan.node_count);
  const size_t entries = find_parameters(&b, roots);
  time_whole(&b, entries); /* warms up */
  time_parts(&b, &right);
  const long before = peak_kilobytes();
  for (int i = 0; i < ROUNDS; i++) {
    parts[i] = time_parts(&b, &right);
    whole[i] = time_whole(&b, entries);
  }
  const double ours = median(parts, ROUNDS), theirs = median(whole, ROUNDS);
  printf("%zu entries, %zu right, L computed %zu times for all of them (by parts)\n", entries,
         right, b.differences.evaluations / (ROUNDS + 1));
  printf("the whole net for each %10.0f ms (from a sample of about %d)  by parts %8.0f ms  ratio "
         "%.1f\n",
         theirs, SAMPLE, ours, theirs / ours);
  printf("peak memory %ld kB, of it %ld since the first check\n", peak_kilobytes(),
         peak_kilobytes() - before);
  arena_free(&b.arena);
  return right == entries ? 0 : 1;
}
