/* hessian NET NODE ...: a Hessian times a vector against a gradient by the same node, A and B in
 * turn within one process, once both are planned. */
#include <stdio.h>

#include "engine/evaluate.h"
#include "engine/jacobian.h"
#include "stopwatch.h"

enum { RUNS = 101 };

struct race {
  struct arena arena;
  struct report report;
  struct net net;
  struct result result; /* the gradient */
  struct graph derived;
  struct jacobian hessian;
  double *vector, *product;
};

static bool make_product(struct race *race) {
  const node_id by = race->result.wrt.at[0];
  node_id gradient;
  return gradients_make(&race->derived, &race->arena, &race->report, &race->net.graph,
                        &race->net.words, race->net.output, NULL, 1, &by, &gradient) &&
         product_make(&race->hessian, &race->arena, &race->report, &race->derived, gradient, by);
}

static void open_race(struct race *race, const char *path, const char *wrt) {
  arena_init(&race->arena, NULL);
  report_init(&race->report, &race->arena);
  const struct load_options load = {.path = path};
  const struct evaluate_options options = {.wrt = wrt};
  if (net_load(&race->net, &race->arena, &race->report, &load) &&
      evaluate(&race->result, &race->arena, &race->net, &options) && make_product(race))
    return;
  fprintf(stderr, "hessian: cannot run %s by %s\n", path, wrt);
  exit(2);
}

static double run_gradient(struct race *race) {
  const double began = now_ms();
  if (!run_forward(&race->result.run) || !run_backward(&race->result.run, NULL)) exit(2);
  return now_ms() - began;
}

static double run_product(struct race *race) {
  const double began = now_ms();
  if (!product_compute(&race->hessian, race->vector, race->product)) exit(2);
  return now_ms() - began;
}

static void run_race(const char *path, const char *wrt) {
  struct race race;
  double gradient[RUNS], product[RUNS];
  open_race(&race, path, wrt);
  const size_t size = race.hessian.s.shape->size;
  race.vector = arena_buffer(&race.arena, size * sizeof(double));
  race.product = arena_buffer(&race.arena, size * sizeof(double));
  for (size_t i = 0; i < size; i++) race.vector[i] = 1.0 / (double)(i + 1);
  run_product(&race);
  for (int i = 0; i < RUNS; i++) {
    gradient[i] = run_gradient(&race);
    product[i] = run_product(&race);
  }
  const double a = median(gradient, RUNS), b = median(product, RUNS);
  printf("%s by %s, %zu entries: A %.3f ms  B %.3f ms  B/A %.2f\n", path, wrt, size, a, b, b / a);
  arena_free(&race.arena);
}

int main(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i += 2) run_race(argv[i], argv[i + 1]);
  return 0;
}
