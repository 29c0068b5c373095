/* ops [REPEATS]: the ops' kernels alone, each against the least that its work costs, in turn within
 * one process and with warm buffers:
 *   exp, log, tanh      a loop that calls <math.h> for every entry
 *   elementwise ops and reductions, bound by memory
 *                       a memory copy of as many bytes as the op has to read and write
 *   conv2d              im2col and the same products, by hand
 * Prints medians and ratios. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/registry.h"
#include "stopwatch.h"

enum { ENTRIES = 10000000, REPEATS_MOST = 1000 };

static int repeats = 11;
static struct arena arena;
static struct shapes shapes;

static _Noreturn void give_up(const char *what) {
  fprintf(stderr, "ops: %s\n", what);
  exit(3);
}

static double *uniform(size_t count, double low, double high) {
  static uint64_t state = 1;
  double *values = malloc((count + 1) * sizeof *values);
  if (!values) give_up("out of memory");
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values[i] = low + (high - low) * ((double)(state >> 11) * 0x1p-53);
  }
  return values;
}

/* ---- one use of an op ------------------------------------------------------------------------- */

enum { INPUTS = 3, ATTRS = 8 };

struct use {
  struct call call;
  struct operand x[INPUTS];
  struct attr attr[ATTRS];
  struct fault fault;
};

/* An axis or a number for an attribute. */
struct setting {
  const char *name;
  int64_t number;
};

static struct operand new_operand(const int64_t *dims, struct op_domain domain) {
  unsigned rank = 0;
  while (rank < RANK_MOST && dims[rank]) rank++;
  const struct dims shape = make_dims(rank, dims);
  struct operand x = {.shape = shapes_add(&shapes, &shape)};
  const double low = domain.low < domain.high ? domain.low : -2;
  const double high = domain.low < domain.high ? domain.high : 2;
  x.at = uniform(x.shape->size, low, high);
  x.bar = uniform(x.shape->size, -1, 1);
  return x;
}

static void set_attrs(struct use *use, const struct setting *settings) {
  const struct op *op = use->call.op;
  for (size_t i = 0; i < op_attr_count(op); i++) use->attr[i] = op->attrs[i].fallback;
  for (; settings && settings->name; settings++) {
    const int at = op_attr(op, settings->name, strlen(settings->name));
    if (at < 0) give_up("no such attribute");
    struct attr *attr = &use->attr[at];
    attr->given = true;
    if (op->attrs[at].type == ATTR_INTS)
      attr->ints.count = 1, attr->ints.at = &settings->number;
    else
      attr->integer = settings->number;
  }
}

/* The shape of y. */
static void infer_result(struct use *use) {
  struct dims dims[INPUTS];
  struct text why;
  text_init(&why, &arena, NULL, NULL);
  for (unsigned k = 0; k < use->call.count; k++) dims[k] = shape_dims(use->x[k].shape);
  struct infer infer = {
      .op = use->call.op, .attr = use->attr, .count = use->call.count, .x = dims, .why = &why};
  if (!infer.op->infer(&infer)) give_up("shapes do not fit");
  int64_t axes[RANK_MOST + 1] = {0};
  memcpy(axes, infer.y.at, infer.y.rank * sizeof *axes);
  use->call.y = new_operand(axes, (struct op_domain){0, 0});
}

/* dims[k]: the shape of input k, ended by 0; the use is run forward once. */
static void start_use(struct use *use, const char *name, unsigned count,
                      const int64_t dims[][RANK_MOST], const struct setting *settings) {
  const struct op *op = op_find(name, strlen(name));
  if (!op) give_up(name);
  *use = (struct use){.call = {.op = op, .count = count}};
  use->call.x = use->x, use->call.attr = use->attr, use->call.fault = &use->fault;
  for (unsigned k = 0; k < count; k++) {
    const unsigned row = k < OP_INPUTS ? k : 0;
    use->x[k] = new_operand(dims[k], op->most == OP_ANY ? op->domain[0] : op->domain[row]);
  }
  set_attrs(use, settings);
  infer_result(use);
  const struct shape *x[INPUTS];
  for (unsigned k = 0; k < count; k++) x[k] = use->x[k].shape;
  const size_t scratch = op->scratch ? op->scratch(use->attr, use->call.y.shape, count, x) : 0;
  use->call.scratch = uniform(scratch, 0, 0);
  op->forward(&use->call);
}

