/* The table test: every op of the registry, with every sample of its row, each input.
 *
 * What a row says of a derivative it says up to four times: as a fused kernel, as a rule, as a
 * function of single numbers, and by its forward kernel, from which differences are taken.  All
 * must agree, at random points of the row's domain and at corners such as 0 and ties; so must the
 * rule of the rule and the differences of the rule's value.  At kinks, where differences mean
 * nothing, the kernel and the rule must agree.
 *
 * `test_ops NAME` runs the tests of that name only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "derive/rule.h"
#include "ops/registry.h"
#include "unit.h"

enum { INPUTS_MOST = 8, SPARE = 4 };

static const struct mark nowhere = {0, 0}, op_mark = {7, 8}; /* of the op under test */
static const double canary = -6.02214076e23;                 /* around every buffer */

struct buffer {
  double *at;
  size_t size;
};

/* One use of an op, in a graph with its derivatives, and the numbers of that graph. */
struct bench {
  const struct op *op;
  const struct op_sample *sample;
  struct text *complaints;
  uint64_t random;
  struct arena arena;
  struct report report;
  struct graph graph;
  struct vocabulary words;
  struct rules rules;
  VEC(struct call) calls; /* one a node; without an op: a start node */
  VEC(struct buffer) buffers;
  struct fault fault;
  unsigned count;
  node_id x[INPUTS_MOST], y, upstream;
  bool integer[INPUTS_MOST]; /* holds integers: it cannot be moved */
  bool unsettled;            /* some differences did not converge */
  bool corner;               /* the inputs are at corners */
  bool lenient;              /* inf and NaN are the same */
  struct text missing;       /* rules that second derivatives had no use for */
};

/* ---- complaints -------------------------------------------------------------------------- */

static void print_messages(struct bench *b) {
  for (size_t i = 0; i < b->report.messages.count; i++) {
    text_puts(b->complaints, "    ");
    text_puts(b->complaints, b->report.messages.at[i].text);
    text_char(b->complaints, '\n');
  }
  b->report.messages.count = 0;
}

/* Starts a complaint with the op and the sample; the caller goes on. */
static struct text *complain(struct bench *b) {
  text_printf(b->complaints, "  %s, sample \"%s\" \"%s\": ", b->op->name, b->sample->shapes,
              b->sample->attrs);
  return b->complaints;
}

static void complain_of_report(struct bench *b, const char *what) {
  text_printf(complain(b), "%s\n", what);
  print_messages(b);
}

static void print_entry(struct text *out, const struct shape *shape, size_t entry) {
  struct dims index = {.rank = shape->rank};
  if (!shape->rank) return;
  unravel(shape, entry, index.at);
  dims_print(&index, out);
}

/* ---- random numbers ---------------------------------------------------------------------- */

static double draw(struct bench *b, double low, double high) {
  return low + (high - low) * (double)(next_random(&b->random) >> 11) * 0x1p-53;
}

static void draw_all(struct bench *b, double *at, size_t size, double low, double high) {
  for (size_t i = 0; i < size; i++) at[i] = draw(b, low, high);
}

static uint64_t hash_text(uint64_t hash, const char *text) {
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
  return hash;
}

/* ---- memory that shows what is written outside of it --------------------------------------- */

static double *make_buffer(struct bench *b, size_t size) {
  double *at = ARENA_ARRAY(&b->arena, double, size + 2 * SPARE);
  for (size_t i = 0; i < size + 2 * SPARE; i++)
    at[i] = i >= SPARE && i < size + SPARE ? NAN : canary;
  *vec_push(&b->arena, &b->buffers) = (struct buffer){at + SPARE, size};
  return at + SPARE;
}

static bool is_whole(const struct buffer *buffer) {
  bool whole = true;
  for (size_t i = 1; i <= SPARE; i++)
    whole =
        whole && buffer->at[-(ptrdiff_t)i] == canary && buffer->at[buffer->size + i - 1] == canary;
  return whole;
}

static void check_buffers(struct bench *b) {
  for (size_t i = 0; i < b->buffers.count; i++)
    if (!is_whole(&b->buffers.at[i])) {
      text_puts(complain(b), "a kernel writes outside of its operands\n");
      return;
    }
}

/* ---- the graph --------------------------------------------------------------------------- */

static bool find_name(struct scope *scope, const struct expr_item *name, struct value *out) {
  const struct bench *b = scope->context;
  unsigned k = name->size == 2 && name->name[0] == 'x' ? (unsigned)(name->name[1] - '0') : 99;
  if (k < b->count)
    *out = make_node(b->x[k], nowhere, nowhere);
  else if (name->size == 3 && !memcmp(name->name, "inf", 3))
    *out = make_number(INFINITY, nowhere);
  else {
    report_add(scope->report, nowhere, BP(UNDEFINED_NAME),
               report_quote(scope->report, name->name, name->size));
    return false;
  }
  return true;
}

/* The op under test, which need not be in the registry. */
static enum outcome call_op(struct scope *scope, const struct expr_item *name,
                            struct value *arguments, size_t count, struct value *out) {
  const struct bench *b = scope->context;
  if (strlen(b->op->name) != name->size || memcmp(b->op->name, name->name, name->size) != 0)
    return OUTCOME_UNKNOWN;
  return apply_op(scope, b->op, arguments, count, name->mark, name->text, out) ? OUTCOME_DONE
                                                                               : OUTCOME_FAILED;
}

/* "2,3; 3": a shape for each input. */
static void make_inputs(struct bench *b) {
  const char *at = b->sample->shapes;
  for (;; at++) {
    struct dims dims = {.rank = 0};
    while (*at && *at != ';') {
      char *end;
      dims.at[dims.rank] = strtol(at, &end, 10);
      if (end > at) dims.rank++;
      at = end > at ? end : at + 1;
    }
    const struct shape *shape = shapes_add(&b->graph.shapes, &dims);
    double *value = make_buffer(b, shape->size);
    /* Some are constants of the net: a rule must not take their numbers for its own. */
    const enum role role = b->count % 2 ? ROLE_CONSTANT : ROLE_INPUT;
    b->x[b->count++] = graph_start(&b->graph, role, shape, value, nowhere);
    if (!*at || b->count == INPUTS_MOST) return;
  }
}

static bool make_node_of_op(struct bench *b) {
  struct text line;
  text_init(&line, &b->arena, NULL, NULL);
  text_printf(&line, "%s(", b->op->name);
  for (unsigned k = 0; k < b->count; k++) text_printf(&line, "%sx%u", k ? ", " : "", k);
  text_printf(&line, "%s%s)", *b->sample->attrs ? ", " : "", b->sample->attrs);
  struct scope scope = {.graph = &b->graph, .report = &b->report, .arena = &b->arena};
  scope.words = &b->words, scope.find = find_name, scope.call = call_op, scope.context = b;
  struct expr_text text = {.at = text_string(&line), .size = line.count};
  struct expr expr = {{0}};
  struct value value;
  if (!expr_parse(&b->arena, &b->report, &text, false, &expr) ||
      !lower_expr(&scope, expr.items.at, expr.items.count, &value))
    return false;
  b->y = value_node(&scope, &value);
  if (b->y != NODE_NONE) b->graph.nodes.at[b->y].mark = op_mark;
  return b->y != NODE_NONE;
}

static double *value_of(const struct bench *b, node_id id) { return b->calls.at[id].y.at; }

static const struct shape *shape_of(const struct bench *b, node_id id) {
  return graph_node(&b->graph, id)->shape;
}

