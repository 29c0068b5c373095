#include "engine/perturb.h"

#include <math.h>
#include <string.h>

#include "tensor/sweep.h"

#define STILL_NODE UINT32_MAX /* as an index of a moved node: it never moves */

/* How an op that only moves numbers around maps an input: its entry i goes to the entries
 * to[first[i]] ... to[first[i + 1] - 1] of the result, times `weight`. */
struct index_map {
  size_t *first;
  uint32_t *to;
  double *weight;
};

/* What a kernel sees of an input. */
enum sight {
  SIGHT_STILL, /* the old numbers */
  SIGHT_MOVED, /* the new ones */
  SIGHT_DELTA, /* what they differ by */
  SIGHT_ZERO
};

struct input {
  uint32_t from;       /* the moved node that it is, or STILL_NODE */
  bool moves;          /* by what is chosen */
  bool direct;         /* SIGHT_DELTA: the kernel reads the delta where it lies */
  enum sight sight;    /* all that follows is for what is chosen, too */
  struct extent *part; /* what of it the kernel sees */
  struct shape *shape; /* of that part */
  const double *base;  /* its old numbers */
  double *room;        /* for numbers that are made for the kernel */
  struct index_map map;
  size_t pairs; /* of an index map: what goes where, as places in the parts ... */
  const uint32_t *source, *target;
  const double *weight;
  bool all; /* ... or all of it, as in the map itself */
};

/* A use of a kernel. */
struct kernel {
  struct call whole, part; /* as the run has it; on parts */
  struct operand *operands;
  struct input *inputs;
  bool mapped; /* done by index maps, not by its kernel */
  bool linear; /* run on deltas */
  double share;
  const double *y_base; /* the old numbers of the part of the result; NULL for linear ones */
  uint64_t branches;    /* at the point */
};

/* An op on scalars: the delta is f(a + *a_delta, b + *b_delta) - base.  What does not move has a
 * delta of 0; for an op that is linear in what moves, what moves is not added to anything, and
 * nothing is subtracted. */
struct scalar_step {
  scalar_fn *function;
  double *delta;
  const double *a_delta, *b_delta;
  double a, b, base;
};

/* What a step of what was chosen does: some scalar steps, then a kernel. */
struct stage {
  size_t first, count;
  const struct moved *kernel; /* NULL: none, at the end */
};

/* A node that some root reaches, and that leads to the output. */
struct moved {
  node_id id;
  bool unstopped;     /* it stops gradients, but moves all the same: see passes() */
  const double *base; /* its old numbers, all of them */
  double *delta;      /* of its part */
  struct extent *part;
  struct shape *shape;   /* of its part */
  struct kernel *kernel; /* NULL: a scalar step, or a root that is a start node */
  /* Of a scalar step: its inputs, as moved nodes, their old numbers and deltas. */
  uint32_t a, b;
  const double *a_at, *b_at, *a_delta, *b_delta;
  scalar_fn *function;
  bool linear_a, linear_b, together; /* linear in a, in b; in both together */
};

/* Room for copies, cut from blocks that are used again for each choice. */
struct pool {
  VEC(double *) blocks;
  VEC(size_t) sizes;
  size_t block, used;
};

struct perturb {
  struct arena *arena;
  const struct run *run;
  const struct graph *graph;
  node_id output;
  const double *upstream;
  uint32_t *index; /* of each node: which moved node it is, or STILL_NODE */
  VEC(struct moved) moved;
  VEC(uint32_t) path;   /* what the current root reaches, without the root */
  VEC(uint32_t) active; /* what the current choice reaches */
  VEC(struct scalar_step) scalars;
  VEC(struct stage) stages; /* how that is computed */
  struct shape *scalar;     /* of all parts that are scalars */
  /* Of each moved node: equal to the stamp where the current root, the current choice reaches it. */
  uint32_t *on_path, *chosen, path_stamp, choice_stamp;
  node_id path_root;
  uint32_t root; /* what moves, as a moved node; STILL_NODE: L does not depend on it */
  const double *direction;
  const double *weights; /* upstream, of the part of the output that moves; NULL: ones */
  bool finite;           /* that part of the output is, at the point */
  double *zeros;
  double *scratch;
  size_t scratch_size;
  struct pool pool;
  struct fault fault;
};

static const struct node *node_of(const struct perturb *p, node_id id) {
  return graph_node(p->graph, id);
}

const struct shape *perturb_shape(const struct perturb *perturb, node_id id) {
  return node_of(perturb, id)->shape;
}

const double *perturb_value(const struct perturb *perturb, node_id id) {
  return run_value(perturb->run, id);
}

/* ---- parts ------------------------------------------------------------------------------- */

static void take_whole(struct extent *part, const struct shape *shape) {
  for (unsigned i = 0; i < shape->rank; i++) part[i] = (struct extent){0, shape->dim[i]};
}

static bool is_empty(const struct extent *part, unsigned rank) {
  for (unsigned i = 0; i < rank; i++)
    if (part[i].from >= part[i].to) return true;
  return false;
}

static bool is_whole(const struct extent *part, const struct shape *shape) {
  for (unsigned i = 0; i < shape->rank; i++)
    if (part[i].from != 0 || part[i].to != shape->dim[i]) return false;
  return true;
}

static bool same_part(const struct extent *a, const struct extent *b, unsigned rank) {
  for (unsigned i = 0; i < rank; i++)
    if (a[i].from != b[i].from || a[i].to != b[i].to) return false;
  return true;
}

/* Makes a part the least box that also holds another; an empty one is nothing. */
static void include(struct extent *part, bool *none, const struct extent *other, unsigned rank) {
  if (is_empty(other, rank)) return;
  for (unsigned i = 0; i < rank; i++) {
    if (*none || other[i].from < part[i].from) part[i].from = other[i].from;
    if (*none || other[i].to > part[i].to) part[i].to = other[i].to;
  }
  *none = false;
}

static void set_shape(struct shape *shape, const struct extent *part, unsigned rank) {
  shape->rank = rank;
  shape->size = 1;
  for (unsigned i = 0; i < rank; i++) {
    shape->dim[i] = part[i].to - part[i].from;
    shape->size *= (size_t)shape->dim[i];
  }
}

