/* engine TAPE1E5 TAPE1E6 PRODUCT MLP [REPEATS]: the engine's two passes alone, once a net is loaded:
 * nanoseconds a node on scalar nets, and dense nets against the same work done by OpenBLAS alone,
 * in turn within one process, on one thread and with warm buffers. */
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/evaluate.h"
#include "stopwatch.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static void (*dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                     const double *a, int lda, const double *b, int ldb, double beta, double *c,
                     int ldc);

static bool open_blas(void) {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW);
  void *symbol = library ? dlsym(library, "cblas_dgemm") : NULL;
  if (!symbol) {
    fprintf(stderr, "engine: %s\n", dlerror());
    return false;
  }
  memcpy(&dgemm, &symbol, sizeof symbol);
  char *(*core_name)(void);
  symbol = dlsym(library, "openblas_get_corename");
  memcpy(&core_name, &symbol, sizeof symbol);
  printf("core %s\n", symbol ? core_name() : "unknown");
  return true;
}

/* c[m, n] = a[m, k] b[k, n], all row-major; the two others are its derivatives. */
static void product(int m, int n, int k, const double *a, const double *b, double *c) {
  dgemm(ROW_MAJOR, PLAIN, PLAIN, m, n, k, 1, a, k, b, n, 0, c, n);
}
static void product_da(int m, int n, int k, const double *dc, const double *b, double *da) {
  dgemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, k, n, 1, dc, n, b, n, 0, da, k);
}
static void product_db(int m, int n, int k, const double *a, const double *dc, double *db) {
  dgemm(ROW_MAJOR, TRANSPOSED, PLAIN, k, n, m, 1, a, k, dc, n, 0, db, n);
}

static double *uniform(size_t count) { /* in [-1/2, 1/2) */
  static uint64_t state = 1;
  double *values = malloc(count * sizeof *values);
  if (!values) exit(3);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values[i] = (double)(state >> 11) * 0x1p-53 - 0.5;
  }
  return values;
}

/* ---- the engine ------------------------------------------------------------------------------- */

struct loaded {
  struct arena arena;
  struct report report;
  struct net net;
  struct result result;
};

/* Loads a net and runs it once; ends the program where that fails. */
static void open_net(struct loaded *loaded, const char *path) {
  arena_init(&loaded->arena, NULL);
  report_init(&loaded->report, &loaded->arena);
  const struct load_options load = {.path = path};
  const struct evaluate_options options = {.of = NULL};
  if (net_load(&loaded->net, &loaded->arena, &loaded->report, &load) &&
      evaluate(&loaded->result, &loaded->arena, &loaded->net, &options))
    return;
  fprintf(stderr, "engine: cannot run %s\n", path);
  exit(2);
}

/* Milliseconds of one forward and one backward pass. */
static void time_run(struct run *run, double *forward, double *backward) {
  double start = now_ms();
  run_forward(run);
  double middle = now_ms();
  run_backward(run, NULL);
  *backward = now_ms() - middle;
  *forward = middle - start;
}

/* Returns nanoseconds a node, forward and reverse. */
static double time_tape(const char *path, int repeats) {
  struct loaded loaded;
  open_net(&loaded, path);
  double *forward = uniform((size_t)repeats), *backward = uniform((size_t)repeats);
  for (int i = 0; i < repeats; i++) time_run(&loaded.result.run, &forward[i], &backward[i]);
  double nodes = (double)loaded.result.plan.tape.count;
  double there = median(forward, repeats) * 1e6 / nodes;
  double back = median(backward, repeats) * 1e6 / nodes;
  printf("%9.0f scalar nodes     forward %6.2f  reverse %6.2f  both %6.2f ns a node\n", nodes,
         there, back, there + back);
  free(forward), free(backward);
  arena_free(&loaded.arena);
  return there + back;
}

static void print_ratio(const char *title, double *raw, double *ours, int repeats) {
  double a = median(raw, repeats), b = median(ours, repeats);
  printf("%-24s  OpenBLAS alone %8.3f  engine %8.3f ms  ratio %.3f\n", title, a, b, b / a);
}

/* ---- the same by hand ------------------------------------------------------------------------- */

/* y = x w with x 64x4096 and w 4096x4096, and both backward products. */
static void time_product(const char *path, int repeats) {
  enum { N = 64, D = 4096, M = 4096 };
  double *x = uniform((size_t)N * D), *w = uniform((size_t)D * M), *dy = uniform((size_t)N * M);
  double *y = uniform((size_t)N * M), *dx = uniform((size_t)N * D), *dw = uniform((size_t)D * M);
  double *raw = uniform((size_t)repeats), *ours = uniform((size_t)repeats), back;
  struct loaded loaded;
  open_net(&loaded, path);
  for (int i = -1; i < repeats; i++) { /* the first round warms up */
    double start = now_ms();
    product(N, M, D, x, w, y);
    product_da(N, M, D, dy, w, dx);
    product_db(N, M, D, x, dy, dw);
    raw[i < 0 ? 0 : i] = now_ms() - start;
    time_run(&loaded.result.run, &ours[i < 0 ? 0 : i], &back);
    ours[i < 0 ? 0 : i] += back;
  }
  print_ratio("product 64x4096x4096", raw, ours, repeats);
  arena_free(&loaded.arena);
  double *buffers[] = {x, w, dy, y, dx, dw, raw, ours};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) free(buffers[i]);
}