static void make_call(struct bench *b, const struct node *node, struct call *call) {
  *call = (struct call){.op = node->op, .attr = node->attr, .count = node->count};
  call->fault = &b->fault;
  call->y.shape = node->shape;
  call->y.at = node->value;
  if (!node->op) return;
  struct operand *operands = ARENA_ARRAY(&b->arena, struct operand, node->count + 1U);
  const struct shape **shapes = ARENA_ARRAY(&b->arena, const struct shape *, node->count + 1U);
  for (unsigned k = 0; k < node->count; k++) {
    node_id input = graph_inputs(&b->graph, node)[k];
    shapes[k] = shape_of(b, input);
    operands[k] = (struct operand){.at = value_of(b, input), .shape = shapes[k]};
  }
  call->x = operands;
  call->y.at = make_buffer(b, node->shape->size);
  if (node->op->scratch)
    call->scratch = make_buffer(b, node->op->scratch(node->attr, node->shape, node->count, shapes));
}

/* Gives the nodes that are new since the last time room for their numbers. */
static void make_calls(struct bench *b) {
  while (b->calls.count < b->graph.nodes.count) {
    struct call call;
    make_call(b, graph_node(&b->graph, (node_id)b->calls.count), &call);
    *vec_push(&b->arena, &b->calls) = call;
  }
}

/* A start node of random numbers. */
static node_id make_random(struct bench *b, const struct shape *shape) {
  double *value = make_buffer(b, shape->size);
  draw_all(b, value, shape->size, -1, 1);
  return graph_start(&b->graph, ROLE_CONSTANT, shape, value, nowhere);
}

static bool open_bench(struct bench *b, const struct op *op, const struct op_sample *sample,
                       uint64_t seed, struct text *complaints) {
  *b = (struct bench){.op = op, .sample = sample, .complaints = complaints};
  b->random = hash_text(hash_text(hash_text(seed, op->name), sample->shapes), sample->attrs);
  arena_init(&b->arena, NULL);
  report_init(&b->report, &b->arena);
  graph_init(&b->graph, &b->arena, &b->report);
  vocabulary_init(&b->words, &b->arena);
  rules_init(&b->rules, &b->graph, &b->words);
  text_init(&b->missing, &b->arena, NULL, NULL);
  make_inputs(b);
  if (!make_node_of_op(b)) {
    complain_of_report(b, "cannot be built");
    return false;
  }
  b->upstream = make_random(b, shape_of(b, b->y));
  make_calls(b);
  return true;
}

static void close_bench(struct bench *b) { arena_free(&b->arena); }

/* ---- running it -------------------------------------------------------------------------- */

/* The nodes that a node is computed from. */
static bool *find_needed(struct bench *b, node_id target) {
  bool *needed = ARENA_ARRAY(&b->arena, bool, target + 1U);
  needed[target] = true;
  for (node_id id = target + 1; id-- > 0;) {
    const struct node *node = graph_node(&b->graph, id);
    for (unsigned k = 0; needed[id] && k < node->count; k++)
      needed[graph_inputs(&b->graph, node)[k]] = true;
  }
  return needed;
}

/* Computes a node; false when a kernel complains. */
static bool run_node(struct bench *b, node_id target, const bool *needed) {
  b->fault.raised = false;
  for (node_id id = 0; id <= target && !b->fault.raised; id++)
    if (needed[id] && b->calls.at[id].op) b->calls.at[id].op->forward(&b->calls.at[id]);
  return !b->fault.raised;
}

static bool run_or_complain(struct bench *b, node_id target, const char *what) {
  if (run_node(b, target, find_needed(b, target))) return true;
  text_printf(complain(b), "%s: input %u, entry %zu: %g %s\n", what, b->fault.input, b->fault.index,
              b->fault.number, b->fault.what);
  return false;
}

static double dot_of(const double *a, const double *b, size_t size) {
  double sum = 0;
  for (size_t i = 0; i < size; i++) sum += a[i] * b[i];
  return sum;
}

static double largest_of(const double *at, size_t size) {
  double largest = 0;
  for (size_t i = 0; i < size; i++) largest = fmax(largest, fabs(at[i]));
  return largest;
}

static double *copy_of(struct bench *b, const double *at, size_t size) {
  double *copy = ARENA_ARRAY(&b->arena, double, size + 1);
  if (size) memcpy(copy, at, size * sizeof *at);
  return copy;
}

/* ---- the points at which it is run --------------------------------------------------------- */

/* Whether a gradient flows from the op under test to an input. */
static bool flows(const struct bench *b, unsigned input) {
  return graph_flows(&b->graph, graph_node(&b->graph, b->y), input);
}

static struct op_domain domain_of(const struct op *op, unsigned input) {
  struct op_domain domain = op->domain[op->most == OP_ANY ? 0 : input];
  return domain.low == domain.high ? (struct op_domain){-2, 2} : domain;
}

static bool is_finite(const double *at, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (!isfinite(at[i])) return false;
  return true;
}

/* Labels are 0 or 1, indices whatever the row says. */
static void draw_integers(struct bench *b, unsigned k, struct op_domain domain) {
  const struct shape *shape = shape_of(b, b->x[k]);
  draw_all(b, value_of(b, b->x[k]), shape->size, domain.low, fmax(domain.high, domain.low + 2));
  for (size_t i = 0; i < shape->size; i++) value_of(b, b->x[k])[i] = floor(value_of(b, b->x[k])[i]);
  b->integer[k] = true;
}

static void draw_input(struct bench *b, unsigned k) {
  const struct op_domain domain = domain_of(b->op, k);
  if (graph_takes_index(&b->graph, graph_node(&b->graph, b->y), k))
    draw_integers(b, k, domain);
  else
    draw_all(b, value_of(b, b->x[k]), shape_of(b, b->x[k])->size, domain.low, domain.high);
}

/* m = a a' / n + 1, and something that is not symmetric. */
static void make_definite(const double *a, double *m, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      m[i * n + j] = (i == j) + 0.1 * (a[i * n + j] - a[j * n + i]);
      for (size_t k = 0; k < n; k++) m[i * n + j] += a[i * n + k] * a[j * n + k] / (double)n;
    }
}

/* Makes an input's matrices positive definite; false where it has none. */
static bool make_all_definite(struct bench *b, unsigned k) {
  const struct shape *shape = shape_of(b, b->x[k]);
  const size_t n = shape->rank < 2 ? 0 : (size_t)shape->dim[shape->rank - 1];
  if (!n || shape->dim[shape->rank - 2] != (int64_t)n) return false;
  const double *a = copy_of(b, value_of(b, b->x[k]), shape->size);
  for (size_t at = 0; at < shape->size; at += n * n)
    make_definite(a + at, value_of(b, b->x[k]) + at, n);
  return true;
}

/* Draws all inputs.  Where that does not do, matrices are to be positive definite. */
static bool draw_inputs(struct bench *b) {
  const bool *needed = find_needed(b, b->y);
  for (unsigned k = 0; k < b->count; k++) draw_input(b, k);
  if (run_node(b, b->y, needed) && is_finite(value_of(b, b->y), shape_of(b, b->y)->size))
    return true;
  if (!make_all_definite(b, b->fault.raised ? b->fault.input : 0)) draw_input(b, 0);
  return run_or_complain(b, b->y, "forward");
}

static void check_finite(struct bench *b) {
  const struct shape *shape = shape_of(b, b->y);
  for (size_t i = 0; i < shape->size; i++) {
    if (isfinite(value_of(b, b->y)[i])) continue;
    print_entry((text_puts(complain(b), "entry "), b->complaints), shape, i);
    text_printf(b->complaints, " of the value is %g\n", value_of(b, b->y)[i]);
    return;
  }
}

