#include "check/back.h"

#include <math.h>
#include <string.h>

#include "tensor/sweep.h"

/* A node of the region. */
struct back_step {
  node_id id;
  const struct node *node;
  struct call call; /* with operands of its own, whose bars are set for each pass */
  struct operand *operands;
  double *bar;
  double **to; /* where each input's gradient is gathered; NULL: outside */
  double *y;   /* room for a value, where forward has to be run for its scratch */
  bool given;
  const double *gradient; /* what was given */
  struct inner *inner;    /* of an op without a backward kernel: its derivatives */
  size_t inner_count;
};

/* A derivative that is given as nodes, with numbers of its own. */
struct inner {
  unsigned input;
  struct call *calls; /* of the nodes that compute it, in order */
  size_t count;
  double *upstream;
  const double *gradient;
  size_t size;
};

/* ---- the region ------------------------------------------------------------------------------ */

/* A region while it is looked for.  Its places: 0 is the target, those after it are the nodes from
 * `low` to the top. */
struct search {
  const struct region *region;
  const struct graph *graph;
  node_id low;
  size_t count; /* of places */
  uint8_t *marks;
};
enum { REACHED = 1, LEADS = 2, GIVEN = 4 };

#define NO_PLACE SIZE_MAX

static size_t place_of(const struct search *search, node_id id) {
  if (id == search->region->target) return 0;
  bool inside = id >= search->low && id - search->low + (size_t)1 < search->count;
  return inside ? id - search->low + (size_t)1 : NO_PLACE;
}

static node_id node_at(const struct search *search, size_t place) {
  return place ? search->low + (node_id)(place - 1) : search->region->target;
}

static void mark_given(struct search *search) {
  const struct region *region = search->region;
  search->marks[search->count - 1] |= GIVEN | LEADS;
  for (size_t i = 0; i < region->cut_count; i++) {
    size_t place = place_of(search, region->cuts[i].node);
    if (place != NO_PLACE && place) search->marks[place] |= GIVEN | LEADS;
  }
}

/* What the target reaches, without passing through a node whose gradient is given. */
static void mark_reached(struct search *search) {
  search->marks[0] |= REACHED;
  for (size_t i = 1; i < search->count; i++) {
    const struct node *node = graph_node(search->graph, node_at(search, i));
    const node_id *inputs = graph_inputs(search->graph, node);
    if (!node->op || node->backward) continue;
    for (unsigned k = 0; k < node->count; k++) {
      size_t from = place_of(search, inputs[k]);
      bool open = from != NO_PLACE && search->marks[from] & REACHED &&
                  (!from || !(search->marks[from] & GIVEN));
      if (open && graph_flows(search->graph, node, k)) search->marks[i] |= REACHED;
    }
  }
}

static void mark_leading(struct search *search) {
  for (size_t i = search->count; i-- > 1;) {
    const struct node *node = graph_node(search->graph, node_at(search, i));
    const node_id *inputs = graph_inputs(search->graph, node);
    if (!(search->marks[i] & LEADS) || !node->op) continue;
    for (unsigned k = 0; k < node->count; k++) {
      size_t to = place_of(search, inputs[k]);
      if (to != NO_PLACE && graph_flows(search->graph, node, k)) search->marks[to] |= LEADS;
    }
  }
}

static bool in_region(uint8_t marks) { return marks & REACHED && marks & LEADS; }

