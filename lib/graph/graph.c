#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void graph_init(struct graph *graph, struct arena *arena, struct report *report) {
  *graph = (struct graph){.arena = arena, .report = report};
  shapes_init(&graph->shapes, arena);
}

void graph_copy(struct graph *copy, struct arena *arena, struct report *report,
                const struct graph *graph) {
  *copy = *graph;
  copy->arena = arena;
  copy->report = report;
  copy->places = NULL;
  shapes_copy(&copy->shapes, arena, &graph->shapes);
  copy->nodes.at = NULL, copy->nodes.capacity = 0;
  copy->arcs.at = NULL, copy->arcs.capacity = 0;
  copy->derivatives.at = NULL, copy->derivatives.capacity = 0;
  vec_room(arena, &copy->nodes, graph->nodes.count + 1);
  vec_room(arena, &copy->arcs, graph->arcs.count + 1);
  vec_room(arena, &copy->derivatives, graph->derivatives.count + 1);
  memcpy(copy->nodes.at, graph->nodes.at, graph->nodes.count * sizeof *graph->nodes.at);
  if (graph->arcs.count)
    memcpy(copy->arcs.at, graph->arcs.at, graph->arcs.count * sizeof *graph->arcs.at);
  if (graph->derivatives.count)
    memcpy(copy->derivatives.at, graph->derivatives.at,
           graph->derivatives.count * sizeof *graph->derivatives.at);
}

static node_id append(struct graph *graph, struct node node) {
  if (graph->nodes.count >= NODE_NONE - 1) {
    report_add(graph->report, node.mark, BP(TOO_MANY_NODES), "4294967293");
    return NODE_NONE;
  }
  node_id id = (node_id)graph->nodes.count;
  node.owner = id;
  node.backward = graph->building_backward;
  *vec_push(graph->arena, &graph->nodes) = node;
  return id;
}

node_id graph_start(struct graph *graph, enum role role, const struct shape *shape, double *value,
                    struct mark mark) {
  return append(
      graph,
      (struct node){
          .role = (uint8_t)role, .shape = shape, .value = value, .mark = mark, .text = mark});
}

node_id graph_literal(struct graph *graph, double value, struct mark mark) {
  double *at = ARENA_NEW(graph->arena, double);
  *at = value;
  return graph_start(graph, ROLE_LITERAL, graph->shapes.scalar, at, mark);
}

/* ---- shape rules ------------------------------------------------------------------------- */

struct build {
  struct graph *graph;
  const node_id *inputs;
  struct mark mark;
};

static void print_shortened(const struct graph *graph, node_id id, struct text *out) {
  struct text text;
  text_init(&text, graph->arena, NULL, NULL);
  graph_print_text(graph, id, &text);
  text_puts(out, report_quote(graph->report, text_string(&text), text.count));
}

static void describe_input(const struct infer *infer, unsigned input) {
  const struct build *build = infer->context;
  if (input >= infer->count) return;
  node_id id = build->inputs[input];
  const struct node *node = graph_node(build->graph, id);
  bool number = node->role == ROLE_LITERAL && node->shape->size == 1;
  if (node->name || number || !node->text.start)
    graph_print_name(build->graph, id, infer->why);
  else
    print_shortened(build->graph, id, infer->why);
  text_puts(infer->why, " is ");
  dims_print(&infer->x[input], infer->why);
}

static void report_infer(struct build *build, const struct infer *infer) {
  const struct places *places = build->graph->places;
  struct mark mark = build->mark;
  if (places && (infer->blame_attr || infer->blame_input >= 0)) {
    const struct mark found = places->find(places, infer->blame_input, infer->blame_attr);
    if (found.start) mark = found;
  }
  report_add(build->graph->report, mark, BP(SHAPE_MISMATCH), infer->op->name,
             text_string(infer->why));
}

static bool check_count(struct graph *graph, const struct op *op, unsigned count,
                        struct mark mark) {
  if (count >= op->least && (op->most == OP_ANY || count <= op->most)) return true;
  char wanted[40];
  if (op->most == OP_ANY)
    snprintf(wanted, sizeof wanted, "%d or more inputs", op->least);
  else if (op->least == op->most)
    snprintf(wanted, sizeof wanted, "%d input%s", op->least, op->least == 1 ? "" : "s");
  else
    snprintf(wanted, sizeof wanted, "%d to %d inputs", op->least, op->most);
  report_add(graph->report, mark, BP(INPUT_COUNT), op->name, wanted, count);
  struct text names;
  text_init(&names, graph->arena, NULL, NULL);
  if (op->attrs && count > op->most) {
    for (size_t i = 0; i < op_attr_count(op); i++)
      text_printf(&names, "%s%s=...", i ? ", " : "", op->attrs[i].name);
    if (op->of_several)
      report_hint(graph->report, "%s(a, b) is entry by entry; attributes are given by name: %s",
                  op->of_several, text_string(&names));
    else
      report_hint(graph->report, "attributes are given by name: %s", text_string(&names));
    return false;
  }
  for (unsigned i = 0; i < OP_INPUTS && op->inputs[i]; i++)
    text_printf(&names, "%s%s", i ? ", " : "", op->inputs[i]);
  report_hint(graph->report, "%s(%s%s): %s", op->name, text_string(&names),
              op->most == OP_ANY ? ", ..." : "", op->meaning);
  return false;
}