/* ---- differences ------------------------------------------------------------------------- */

/* sum(weights * node), as `at` moves along a direction. */
struct objective {
  struct bench *b;
  node_id of;
  const double *weights;
  const bool *needed;
  double *at, *start;
  const double *direction;
  size_t size;
};

static double objective_at(const struct objective *f, double t) {
  for (size_t i = 0; i < f->size; i++) f->at[i] = f->start[i] + t * f->direction[i];
  if (!run_node(f->b, f->of, f->needed)) return NAN;
  return dot_of(f->weights, value_of(f->b, f->of), shape_of(f->b, f->of)->size);
}

struct slope {
  double value, error;
};

/* The derivative at 0: central differences with ever smaller steps, extrapolated to the step 0
 * (Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982).  The error is how far the last
 * extrapolations differ. */
static struct slope ridders(const struct objective *f, double step) {
  enum { ROUNDS = 12 };
  const double shrink = 1.5;
  double table[ROUNDS][ROUNDS];
  struct slope best = {NAN, INFINITY};
  for (int i = 0; i < ROUNDS; i++, step /= shrink) {
    table[0][i] = (objective_at(f, step) - objective_at(f, -step)) / (2 * step);
    double factor = shrink * shrink;
    for (int j = 1; j <= i; j++, factor *= shrink * shrink) {
      table[j][i] = (table[j - 1][i] * factor - table[j - 1][i - 1]) / (factor - 1);
      double error =
          fmax(fabs(table[j][i] - table[j - 1][i]), fabs(table[j][i] - table[j - 1][i - 1]));
      if (error < best.error) best = (struct slope){table[j][i], error};
    }
    if (i > 2 && fabs(table[i][i] - table[i - 1][i - 1]) >= 10 * best.error) break;
  }
  return best;
}

/* The differences of an objective along a direction, at a start node. */
static struct slope differ(struct bench *b, node_id of, const double *weights, node_id start,
                           const double *direction) {
  struct objective f = {.b = b, .of = of, .weights = weights, .direction = direction};
  f.needed = find_needed(b, of);
  f.at = value_of(b, start);
  f.size = shape_of(b, start)->size;
  f.start = copy_of(b, f.at, f.size);
  struct slope slope = ridders(&f, 0x1p-6);
  objective_at(&f, 0); /* where it was */
  return slope;
}

/* The directions along which an input is moved: each entry on its own or, where there are many,
 * some of them and then all at random. */
struct directions {
  size_t count, size;
  double *at;
  bool single;  /* this one is a single entry ... */
  size_t entry; /* ... namely this */
};

enum { DIRECTIONS_MOST = 16 };

static struct directions make_directions(struct bench *b, size_t size) {
  struct directions d = {.size = size, .at = ARENA_ARRAY(&b->arena, double, size + 1)};
  d.count = size <= DIRECTIONS_MOST ? size : DIRECTIONS_MOST;
  return d;
}

static const double *aim(struct bench *b, struct directions *d, size_t i) {
  d->single = d->size <= DIRECTIONS_MOST || i + 2 < d->count;
  d->entry = d->size <= DIRECTIONS_MOST ? i : (size_t)(next_random(&b->random) % d->size);
  if (!d->single) draw_all(b, d->at, d->size, -1, 1);
  for (size_t k = 0; d->single && k < d->size; k++) d->at[k] = k == d->entry;
  return d->at;
}

/* ---- the fused kernel -------------------------------------------------------------------- */

/* One use of the backward kernel: the adjoints start as random numbers, which are taken off. */
struct adjoints {
  double *start[INPUTS_MOST], *bar[INPUTS_MOST];
};

static bool is_same(const double *a, const double *b, size_t size) {
  return size == 0 || !memcmp(a, b, size * sizeof *a);
}

/* The kernel may only write to the adjoints. */
static void check_unchanged(struct bench *b, const struct call *call, const double *const *x,
                            const double *y, const double *upstream) {
  for (unsigned k = 0; k < call->count; k++)
    if (!is_same(x[k], call->x[k].at, call->x[k].shape->size))
      text_printf(complain(b), "the backward kernel changes input %u\n", k);
  if (!is_same(y, call->y.at, call->y.shape->size))
    text_puts(complain(b), "the backward kernel changes the value\n");
  if (!is_same(upstream, call->y.bar, call->y.shape->size))
    text_puts(complain(b), "the backward kernel changes the upstream gradient\n");
}

/* Runs forward, then backward with the adjoints that the operands have. */
static void run_backward(struct bench *b, struct call *call) {
  const double *x[INPUTS_MOST];
  call->op->forward(call); /* what it leaves in scratch is gone after one backward */
  call->y.bar = make_buffer(b, call->y.shape->size);
  if (call->y.shape->size)
    memcpy(call->y.bar, value_of(b, b->upstream), call->y.shape->size * sizeof(double));
  for (unsigned k = 0; k < call->count; k++)
    x[k] = copy_of(b, call->x[k].at, call->x[k].shape->size);
  const double *y = copy_of(b, call->y.at, call->y.shape->size);
  call->op->backward(call);
  check_unchanged(b, call, x, y, value_of(b, b->upstream));
  check_buffers(b);
}

/* The call of the op under test, with operands that can be written to. */
static struct call open_call(struct bench *b, struct operand *operands) {
  struct call call = b->calls.at[b->y];
  memcpy(operands, call.x, call.count * sizeof *operands);
  call.x = operands;
  return call;
}

/* What the kernel adds to the adjoints of the wanted inputs (bit k: input k).  With `fresh` they
 * hold nothing before. */
static struct adjoints kernel_gradients(struct bench *b, unsigned wanted, bool fresh) {
  struct operand operands[INPUTS_MOST];
  struct call call = open_call(b, operands);
  struct adjoints adjoints = {{NULL}, {NULL}};
  for (unsigned k = 0; k < call.count; k++) {
    const size_t size = operands[k].shape->size;
    if (!(wanted >> k & 1) || !flows(b, k)) continue;
    operands[k].fresh = fresh;
    operands[k].bar = adjoints.bar[k] = make_buffer(b, size);
    if (!fresh) draw_all(b, operands[k].bar, size, -1, 1);
    adjoints.start[k] = copy_of(b, operands[k].bar, size);
  }
  run_backward(b, &call);
  for (unsigned k = 0; k < call.count; k++)
    for (size_t i = 0; !fresh && adjoints.bar[k] && i < operands[k].shape->size; i++)
      adjoints.bar[k][i] -= adjoints.start[k][i];
  return adjoints;
}

/* The first two inputs are one node: what reaches it is the sum of both. */
static double *kernel_shared(struct bench *b, bool fresh) {
  struct operand operands[INPUTS_MOST];
  struct call call = open_call(b, operands);
  const size_t size = operands[0].shape->size;
  double *bar = make_buffer(b, size);
  for (size_t i = 0; !fresh && i < size; i++) bar[i] = 0;
  operands[1].at = operands[0].at;
  operands[0].bar = operands[1].bar = bar;
  operands[0].fresh = operands[1].fresh = fresh;
  run_backward(b, &call);
  return bar;
}

/* ---- comparing --------------------------------------------------------------------------- */

static bool agree(double a, double b, double scale) {
  if (a == b || (a != a && b != b)) return true;
  if (!isfinite(a) || !isfinite(b)) return false;
  return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)) + 1e-11 * scale;
}