/* Where the first entry of a part lies. */
static size_t start_of(const struct extent *part, const struct shape *shape) {
  size_t at = 0;
  for (unsigned i = 0; i < shape->rank; i++) at = at * (size_t)shape->dim[i] + (size_t)part[i].from;
  return at;
}

/* Whether the entries of a part lie one after the other: up to some axis there is one, after it
 * all. */
static bool lies_together(const struct extent *part, const struct shape *shape) {
  bool cut = false;
  for (unsigned i = shape->rank; i-- > 0;) {
    const int64_t n = part[i].to - part[i].from;
    if (cut && n != 1) return false;
    cut = cut || n != shape->dim[i];
  }
  return true;
}

/* ---- room for copies --------------------------------------------------------------------- */

static double *pool_room(struct perturb *p, size_t size) {
  enum { LEAST = 8192 };
  struct pool *pool = &p->pool;
  while (pool->block < pool->blocks.count && pool->sizes.at[pool->block] - pool->used < size) {
    pool->block++;
    pool->used = 0;
  }
  if (pool->block == pool->blocks.count) {
    const size_t grown = pool->block ? 2 * pool->sizes.at[pool->block - 1] : LEAST;
    const size_t wanted = size > grown ? size : grown;
    *vec_push(p->arena, &pool->blocks) = ARENA_ARRAY(p->arena, double, wanted);
    *vec_push(p->arena, &pool->sizes) = wanted;
  }
  double *room = pool->blocks.at[pool->block] + pool->used;
  pool->used += size;
  return room;
}

static uint32_t *pool_indices(struct perturb *p, size_t count) {
  return (uint32_t *)(void *)pool_room(p, count / 2 + 1);
}

/* The numbers of a part of a tensor: in place where they lie together, else a copy. */
static const double *numbers_of(struct perturb *p, const double *at, const struct shape *whole,
                                const struct extent *part, const struct shape *shape) {
  const size_t offset = start_of(part, whole);
  if (lies_together(part, whole)) return at + offset;
  double *copy = pool_room(p, shape->size);
  ptrdiff_t strides[2][RANK_MOST], offsets[2] = {0, (ptrdiff_t)offset};
  struct sweep s;
  shape_strides(shape, strides[0]);
  shape_strides(whole, strides[1]);
  sweep_strided(&s, shape, 2, (const ptrdiff_t(*)[RANK_MOST])strides, offsets);
  for (; sweep_more(&s); sweep_next(&s)) {
    double *to = copy + s.at[0];
    const double *from = at + s.at[1];
    for (size_t i = 0; i < s.n; i++) to[i] = from[(ptrdiff_t)i * s.step[1]];
  }
  return copy;
}

/* Adds the numbers of a part to those of another, where they overlap. */
static void add_overlap(double *to, const struct extent *to_part, const struct shape *to_shape,
                        const double *from, const struct extent *from_part,
                        const struct shape *from_shape) {
  union {
    struct shape shape;
    struct {
      size_t size;
      unsigned rank;
      int64_t dim[RANK_MOST];
    } room;
  } overlap;
  struct extent part[RANK_MOST];
  ptrdiff_t strides[2][RANK_MOST], offsets[2] = {0, 0};
  const unsigned rank = to_shape->rank;
  shape_strides(to_shape, strides[0]);
  shape_strides(from_shape, strides[1]);
  for (unsigned i = 0; i < rank; i++) {
    const struct extent *a = &to_part[i], *b = &from_part[i];
    part[i].from = a->from > b->from ? a->from : b->from;
    part[i].to = a->to < b->to ? a->to : b->to;
    offsets[0] += (ptrdiff_t)(part[i].from - a->from) * strides[0][i];
    offsets[1] += (ptrdiff_t)(part[i].from - b->from) * strides[1][i];
  }
  if (is_empty(part, rank)) return;
  set_shape(&overlap.shape, part, rank);
  struct sweep s;
  sweep_strided(&s, &overlap.shape, 2, (const ptrdiff_t(*)[RANK_MOST])strides, offsets);
  for (; sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++)
      to[s.at[0] + (ptrdiff_t)i * s.step[0]] += from[s.at[1] + (ptrdiff_t)i * s.step[1]];
}

/* ---- who moves --------------------------------------------------------------------------- */

/* Whether a node changes with its input k.  Stopped nodes do not, unless what they stop at is a
 * function with a derivative of its author's. */
static bool passes(const struct graph *graph, const struct node *node, unsigned k, bool unstopped) {
  if (graph_takes_index(graph, node, k)) return false;
  if (node->op->stops && !unstopped) return false;
  return !(node->op->wraps && k > 0);
}

enum { MARK_MOVES = 1, MARK_LEADS = 2, MARK_UNSTOPPED = 4 };

static void mark_nodes(struct perturb *p, uint8_t *marks, const node_id *roots, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (roots[i] <= p->output) marks[roots[i]] |= MARK_MOVES;
  marks[p->output] |= MARK_LEADS;
  for (size_t id = p->output + (size_t)1; id-- > 0;) {
    const struct node *node = node_of(p, (node_id)id);
    const node_id *inputs = graph_inputs(p->graph, node);
    if (!node->op || !(marks[id] & MARK_LEADS)) continue;
    for (unsigned k = 0; k < node->count; k++)
      if (passes(p->graph, node, k, marks[id] & MARK_UNSTOPPED))
        marks[inputs[k]] |= node->op->wraps ? MARK_LEADS | MARK_UNSTOPPED : MARK_LEADS;
  }
  for (size_t id = 0; id <= p->output; id++) {
    const struct node *node = node_of(p, (node_id)id);
    const node_id *inputs = graph_inputs(p->graph, node);
    for (unsigned k = 0; node->op && k < node->count; k++)
      if (marks[inputs[k]] & MARK_MOVES && passes(p->graph, node, k, marks[id] & MARK_UNSTOPPED))
        marks[id] |= MARK_MOVES;
  }
}

static bool is_scalar(const struct perturb *p, node_id id) {
  return node_of(p, id)->shape->rank == 0;
}