static size_t size_of(const struct graph *graph, node_id id) {
  return graph_node(graph, id)->shape->size;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct call make_call(struct back *back, node_id id) {
  struct call call = run_own_call(&back->result->run, back->arena, id);
  struct operand *operands = (struct operand *)call.x;
  for (unsigned k = 0; k < call.count; k++) operands[k].bar = NULL;
  call.y.bar = NULL;
  return call;
}

/* The nodes of a derivative that its gradient is made of: those of another, of a function that its
 * author calls in the rule, may stand between them. */
static bool *find_needed(struct back *back, const struct derivative *derivative) {
  const struct graph *graph = &back->result->net->graph;
  size_t nodes = derivative->end - derivative->first;
  bool *needed = ARENA_ARRAY(back->arena, bool, nodes + 1);
  for (size_t i = nodes; i-- > 0;) {
    node_id id = derivative->first + (node_id)i;
    const struct node *node = graph_node(graph, id);
    needed[i] = needed[i] || id == derivative->gradient;
    for (unsigned k = 0; needed[i] && k < node->count; k++) {
      node_id input = graph_inputs(graph, node)[k];
      if (input >= derivative->first) needed[input - derivative->first] = true;
    }
  }
  return needed;
}

/* Numbers of its own for each node of a derivative, in the place of the run's. */
static void own_inner(struct back *back, const struct derivative *derivative, struct inner *inner) {
  const struct graph *graph = &back->result->net->graph;
  size_t nodes = derivative->end - derivative->first;
  const bool *needed = find_needed(back, derivative);
  double **own = ARENA_ARRAY(back->arena, double *, nodes + 1);
  for (size_t i = 0; i < nodes; i++) {
    node_id id = derivative->first + (node_id)i;
    const struct node *node = graph_node(graph, id);
    bool upstream = id == derivative->upstream;
    if (!needed[i]) continue;
    if (node->op || upstream)
      own[i] = ARENA_ARRAY(back->arena, double, node->shape->size + 1);
    else
      own[i] = node->value;
    if (upstream) inner->upstream = own[i];
    if (!node->op) continue;
    struct call *call = &inner->calls[inner->count++];
    *call = make_call(back, id);
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= derivative->first && inputs[k] < id)
        ((struct operand *)call->x)[k].at = own[inputs[k] - derivative->first];
    call->y.at = own[i];
  }
  node_id gradient = derivative->gradient;
  bool inside = gradient >= derivative->first && gradient < derivative->end;
  inner->gradient =
      inside ? own[gradient - derivative->first] : run_value(&back->result->run, gradient);
}

static void make_inner(struct back *back, struct back_step *step) {
  const struct graph *graph = &back->result->net->graph;
  size_t count;
  const struct derivative *derivative = graph_derivatives(graph, step->id, &count);
  if (step->node->op->backward || !count) return;
  step->inner = ARENA_ARRAY(back->arena, struct inner, count);
  step->inner_count = count;
  for (size_t i = 0; i < count; i++, derivative++) {
    struct inner *inner = &step->inner[i];
    *inner = (struct inner){.input = derivative->input};
    inner->calls = ARENA_ARRAY(back->arena, struct call, derivative->end - derivative->first + 1);
    inner->size = size_of(graph, derivative->gradient);
    own_inner(back, derivative, inner);
  }
}

enum { CALL_WORK = 8 }; /* a call costs about as much as so many numbers */