static void end_use(struct use *use) {
  for (unsigned k = 0; k < use->call.count; k++) free(use->x[k].at), free(use->x[k].bar);
  free(use->call.y.at), free(use->call.y.bar), free(use->call.scratch);
}

static double time_forward(const struct use *use) {
  const double start = now_ms();
  use->call.op->forward(&use->call);
  return now_ms() - start;
}

static double time_backward(const struct use *use) {
  const double start = now_ms();
  use->call.op->backward(&use->call);
  return now_ms() - start;
}

static void print_ratio(const char *title, const char *pass, const char *against, double *theirs,
                        double *ours, double most) {
  const double a = median(theirs, repeats), b = median(ours, repeats);
  printf("%-34s %-8s %8.2f ms, %s %8.2f ms: ratio %5.2f", title, pass, b, against, a, b / a);
  if (most > 0) printf("%s %.1f", b / a <= most ? ", at most" : ", NOT BELOW", most);
  putchar('\n');
}

/* ---- against <math.h> ------------------------------------------------------------------------- */

#define SCALAR_LOOP(name)                                                                          \
  static void name##_loop(double *y, const double *x, size_t n) {                                  \
    for (size_t i = 0; i < n; i++) y[i] = name(x[i]);                                              \
  }

SCALAR_LOOP(exp)
SCALAR_LOOP(log)
SCALAR_LOOP(tanh)

typedef void loop(double *y, const double *x, size_t n);

static double time_loop(loop *f, double *y, const double *x, size_t n) {
  const double start = now_ms();
  f(y, x, n);
  return now_ms() - start;
}

static void against_math(const char *name, loop *f) {
  static const int64_t dims[][RANK_MOST] = {{ENTRIES}};
  double theirs[REPEATS_MOST], ours[REPEATS_MOST];
  struct use use;
  start_use(&use, name, 1, dims, NULL);
  for (int i = 0; i < repeats; i++) {
    theirs[i] = time_loop(f, use.call.y.bar, use.x[0].at, ENTRIES);
    ours[i] = time_forward(&use);
  }
  print_ratio(name, "forward", "<math.h>", theirs, ours, 0.5);
  end_use(&use);
}

/* ---- against a memory copy -------------------------------------------------------------------- */

/* What an op has to read and to write, in copies of ENTRIES doubles (a copy reads and writes):
 * `forward` and `backward`; a reduction, which only reads, is set against a copy of what it reads.
 * `most` is the ratio to stay below, where one was promised.  (softmax is not bound by memory: it
 * takes an exponential for every entry.) */
struct memory_case {
  const char *title, *op;
  unsigned count;
  int64_t dims[INPUTS][RANK_MOST];
  struct setting settings[2];
  double forward, backward, most;
};

#define ROWS 1000
#define COLUMNS 10000
#define MATRIX                                                                                     \
  { ROWS, COLUMNS }