static bool is_scalar_step(const struct perturb *p, const struct node *node) {
  const node_id *inputs = graph_inputs(p->graph, node);
  if (!node->op->scalar || node->op->branches || node->op->stops || node->op->wraps ||
      node->count > 2 || node->shape->rank)
    return false;
  for (unsigned k = 0; k < node->count; k++)
    if (!is_scalar(p, inputs[k])) return false;
  return true;
}

/* ---- index maps -------------------------------------------------------------------------- */

/* Runs a node's kernel on numbers of ours: entry i, counted through all inputs but those that are
 * indices, is slope * (i + 1) + constant.  The result is a copy for arena_release. */
static double *run_on_numbers(struct perturb *p, const struct moved *m, double *x, double slope,
                              double constant) {
  const struct kernel *kernel = m->kernel;
  const struct node *node = node_of(p, m->id);
  struct call call = kernel->whole;
  call.y.at = arena_resize(p->arena, NULL, (call.y.shape->size + 1) * sizeof(double));
  call.x = kernel->operands;
  size_t at = 0;
  for (unsigned k = 0; k < call.count; k++) {
    kernel->operands[k] = kernel->whole.x[k];
    const size_t size = call.x[k].shape->size;
    if (graph_takes_index(p->graph, node, k)) continue;
    kernel->operands[k].at = x + at;
    for (size_t i = 0; i < size; i++, at++) x[at] = slope * ((double)at + 1) + constant;
  }
  call.op->forward(&call);
  return call.y.at;
}

/* Which entry of the inputs, counted through, an entry of the result is a multiple of; SIZE_MAX:
 * none. */
static size_t source_of(double zero, double one, double number) {
  if (!(one - zero != 0)) return SIZE_MAX;
  return (size_t)llround((number - zero) / (one - zero)) - 1;
}

static void fill_map(struct index_map *map, size_t size, size_t before, size_t y_size,
                     const double *const y[3]) {
  memset(map->first, 0, (size + 1) * sizeof *map->first);
  for (size_t j = 0; j < y_size; j++) {
    const size_t source = source_of(y[0][j], y[1][j], y[2][j]) - before;
    if (source < size) map->first[source + 1]++;
  }
  for (size_t i = 0; i < size; i++) map->first[i + 1] += map->first[i];
  for (size_t j = 0; j < y_size; j++) {
    const size_t source = source_of(y[0][j], y[1][j], y[2][j]) - before;
    if (source >= size) continue;
    map->weight[map->first[source]] = y[1][j] - y[0][j];
    map->to[map->first[source]++] = (uint32_t)j;
  }
  for (size_t i = size; i > 0; i--) map->first[i] = map->first[i - 1];
  map->first[0] = 0;
}

/* Asks the kernel where it puts each entry: it is run on zeros, on ones and on 1, 2, 3 ... */
static void make_maps(struct perturb *p, struct moved *m) {
  const struct kernel *kernel = m->kernel;
  const size_t y_size = kernel->whole.y.shape->size;
  size_t total = 0, before = 0;
  for (unsigned k = 0; k < kernel->whole.count; k++) total += kernel->whole.x[k].shape->size;
  double *x = arena_resize(p->arena, NULL, (total + 1) * sizeof *x);
  double *y[3] = {run_on_numbers(p, m, x, 0, 0), run_on_numbers(p, m, x, 0, 1),
                  run_on_numbers(p, m, x, 1, 0)};
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    struct input *in = &kernel->inputs[k];
    const size_t size = kernel->whole.x[k].shape->size;
    if (in->from != STILL_NODE) fill_map(&in->map, size, before, y_size, (const double *const *)y);
    if (!graph_takes_index(p->graph, node_of(p, m->id), k)) before += size;
  }
  for (int i = 0; i < 3; i++) arena_release(p->arena, y[i]);
  arena_release(p->arena, x);
}

static bool can_be_mapped(const struct kernel *kernel) {
  if (!kernel->whole.op->moves || kernel->whole.y.shape->size > UINT32_MAX) return false;
  for (unsigned k = 0; k < kernel->whole.count; k++)
    if (kernel->whole.x[k].shape->size > UINT32_MAX) return false;
  return true;
}

/* ---- linearity --------------------------------------------------------------------------- */

static unsigned char linear_in(const struct op *op, unsigned k) {
  return op->linear[op->most == OP_ANY ? 0 : k];
}

/* Whether y is linear in input j together with input k. */
static bool linear_with(const struct op *op, unsigned k, unsigned j) {
  const unsigned char set = linear_in(op, k);
  return op->most == OP_ANY ? set == LINEAR_ALL || (set && j == k) : set >> j & 1;
}

/* ---- making ------------------------------------------------------------------------------ */

static struct shape *new_shape(struct perturb *p, unsigned rank) {
  return arena_alloc(p->arena, sizeof(struct shape) + rank * sizeof(int64_t));
}

static void make_input(struct perturb *p, const struct moved *m, unsigned k) {
  struct kernel *kernel = m->kernel;
  struct input *in = &kernel->inputs[k];
  const struct node *node = node_of(p, m->id);
  const struct shape *shape = kernel->whole.x[k].shape;
  *in = (struct input){.from = STILL_NODE};
  if (passes(p->graph, node, k, m->unstopped)) in->from = p->index[graph_inputs(p->graph, node)[k]];
  in->part = ARENA_ARRAY(p->arena, struct extent, shape->rank + 1);
  in->shape = new_shape(p, shape->rank);
  if (!kernel->mapped || in->from == STILL_NODE) return;
  in->map.first = ARENA_ARRAY(p->arena, size_t, shape->size + 1);
  in->map.to = ARENA_ARRAY(p->arena, uint32_t, kernel->whole.y.shape->size + 1);
  in->map.weight = ARENA_ARRAY(p->arena, double, kernel->whole.y.shape->size + 1);
}