/* Complains of the first entry in which two answers for an input differ. */
static void compare(struct bench *b, unsigned k, const char *a_name, const double *a,
                    const char *b_name, const double *at) {
  const struct shape *shape = shape_of(b, b->x[k]);
  const double scale = fmax(1, fmax(largest_of(a, shape->size), largest_of(at, shape->size)));
  for (size_t i = 0; i < shape->size; i++) {
    if (agree(a[i], at[i], isfinite(scale) ? scale : 1)) continue;
    if (b->lenient && !isfinite(a[i]) && !isfinite(at[i])) continue;
    text_printf(complain(b), "input %u", k);
    print_entry(b->complaints, shape, i);
    text_printf(b->complaints, ": %s %.12g, %s %.12g\n", a_name, a[i], b_name, at[i]);
    return;
  }
}

/* ---- the rule ---------------------------------------------------------------------------- */

/* Derived nodes stand where the node does that they derive from. */
static void check_marks(struct bench *b, size_t first) {
  for (size_t i = first; i < b->graph.nodes.count; i++) {
    const struct node *node = &b->graph.nodes.at[i];
    if (node->mark.start == op_mark.start && node->mark.end == op_mark.end && !node->text.start)
      continue;
    text_printf(complain(b), "a derived node (%s) is not marked as one\n",
                node->op ? node->op->name : "a number");
    return;
  }
}

/* The node that holds the rule's gradient; NODE_NONE where none flows or after a complaint. */
static node_id derive(struct bench *b, node_id node, unsigned input, node_id upstream, bool *fine) {
  node_id gradient;
  const size_t first = b->graph.nodes.count;
  enum derived derived = derive_input(&b->rules, node, input, upstream, &gradient);
  check_marks(b, first);
  if (derived == DERIVED_NOTHING) return NODE_NONE;
  const struct node *of = graph_node(&b->graph, node);
  const struct shape *wanted = shape_of(b, graph_inputs(&b->graph, of)[input]);
  if (derived == DERIVED_NODE && shape_of(b, gradient) == wanted) return gradient;
  *fine = false;
  text_printf(complain(b), "the rule of %s for input %u ", of->op->name, input);
  if (derived == DERIVED_NODE) {
    struct dims got = shape_dims(shape_of(b, gradient)), dims = shape_dims(wanted);
    dims_print(&got, (text_puts(b->complaints, "has shape "), b->complaints));
    dims_print(&dims, (text_puts(b->complaints, ", not "), b->complaints));
    text_char(b->complaints, '\n');
  } else {
    text_puts(b->complaints, "cannot be lowered\n");
    print_messages(b);
  }
  return NODE_NONE;
}

/* Which nodes depend on what is moved: on the inputs and on the upstream gradient. */
static bool *find_active(struct bench *b, node_id last) {
  bool *active = ARENA_ARRAY(&b->arena, bool, last + 1U);
  for (unsigned k = 0; k < b->count; k++) active[b->x[k]] = !b->integer[k];
  active[b->upstream] = true;
  for (node_id id = 0; id <= last; id++) {
    const struct node *node = graph_node(&b->graph, id);
    for (unsigned k = 0; k < node->count; k++)
      active[id] = active[id] || active[graph_inputs(&b->graph, node)[k]];
  }
  return active;
}

static node_id add_nodes(struct bench *b, node_id old, node_id contribution) {
  if (old == NODE_NONE) return contribution;
  return graph_add(&b->graph, op_find("add", 3), NULL, 2, (node_id[]){old, contribution}, op_mark,
                   nowhere);
}

/* Hands a node's gradient on to its inputs; false after a complaint. */
static bool derive_node(struct bench *b, node_id id, const bool *active, node_id *adjoint) {
  bool fine = true;
  for (unsigned k = 0; k < graph_node(&b->graph, id)->count; k++) {
    const struct node *node = graph_node(&b->graph, id); /* moves as the graph grows */
    const struct op *op = node->op;
    const node_id input = graph_inputs(&b->graph, node)[k];
    if (!active[input]) continue;
    const node_id contribution = derive(b, id, k, adjoint[id], &fine);
    if (!fine) return false;
    if (contribution != NODE_NONE)
      adjoint[input] = add_nodes(b, adjoint[input], contribution);
    else if (!graph_takes_index(&b->graph, graph_node(&b->graph, id), k))
      text_printf(&b->missing, " (%s has no rule for its input %u)", op->name, k);
  }
  return true;
}

/* Differentiates sum(seed * node) by all nodes before it.  NULL after a complaint. */
static node_id *differentiate(struct bench *b, node_id last, node_id seed) {
  node_id *adjoint = ARENA_ARRAY(&b->arena, node_id, last + 1U);
  const bool *active = find_active(b, last);
  for (node_id id = 0; id <= last; id++) adjoint[id] = NODE_NONE;
  adjoint[last] = seed;
  for (node_id id = last + 1; id-- > 0;)
    if (adjoint[id] != NODE_NONE && graph_node(&b->graph, id)->op &&
        !derive_node(b, id, active, adjoint))
      return NULL;
  return adjoint;
}

/* ---- first derivatives ------------------------------------------------------------------- */

/* What is compared at one input. */
struct answers {
  const double *kernel; /* NULL: there is none */
  const double *rule;
  double scale;
};

static void complain_of_slope(struct bench *b, unsigned k, const struct answers *answers,
                              const struct directions *d, struct slope slope) {
  text_printf(complain(b), "input %u", k);
  if (d->single)
    print_entry(b->complaints, shape_of(b, b->x[k]), d->entry);
  else
    text_puts(b->complaints, " along a random direction");
  text_puts(b->complaints, ": kernel ");
  if (answers->kernel)
    text_printf(b->complaints, "%.12g", dot_of(answers->kernel, d->at, d->size));
  else
    text_puts(b->complaints, "-");
  text_printf(b->complaints, ", rule %.12g, differences %.12g +- %.1g\n",
              dot_of(answers->rule, d->at, d->size), slope.value, slope.error);
}

/* Whether differences can be relied on; else the inputs are drawn again. */
static bool is_settled(struct bench *b, struct slope slope, double scale) {
  const bool settled = slope.error <= 1e-6 * scale + 1e-12;
  b->unsettled = b->unsettled || !settled;
  return settled;
}

static bool is_near(double value, struct slope slope, double scale) {
  return fabs(value - slope.value) <= 10 * slope.error + 1e-8 * scale + 1e-12;
}

static void compare_slope(struct bench *b, unsigned k, const struct answers *answers,
                          const struct directions *d, struct slope slope) {
  const double rule = dot_of(answers->rule, d->at, d->size);
  if (is_settled(b, slope, answers->scale) && !is_near(rule, slope, answers->scale))
    complain_of_slope(b, k, answers, d, slope);
}

/* The largest numbers that the differences are made of: how exact they can be. */
static double scale_of(struct bench *b, node_id of, const double *weights, const double *gradient,
                       size_t size) {
  const struct shape *shape = shape_of(b, of);
  double sum = 1e-3 * largest_of(gradient, size);
  for (size_t i = 0; i < shape->size; i++) sum += fabs(weights[i] * value_of(b, of)[i]);
  return sum;
}

static void check_differences(struct bench *b, unsigned k, struct answers *answers) {
  const size_t size = shape_of(b, b->x[k])->size;
  struct directions d = make_directions(b, size);
  const double *weights = value_of(b, b->upstream);
  answers->scale = scale_of(b, b->y, weights, answers->rule, size);
  for (size_t i = 0; i < d.count; i++) {
    const double *direction = aim(b, &d, i);
    compare_slope(b, k, answers, &d, differ(b, b->y, weights, b->x[k], direction));
  }
}

/* Ops whose purpose it is that nothing flows where something could. */
static bool stops_gradient(const struct op *op) { return !strcmp(op->name, "stop_gradient"); }