static struct back_step *make_step(struct back *back, node_id id) {
  struct back_step *step = ARENA_NEW(back->arena, struct back_step);
  step->id = id;
  step->node = graph_node(&back->result->net->graph, id);
  step->bar = ARENA_ARRAY(back->arena, double, step->node->shape->size + 1);
  if (!step->node->op) return step;
  step->call = make_call(back, id);
  step->operands = (struct operand *)step->call.x;
  step->call.y.bar = step->bar;
  step->to = ARENA_ARRAY(back->arena, double *, step->node->count + 1);
  if (step->call.scratch) step->y = ARENA_ARRAY(back->arena, double, step->node->shape->size + 1);
  make_inner(back, step);
  back->work += CALL_WORK + step->node->shape->size;
  for (unsigned k = 0; k < step->node->count; k++) back->work += step->operands[k].shape->size;
  return step;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* What is given of a node of which something is. */
static const struct given *find_given(const struct region *region, node_id id) {
  for (size_t i = 0; i < region->cut_count; i++)
    if (region->cuts[i].node == id) return &region->cuts[i];
  return &region->top;
}

static void connect(struct back *back, const struct search *search, double *const *bars) {
  const struct graph *graph = search->graph;
  for (size_t i = 0; i < back->steps.count; i++) {
    struct back_step *step = back->steps.at[i];
    const node_id *inputs = graph_inputs(graph, step->node);
    for (unsigned k = 0; step->node->op && k < step->node->count; k++) {
      size_t to = place_of(search, inputs[k]);
      if (to != NO_PLACE && in_region(search->marks[to]) && graph_flows(graph, step->node, k))
        step->to[k] = bars[to];
    }
  }
}

/* The entries of the largest tensor that a step has to do with. */
static size_t largest_of(const struct back_step *step, size_t largest) {
  if (step->node->shape->size > largest) largest = step->node->shape->size;
  for (unsigned k = 0; step->node->op && k < step->node->count; k++)
    if (step->operands[k].shape->size > largest) largest = step->operands[k].shape->size;
  return largest;
}

/* Makes the steps, from the top down, and the target's bar; false where there are too many. */
static bool make_steps(struct back *back, const struct search *search) {
  const struct region *region = search->region;
  const struct graph *graph = search->graph;
  size_t target_size = size_of(graph, region->target), largest = target_size, found = 0;
  for (size_t i = 1; i < search->count; i++) found += in_region(search->marks[i]);
  if (region->most && found > region->most) return false;
  double **bars = ARENA_ARRAY(back->arena, double *, search->count);
  back->bar = bars[0] = ARENA_ARRAY(back->arena, double, target_size + 1);
  for (size_t i = search->count; i-- > 1;) {
    if (!in_region(search->marks[i])) continue;
    struct back_step *step = make_step(back, node_at(search, i));
    step->given = search->marks[i] & GIVEN;
    step->gradient = step->given ? find_given(region, step->id)->gradient : NULL;
    bars[i] = step->bar;
    largest = largest_of(step, largest);
    *vec_push(back->arena, &back->steps) = step;
  }
  back->spare = ARENA_ARRAY(back->arena, double, largest + 1);
  back->unit = ARENA_ARRAY(back->arena, double, largest + 1);
  connect(back, search, bars);
  return true;
}

bool back_make(struct back *back, struct arena *arena, const struct result *result,
               const struct region *region) {
  const node_id target = region->target, top = region->top.node;
  *back = (struct back){.result = result, .arena = arena, .target = target, .top = top};
  if (top <= target) return false;
  struct search search = {.region = region, .graph = &result->net->graph};
  search.low = region->first > target ? region->first : target + 1;
  if (top < search.low) return false;
  search.count = top - search.low + (size_t)2;
  search.marks = ARENA_ARRAY(arena, uint8_t, search.count);
  mark_given(&search);
  mark_reached(&search);
  mark_leading(&search);
  if (!in_region(search.marks[0]) || !make_steps(back, &search)) return false;
  back_refresh(back);
  return true;
}

void back_refresh(struct back *back) {
  for (size_t i = 0; i < back->steps.count; i++) {
    struct back_step *step = back->steps.at[i];
    if (!step->y) continue;
    struct call call = step->call; /* backward may want what forward leaves in the scratch */
    call.y.at = step->y;
    call.op->forward(&call);
  }
}

/* ---- a pass ---------------------------------------------------------------------------------- */

/* Gives a shape as many axes as another, with 1 where an axis of the other was reduced away: the
 * last possible ones, as broadcasting has it, or else the first. */
static bool align(const struct dims *few, const struct dims *many, struct dims *out) {
  *out = *few;
  if (broadcasts_to(few, many)) return true;
  unsigned at = 0;
  out->rank = many->rank;
  for (unsigned axis = 0; axis < many->rank; axis++)
    out->at[axis] = at < few->rank && few->at[at] == many->at[axis] ? few->at[at++] : 1;
  return at == few->rank;
}

/* Adds up what of `from` belongs to each entry of `to` where one is broadcast to the other, or
 * reduced from it. */
static bool add_broadcast(struct back *back, const struct shape *from_shape, const double *from,
                          const struct shape *to_shape, double *to) {
  struct dims from_dims = shape_dims(from_shape), to_dims = shape_dims(to_shape), aligned;
  struct shapes *shapes = &back->result->net->graph.shapes;
  const bool down = from_dims.rank > to_dims.rank || broadcasts_to(&to_dims, &from_dims);
  if (!align(down ? &to_dims : &from_dims, down ? &from_dims : &to_dims, &aligned)) return false;
  const struct shape *whole = down ? from_shape : to_shape, *part = shapes_add(shapes, &aligned);
  struct sweep s;
  for (sweep_start(&s, whole, 1, &part); sweep_more(&s); sweep_next(&s))
    for (size_t i = 0; i < s.n; i++) {
      ptrdiff_t large = s.at[0] + (ptrdiff_t)i * s.step[0];
      ptrdiff_t small = s.at[1] + (ptrdiff_t)i * s.step[1];
      to[down ? small : large] += from[down ? large : small];
    }
  return true;
}

static bool run_inner(struct back_step *step, unsigned input, double *to) {
  for (size_t i = 0; i < step->inner_count; i++) {
    struct inner *inner = &step->inner[i];
    if (inner->input != input) continue;
    if (inner->upstream)
      memcpy(inner->upstream, step->bar, step->node->shape->size * sizeof *step->bar);
    for (size_t c = 0; c < inner->count; c++) {
      inner->calls[c].fault->raised = false;
      inner->calls[c].op->forward(&inner->calls[c]);
      if (inner->calls[c].fault->raised) return false;
    }
    for (size_t e = 0; e < inner->size; e++) to[e] += inner->gradient[e];
  }
  return true;
}

/* Hands the gradient of a node on to one of its inputs, by `call`. */
static bool hand_on(struct back_step *step, struct call *call, unsigned input) {
  if (!step->node->op->backward) return run_inner(step, input, step->to[input]);
  step->operands[input].bar = step->to[input];
  call->op->backward(call);
  step->operands[input].bar = NULL;
  return true;
}

/* The local derivative at y instead of at x. */
static bool hand_on_at_output(struct back *back, struct back_step *step) {
  struct call call = step->call;
  if (call.count != 1 || call.x[0].shape->size != call.y.shape->size || !call.op->backward ||
      call.scratch)
    return false;
  double *x = step->operands[0].at;
  step->operands[0].at = call.y.at;
  call.y.at = back->spare;
  call.op->forward(&call);
  bool fine = hand_on(step, &call, 0);
  step->operands[0].at = x;
  return fine;
}

/* The formula of the local derivative has y in it, and x was written there. */
static bool hand_on_at_input(struct back_step *step) {
  struct call call = step->call;
  if (call.count != 1 || call.x[0].shape->size != call.y.shape->size || !call.op->backward ||
      call.scratch)
    return false;
  call.y.at = call.x[0].at;
  return hand_on(step, &call, 0);
}

/* Each entry of the gradient by itself, and of what comes down the same entry only. */
static bool hand_on_diagonal(struct back *back, struct back_step *step, unsigned input) {
  enum { ENTRIES_MOST = 256 };
  const size_t size = step->node->shape->size;
  if (step->operands[input].shape != step->node->shape || size > ENTRIES_MOST || size < 2 ||
      !step->node->op->backward)
    return false;
  double *to = step->to[input], *bar = step->bar, *alone = back->unit;
  memset(alone, 0, size * sizeof *alone);
  struct call call = step->call;
  call.y.bar = alone;
  step->to[input] = back->spare;
  for (size_t i = 0; i < size; i++) {
    memset(back->spare, 0, size * sizeof *back->spare);
    alone[i] = bar[i];
    hand_on(step, &call, input);
    alone[i] = 0;
    to[i] += back->spare[i];
  }
  step->to[input] = to;
  return true;
}

static void transpose(const double *from, size_t n, double *to) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) to[j * n + i] = from[i * n + j];
}