static const struct memory_case memory_cases[] = {
    {"relu(x)", "relu", 1, {{ENTRIES}}, {{0}}, 1, 2, 0},
    {"square(x)", "square", 1, {{ENTRIES}}, {{0}}, 1, 2, 0},
    {"a - b", "sub", 2, {MATRIX, MATRIX}, {{0}}, 1.5, 2.5, 0},
    {"a + b", "add", 2, {MATRIX, MATRIX}, {{0}}, 1.5, 2.5, 0},
    {"a * b", "mul", 2, {MATRIX, MATRIX}, {{0}}, 1.5, 3.5, 0},
    {"a / b", "div", 2, {MATRIX, MATRIX}, {{0}}, 1.5, 4, 0},
    {"maximum(a, b)", "maximum", 2, {MATRIX, MATRIX}, {{0}}, 1.5, 3.5, 0},
    {"a + row", "add", 2, {MATRIX, {COLUMNS}}, {{0}}, 1, 1.5, 0},
    {"a - row", "sub", 2, {MATRIX, {COLUMNS}}, {{0}}, 1, 1.5, 0},
    {"a * column", "mul", 2, {MATRIX, {ROWS, 1}}, {{0}}, 1, 2, 0},
    {"a * scalar", "mul", 2, {MATRIX, {1}}, {{0}}, 1, 2, 0},
    {"sum(x)", "sum", 1, {MATRIX}, {{0}}, 1, 1, 1.5},
    {"sum(x, axis=0)", "sum", 1, {MATRIX}, {{"axis", 0}}, 1, 1, 1.5},
    {"sum(x, axis=-1)", "sum", 1, {MATRIX}, {{"axis", -1}}, 1, 1, 1.5},
    {"mean(x, axis=0)", "mean", 1, {MATRIX}, {{"axis", 0}}, 1, 1, 1.5},
    {"mean(x, axis=-1)", "mean", 1, {MATRIX}, {{"axis", -1}}, 1, 1, 1.5},
    {"max(x)", "max", 1, {MATRIX}, {{0}}, 1, 2, 1.5},
    {"max(x, axis=0)", "max", 1, {MATRIX}, {{"axis", 0}}, 1, 2, 1.5},
    {"max(x, axis=-1)", "max", 1, {MATRIX}, {{"axis", -1}}, 1, 2, 1.5},
    {"var(x, axis=0)", "var", 1, {MATRIX}, {{"axis", 0}}, 1, 1.5, 0},
    {"softmax(x, axis=0)", "softmax", 1, {MATRIX}, {{"axis", 0}}, 1, 2, 0},
    {"softmax(x, axis=-1)", "softmax", 1, {MATRIX}, {{"axis", -1}}, 1, 2, 0},
    {"softmax(x), rows of 10", "softmax", 1, {{ENTRIES / 10, 10}}, {{"axis", -1}}, 1, 2, 0},
    {"logsumexp(x, axis=-1)", "logsumexp", 1, {MATRIX}, {{"axis", -1}}, 1, 1.5, 0},
    {"sigmoid(x)", "sigmoid", 1, {{ENTRIES}}, {{0}}, 1, 2, 0},
};

static double time_copy(double *to, const double *from) {
  const double start = now_ms();
  memcpy(to, from, ENTRIES * sizeof *to);
  return now_ms() - start;
}

static void against_copy(const struct memory_case *it, double *to, const double *from) {
  double forward[REPEATS_MOST], backward[REPEATS_MOST], copy[REPEATS_MOST], same[REPEATS_MOST];
  struct use use;
  start_use(&use, it->op, it->count, it->dims, it->settings);
  for (int i = 0; i < repeats; i++) {
    copy[i] = time_copy(to, from) * it->forward;
    same[i] = copy[i] / it->forward * it->backward;
    forward[i] = time_forward(&use);
    backward[i] = time_backward(&use);
  }
  print_ratio(it->title, "forward", "copy", copy, forward, it->most);
  print_ratio(it->title, "backward", "copy", same, backward, 0);
  end_use(&use);
}

static void against_copies(void) {
  double *to = uniform(ENTRIES, 0, 1), *from = uniform(ENTRIES, 0, 1);
  for (size_t i = 0; i < sizeof memory_cases / sizeof *memory_cases; i++)
    against_copy(&memory_cases[i], to, from);
  free(to), free(from);
}

/* ---- conv2d against im2col by hand ------------------------------------------------------------ */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static void (*dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                     const double *a, int lda, const double *b, int ldb, double beta, double *c,
                     int ldc);

static void open_blas(void) {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW);
  void *symbol = library ? dlsym(library, "cblas_dgemm") : NULL;
  if (!symbol) give_up(dlerror());
  memcpy(&dgemm, &symbol, sizeof symbol);
}

struct layer {
  const char *title;
  int items, in, out, size, taps, stride, padding;
};

static const struct layer layers[] = {
    {"conv2d 16x64x56x56, 64 of 3x3", 16, 64, 64, 56, 3, 1, 1},
    {"conv2d 16x3x64x64, 32 of 11x11 by 4", 16, 3, 32, 64, 11, 4, 2},
    {"conv2d 32x16x28x28, 32 of 5x5", 32, 16, 32, 28, 5, 1, 2},
    {"conv2d 16x128x28x28, 64 of 1x1", 16, 128, 64, 28, 1, 1, 0},
};

static int places_of(const struct layer *l) {
  return (l->size + 2 * l->padding - l->taps) / l->stride + 1;
}

/* column[channel, tap y, tap x, place y, place x] = image[channel, y, x], 0 outside. */
static void im2col(const struct layer *l, const double *image, double *column) {
  const int places = places_of(l);
  for (int channel = 0; channel < l->in; channel++, image += l->size * l->size)
    for (int tap = 0; tap < l->taps * l->taps; tap++)
      for (int place = 0; place < places; place++) {
        const int y = place * l->stride + tap / l->taps - l->padding;
        for (int i = 0; i < places; i++) {
          const int x = i * l->stride + tap % l->taps - l->padding;
          const int inside = y >= 0 && y < l->size && x >= 0 && x < l->size;
          *column++ = inside ? image[y * l->size + x] : 0;
        }
      }
}