/* The rule's gradient as numbers, zeros where nothing flows; NULL after a complaint. */
static const double *rule_gradient(struct bench *b, unsigned k) {
  bool fine = true;
  node_id gradient = derive(b, b->y, k, b->upstream, &fine);
  make_calls(b);
  if (!fine || (gradient != NODE_NONE && !run_or_complain(b, gradient, "the rule's value")))
    return NULL;
  check_buffers(b);
  if (gradient == NODE_NONE) return ARENA_ARRAY(&b->arena, double, shape_of(b, b->x[k])->size + 1);
  return value_of(b, gradient);
}

/* The kernel with the adjoint of this input alone, and of all. */
static void check_kernel(struct bench *b, unsigned k, struct answers *answers,
                         const struct adjoints *all) {
  struct adjoints alone = kernel_gradients(b, 1U << k, false);
  answers->kernel = alone.bar[k];
  compare(b, k, "kernel (this adjoint only)", alone.bar[k], "rule", answers->rule);
  compare(b, k, "kernel (all adjoints)", all->bar[k], "rule", answers->rule);
  if (!b->op->stores) return;
  struct adjoints fresh = kernel_gradients(b, 1U << k, true);
  compare(b, k, "kernel (fresh adjoint)", fresh.bar[k], "rule", answers->rule);
}

static void check_input(struct bench *b, unsigned k, const struct adjoints *all) {
  struct answers answers = {.rule = rule_gradient(b, k)};
  if (!answers.rule) return;
  if (b->op->backward && flows(b, k)) check_kernel(b, k, &answers, all);
  if (b->integer[k] || stops_gradient(b->op)) return;
  check_differences(b, k, &answers);
}

/* One node as both inputs. */
static void check_shared(struct bench *b) {
  if (!b->op->backward || b->count != 2 || !flows(b, 0) || !flows(b, 1) ||
      shape_of(b, b->x[0]) != shape_of(b, b->x[1]) || b->integer[0] || b->integer[1])
    return;
  const size_t size = shape_of(b, b->x[0])->size;
  double *other = value_of(b, b->x[1]), *before = copy_of(b, other, size);
  if (size) memcpy(other, value_of(b, b->x[0]), size * sizeof *other);
  struct adjoints both = kernel_gradients(b, 3, false);
  for (size_t i = 0; i < size; i++) both.bar[0][i] += both.bar[1][i];
  compare(b, 0, "kernel (one node twice)", kernel_shared(b, false), "sum of both", both.bar[0]);
  if (b->op->stores)
    compare(b, 0, "kernel (one fresh node twice)", kernel_shared(b, true), "sum of both",
            both.bar[0]);
  if (size) memcpy(other, before, size * sizeof *other);
}

/* ---- kinks ------------------------------------------------------------------------------- */

struct kink_count {
  struct kinks kinks; /* first, so that the callback finds the rest */
  size_t count;
};

static void count_kink(struct kinks *kinks, unsigned input, size_t index) {
  (void)input, (void)index;
  ((struct kink_count *)(void *)kinks)->count++;
}

/* How many kinks an op reports of the values that were computed last. */
static size_t count_kinks(struct bench *b, node_id id) {
  struct call call = b->calls.at[id];
  if (!call.op || !call.op->kinks) return 0;
  struct operand *operands = ARENA_ARRAY(&b->arena, struct operand, call.count + 1U);
  struct kink_count found = {.kinks = {count_kink}, .count = 0};
  for (unsigned k = 0; k < call.count; k++) {
    operands[k] = call.x[k];
    if (graph_flows(&b->graph, graph_node(&b->graph, id), k)) operands[k].bar = operands[k].at;
  }
  call.x = operands;
  call.op->kinks(&call, &found.kinks);
  return found.count;
}

/* Whether any node that a node is computed from is at a kink. */
static bool has_kinks(struct bench *b, node_id target) {
  const bool *needed = find_needed(b, target);
  run_node(b, target, needed);
  for (node_id id = 0; id <= target; id++)
    if (needed[id] && count_kinks(b, id)) return true;
  return false;
}

/* ---- second derivatives ------------------------------------------------------------------ */

static void compare_second(struct bench *b, unsigned k, const char *by, const double *rule,
                           const struct directions *d, struct slope slope, double scale) {
  const double value = dot_of(rule, d->at, d->size);
  if (!is_settled(b, slope, scale) || is_near(value, slope, scale)) return;
  text_printf(complain(b),
              "the rule for input %u, differentiated by %s (entry %zu%s): rule of the rule %.12g, "
              "differences %.12g +- %.1g%s\n",
              k, by, d->entry, d->single ? "" : " and all others", value, slope.value, slope.error,
              text_string(&b->missing));
}

/* The derivative of sum(seed * gradient) by one start node: the adjoint against differences. */
static void check_second(struct bench *b, unsigned k, node_id gradient, node_id seed, node_id start,
                         node_id adjoint, const char *by) {
  const size_t size = shape_of(b, start)->size;
  const double *rule = ARENA_ARRAY(&b->arena, double, size + 1);
  if (adjoint != NODE_NONE) {
    if (!run_or_complain(b, adjoint, "the rule of the rule")) return;
    rule = value_of(b, adjoint);
  }
  struct directions d = make_directions(b, size);
  if (!run_or_complain(b, gradient, "the rule's value")) return;
  const double scale = scale_of(b, gradient, value_of(b, seed), rule, size);
  for (size_t i = 0; i < d.count; i++) {
    const double *direction = aim(b, &d, i);
    compare_second(b, k, by, rule, &d, differ(b, gradient, value_of(b, seed), start, direction),
                   scale);
  }
}

static void check_rule_of_rule(struct bench *b, unsigned k) {
  bool fine = true;
  node_id gradient = derive(b, b->y, k, b->upstream, &fine);
  make_calls(b);
  if (gradient == NODE_NONE) return;
  if (b->corner && has_kinks(b, gradient)) return;
  b->missing.count = 0;
  node_id seed = make_random(b, shape_of(b, gradient));
  node_id *adjoint = differentiate(b, gradient, seed);
  make_calls(b);
  if (!adjoint) return;
  for (unsigned j = 0; j < b->count; j++) {
    char by[20];
    snprintf(by, sizeof by, "input %u", j);
    if (!b->integer[j]) check_second(b, k, gradient, seed, b->x[j], adjoint[b->x[j]], by);
  }
  check_second(b, k, gradient, seed, b->upstream, adjoint[b->upstream], "upstream");
  check_buffers(b);
}

/* ---- single numbers ---------------------------------------------------------------------- */

static bool close_to(double a, double b) {
  if (a == b || (a != a && b != b)) return true;
  return isfinite(a) && isfinite(b) && fabs(a - b) <= 4 * 0x1p-52 * fabs(b);
}

/* The kernels and the function for the tape at one point; `upstream` must be 1. */
static void check_point(struct bench *b, double p, double q) {
  struct operand operands[INPUTS_MOST];
  struct call call = open_call(b, operands);
  double bars[2] = {0, 0}, one = 1, partial[2] = {NAN, NAN};
  const double y = b->op->scalar(p, q, partial);
  for (unsigned k = 0; k < b->count; k++) {
    *operands[k].at = k ? q : p;
    if (flows(b, k)) operands[k].bar = &bars[k];
  }
  call.y.bar = &one;
  b->op->forward(&call);
  if (!close_to(*call.y.at, y))
    text_printf(complain(b), "at %g, %g: forward kernel %.17g, for single numbers %.17g\n", p, q,
                *call.y.at, y);
  if (b->op->backward) b->op->backward(&call);
  for (unsigned k = 0; k < b->count; k++) {
    if (!close_to(bars[k], partial[k]) && (b->op->backward || !flows(b, k)))
      text_printf(complain(b),
                  "at %g, %g: input %u: backward kernel %.17g, for single numbers %.17g\n", p, q, k,
                  bars[k], partial[k]);
  }
}