/* With one of the other matrices transposed that the op has on the way back. */
static bool hand_on_transposed(struct back *back, struct back_step *step, unsigned input,
                               unsigned other) {
  struct call call = step->call;
  const bool upstream = other == call.count;
  const struct shape *shape = upstream ? step->node->shape : step->operands[other].shape;
  if (other == input || shape->rank != 2 || shape->dim[0] != shape->dim[1] || !call.op->backward ||
      call.scratch)
    return false;
  double **at = upstream ? &call.y.bar : &step->operands[other].at, *kept = *at;
  transpose(kept, (size_t)shape->dim[0], back->spare);
  *at = back->spare;
  bool fine = hand_on(step, &call, input);
  *at = kept;
  return fine;
}

static bool hand_on_altered(struct back *back, struct back_step *step, unsigned k,
                            const struct slip *slip) {
  switch (slip->kind) {
  case ALTER_DROP: return true;
  case ALTER_PASS:
    return add_broadcast(back, step->node->shape, step->bar, step->operands[k].shape, step->to[k]);
  case ALTER_DIAGONAL: return hand_on_diagonal(back, step, k);
  case ALTER_OPERAND: return hand_on_transposed(back, step, k, slip->other);
  case ALTER_AT_OUTPUT: return hand_on_at_output(back, step);
  case ALTER_AT_INPUT: return hand_on_at_input(step);
  default: return hand_on(step, &step->call, k);
  }
}