/* The shape that the op's rule gives, or NULL after a report. */
static const struct shape *infer_shape(struct graph *graph, const struct op *op,
                                       const struct attr *attr, unsigned count,
                                       const node_id *inputs, struct mark mark) {
  bool scalars = op->scalar != NULL; /* most nodes of large graphs */
  for (unsigned i = 0; i < count && scalars; i++)
    scalars = graph_node(graph, inputs[i])->shape == graph->shapes.scalar;
  if (scalars) return graph->shapes.scalar;
  enum { FEW = 4 };
  struct dims few[FEW], *x = few;
  if (count > FEW) x = ARENA_ARRAY(graph->arena, struct dims, count);
  for (unsigned i = 0; i < count; i++) x[i] = shape_dims(graph_node(graph, inputs[i])->shape);
  struct text why;
  text_init(&why, graph->arena, NULL, NULL);
  struct build build = {graph, inputs, mark};
  struct infer infer = {.op = op, .attr = attr, .count = count, .x = x, .why = &why};
  infer.blame_input = -1;
  infer.describe = describe_input;
  infer.context = &build;
  if (!op->infer(&infer)) {
    report_infer(&build, &infer);
    return NULL;
  }
  const struct shape *shape = shapes_add(&graph->shapes, &infer.y);
  if (!shape) {
    dims_print(&infer.y, &why);
    report_add(graph->report, mark, BP(TOO_LARGE), op->name, text_string(&why));
  }
  return shape;
}

node_id graph_add(struct graph *graph, const struct op *op, const struct attr *attr, unsigned count,
                  const node_id *inputs, struct mark mark, struct mark text) {
  if (!check_count(graph, op, count, mark)) return NODE_NONE;
  const struct shape *shape = infer_shape(graph, op, attr, count, inputs, mark);
  if (!shape) return NODE_NONE;
  struct node node = {.op = op,
                      .attr = attr,
                      .shape = shape,
                      .first = (uint32_t)graph->arcs.count,
                      .count = count,
                      .role = ROLE_NODE,
                      .mark = mark,
                      .text = text};
  vec_room(graph->arena, &graph->arcs, graph->arcs.count + count);
  memcpy(graph->arcs.at + graph->arcs.count, inputs, count * sizeof *inputs);
  graph->arcs.count += count;
  graph->lacks_backward = graph->lacks_backward || (!op->backward && op->rules[0]);
  graph->has_indices = graph->has_indices || op->indices || op->labels;
  graph->has_kinks = graph->has_kinks || op->kinks;
  return append(graph, node);
}

void graph_name(struct graph *graph, node_id id, const char *name, size_t size) {
  struct node *node = &graph->nodes.at[id];
  node->name = name;
  node->name_size = (uint32_t)size;
  node->owner = id;
  node->part = 0;
}

bool graph_takes_index(const struct graph *graph, const struct node *node, unsigned k) {
  const struct op *op = node->op;
  if (k >= 8 || !((op->indices | op->labels) >> k & 1)) return false;
  if (op->indices >> k & 1) return true;
  const node_id *inputs = graph_inputs(graph, node);
  return graph_node(graph, inputs[k])->shape->rank < graph_node(graph, inputs[0])->shape->rank;
}

bool graph_flows(const struct graph *graph, const struct node *node, unsigned k) {
  if (graph_takes_index(graph, node, k)) return false;
  return node->op->rules[node->op->most == OP_ANY ? 0 : k] != NULL;
}

static int compare_derivatives(const void *a, const void *b) {
  const struct derivative *x = a, *y = b;
  if (x->node != y->node) return x->node < y->node ? -1 : 1;
  return (x->input > y->input) - (x->input < y->input);
}

void graph_add_derivative(struct graph *graph, const struct derivative *derivative) {
  vec_push(graph->arena, &graph->derivatives);
  struct derivative *at = graph->derivatives.at;
  size_t i = graph->derivatives.count - 1;
  for (; i && compare_derivatives(&at[i - 1], derivative) > 0; i--) at[i] = at[i - 1];
  at[i] = *derivative;
}

void graph_sort_derivatives(struct graph *graph) {
  if (!graph->derivatives.count) return;
  qsort(graph->derivatives.at, graph->derivatives.count, sizeof *graph->derivatives.at,
        compare_derivatives);
}

const struct derivative *graph_derivatives(const struct graph *graph, node_id id, size_t *count) {
  size_t low = 0, high = graph->derivatives.count;
  const struct derivative *at = graph->derivatives.at;
  *count = 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (at[middle].node < id)
      low = middle + 1;
    else
      high = middle;
  }
  while (low + *count < graph->derivatives.count && at[low + *count].node == id) ++*count;
  return *count ? &at[low] : NULL;
}

/* ---- printing ---------------------------------------------------------------------------- */

void graph_print_name(const struct graph *graph, node_id id, struct text *out) {
  const struct node *node = graph_node(graph, id);
  if (node->role == ROLE_LITERAL && !node->name && node->shape->size == 1) {
    text_number(out, *node->value);
    return;
  }
  const struct node *owner = graph_node(graph, node->owner);
  if (owner->name) text_add(out, owner->name, owner->name_size);
  if (node->part) text_printf(out, ".%u", (unsigned)node->part);
}

void graph_print_text(const struct graph *graph, node_id id, struct text *out) {
  const struct node *node = graph_node(graph, id);
  if (!node->text.start) return;
  const char *bytes = report_bytes(graph->report, node->text);
  bool space = false;
  for (size_t i = 0; i < node->text.end - node->text.start; i++) {
    char c = bytes[i];
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!blank && space) text_char(out, ' ');
    if (!blank) text_char(out, c);
    space = blank;
  }
}