static void make_kernel(struct perturb *p, struct moved *m) {
  const struct node *node = node_of(p, m->id);
  struct kernel *kernel = m->kernel = ARENA_NEW(p->arena, struct kernel);
  struct operand *whole = ARENA_ARRAY(p->arena, struct operand, node->count + 1U);
  run_call(p->run, m->id, &kernel->whole, whole);
  if (node->op->wraps) kernel->whole.count = 1;
  kernel->whole.fault = &p->fault;
  kernel->operands = ARENA_ARRAY(p->arena, struct operand, node->count + 1U);
  kernel->inputs = ARENA_ARRAY(p->arena, struct input, node->count + 1U);
  kernel->mapped = can_be_mapped(kernel);
  for (unsigned k = 0; k < kernel->whole.count; k++) make_input(p, m, k);
  kernel->part = kernel->whole;
  kernel->part.x = kernel->operands;
  kernel->part.y = (struct operand){.at = m->delta, .shape = m->shape};
}

static uint32_t moved_input(const struct perturb *p, const struct node *node, unsigned k) {
  return k < node->count && passes(p->graph, node, k, false)
             ? p->index[graph_inputs(p->graph, node)[k]]
             : STILL_NODE;
}

static void make_moved(struct perturb *p, struct moved *m, node_id id, double *delta,
                       bool unstopped) {
  const struct node *node = node_of(p, id);
  *m = (struct moved){.id = id, .unstopped = unstopped, .a = STILL_NODE, .b = STILL_NODE};
  m->base = run_value(p->run, id);
  m->delta = delta;
  if (node->shape->rank) m->part = ARENA_ARRAY(p->arena, struct extent, node->shape->rank);
  m->shape = node->shape->rank ? new_shape(p, node->shape->rank) : p->scalar;
  if (!node->op) return;
  if (!is_scalar_step(p, node)) {
    make_kernel(p, m);
    return;
  }
  const node_id *inputs = graph_inputs(p->graph, node);
  m->function = node->op->scalar;
  m->a = moved_input(p, node, 0);
  m->b = moved_input(p, node, 1);
  m->a_at = run_value(p->run, inputs[0]);
  m->b_at = run_value(p->run, inputs[node->count > 1]);
  if (m->a != STILL_NODE) m->a_delta = p->moved.at[m->a].delta;
  if (m->b != STILL_NODE) m->b_delta = p->moved.at[m->b].delta;
  m->linear_a = linear_with(node->op, 0, 0);
  m->linear_b = linear_with(node->op, 1, 1);
  m->together = linear_with(node->op, 0, 1);
}

/* How much room any one kernel wants. */
struct wants {
  size_t inputs, zeros, scratch;
};

static size_t scratch_of(struct perturb *p, const struct call *call) {
  enum { FEW = 8 };
  const struct shape *few[FEW], **x = few;
  if (!call->op->scratch) return 0;
  if (call->count > FEW)
    x = (const struct shape **)(void *)pool_room(p, call->count * sizeof *x / sizeof(double) + 1);
  for (unsigned k = 0; k < call->count; k++) x[k] = call->x[k].shape;
  return call->op->scratch(call->attr, call->y.shape, call->count, x);
}

static void count_wants(struct perturb *p, const struct kernel *kernel, struct wants *wants) {
  size_t inputs = 0;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    const size_t size = kernel->whole.x[k].shape->size;
    if (kernel->inputs[k].from != STILL_NODE) inputs += size;
    if (size > wants->zeros) wants->zeros = size;
  }
  if (inputs > wants->inputs) wants->inputs = inputs;
  const size_t scratch = scratch_of(p, &kernel->whole);
  if (scratch > wants->scratch) wants->scratch = scratch;
}

/* Kernels run one after the other: they share the room for the numbers that are made for them. */
static void share_rooms(struct perturb *p) {
  struct wants wants = {0, 0, 0};
  for (size_t i = 0; i < p->moved.count; i++)
    if (p->moved.at[i].kernel) count_wants(p, p->moved.at[i].kernel, &wants);
  double *room = ARENA_ARRAY(p->arena, double, wants.inputs + 1);
  p->zeros = ARENA_ARRAY(p->arena, double, wants.zeros + 1);
  p->scratch = ARENA_ARRAY(p->arena, double, wants.scratch + 1);
  p->scratch_size = wants.scratch;
  for (size_t i = 0; i < p->moved.count; i++) {
    struct kernel *kernel = p->moved.at[i].kernel;
    double *next = room;
    for (unsigned k = 0; kernel && k < kernel->whole.count; k++) {
      kernel->inputs[k].room = next;
      if (kernel->inputs[k].from != STILL_NODE) next += kernel->whole.x[k].shape->size;
    }
    if (kernel) kernel->part.scratch = kernel->whole.scratch = p->scratch;
    if (kernel && kernel->mapped) make_maps(p, &p->moved.at[i]);
  }
}

struct perturb *perturb_make(struct arena *arena, const struct run *run, node_id output,
                             const double *upstream, const node_id *roots, size_t root_count) {
  struct perturb *p = ARENA_NEW(arena, struct perturb);
  *p = (struct perturb){.arena = arena, .run = run, .graph = run->plan->graph};
  p->output = output;
  p->upstream = upstream;
  p->path_root = NODE_NONE;
  p->root = STILL_NODE;
  const size_t nodes = run->plan->node_count;
  uint8_t *marks = arena_resize(arena, NULL, nodes + 1);
  memset(marks, 0, nodes + 1);
  mark_nodes(p, marks, roots, root_count);
  p->index = ARENA_ARRAY(arena, uint32_t, nodes + 1);
  size_t count = 0, deltas = 0;
  for (size_t id = 0; id < nodes; id++) {
    const bool both = (marks[id] & (MARK_MOVES | MARK_LEADS)) == (MARK_MOVES | MARK_LEADS);
    p->index[id] = both ? (uint32_t)count++ : STILL_NODE;
    if (both) deltas += node_of(p, (node_id)id)->shape->size;
  }
  double *delta = ARENA_ARRAY(arena, double, deltas + 1);
  p->scalar = new_shape(p, 0);
  set_shape(p->scalar, NULL, 0);
  vec_room(arena, &p->moved, count + 1);
  p->on_path = ARENA_ARRAY(arena, uint32_t, count + 1);
  p->chosen = ARENA_ARRAY(arena, uint32_t, count + 1);
  vec_room(arena, &p->path, count + 1);
  vec_room(arena, &p->active, count + 1);
  vec_room(arena, &p->scalars, count + 1);
  vec_room(arena, &p->stages, count + 1);
  for (size_t id = 0; id < nodes; id++) {
    if (p->index[id] == STILL_NODE) continue;
    make_moved(p, &p->moved.at[p->moved.count++], (node_id)id, delta, marks[id] & MARK_UNSTOPPED);
    delta += node_of(p, (node_id)id)->shape->size;
  }
  arena_release(arena, marks);
  share_rooms(p);
  return p;
}