/* At random points, and at the ends of arithmetic. */
static void check_scalar(struct bench *b) {
  static const double ends[] = {0,       -0.0,  0.5,    1,    -1,    2,        -2,        1e-300,
                                -1e-300, 1e300, -1e300, 1000, -1000, INFINITY, -INFINITY, NAN};
  enum { ENDS = COUNT_OF(ends), POINTS = 20 };
  if (!b->op->scalar || b->count > 2) return;
  for (unsigned k = 0; k < b->count; k++)
    if (shape_of(b, b->x[k])->rank) return;
  const struct op_domain p = domain_of(b->op, 0), q = domain_of(b->op, b->count > 1);
  for (int i = 0; i < POINTS; i++) check_point(b, draw(b, p.low, p.high), draw(b, q.low, q.high));
  for (size_t i = 0; i < ENDS; i++)
    for (size_t j = 0; j < (b->count > 1 ? ENDS : 1); j++) check_point(b, ends[i], ends[j]);
}

/* The function for single numbers against the rule, for ops that have no backward kernel. */
static void check_partials(struct bench *b) {
  if (!b->op->scalar || b->count > 2 || shape_of(b, b->y)->rank) return;
  double partial[2];
  b->op->scalar(*value_of(b, b->x[0]), b->count > 1 ? *value_of(b, b->x[1]) : 0, partial);
  for (unsigned k = 0; k < b->count; k++) {
    const double *rule = rule_gradient(b, k), slope = partial[k] * *value_of(b, b->upstream);
    if (rule && shape_of(b, b->x[k])->rank == 0)
      compare(b, k, "for single numbers", &slope, "rule", rule);
  }
}

/* ---- corners ----------------------------------------------------------------------------- */

/* Numbers at which functions have kinks: 0, 1, ties, and what the attributes say. */
static double draw_corner(struct bench *b) {
  static const double corners[] = {-1, -0.5, 0, 0.5, 1};
  enum { CORNERS = COUNT_OF(corners) };
  const struct node *node = graph_node(&b->graph, b->y);
  size_t attrs = op_attr_count(b->op), at = (size_t)(next_random(&b->random) % (CORNERS + attrs));
  if (at < CORNERS) return corners[at];
  at -= CORNERS;
  return b->op->attrs[at].type == ATTR_NUMBER && node->attr[at].given ? node->attr[at].number : 0;
}

/* All entries alike in the first rounds, then each on its own. */
static void draw_corners(struct bench *b, int round) {
  for (unsigned k = 0; k < b->count; k++) {
    if (b->integer[k]) continue;
    const double same = round == 0 ? 0 : draw_corner(b);
    for (size_t i = 0; i < shape_of(b, b->x[k])->size; i++)
      value_of(b, b->x[k])[i] = round < 6 ? same : draw_corner(b);
  }
}

/* Returns how many kinks the row reports. */
static void compare_kinks(struct bench *b) {
  struct adjoints all = kernel_gradients(b, ~0U, false);
  for (unsigned k = 0; k < b->count; k++) {
    if (!flows(b, k)) continue;
    const double *rule = rule_gradient(b, k);
    if (rule) compare(b, k, "at a kink: kernel", all.bar[k], "rule", rule);
  }
}

/* Where no kink is reported, the derivative exists; differences may fail to see it. */
static void check_smooth(struct bench *b, bool twice) {
  struct adjoints all = {{NULL}, {NULL}};
  if (b->op->backward) all = kernel_gradients(b, ~0U, false);
  for (unsigned k = 0; k < b->count; k++) {
    const double *rule = flows(b, k) ? rule_gradient(b, k) : NULL;
    if (!rule) continue;
    if (is_finite(rule, shape_of(b, b->x[k])->size))
      check_input(b, k, &all);
    else
      text_printf(complain(b), "input %u: the derivative is not finite, but no kink is reported\n",
                  k);
    if (twice && !b->unsettled && !b->op->kinks && !b->op->once) check_rule_of_rule(b, k);
  }
}

/* Returns how many kinks the row reports. */
static size_t check_corner(struct bench *b, bool twice) {
  const bool runs = run_node(b, b->y, find_needed(b, b->y));
  const size_t kinks = runs ? count_kinks(b, b->y) : 0;
  b->unsettled = false;
  if (kinks && b->op->backward)
    compare_kinks(b);
  else if (!kinks && runs && is_finite(value_of(b, b->y), shape_of(b, b->y)->size))
    check_smooth(b, twice);
  return kinks;
}

static size_t check_corners(struct bench *b) {
  enum { ROUNDS = 16 };
  size_t kinks = 0;
  b->corner = true;
  b->lenient = b->op->convention && strstr(b->op->convention, "not finite");
  for (int round = 0; round < ROUNDS; round++) {
    draw_corners(b, round);
    kinks += check_corner(b, round % 4 == 0);
  }
  return kinks;
}

/* ---- axes that are kept apart ---------------------------------------------------------------- */

/* Moves one entry of input k: y may change at the same index of axis `to` only. */
static void check_entry_apart(struct bench *b, unsigned k, unsigned axis, int to, size_t entry,
                              const double *before) {
  const struct shape *x = shape_of(b, b->x[k]), *y = shape_of(b, b->y);
  int64_t from_index[RANK_MOST], index[RANK_MOST];
  double *at = value_of(b, b->x[k]), kept = at[entry];
  at[entry] += 0.125;
  const bool runs = run_node(b, b->y, find_needed(b, b->y));
  at[entry] = kept;
  unravel(x, entry, from_index);
  for (size_t i = 0; runs && i < y->size; i++) {
    if (!memcmp(&before[i], value_of(b, b->y) + i, sizeof *before)) continue;
    unravel(y, i, index);
    if (index[to] == from_index[axis]) continue;
    text_printf(complain(b), "axis %u of input %u is mixed along axis %d of y\n", axis, k, to);
    return;
  }
}

static void check_axis_apart(struct bench *b, unsigned k, unsigned axis) {
  const struct node *node = graph_node(&b->graph, b->y);
  const struct shape *x[INPUTS_MOST], *y = shape_of(b, b->y);
  for (unsigned i = 0; i < b->count; i++) x[i] = shape_of(b, b->x[i]);
  int to = b->op->apart(node->attr, y, x, k, axis);
  if (to < 0) return;
  if (to >= (int)y->rank || y->dim[to] != x[k]->dim[axis]) {
    text_printf(complain(b), "axis %u of input %u is no axis %d of y\n", axis, k, to);
    return;
  }
  run_node(b, b->y, find_needed(b, b->y));
  const double *before = copy_of(b, value_of(b, b->y), y->size);
  for (size_t i = 0; i < x[k]->size; i++) check_entry_apart(b, k, axis, to, i, before);
  run_node(b, b->y, find_needed(b, b->y));
}

static void check_apart(struct bench *b) {
  for (unsigned k = 0; b->op->apart && k < b->count; k++)
    for (unsigned axis = 0; flows(b, k) && axis < shape_of(b, b->x[k])->rank; axis++)
      check_axis_apart(b, k, axis);
}

/* ---- a sample ---------------------------------------------------------------------------- */

