/* derive NET [REPEATS]: the gradient by the derived graph against backprop by kernels: a forward pass
 * over all nodes of the net that `bpgraph derive` writes, and a forward and a backward pass over the
 * net itself, in turn within one process. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/evaluate.h"
#include "export/net.h"
#include "stopwatch.h"

struct loaded {
  struct arena arena;
  struct report report;
  struct net net;
  struct result result;
};

static void fail(const char *what) {
  fprintf(stderr, "derive: cannot %s\n", what);
  exit(2);
}

/* Loads a net and runs it once. */
static void open_net(struct loaded *loaded, const struct load_options *load,
                     const struct evaluate_options *options) {
  arena_init(&loaded->arena, NULL);
  report_init(&loaded->report, &loaded->arena);
  if (!net_load(&loaded->net, &loaded->arena, &loaded->report, load)) fail("load");
  if (!evaluate(&loaded->result, &loaded->arena, &loaded->net, options)) fail("evaluate");
}

static void open_derived(struct loaded *derived, struct loaded *loaded, struct arena *arena) {
  static const struct evaluate_options values = {.all = true, .no_gradients = true};
  const struct derivation_options options = {.of = NULL};
  struct derivation derivation;
  struct text text;
  text_init(&text, arena, NULL, NULL);
  if (!derive_net(&derivation, arena, &loaded->net, &options) || !export_net(&derivation, &text))
    fail("derive");
  const struct load_options load = {
      .path = "derived.yaml", .bytes = text_string(&text), .size = text.count};
  open_net(derived, &load, &values);
}

static double time_backprop(struct run *run) {
  double start = now_ms();
  run_forward(run);
  run_backward(run, NULL);
  return now_ms() - start;
}

static double time_graph(struct run *run) {
  double start = now_ms();
  run_forward(run);
  return now_ms() - start;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("usage: derive NET [REPEATS]\n", stderr);
    return 2;
  }
  int repeats = argc > 2 ? atoi(argv[2]) : 500;
  const struct load_options load = {.path = argv[1]};
  const struct evaluate_options options = {.of = NULL};
  struct loaded loaded, derived;
  struct arena arena;
  arena_init(&arena, NULL);
  open_net(&loaded, &load, &options);
  open_derived(&derived, &loaded, &arena);
  double *a = malloc((size_t)repeats * sizeof *a), *b = malloc((size_t)repeats * sizeof *b);
  if (!a || !b || repeats < 1) return 3;
  for (int i = 0; i < repeats; i++) {
    a[i] = time_backprop(&loaded.result.run);
    b[i] = time_graph(&derived.result.run);
  }
  double kernels = median(a, repeats), graph = median(b, repeats);
  printf("%-24s  kernels %8.3f  derived graph %8.3f ms  ratio %.3f\n", argv[1], kernels, graph,
         graph / kernels);
  free(a), free(b);
  arena_free(&derived.arena);
  arena_free(&loaded.arena);
  arena_free(&arena);
  return 0;
}