void perturb_base(struct perturb *p) {
  for (size_t i = 0; i < p->moved.count; i++) {
    struct moved *m = &p->moved.at[i];
    const struct op *op = node_of(p, m->id)->op;
    if (m->kernel && m->kernel->mapped && (op->indices || op->labels)) make_maps(p, m);
  }
  p->root = STILL_NODE;
}

/* ---- choosing: the parts of a kernel ----------------------------------------------------- */

static bool moves_now(const struct perturb *p, uint32_t at) {
  return at != STILL_NODE && p->chosen[at] == p->choice_stamp;
}

static bool mark_inputs(const struct perturb *p, struct kernel *kernel) {
  bool any = false;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    struct input *in = &kernel->inputs[k];
    in->moves = moves_now(p, in->from);
    any = any || in->moves;
  }
  return any;
}

/* An input that moves, and together with which the op is linear in all that move; -1: none. */
static int find_linear(const struct kernel *kernel) {
  const struct op *op = kernel->whole.op;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    if (!kernel->inputs[k].moves || !linear_in(op, k)) continue;
    bool all = true;
    for (unsigned j = 0; j < kernel->whole.count && all; j++)
      all = !kernel->inputs[j].moves || linear_with(op, k, j);
    if (all) return (int)k;
  }
  return -1;
}

/* The part of the result that moves; false where it is empty. */
static bool find_reach(struct perturb *p, struct moved *m) {
  const struct kernel *kernel = m->kernel;
  const struct op_parts *parts = kernel->whole.op->parts;
  const struct shape *shape = kernel->whole.y.shape;
  bool none = true;
  if (!parts) take_whole(m->part, shape);
  for (unsigned k = 0; parts && k < kernel->whole.count; k++) {
    struct extent reach[RANK_MOST];
    if (!kernel->inputs[k].moves) continue;
    parts->reach(&kernel->whole, k, p->moved.at[kernel->inputs[k].from].part, reach);
    if (shape->rank)
      include(m->part, &none, reach, shape->rank);
    else
      none = false;
  }
  return !(parts && none) && !is_empty(m->part, shape->rank);
}

/* What of input k the kernel must see. */
static void find_need(struct perturb *p, const struct moved *m, unsigned k) {
  const struct kernel *kernel = m->kernel;
  const struct op_parts *parts = kernel->whole.op->parts;
  const struct shape *shape = kernel->whole.x[k].shape;
  struct input *in = &kernel->inputs[k];
  bool none = true;
  if (!parts)
    take_whole(in->part, shape);
  else if (!parts->meet)
    parts->need(&kernel->whole, k, m->part, in->part);
  for (unsigned j = 0; parts && parts->meet && j < kernel->whole.count; j++) {
    struct extent met[RANK_MOST];
    if (!kernel->inputs[j].moves) continue;
    const struct extent *moved = p->moved.at[kernel->inputs[j].from].part;
    parts->meet(&kernel->whole, j, moved, m->part, k, met);
    include(in->part, &none, met, shape->rank);
  }
  if (shape->rank && parts && parts->meet && none)
    for (unsigned i = 0; i < shape->rank; i++) in->part[i] = (struct extent){0, 0};
  set_shape(in->shape, in->part, shape->rank);
}

static enum sight sight_of(const struct kernel *kernel, int linear, unsigned k) {
  const struct input *in = &kernel->inputs[k];
  if (linear < 0) return in->moves ? SIGHT_MOVED : SIGHT_STILL;
  if (in->moves) return SIGHT_DELTA;
  return linear_with(kernel->whole.op, (unsigned)linear, k) ? SIGHT_ZERO : SIGHT_STILL;
}

static void prepare_input(struct perturb *p, const struct moved *m, int linear, unsigned k) {
  const struct kernel *kernel = m->kernel;
  struct input *in = &kernel->inputs[k];
  struct operand *operand = &kernel->operands[k];
  const struct operand *whole = &kernel->whole.x[k];
  find_need(p, m, k);
  in->sight = sight_of(kernel, linear, k);
  if (in->sight == SIGHT_STILL || in->sight == SIGHT_MOVED)
    in->base = numbers_of(p, whole->at, whole->shape, in->part, in->shape);
  const struct moved *from = in->moves ? &p->moved.at[in->from] : NULL;
  in->direct = from && same_part(in->part, from->part, whole->shape->rank);
  *operand = (struct operand){.at = in->room, .shape = in->shape};
  if (in->sight == SIGHT_STILL) operand->at = (double *)in->base;
  if (in->sight == SIGHT_ZERO) operand->at = p->zeros;
  if (in->sight == SIGHT_DELTA && in->direct) operand->at = from->delta;
}

/* Runs a kernel's part on the old numbers; the result is in m->delta. */
static void run_at_base(struct moved *m) {
  struct kernel *kernel = m->kernel;
  for (unsigned k = 0; k < kernel->whole.count; k++)
    if (kernel->inputs[k].sight == SIGHT_MOVED)
      kernel->operands[k].at = (double *)kernel->inputs[k].base;
  kernel->part.op->forward(&kernel->part);
}

static void restore_rooms(struct kernel *kernel) {
  for (unsigned k = 0; k < kernel->whole.count; k++)
    if (kernel->inputs[k].sight == SIGHT_MOVED) kernel->operands[k].at = kernel->inputs[k].room;
}

/* Whether the kernel sees some of the terms of a sum only. */
static bool sees_some_terms(const struct kernel *kernel) {
  const struct op_parts *parts = kernel->whole.op->parts;
  bool whole = true;
  for (unsigned k = 0; k < kernel->whole.count && whole; k++)
    whole = is_whole(kernel->inputs[k].part, kernel->whole.x[k].shape);
  return parts && parts->meet && !whole;
}