/* The way back: image += what the column's entries were read from. */
static void col2im(const struct layer *l, double *image, const double *column) {
  const int places = places_of(l);
  for (int channel = 0; channel < l->in; channel++, image += l->size * l->size)
    for (int tap = 0; tap < l->taps * l->taps; tap++)
      for (int place = 0; place < places; place++) {
        const int y = place * l->stride + tap / l->taps - l->padding;
        for (int i = 0; i < places; i++, column++) {
          const int x = i * l->stride + tap % l->taps - l->padding;
          if (y >= 0 && y < l->size && x >= 0 && x < l->size) image[y * l->size + x] += *column;
        }
      }
}

static double by_hand_forward(const struct layer *l, const struct use *use, double *column) {
  const int places = places_of(l) * places_of(l), taps = l->in * l->taps * l->taps;
  const double start = now_ms(), *x = use->x[0].at;
  double *y = use->call.y.at;
  for (int i = 0; i < l->items; i++, x += l->in * l->size * l->size, y += l->out * places) {
    if (l->taps > 1) im2col(l, x, column);
    dgemm(ROW_MAJOR, PLAIN, PLAIN, l->out, places, taps, 1, use->x[1].at, taps,
          l->taps > 1 ? column : x, places, 0, y, places);
  }
  return now_ms() - start;
}

static double by_hand_backward(const struct layer *l, const struct use *use, double *column) {
  const int places = places_of(l) * places_of(l), taps = l->in * l->taps * l->taps;
  const double start = now_ms(), *x = use->x[0].at, *g = use->call.y.bar;
  double *x_bar = use->x[0].bar, *w_bar = use->x[1].bar;
  const bool straight = l->taps == 1;
  for (int i = 0; i < l->items; i++) {
    dgemm(ROW_MAJOR, TRANSPOSED, PLAIN, taps, places, l->out, 1, use->x[1].at, taps, g, places,
          straight, straight ? x_bar : column, places);
    if (!straight) col2im(l, x_bar, column), im2col(l, x, column);
    dgemm(ROW_MAJOR, PLAIN, TRANSPOSED, l->out, taps, places, 1, g, places, straight ? x : column,
          places, 1, w_bar, taps);
    x += l->in * l->size * l->size, x_bar += l->in * l->size * l->size, g += l->out * places;
  }
  return now_ms() - start;
}

static void against_im2col(const struct layer *l) {
  const int64_t dims[][RANK_MOST] = {{l->items, l->in, l->size, l->size},
                                     {l->out, l->in, l->taps, l->taps}};
  const struct setting settings[] = {{"stride", l->stride}, {"padding", l->padding}, {NULL, 0}};
  const int places = places_of(l);
  double ours[REPEATS_MOST], theirs[REPEATS_MOST], back[REPEATS_MOST], their_back[REPEATS_MOST];
  double *column = uniform((size_t)(l->in * l->taps * l->taps * places * places), 0, 0);
  struct use use;
  start_use(&use, "conv2d", 2, dims, settings);
  for (int i = 0; i < repeats; i++) {
    theirs[i] = by_hand_forward(l, &use, column);
    ours[i] = time_forward(&use);
    their_back[i] = by_hand_backward(l, &use, column);
    back[i] = time_backward(&use);
  }
  print_ratio(l->title, "forward", "by hand", theirs, ours, 1.2);
  print_ratio(l->title, "backward", "by hand", their_back, back, 1.2);
  free(column), end_use(&use);
}

int main(int argc, char **argv) {
  if (argc > 1) repeats = (int)strtol(argv[1], NULL, 10);
  if (argc > 2 || repeats < 1 || repeats > REPEATS_MOST) {
    fputs("usage: ops [REPEATS]\n", stderr);
    return 2;
  }
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  arena_init(&arena, NULL);
  shapes_init(&shapes, &arena);
  against_math("exp", exp_loop);
  against_math("log", log_loop);
  against_math("tanh", tanh_loop);
  against_copies();
  open_blas();
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) against_im2col(&layers[i]);
  arena_free(&arena);
  return 0;
}
