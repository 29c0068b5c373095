/* code NET LIBRARY FUNCTION [REPEATS]: generated code against the engine's own forward and backward
 * pass, in turn within one process.  The net is one of make_nets': ten numbers go in, one comes
 * out. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/evaluate.h"
#include "stopwatch.h"

enum { INPUTS = 10, REPEATS = 500 };

typedef double generated(double, double, double, double, double, double, double, double, double,
                         double, double *gradients);

struct loaded {
  struct arena arena;
  struct report report;
  struct net net;
  struct result result;
};

static bool open_net(struct loaded *loaded, const char *path) {
  arena_init(&loaded->arena, NULL);
  report_init(&loaded->report, &loaded->arena);
  const struct load_options load = {.path = path};
  const struct evaluate_options options = {.of = NULL};
  return net_load(&loaded->net, &loaded->arena, &loaded->report, &load) &&
         evaluate(&loaded->result, &loaded->arena, &loaded->net, &options);
}

static generated *open_code(const char *library, const char *name) {
  void *handle = dlopen(library, RTLD_NOW), *symbol = handle ? dlsym(handle, name) : NULL;
  generated *function = NULL;
  if (symbol) memcpy(&function, &symbol, sizeof symbol);
  return function;
}

/* The largest relative difference between the gradients of both. */
static double compare(const struct result *result, const double *gradients) {
  double worst = 0;
  for (size_t i = 0; i < result->wrt.count; i++) {
    const double *bar = run_bar(&result->run, result->wrt.at[i]);
    const double error = bar ? fabs(*bar - gradients[i]) / fmax(fabs(*bar), 1e-300) : 0;
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

int main(int argc, char **argv) {
  struct loaded net;
  if (argc < 4 || !open_net(&net, argv[1])) return 2;
  generated *function = open_code(argv[2], argv[3]);
  if (!function || net.result.wrt.count != INPUTS) {
    fprintf(stderr, "code: cannot call %s of %s\n", argv[3], argv[2]);
    return 2;
  }
  const int repeats = argc > 4 ? atoi(argv[4]) : REPEATS;
  double x[INPUTS], gradients[INPUTS], value = 0;
  double *engine = calloc((size_t)repeats, sizeof *engine);
  double *code = calloc((size_t)repeats, sizeof *code);
  if (!engine || !code) return 3;
  for (size_t i = 0; i < INPUTS; i++) x[i] = *run_value(&net.result.run, net.result.wrt.at[i]);
  for (int i = 0; i < repeats; i++) {
    double start = now_ms();
    run_forward(&net.result.run);
    run_backward(&net.result.run, NULL);
    const double middle = now_ms();
    value = function(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], gradients);
    code[i] = now_ms() - middle;
    engine[i] = middle - start;
  }
  const double nodes = (double)net.result.plan.tape.count;
  const double a = median(engine, repeats) * 1e6 / nodes, b = median(code, repeats) * 1e6 / nodes;
  printf("%-10s %7.0f scalar nodes  engine %6.2f  generated C %6.2f ns a node  ratio %.2f"
         "  (gradients differ by %.1g, value by %.1g)\n",
         argv[3], nodes, a, b, a / b, compare(&net.result, gradients),
         fabs(value - *run_value(&net.result.run, net.result.plan.output)));
  free(engine), free(code);
  arena_free(&net.arena);
  return 0;
}