/* What the result was: as the run has it, or the sum of the terms that move. */
static void prepare_result(struct perturb *p, struct moved *m) {
  struct kernel *kernel = m->kernel;
  const struct op *op = kernel->whole.op;
  const bool terms = sees_some_terms(kernel);
  kernel->y_base = NULL;
  if (kernel->linear) return;
  if (terms || op->branches) run_at_base(m);
  if (op->branches) kernel->branches = op->branches(&kernel->part);
  restore_rooms(kernel);
  if (terms) {
    double *copy = pool_room(p, m->shape->size);
    memcpy(copy, m->delta, m->shape->size * sizeof *copy);
    kernel->y_base = copy;
  } else
    kernel->y_base = numbers_of(p, m->base, kernel->whole.y.shape, m->part, m->shape);
}

static bool choose_parts(struct perturb *p, struct moved *m) {
  struct kernel *kernel = m->kernel;
  const struct op_parts *parts = kernel->whole.op->parts;
  if (!find_reach(p, m)) return false;
  set_shape(m->shape, m->part, kernel->whole.y.shape->rank);
  const int linear = find_linear(kernel);
  kernel->linear = linear >= 0;
  for (unsigned k = 0; k < kernel->whole.count; k++) prepare_input(p, m, linear, k);
  const size_t scratch = scratch_of(p, &kernel->part);
  kernel->part.scratch = scratch <= p->scratch_size ? p->scratch : pool_room(p, scratch);
  kernel->share = parts && parts->share ? parts->share(&kernel->whole, &kernel->part) : 1;
  prepare_result(p, m);
  return true;
}

/* ---- choosing: index maps ---------------------------------------------------------------- */

/* Walks the flat indices of a part of a tensor, a stretch at a time. */
static void start_part(struct sweep *s, const struct extent *part, const struct shape *shape,
                       const struct shape *whole) {
  ptrdiff_t strides[1][RANK_MOST], offset[1] = {(ptrdiff_t)start_of(part, whole)};
  shape_strides(whole, strides[0]);
  sweep_strided(s, shape, 1, (const ptrdiff_t(*)[RANK_MOST])strides, offset);
}

/* Makes a part hold the entries that a part of an input is mapped to; counts them. */
static size_t include_targets(const struct perturb *p, const struct input *in,
                              const struct operand *x, const struct shape *y, struct extent *part,
                              bool *none) {
  const struct moved *from = &p->moved.at[in->from];
  size_t count = 0;
  struct sweep s;
  for (start_part(&s, from->part, from->shape, x->shape); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      const size_t at = (size_t)(s.at[0] + (ptrdiff_t)i * s.step[0]);
      for (size_t t = in->map.first[at]; t < in->map.first[at + 1]; t++, count++) {
        int64_t index[RANK_MOST];
        struct extent one[RANK_MOST];
        unravel(y, in->map.to[t], index);
        for (unsigned j = 0; j < y->rank; j++) one[j] = (struct extent){index[j], index[j] + 1};
        include(part, none, one, y->rank);
        if (!y->rank) *none = false;
      }
    }
  return count;
}

/* Where in a part the entry with this flat index lies. */
static uint32_t place_in(const struct extent *part, const struct shape *shape,
                         const struct shape *whole, size_t flat) {
  size_t place = 0, stride = 1;
  for (unsigned i = whole->rank; i-- > 0;) {
    const size_t n = (size_t)whole->dim[i];
    place += (flat % n - (size_t)part[i].from) * stride;
    flat /= n;
    stride *= (size_t)shape->dim[i];
  }
  return (uint32_t)place;
}

static void list_pairs(struct perturb *p, const struct moved *m, struct input *in,
                       const struct operand *x) {
  const struct moved *from = &p->moved.at[in->from];
  const struct shape *y = m->kernel->whole.y.shape;
  uint32_t *source = pool_indices(p, in->pairs), *target = pool_indices(p, in->pairs);
  double *weight = pool_room(p, in->pairs);
  uint32_t place = 0;
  size_t pair = 0;
  struct sweep s;
  for (start_part(&s, from->part, from->shape, x->shape); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++, place++) {
      const size_t at = (size_t)(s.at[0] + (ptrdiff_t)i * s.step[0]);
      for (size_t t = in->map.first[at]; t < in->map.first[at + 1]; t++, pair++) {
        source[pair] = place;
        target[pair] = place_in(m->part, m->shape, y, in->map.to[t]);
        weight[pair] = in->map.weight[t];
      }
    }
  in->source = source, in->target = target, in->weight = weight;
}

static bool choose_map(struct perturb *p, struct moved *m) {
  struct kernel *kernel = m->kernel;
  const struct shape *y = kernel->whole.y.shape;
  bool none = true, all = false;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    struct input *in = &kernel->inputs[k];
    const struct shape *x = kernel->whole.x[k].shape;
    in->all = in->moves && is_whole(p->moved.at[in->from].part, x);
    all = all || in->all;
  }
  if (all) take_whole(m->part, y);
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    struct input *in = &kernel->inputs[k];
    struct extent part[RANK_MOST];
    take_whole(part, y);
    if (in->moves && !in->all)
      in->pairs = include_targets(p, in, &kernel->whole.x[k], y, all ? part : m->part, &none);
  }
  if ((none && !all) || is_empty(m->part, y->rank)) return false;
  set_shape(m->shape, m->part, y->rank);
  for (unsigned k = 0; k < kernel->whole.count; k++)
    if (kernel->inputs[k].moves && !kernel->inputs[k].all)
      list_pairs(p, m, &kernel->inputs[k], &kernel->whole.x[k]);
  return true;
}

/* ---- choosing ---------------------------------------------------------------------------- */