static void check_values(struct bench *b) {
  if (!draw_inputs(b)) return;
  check_finite(b);
  check_buffers(b);
  struct adjoints all = {{NULL}, {NULL}};
  if (b->op->backward) {
    all = kernel_gradients(b, ~0U, false);
    kernel_gradients(b, 0, false); /* writes nothing: nothing changes */
    check_shared(b);
  }
  for (unsigned k = 0; k < b->count; k++) check_input(b, k, &all);
  check_partials(b);
  for (unsigned k = 0; k < b->count && !b->op->once; k++)
    if (flows(b, k)) check_rule_of_rule(b, k);
  check_apart(b);
}

/* Draws again where a kink was too near for differences.  Returns how many kinks were seen when
 * they were looked for. */
static size_t check_sample(const struct op *op, const struct op_sample *sample,
                           struct text *complaints) {
  enum { DRAWS = 8 };
  const size_t before = complaints->count;
  struct bench b;
  size_t kinks = 0;
  for (uint64_t seed = 1; seed <= DRAWS; seed++) {
    complaints->count = before;
    if (open_bench(&b, op, sample, seed, complaints)) check_values(&b);
    if (!b.unsettled) break;
    if (seed == DRAWS) text_puts(complain(&b), "differences do not converge\n");
    if (seed < DRAWS) close_bench(&b);
  }
  if (complaints->count == before) kinks = check_corners(&b);
  if (complaints->count == before) check_scalar(&b);
  close_bench(&b);
  return kinks;
}

/* ---- a row ------------------------------------------------------------------------------- */

/* Names that mean something else in rules. */
static bool is_taken(const char *name) {
  static const char *const taken[] = {"y",  "upstream", "pi",    "inf", "others", "position",
                                      "it", "true",     "false", "and", "or",     "not"};
  for (size_t i = 0; i < COUNT_OF(taken); i++)
    if (!strcmp(name, taken[i])) return true;
  return false;
}

static void check_row(const struct op *op, struct text *complaints) {
  for (unsigned k = 0; k < OP_INPUTS && op->inputs[k]; k++) {
    if (is_taken(op->inputs[k]) || op_attr(op, op->inputs[k], strlen(op->inputs[k])) >= 0)
      text_printf(complaints, "  %s: the input's name %s is taken\n", op->name, op->inputs[k]);
  }
  for (size_t i = 0; i < op_attr_count(op); i++)
    if (is_taken(op->attrs[i].name))
      text_printf(complaints, "  %s: the attribute's name %s is taken\n", op->name,
                  op->attrs[i].name);
  if (!op->family || !op->meaning || !op->formula || !op->inputs[0] || !op->forward || !op->infer)
    text_printf(complaints, "  %s: the row is not complete\n", op->name);
}

/* Whether a sample says "NAME=" and then, where one is asked for, that value. */
static bool is_sampled(const struct op *op, const char *name, const char *value) {
  char wanted[80];
  const int size = snprintf(wanted, sizeof wanted, "%s=%s", name, value);
  for (const struct op_sample *sample = op->samples; sample->shapes; sample++) {
    const char *at = strstr(sample->attrs, wanted);
    const char end = at ? at[size] : '?';
    if (at && (!*value || !end || end == ',') && (at == sample->attrs || at[-1] == ' '))
      return true;
  }
  return false;
}

/* Every attribute is tried, and every word of it that is not the default. */
static void check_samples(const struct op *op, struct text *complaints) {
  for (size_t i = 0; i < op_attr_count(op); i++) {
    const struct attr_spec *spec = &op->attrs[i];
    if (!is_sampled(op, spec->name, ""))
      text_printf(complaints, "  %s: no sample has %s\n", op->name, spec->name);
    for (unsigned k = 0; spec->words && spec->words[k]; k++)
      if (k != spec->fallback.word && !is_sampled(op, spec->name, spec->words[k]))
        text_printf(complaints, "  %s: no sample has %s=%s\n", op->name, spec->name,
                    spec->words[k]);
  }
}

/* Everything there is to check of an op. */
static void check_op(const struct op *op, struct text *complaints) {
  check_row(op, complaints);
  if (!op->samples || !op->samples->shapes) {
    text_printf(complaints, "  %s has no samples\n", op->name);
    return;
  }
  size_t kinks = 0;
  check_samples(op, complaints);
  for (const struct op_sample *sample = op->samples; sample->shapes; sample++)
    kinks += check_sample(op, sample, complaints);
  if (op->convention && !kinks && !complaints->count)
    text_printf(complaints, "  %s: no kink was found\n", op->name);
  if (!op->convention && kinks)
    text_printf(complaints, "  %s does not say what holds at a kink\n", op->name);
}

static void test_op(void **state) {
  struct arena arena;
  struct text complaints;
  arena_init(&arena, NULL);
  text_init(&complaints, &arena, NULL, NULL);
  check_op(*state, &complaints);
  const bool fine = complaints.count == 0;
  if (!fine) fputs(text_string(&complaints), stderr);
  arena_free(&arena);
  assert_true(fine);
}

/* ---- the test of the test ------------------------------------------------------------------ */

/* Rows with one fault each, and a word of the complaint that must follow. */

static void flip_rule(struct op *op) { op->rules[0] = "-upstream * cos(x)", op->backward = NULL; }
static void halve_rule(struct op *op) { op->rules[0] = "upstream * x", op->backward = NULL; }
static void drop_rule(struct op *op) { op->rules[0] = NULL; }
static void forget_sum(struct op *op) { op->rules[0] = "upstream / b"; }
static void forget_axis(struct op *op) {
  op->rules[0] = "y * (upstream - sum(upstream * y, axis=-1, keepdims=true))";
}
static void misspell(struct op *op) { op->rules[0] = "upstream * cosine(x)"; }
static void misplace_bracket(struct op *op) { op->rules[0] = "upstream * (cos(x)"; }
static void guard_all(struct op *op) { op->rules[0] = "rank(x) > 9: upstream * cos(x)"; }
static void stop_halfway(struct op *op) { op->rules[0] = "upstream * (1 - stop_gradient(y) ** 2)"; }
static void include_kink(struct op *op) { op->rules[0] = "upstream * (x >= 0)"; }
static void drop_samples(struct op *op) { op->samples = NULL; }
static void leave_domain(struct op *op) { op->domain[0] = (struct op_domain){-2, 2}; }
static void claim_stores(struct op *op) { op->stores = true; }
static void drop_convention(struct op *op) { op->convention = NULL; }

static void forget_transpose(struct op *op) {
  static const struct op_sample square[] = {{"3,3;3,3", ""}, {NULL, NULL}};
  op->rules[0] = "upstream @ b", op->samples = square, op->backward = NULL;
}

static void forget_transpose_of_shapes(struct op *op) {
  op->rules[0] = "rank(a) == 2 and rank(b) == 2: upstream @ b; zeros_like(a)";
  op->backward = NULL;
}

static void swap_rules(struct op *op) {
  static const struct op_sample vectors[] = {{"3;3", ""}, {NULL, NULL}};
  op->rules[0] = "upstream * -1", op->rules[1] = "upstream", op->backward = NULL;
  op->samples = vectors;
}

static void subtract_exp(const struct call *call) {
  for (size_t i = 0; call->x[0].bar && i < call->y.shape->size; i++)
    call->x[0].bar[i] -= call->y.bar[i] * call->y.at[i];
}
static void flip_kernel(struct op *op) { op->backward = subtract_exp; }

static void assign_exp(const struct call *call) {
  for (size_t i = 0; call->x[0].bar && i < call->y.shape->size; i++)
    call->x[0].bar[i] = call->y.bar[i] * call->y.at[i];
}
static void overwrite(struct op *op) { op->backward = assign_exp; }

