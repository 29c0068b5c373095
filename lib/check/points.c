#include "check/points.h"

#include <math.h>
#include <string.h>

#include "load/data.h"

/* A start value on its way: `from` are its numbers in the file, `draw` as many uniform ones in
 * [-1, 1). */
struct move {
  const struct shape *shape;
  const double *from, *draw;
  double *to;
  double spread;
};

static double width(double x, double spread) { return spread * (fabs(x) > 1 ? fabs(x) : 1); }

static void move_any(const struct move *move) {
  for (size_t i = 0; i < move->shape->size; i++)
    move->to[i] = move->from[i] + width(move->from[i], move->spread) * move->draw[i];
}

/* Upwards as usual; downwards by a factor, which never reaches 0. */
static void move_positive(const struct move *move) {
  for (size_t i = 0; i < move->shape->size; i++) {
    double x = move->from[i], step = width(x, move->spread) * move->draw[i];
    move->to[i] = step >= 0 ? x + step : x * (x / (x - step));
  }
}

static double part_way(const struct move *move) { return move->spread < 1 ? move->spread : 1; }

static void move_unit(const struct move *move) {
  for (size_t i = 0; i < move->shape->size; i++) {
    double target = (move->draw[i] + 1) / 2;
    move->to[i] = move->from[i] + part_way(move) * (target - move->from[i]);
  }
}

static void move_simplex(const struct move *move) {
  size_t n = (size_t)move->shape->dim[move->shape->rank - 1];
  for (size_t row = 0; n && row < move->shape->size; row += n) {
    double sum = 0;
    for (size_t i = row; i < row + n; i++) sum += 1.001 + move->draw[i];
    for (size_t i = row; i < row + n; i++)
      move->to[i] =
          move->from[i] + part_way(move) * ((1.001 + move->draw[i]) / sum - move->from[i]);
  }
}

/* Goes through the matrices in the last two axes. */
static void move_matrices(const struct move *move,
                          void (*each)(const struct move *, size_t at, size_t n)) {
  size_t n = (size_t)move->shape->dim[move->shape->rank - 1];
  for (size_t at = 0; n && at < move->shape->size; at += n * n) each(move, at, n);
}

static void symmetric(const struct move *move, size_t at, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      size_t here = at + i * n + j;
      double x = move->from[here];
      move->to[here] = move->to[at + j * n + i] = x + width(x, move->spread) * move->draw[here];
    }
}

static void lower(const struct move *move, size_t at, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      size_t here = at + i * n + j;
      double x = move->from[here];
      move->to[here] = j <= i ? x + width(x, move->spread) * move->draw[here] : x;
    }
}

static void spd(const struct move *move, size_t at, size_t n) {
  double trace = 0;
  const double *b = move->draw + at;
  for (size_t i = 0; i < n; i++) trace += move->from[at + i * n + i];
  double scale = width(trace / (double)n, move->spread) / (double)n;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      double sum = 0;
      for (size_t k = 0; k < n; k++) sum += b[i * n + k] * b[j * n + k];
      move->to[at + i * n + j] = move->to[at + j * n + i] =
          move->from[at + i * n + j] + scale * sum;
    }
}

static void move_symmetric(const struct move *move) { move_matrices(move, symmetric); }
static void move_lower(const struct move *move) { move_matrices(move, lower); }
static void move_spd(const struct move *move) { move_matrices(move, spd); }

static void (*const moves[])(const struct move *) = {
    [DOMAIN_ANY] = move_any,         [DOMAIN_POSITIVE] = move_positive,   [DOMAIN_UNIT] = move_unit,
    [DOMAIN_SIMPLEX] = move_simplex, [DOMAIN_SYMMETRIC] = move_symmetric, [DOMAIN_SPD] = move_spd,
    [DOMAIN_LOWER] = move_lower};

static bool stays(const struct result *result, const struct points *points, node_id id) {
  for (size_t i = 0; i < points->keep.count; i++)
    if (points->keep.at[i] == id) return true;
  return result->indexed && result->indexed[id];
}

/* A seed of its own for each node, point and attempt. */
static uint64_t seed_of(const struct node *node, const struct points *points, size_t number,
                        size_t attempt) {
  uint64_t seed = data_seed(node->name, node->name_size);
  uint64_t parts[] = {points->seed, number, attempt};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    seed = (seed ^ parts[i]) * 0x9e3779b97f4a7c15U + 0x7f4a7c15U;
  return seed;
}

static void move_start(struct result *result, const struct points *points, node_id id,
                       size_t number, size_t attempt) {
  const struct node *node = graph_node(&result->net->graph, id);
  double *to = run_start(&result->run, id);
  if (!to || !node->shape->size || stays(result, points, id)) return;
  double *draw = arena_resize(result->arena, NULL, node->shape->size * sizeof *draw);
  data_uniform(draw, node->shape->size, seed_of(node, points, number, attempt), -1, 1);
  struct move move = {node->shape, node->value, draw, to, points->spread};
  moves[node->domain](&move);
  arena_release(result->arena, draw);
}

void points_move(struct result *result, const struct points *points, size_t number,
                 size_t attempt) {
  const struct net *net = result->net;
  run_restart(&result->run);
  for (size_t i = 0; i < net->definitions.count && number; i++) {
    const struct definition *definition = &net->definitions.at[i];
    if (definition->section == SECTION_INPUTS || definition->section == SECTION_PARAMETERS)
      move_start(result, points, definition->node, number, attempt);
  }
}
