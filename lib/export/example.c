/* The net that shows an op: a sample of its row, with numbers from its domain. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/describe.h"
#include "load/net.h"

enum { INPUTS_MOST = 8, ENTRIES_MOST = 24 };

struct example {
  const struct op *op;
  const struct op_sample *sample;
  unsigned count;
  struct dims x[INPUTS_MOST];
};

static size_t size_of(const struct dims *dims) {
  size_t size = 1;
  for (unsigned i = 0; i < dims->rank; i++) size *= (size_t)dims->at[i];
  return size;
}

/* "2,3; 3": the shape of each input. */
static void read_shapes(struct example *example) {
  const char *at = example->sample->shapes;
  for (example->count = 0; example->count < INPUTS_MOST; at++) {
    struct dims *dims = &example->x[example->count++];
    dims->rank = 0;
    while (*at && *at != ';') {
      char *end;
      const long size = strtol(at, &end, 10);
      if (end > at) dims->at[dims->rank++] = size;
      at = end > at ? end : at + 1;
    }
    if (!*at) return;
  }
}

/* Neither empty nor a mere number nor more than one wants to read. */
static bool is_suitable(const struct example *example) {
  size_t all = 0;
  for (unsigned k = 0; k < example->count; k++) {
    const size_t size = size_of(&example->x[k]);
    if (!size) return false;
    all += size;
  }
  return all > example->count && all <= ENTRIES_MOST;
}

static struct example choose_sample(const struct op *op) {
  struct example example = {.op = op};
  for (example.sample = op->samples; example.sample->shapes; example.sample++) {
    read_shapes(&example);
    if (is_suitable(&example)) return example;
  }
  example.sample = op->samples;
  read_shapes(&example);
  return example;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static bool takes_index(const struct example *example, unsigned k) {
  const struct op *op = example->op;
  if (op->indices >> k & 1) return true;
  return (op->labels >> k & 1) && example->x[k].rank < example->x[0].rank;
}

/* Entry i of input k: spread over the domain by the golden ratio, so that no two are near, with
 * few digits. */
static double entry_of(const struct example *example, unsigned k, size_t i) {
  const struct op *op = example->op;
  struct op_domain domain = op->domain[op->most == OP_ANY ? 0 : k];
  double whole, part = modf(0.6180339887498949 * (double)(i + 1) + 0.37 * k, &whole);
  if (takes_index(example, k)) return floor(domain.low + part * fmax(domain.high - domain.low, 2));
  if (domain.low == domain.high) domain = (struct op_domain){-2, 2};
  const double unit = domain.high - domain.low > 1 ? 10 : 100;
  return round((domain.low + part * (domain.high - domain.low)) * unit) / unit;
}

/* Square matrices get a heavy diagonal, with which they are positive definite. */
static double weight_of(const struct dims *dims, size_t i) {
  if (dims->rank != 2 || dims->at[0] != dims->at[1]) return 0;
  return i % (size_t)(dims->at[0] + 1) ? 0 : 2 * (double)dims->at[0];
}

/* How many brackets stand at an edge between entries: before entry i, or after i - 1. */
static size_t brackets_at(const struct dims *dims, size_t i) {
  size_t count = 0, below = 1;
  for (unsigned axis = dims->rank; axis-- > 0; count++) {
    below *= (size_t)dims->at[axis];
    if (i % below) break;
  }
  return count;
}

static void print_numbers(const struct example *example, unsigned k, const struct dims *dims,
                          struct text *out) {
  const size_t size = size_of(dims);
  for (size_t i = 0; i < size; i++) {
    const bool square = k < example->count && !takes_index(example, k);
    const double weight = square ? weight_of(dims, i) : 0;
    if (i) text_puts(out, ", ");
    text_fill(out, '[', brackets_at(dims, i));
    text_number(out, entry_of(example, k, i) + weight);
    text_fill(out, ']', brackets_at(dims, i + 1));
  }
}

/* ---- the net ----------------------------------------------------------------------------- */

/* The inputs of variadic ops are a, b, c. */
static void print_input_name(const struct op *op, unsigned k, struct text *out) {
  if (op->most == OP_ANY)
    text_char(out, (char)('a' + k));
  else
    text_puts(out, op->inputs[k]);
}

static void print_starts(const struct example *example, const char *section, bool indices,
                         struct text *out) {
  bool any = false;
  for (unsigned k = 0; k < example->count; k++) {
    if (takes_index(example, k) != indices) continue;
    if (!any) text_printf(out, "%s:\n", section);
    any = true;
    text_puts(out, "  ");
    print_input_name(example->op, k, out);
    text_puts(out, ": ");
    print_numbers(example, k, &example->x[k], out);
    text_char(out, '\n');
  }
}

static const char *const result_name = "result";

static void print_body(const struct example *example, struct text *out) {
  text_puts(out, "bpgraph: 1\n");
  print_starts(example, "inputs", false, out);
  print_starts(example, "constants", true, out);
  text_printf(out, "nodes:\n  %s: %s(", result_name, example->op->name);
  for (unsigned k = 0; k < example->count; k++) {
    if (k) text_puts(out, ", ");
    print_input_name(example->op, k, out);
  }
  text_printf(out, "%s%s)\n", *example->sample->attrs ? ", " : "", example->sample->attrs);
}

/* The shape of the result: the loader knows it. */
static bool infer_result(struct arena *arena, struct text *body, struct dims *dims) {
  struct report report;
  struct net *net = ARENA_NEW(arena, struct net);
  struct load_options options = {.path = "-", .bytes = text_string(body), .size = body->count};
  report_init(&report, arena);
  if (!net_load(net, arena, &report, &options)) return false;
  node_id id = net_find(net, result_name, strlen(result_name));
  if (id != NODE_NONE) *dims = shape_dims(graph_node(&net->graph, id)->shape);
  return id != NODE_NONE;
}

void print_example(const struct op *op, struct text *out) {
  const struct example example = choose_sample(op);
  struct dims dims;
  struct text body;
  text_init(&body, out->arena, NULL, NULL);
  print_body(&example, &body);
  text_add(out, body.at, body.count);
  if (!infer_result(out->arena, &body, &dims) || size_of(&dims) == 1) return;
  /* What comes from above: numbers like those of the inputs of an op without a domain. */
  static const struct op above = {.name = "upstream"};
  const struct example upstream = {.op = &above};
  text_puts(out, "upstream: ");
  print_numbers(&upstream, 1, &dims, out);
  text_char(out, '\n');
}