static bool choose_scalar(struct perturb *p, const struct moved *m) {
  const bool a = moves_now(p, m->a), b = moves_now(p, m->b);
  if (!a && !b) return false;
  const bool linear = a && b ? m->together : a ? m->linear_a : m->linear_b;
  p->scalars.at[p->scalars.count++] = (struct scalar_step){
      .function = m->function,
      .delta = m->delta,
      .a_delta = a ? m->a_delta : p->zeros,
      .b_delta = b ? m->b_delta : p->zeros,
      .a = linear && (a || m->together) ? 0 : *m->a_at,
      .b = linear && (b || m->together) ? 0 : *m->b_at,
      .base = linear ? 0 : *m->base,
  };
  return true;
}

static bool choose_node(struct perturb *p, struct moved *m) {
  if (!m->kernel) return choose_scalar(p, m);
  if (!mark_inputs(p, m->kernel)) return false;
  return m->kernel->mapped ? choose_map(p, m) : choose_parts(p, m);
}

static bool is_on_path(const struct perturb *p, uint32_t at) {
  return at != STILL_NODE && p->on_path[at] == p->path_stamp;
}

static bool follows_path(const struct perturb *p, const struct moved *m) {
  const struct kernel *kernel = m->kernel;
  bool follows = is_on_path(p, m->a) || is_on_path(p, m->b);
  for (unsigned k = 0; kernel && k < kernel->whole.count && !follows; k++)
    follows = is_on_path(p, kernel->inputs[k].from);
  return follows;
}

/* Lists what a root reaches. */
static void find_path(struct perturb *p, node_id root) {
  if (p->path_root == root) return;
  p->path_root = root;
  p->path.count = 0;
  p->path_stamp++;
  p->on_path[p->index[root]] = p->path_stamp;
  for (size_t i = p->index[root] + (size_t)1; i < p->moved.count; i++) {
    if (!follows_path(p, &p->moved.at[i])) continue;
    p->on_path[i] = p->path_stamp;
    p->path.at[p->path.count++] = (uint32_t)i;
  }
}

static void choose_output(struct perturb *p) {
  const struct moved *output = &p->moved.at[p->index[p->output]];
  const struct shape *shape = node_of(p, p->output)->shape;
  if (!moves_now(p, p->index[p->output])) {
    p->root = STILL_NODE;
    return;
  }
  if (p->upstream) p->weights = numbers_of(p, p->upstream, shape, output->part, output->shape);
  const double *base = numbers_of(p, output->base, shape, output->part, output->shape);
  p->finite = true;
  for (size_t i = 0; i < output->shape->size; i++) p->finite = p->finite && isfinite(base[i]);
}

/* Makes a stage of the scalar steps since the last one, and a kernel. */
static void end_stage(struct perturb *p, const struct moved *kernel) {
  const struct stage *last = p->stages.count ? &p->stages.at[p->stages.count - 1] : NULL;
  const size_t first = last ? last->first + last->count : 0;
  p->stages.at[p->stages.count++] = (struct stage){first, p->scalars.count - first, kernel};
}

static void choose(struct perturb *p, const struct extent *part) {
  struct moved *root = &p->moved.at[p->root];
  const unsigned rank = node_of(p, root->id)->shape->rank;
  find_path(p, root->id);
  p->pool.block = p->pool.used = 0;
  p->active.count = p->scalars.count = p->stages.count = 0;
  p->chosen[p->root] = ++p->choice_stamp;
  if (rank) memcpy(root->part, part, rank * sizeof *part);
  set_shape(root->shape, root->part, rank);
  for (size_t i = 0; i < p->path.count; i++) {
    struct moved *m = &p->moved.at[p->path.at[i]];
    if (!choose_node(p, m)) continue;
    p->chosen[p->path.at[i]] = p->choice_stamp;
    p->active.at[p->active.count++] = p->path.at[i];
    if (m->kernel) end_stage(p, m);
  }
  end_stage(p, NULL);
  choose_output(p);
}

static bool choose_root(struct perturb *p, node_id root) {
  p->root = root <= p->output ? p->index[root] : STILL_NODE;
  p->weights = NULL;
  return p->root != STILL_NODE && node_of(p, root)->shape->size > 0;
}

void perturb_entry(struct perturb *p, node_id root, size_t index) {
  struct extent part[RANK_MOST];
  int64_t at[RANK_MOST];
  if (!choose_root(p, root)) return;
  const struct shape *shape = node_of(p, root)->shape;
  unravel(shape, index, at);
  for (unsigned i = 0; i < shape->rank; i++) part[i] = (struct extent){at[i], at[i] + 1};
  p->direction = NULL;
  choose(p, part);
}

void perturb_along(struct perturb *p, node_id root, const double *direction) {
  struct extent part[RANK_MOST];
  if (!choose_root(p, root)) return;
  take_whole(part, node_of(p, root)->shape);
  p->direction = direction;
  choose(p, part);
}

size_t perturb_reach(const struct perturb *p) {
  if (p->root == STILL_NODE) return 0;
  size_t reach = p->moved.at[p->root].shape->size;
  for (size_t i = 0; i < p->active.count; i++) reach += p->moved.at[p->active.at[i]].shape->size;
  return reach;
}

/* A product of two tensors has about sqrt(|a| |b| |y|) terms: as many as a matrix product has.  Where
 * all of the result depends on all of an input, it is taken for the likes of an inverse. */
static double work_of(const struct moved *m) {
  const struct kernel *kernel = m->kernel;
  const double y = (double)m->shape->size;
  if (!kernel || kernel->mapped) return y;
  double work = y, product = y;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    const double size = (double)kernel->inputs[k].shape->size;
    work += size;
    if (k < 2) product *= size;
  }
  const struct op_parts *parts = kernel->whole.op->parts;
  if (!parts) return work + sqrt(y) * (double)kernel->inputs[0].shape->size;
  return parts->meet && kernel->whole.count > 1 ? work + sqrt(product) : work;
}

double perturb_work(const struct perturb *p) {
  double work = 0;
  for (size_t i = 0; p->root != STILL_NODE && i < p->active.count; i++)
    work += work_of(&p->moved.at[p->active.at[i]]);
  return work;
}

/* ---- moving ------------------------------------------------------------------------------ */