enum { BATCH = 64, IN = 784, HIDDEN = 128, OUT = 10 };

struct mlp {
  double *x, *w1, *b1, *w2, *b2, *t; /* t: one-hot rows */
  double *h, *s, *ds, *dh, *dw1, *db1, *dw2, *db2;
};

/* h = relu(x w1 + b1), s = h w2 + b2, the mean over rows of softmax cross-entropy; p replaces s. */
static double mlp_forward(struct mlp *net) {
  product(BATCH, HIDDEN, IN, net->x, net->w1, net->h);
  for (int r = 0; r < BATCH; r++) {
    for (int c = 0; c < HIDDEN; c++) {
      double z = net->h[r * HIDDEN + c] + net->b1[c];
      net->h[r * HIDDEN + c] = z > 0 ? z : 0;
    }
  }
  product(BATCH, OUT, HIDDEN, net->h, net->w2, net->s);
  double loss = 0;
  for (int r = 0; r < BATCH; r++) {
    double *s = net->s + (ptrdiff_t)r * OUT;
    double max = -HUGE_VAL;
    double sum = 0;
    double right = 0;
    for (int c = 0; c < OUT; c++) {
      s[c] += net->b2[c];
      max = s[c] > max ? s[c] : max;
    }
    for (int c = 0; c < OUT; c++) {
      right += (s[c] - max) * net->t[r * OUT + c];
      s[c] = exp(s[c] - max);
      sum += s[c];
    }
    for (int c = 0; c < OUT; c++) s[c] /= sum;
    loss += log(sum) - right;
  }
  return loss / BATCH;
}

static void column_sums(int columns, const double *rows, double *sums) {
  memset(sums, 0, (size_t)columns * sizeof *sums);
  for (int r = 0; r < BATCH; r++) {
    for (int c = 0; c < columns; c++) sums[c] += rows[r * columns + c];
  }
}

/* The gradients of w1, b1, w2, b2 (not of x). */
static void mlp_backward(struct mlp *net) {
  for (int i = 0; i < BATCH * OUT; i++) net->ds[i] = (net->s[i] - net->t[i]) / BATCH;
  product_db(BATCH, OUT, HIDDEN, net->h, net->ds, net->dw2);
  column_sums(OUT, net->ds, net->db2);
  product_da(BATCH, OUT, HIDDEN, net->ds, net->w2, net->dh);
  for (int i = 0; i < BATCH * HIDDEN; i++) net->dh[i] = net->h[i] > 0 ? net->dh[i] : 0;
  product_db(BATCH, HIDDEN, IN, net->x, net->dh, net->dw1);
  column_sums(HIDDEN, net->dh, net->db1);
}

static void time_mlp(const char *path, int repeats) {
  struct mlp net = {
      .x = uniform((size_t)BATCH * IN),
      .w1 = uniform((size_t)IN * HIDDEN),
      .b1 = uniform(HIDDEN),
      .w2 = uniform((size_t)HIDDEN * OUT),
      .b2 = uniform(OUT),
      .t = uniform((size_t)BATCH * OUT),
      .h = uniform((size_t)BATCH * HIDDEN),
      .s = uniform((size_t)BATCH * OUT),
      .ds = uniform((size_t)BATCH * OUT),
      .dh = uniform((size_t)BATCH * HIDDEN),
      .dw1 = uniform((size_t)IN * HIDDEN),
      .db1 = uniform(HIDDEN),
      .dw2 = uniform((size_t)HIDDEN * OUT),
      .db2 = uniform(OUT),
  };
  for (int i = 0; i < BATCH * OUT; i++) net.t[i] = i % OUT == i / OUT % OUT;
  double *raw = uniform((size_t)repeats), *ours = uniform((size_t)repeats), back, loss = 0;
  struct loaded loaded;
  open_net(&loaded, path);
  for (int i = -1; i < repeats; i++) {
    double start = now_ms();
    loss += mlp_forward(&net);
    mlp_backward(&net);
    raw[i < 0 ? 0 : i] = now_ms() - start;
    time_run(&loaded.result.run, &ours[i < 0 ? 0 : i], &back);
    ours[i < 0 ? 0 : i] += back;
  }
  if (!isfinite(loss)) exit(3); /* and nothing was optimised away */
  print_ratio("MLP 784-128-10, batch 64", raw, ours, repeats);
  arena_free(&loaded.arena);
  double *buffers[] = {net.x,  net.w1, net.b1,  net.w2,  net.b2,  net.t,   net.h, net.s,
                       net.ds, net.dh, net.dw1, net.db1, net.dw2, net.db2, raw,   ours};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) free(buffers[i]);
}

int main(int argc, char **argv) {
  long repeats = argc > 5 ? strtol(argv[5], NULL, 10) : 15;
  if (argc < 5 || repeats < 1 || repeats > 10000) {
    fputs("usage: engine TAPE1E5 TAPE1E6 PRODUCT MLP [REPEATS]\n", stderr);
    return 2;
  }
  if (!open_blas()) return 3;
  double small = time_tape(argv[1], (int)repeats * 10), large = time_tape(argv[2], (int)repeats);
  printf("1e6 nodes take %.1f times as long as 1e5\n", 10 * large / small);
  time_product(argv[3], (int)repeats);
  time_mlp(argv[4], (int)repeats * 100);
  return 0;
}