static void scale_upstream(const struct call *call) {
  for (size_t i = 0; i < call->y.shape->size; i++) {
    call->y.bar[i] *= call->y.at[i];
    if (call->x[0].bar) call->x[0].bar[i] += call->y.bar[i];
  }
}
static void reuse_upstream(struct op *op) { op->backward = scale_upstream; }

/* Right where all shapes are equal; elsewhere an entry gets the last contribution only. */
static void subtract_repeated(const struct call *call) {
  for (unsigned k = 0; k < 2; k++) {
    const size_t size = call->x[k].shape->size;
    double *bar = call->x[k].bar, *before = malloc((size + 1) * sizeof *bar);
    assert_non_null(before);
    if (bar && size) memcpy(before, bar, size * sizeof *bar);
    for (size_t i = 0; bar && i < call->y.shape->size; i++)
      bar[i % size] = before[i % size] + (k ? -1 : 1) * call->y.bar[i];
    free(before);
  }
}
static void forget_sum_in_kernel(struct op *op) { op->backward = subtract_repeated; }

static void swapped_slots(const struct call *call) {
  struct operand operands[2] = {call->x[0], call->x[1]};
  struct call swapped = *call;
  if (operands[0].shape == operands[1].shape) {
    operands[0].bar = call->x[1].bar, operands[1].bar = call->x[0].bar;
    swapped.x = operands;
  }
  op_find("sub", 3)->backward(&swapped);
}
static void swap_slots(struct op *op) { op->backward = swapped_slots; }

static void exp_and_one_more(const struct call *call) {
  for (size_t i = 0; i < call->y.shape->size; i++) call->y.at[i] = exp(call->x[0].at[i]);
  call->y.at[call->y.shape->size] = 0;
}
static void write_past_the_end(struct op *op) { op->forward = exp_and_one_more; }

static void exp_but_the_last(const struct call *call) {
  for (size_t i = 0; i + 1 < call->y.shape->size; i++) call->y.at[i] = exp(call->x[0].at[i]);
}
static void leave_one_out(struct op *op) { op->forward = exp_but_the_last; }

static size_t one_double(const struct attr *attr, const struct shape *y, unsigned count,
                         const struct shape *const *x) {
  (void)attr, (void)y, (void)count, (void)x;
  return 1;
}
static void ask_too_little(struct op *op) { op->scratch = one_double; }

static double wrong_slope(double a, double b, double partial[2]) {
  (void)b;
  partial[0] = 1, partial[1] = 0;
  return exp(a);
}
static void change_partial(struct op *op) { op->scalar = wrong_slope; }

static double wrong_value(double a, double b, double partial[2]) {
  (void)b;
  partial[0] = exp(a), partial[1] = 0;
  return exp(a) + 1e-9;
}
static void change_scalar(struct op *op) { op->scalar = wrong_value; }

static void see_nothing(const struct call *call, struct kinks *kinks) { (void)call, (void)kinks; }
static void overlook_kinks(struct op *op) { op->kinks = see_nothing; }

static int all_apart(const struct attr *attr, const struct shape *y, const struct shape *const *x,
                     unsigned k, unsigned axis) {
  (void)attr, (void)y, (void)x, (void)k;
  return (int)axis;
}
static void claim_apart(struct op *op) { op->apart = all_apart; }

static const struct wrong_row {
  const char *name, *of;
  void (*spoil)(struct op *op);
  const char *complaint;
} wrong_rows[] = {
    {"wrong: a flipped sign in a rule", "sin", flip_rule, "differences"},
    {"wrong: a flipped sign in a kernel", "exp", flip_kernel, "kernel (this adjoint only)"},
    {"wrong: a missing factor 2", "square", halve_rule, "differences"},
    {"wrong: a missing rule", "sin", drop_rule, "differences"},
    {"wrong: a missing transpose", "matmul", forget_transpose, "differences"},
    {"wrong: a missing transpose, seen by shapes", "matmul", forget_transpose_of_shapes,
     "cannot be lowered"},
    {"wrong: a missing sum over a broadcast axis", "div", forget_sum, "has shape"},
    {"wrong: a missing sum over a broadcast axis in a kernel", "sub", forget_sum_in_kernel,
     "kernel (this adjoint only)"},
    {"wrong: an attribute that the rule ignores", "softmax", forget_axis,
     "kernel (this adjoint only)"},
    {"wrong: rules in each other's slots", "sub", swap_rules, "differences"},
    {"wrong: kernels in each other's slots", "sub", swap_slots, "kernel (all adjoints)"},
    {"wrong: a kernel that overwrites", "exp", overwrite, "kernel (this adjoint only)"},
    {"wrong: a kernel that changes what comes from above", "exp", reuse_upstream,
     "changes the upstream gradient"},
    {"wrong: a kernel that does not overwrite", "exp", claim_stores, "kernel (fresh adjoint)"},
    {"wrong: a kernel that writes past the end", "exp", write_past_the_end, "outside"},
    {"wrong: a kernel that leaves one entry out", "exp", leave_one_out, "of the value is nan"},
    {"wrong: too little scratch", "softmax", ask_too_little, "outside"},
    {"wrong: another slope for single numbers", "exp", change_partial, "for single numbers"},
    {"wrong: another value for single numbers", "exp", change_scalar, "for single numbers"},
    {"wrong: a rule that differentiates once only", "tanh", stop_halfway,
     "stop_gradient has no rule"},
    {"wrong: a rule that names no op", "sin", misspell, "cannot be lowered"},
    {"wrong: a rule that does not parse", "sin", misplace_bracket, "cannot be lowered"},
    {"wrong: a rule whose guards never hold", "sin", guard_all, "cannot be lowered"},
    {"wrong: a kink on the other side", "relu", include_kink, "at a kink"},
    {"wrong: kinks that are not reported", "abs", overlook_kinks, "no kink was found"},
    {"wrong: kinks without a convention", "abs", drop_convention, "what holds at a kink"},
    {"wrong: values that are not finite", "log", leave_domain, "of the value is"},
    {"wrong: an axis that is not kept apart", "softmax", claim_apart, "is mixed"},
    {"wrong: an axis that is not there", "matmul", claim_apart, "is no axis"},
    {"wrong: no samples", "exp", drop_samples, "has no samples"},
};

static void test_wrong_row(void **state) {
  const struct wrong_row *row = *state;
  struct op op = *op_find(row->of, strlen(row->of));
  struct arena arena;
  struct text complaints;
  arena_init(&arena, NULL);
  text_init(&complaints, &arena, NULL, NULL);
  row->spoil(&op);
  check_op(&op, &complaints);
  const bool found = strstr(text_string(&complaints), row->complaint) != NULL;
  if (!found)
    fprintf(stderr, "\"%s\" is not among the complaints:\n%s", row->complaint,
            text_string(&complaints));
  arena_free(&arena);
  assert_true(found);
}

int main(int argc, char **argv) {
  enum { TESTS_MOST = 400 };
  static struct CMUnitTest tests[TESTS_MOST];
  size_t count = 0;
  for (size_t i = 0; op_at(i) && count < TESTS_MOST - COUNT_OF(wrong_rows); i++)
    tests[count++] = (struct CMUnitTest){op_at(i)->name, test_op, NULL, NULL, (void *)op_at(i)};
  for (size_t i = 0; i < COUNT_OF(wrong_rows); i++)
    tests[count++] =
        (struct CMUnitTest){wrong_rows[i].name, test_wrong_row, NULL, NULL, (void *)&wrong_rows[i]};
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  return _cmocka_run_group_tests("ops", tests, count, NULL, NULL);
}