/* All but one index along an axis become 0. */
static bool keep_slice(const struct back_step *step, const struct slip *slip) {
  const struct shape *shape = step->node->shape;
  if (slip->axis >= shape->rank) return false;
  size_t inner = 1, n = (size_t)shape->dim[slip->axis];
  for (unsigned a = slip->axis + 1; a < shape->rank; a++) inner *= (size_t)shape->dim[a];
  for (size_t i = 0; i < shape->size; i++)
    if (i / inner % n != (size_t)slip->index) step->bar[i] = 0;
  return true;
}

static bool alter_bar(struct back_step *step, const struct slip *slip) {
  if (slip->node != step->id) return true;
  if (slip->kind == ALTER_SLICE) return keep_slice(step, slip);
  if (slip->kind != ALTER_ONES && slip->kind != ALTER_ZERO) return true;
  for (size_t i = 0; i < step->node->shape->size; i++) step->bar[i] = slip->kind == ALTER_ONES;
  return true;
}

static void take_given(struct back_step *step) {
  size_t bytes = step->node->shape->size * sizeof *step->bar;
  if (!step->given) return;
  if (step->gradient)
    memcpy(step->bar, step->gradient, bytes);
  else
    memset(step->bar, 0, bytes);
}

static void clear(struct back *back) {
  const struct graph *graph = &back->result->net->graph;
  memset(back->bar, 0, size_of(graph, back->target) * sizeof *back->bar);
  for (size_t i = 0; i < back->steps.count; i++)
    memset(back->steps.at[i]->bar, 0,
           back->steps.at[i]->node->shape->size * sizeof *back->steps.at[i]->bar);
}

const double *back_run(struct back *back, const struct slip *slip) {
  clear(back);
  for (size_t i = 0; i < back->steps.count; i++) {
    struct back_step *step = back->steps.at[i];
    take_given(step);
    if (!alter_bar(step, slip)) return NULL;
    for (unsigned k = 0; step->to && k < step->node->count; k++) {
      if (!step->to[k]) continue;
      bool altered = slip->node == step->id && slip->input == k;
      if (!(altered ? hand_on_altered(back, step, k, slip) : hand_on(step, &step->call, k)))
        return NULL;
    }
  }
  return back->bar;
}

node_id back_node(const struct back *back, size_t i) {
  return i < back->steps.count ? back->steps.at[i]->id : NODE_NONE;
}
bool back_is_given(const struct back *back, size_t i) { return back->steps.at[i]->given; }
const double *back_bar(const struct back *back, size_t i) { return back->steps.at[i]->bar; }
bool back_flows(const struct back *back, size_t i, unsigned k) {
  return back->steps.at[i]->to && back->steps.at[i]->to[k];
}