static void move_by_map(const struct perturb *p, const struct moved *m) {
  const struct kernel *kernel = m->kernel;
  memset(m->delta, 0, m->shape->size * sizeof *m->delta);
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    const struct input *in = &kernel->inputs[k];
    if (!in->moves) continue;
    const double *delta = p->moved.at[in->from].delta;
    if (!in->all)
      for (size_t i = 0; i < in->pairs; i++)
        m->delta[in->target[i]] = in->weight[i] * delta[in->source[i]];
    for (size_t i = 0; in->all && i < kernel->whole.x[k].shape->size; i++)
      for (size_t t = in->map.first[i]; t < in->map.first[i + 1]; t++)
        m->delta[in->map.to[t]] = in->map.weight[t] * delta[i];
  }
}

/* Puts together what a kernel sees of an input that moves. */
static void fill_room(const struct perturb *p, const struct input *in, const struct shape *whole) {
  const struct moved *from = &p->moved.at[in->from];
  const size_t size = in->shape->size;
  if (in->sight == SIGHT_MOVED && in->direct) {
    for (size_t i = 0; i < size; i++) in->room[i] = in->base[i] + from->delta[i];
    return;
  }
  if (in->sight == SIGHT_MOVED)
    memcpy(in->room, in->base, size * sizeof *in->room);
  else
    memset(in->room, 0, size * sizeof *in->room);
  if (whole->rank)
    add_overlap(in->room, in->part, in->shape, from->delta, from->part, from->shape);
  else
    *in->room += *from->delta;
}

/* Where both are the same infinity nothing has changed. */
static void subtract_base(double *y, const double *base, size_t size) {
  for (size_t i = 0; i < size; i++) y[i] = y[i] == base[i] ? 0 : y[i] - base[i];
}

static void move_kernel(struct perturb *p, const struct moved *m, struct change *change) {
  const struct kernel *kernel = m->kernel;
  const struct op *op = kernel->whole.op;
  const size_t size = m->shape->size;
  for (unsigned k = 0; k < kernel->whole.count; k++) {
    const struct input *in = &kernel->inputs[k];
    if (in->moves && !(in->sight == SIGHT_DELTA && in->direct))
      fill_room(p, in, kernel->whole.x[k].shape);
  }
  op->forward(&kernel->part);
  if (op->branches && !kernel->linear) {
    const uint64_t branches = op->branches(&kernel->part);
    change->branches = (change->branches ^ branches) * 0x100000001b3U;
    if (branches != kernel->branches && change->flipped == NODE_NONE) change->flipped = m->id;
  }
  if (!kernel->linear) subtract_base(m->delta, kernel->y_base, size);
  if (kernel->share != 1)
    for (size_t i = 0; i < size; i++) m->delta[i] *= kernel->share;
}

static void move_scalars(const struct scalar_step *step, size_t count) {
  double partial[2];
  for (const struct scalar_step *end = step + count; step < end; step++) {
    const double y = step->function(step->a + *step->a_delta, step->b + *step->b_delta, partial);
    *step->delta = y == step->base ? 0 : y - step->base;
  }
}

static void move_root(const struct perturb *p, double step) {
  const struct moved *root = &p->moved.at[p->root];
  if (!p->direction) *root->delta = step;
  for (size_t i = 0; p->direction && i < root->shape->size; i++)
    root->delta[i] = step * p->direction[i];
}

static double change_of_output(const struct perturb *p) {
  const struct moved *output = &p->moved.at[p->index[p->output]];
  double sum = 0;
  for (size_t i = 0; i < output->shape->size; i++)
    sum += output->delta[i] == 0 ? 0 : (p->weights ? p->weights[i] : 1) * output->delta[i];
  return sum;
}

struct change perturb_by(struct perturb *p, double step) {
  struct change change = {.flipped = NODE_NONE};
  if (p->root == STILL_NODE) return change;
  move_root(p, step);
  p->fault.raised = false;
  for (size_t i = 0; i < p->stages.count; i++) {
    const struct stage *stage = &p->stages.at[i];
    const struct moved *m = stage->kernel;
    move_scalars(p->scalars.at + stage->first, stage->count);
    if (m && m->kernel->mapped)
      move_by_map(p, m);
    else if (m)
      move_kernel(p, m, &change);
  }
  change.by = p->fault.raised || !p->finite ? NAN : change_of_output(p);
  return change;
}

/* ---- kinks at the point ------------------------------------------------------------------ */

struct kink_count {
  struct kinks kinks;
  size_t count;
};

static void count_kink(struct kinks *kinks, unsigned input, size_t index) {
  (void)input, (void)index;
  ((struct kink_count *)(void *)kinks)->count++;
}

static void find_kernel_kinks(struct moved *m, struct kinks *kinks) {
  struct kernel *kernel = m->kernel;
  run_at_base(m);
  for (unsigned k = 0; k < kernel->whole.count; k++)
    kernel->operands[k].bar = kernel->inputs[k].moves ? kernel->operands[k].at : NULL;
  kernel->whole.op->kinks(&kernel->part, kinks);
  for (unsigned k = 0; k < kernel->whole.count; k++) kernel->operands[k].bar = NULL;
  restore_rooms(kernel);
}

static void find_scalar_kinks(const struct perturb *p, const struct moved *m, struct kinks *kinks) {
  struct operand operands[2];
  struct call call;
  run_call(p->run, m->id, &call, operands);
  call.scratch = p->scratch;
  operands[0].bar = moves_now(p, m->a) ? operands[0].at : NULL;
  if (call.count > 1) operands[1].bar = moves_now(p, m->b) ? operands[1].at : NULL;
  call.op->kinks(&call, kinks);
}

size_t perturb_kinks(struct perturb *p, node_id *first) {
  struct kink_count count = {{count_kink}, 0};
  *first = NODE_NONE;
  if (p->root == STILL_NODE) return 0;
  for (size_t i = 0; i < p->active.count; i++) {
    struct moved *m = &p->moved.at[p->active.at[i]];
    const struct kernel *kernel = m->kernel;
    if (!node_of(p, m->id)->op->kinks) continue;
    if (!kernel)
      find_scalar_kinks(p, m, &count.kinks);
    else if (!kernel->linear && !kernel->mapped)
      find_kernel_kinks(m, &count.kinks);
    if (count.count && *first == NODE_NONE) *first = m->id;
  }
  return count.count;
}
