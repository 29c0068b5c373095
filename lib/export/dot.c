#include "export/dot.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "export/graphviz.h"
#include "export/json.h"
#include "export/label.h"
#include "export/palette.h"

/* ---- attributes -------------------------------------------------------------------------- */

enum attribute {
  NODE_ID,
  NODE_CLASS,
  NODE_LABEL,
  NODE_SHAPE,
  NODE_STYLE,
  NODE_FILL,
  NODE_COLOR,
  NODE_INK,
  NODE_WIDTH,
  NODE_PERIPHERIES,
  NODE_MARGIN,
  NODE_HEIGHT,
  NODE_LEAST,
  NODE_QUANTITY,
  NODE_OP,
  NODE_DIMS,
  NODE_VALUE,
  NODE_GRADIENT,
  NODE_ATTRIBUTES,
  EDGE_ID = NODE_ATTRIBUTES,
  EDGE_CLASS,
  EDGE_LABEL,
  EDGE_STYLE,
  EDGE_COLOR,
  EDGE_WIDTH,
  EDGE_DIR,
  EDGE_TAIL_PORT,
  EDGE_HEAD_PORT,
  EDGE_TAIL_CLIP,
  EDGE_HEAD_CLIP,
  EDGE_WEIGHT,
  EDGE_SLOT,
  EDGE_LOCAL,
  EDGE_CONTRIBUTION,
  EDGE_ATTRIBUTES,
  FRAME_ID = EDGE_ATTRIBUTES,
  FRAME_CLASS,
  FRAME_LABEL,
  FRAME_PLACE,
  FRAME_STYLE,
  FRAME_FILL,
  FRAME_COLOR,
  ATTRIBUTES
};

/* The defaults are what most have.  Attributes that Graphviz does not know are for programs. */
static const struct {
  const char *name, *fallback;
} attribute_rows[ATTRIBUTES] = {[NODE_ID] = {"id", ""},
                                [NODE_CLASS] = {"class", ""},
                                [NODE_LABEL] = {"label", ""},
                                [NODE_SHAPE] = {"shape", "box"},
                                [NODE_STYLE] = {"style", "filled"},
                                [NODE_FILL] = {"fillcolor", ""},
                                [NODE_COLOR] = {"color", ""},
                                [NODE_INK] = {"fontcolor", ""},
                                [NODE_WIDTH] = {"penwidth", "1"},
                                [NODE_PERIPHERIES] = {"peripheries", ""},
                                [NODE_MARGIN] = {"margin", "0.11,0.055"},
                                [NODE_HEIGHT] = {"height", "0.4"},
                                [NODE_LEAST] = {"width", "0.5"},
                                [NODE_QUANTITY] = {"quantity", ""},
                                [NODE_OP] = {"op", ""},
                                [NODE_DIMS] = {"dims", ""},
                                [NODE_VALUE] = {"value", ""},
                                [NODE_GRADIENT] = {"gradient", ""},
                                [EDGE_ID] = {"id", ""},
                                [EDGE_CLASS] = {"class", ""},
                                [EDGE_LABEL] = {"label", ""},
                                [EDGE_STYLE] = {"style", "solid"},
                                [EDGE_COLOR] = {"color", ""},
                                [EDGE_WIDTH] = {"penwidth", "1.5"},
                                [EDGE_DIR] = {"dir", "forward"},
                                [EDGE_TAIL_PORT] = {"tailport", ""},
                                [EDGE_HEAD_PORT] = {"headport", ""},
                                [EDGE_TAIL_CLIP] = {"tailclip", "true"},
                                [EDGE_HEAD_CLIP] = {"headclip", "true"},
                                [EDGE_WEIGHT] = {"weight", "1"},
                                [EDGE_SLOT] = {"slot", ""},
                                [EDGE_LOCAL] = {"local", ""},
                                [EDGE_CONTRIBUTION] = {"contribution", ""},
                                [FRAME_ID] = {"id", "bpgraph"},
                                [FRAME_CLASS] = {"class", ""},
                                [FRAME_LABEL] = {"label", ""},
                                [FRAME_PLACE] = {"labeljust", ""},
                                [FRAME_STYLE] = {"style", ""},
                                [FRAME_FILL] = {"fillcolor", ""},
                                [FRAME_COLOR] = {"pencolor", ""}};

/* What is being written. */
struct drawing {
  const struct picture *picture;
  bool legend;
  struct gv *gv;
  struct Agraph_s **clusters;
  struct Agnode_s **nodes, **wires; /* of each drawn node; a wire may be NULL */
  struct Agsym_s *attributes[ATTRIBUTES];
  struct text text; /* the value that is being made */
  char id[64];      /* the last id */
};

static void set(struct drawing *drawing, void *object, enum attribute attribute,
                const char *value) {
  gv_set(drawing->gv, object, drawing->attributes[attribute], value);
}

static void set_color(struct drawing *drawing, void *object, enum attribute attribute,
                      enum tone tone) {
  set(drawing, object, attribute, color_of(drawing->picture, tone));
}

/* Starts a new text; set_text makes it an attribute. */
static struct text *start_text(struct drawing *drawing) {
  drawing->text.count = 0;
  return &drawing->text;
}

static void set_text(struct drawing *drawing, void *object, enum attribute attribute) {
  set(drawing, object, attribute, text_string(&drawing->text));
}

/* A label in the HTML-like language: always with a tag in front, so that it is no other text. */
static void set_html(struct drawing *drawing, void *object, enum attribute attribute) {
  gv_set_html(drawing->gv, object, drawing->attributes[attribute], text_string(&drawing->text));
}

static void set_graph(struct drawing *drawing, const char *name, const char *value) {
  gv_attribute(drawing->gv, GV_GRAPH, name, value);
}

/* ---- the graph --------------------------------------------------------------------------- */

/* The most wires that leave one node: they want room to spread. */
static uint32_t widest_fan(const struct picture *picture) {
  uint32_t most = 0;
  for (size_t i = 0; i < picture->nodes.count; i++)
    if (picture->nodes.at[i].users > most) most = picture->nodes.at[i].users;
  return most;
}

static void set_defaults(struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  const bool wires = picture->style == STYLE_WIRES;
  set_graph(drawing, "rankdir", "LR");
  set_graph(drawing, "newrank", "true"); /* frames do not turn edges back */
  set_graph(drawing, "linelength", "0"); /* long labels are not folded */
  set_graph(drawing, "fontname", "Arial");
  set_graph(drawing, "fontcolor", color_of(picture, TONE_INK));
  set_graph(drawing, "bgcolor", color_of(picture, TONE_PAPER));
  set_graph(drawing, "nodesep", wires ? "0.25" : "0.3");
  set_graph(drawing, "ranksep", !wires ? "0.4" : widest_fan(picture) < 3 ? "0.2" : "0.4");
  gv_attribute(drawing->gv, GV_NODE, "fontname", "Arial");
  gv_attribute(drawing->gv, GV_NODE, "fontsize", "14");
  gv_attribute(drawing->gv, GV_EDGE, "fontname", "Arial");
  gv_attribute(drawing->gv, GV_EDGE, "fontsize", "11");
  gv_attribute(drawing->gv, GV_EDGE, "fontcolor", color_of(picture, TONE_INK));
  gv_attribute(drawing->gv, GV_EDGE, "arrowsize", "0.6");
  for (int i = 0; i < ATTRIBUTES; i++) {
    const char *value = attribute_rows[i].fallback;
    if (i == NODE_FILL) value = color_of(picture, TONE_OP);
    if (i == NODE_COLOR || i == EDGE_COLOR) value = color_of(picture, TONE_WIRE);
    if (i == NODE_INK) value = color_of(picture, TONE_INK);
    enum gv_kind kind = i < NODE_ATTRIBUTES ? GV_NODE : i < EDGE_ATTRIBUTES ? GV_EDGE : GV_GRAPH;
    drawing->attributes[i] = gv_attribute(drawing->gv, kind, attribute_rows[i].name, value);
  }
}

static const char *print_id(struct drawing *drawing, const char *format, uint32_t a, uint32_t b,
                            uint32_t c) {
  snprintf(drawing->id, sizeof drawing->id, format, (unsigned)a, (unsigned)b, (unsigned)c);
  return drawing->id;
}

/* ---- clusters ---------------------------------------------------------------------------- */

static void add_clusters(struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  drawing->clusters = ARENA_ARRAY(picture->arena, struct Agraph_s *, picture->clusters.count + 1);
  for (uint32_t i = 0; i < picture->clusters.count; i++) {
    const struct cluster *cluster = &picture->clusters.at[i];
    if (cluster->nodes < 2) continue;
    struct Agraph_s *parent = gv_graph(drawing->gv);
    uint32_t outer = cluster->parent;
    while (outer != DRAWN_NONE && !drawing->clusters[outer])
      outer = picture->clusters.at[outer].parent;
    if (outer != DRAWN_NONE) parent = drawing->clusters[outer];
    struct Agraph_s *graph =
        gv_frame(drawing->gv, parent, print_id(drawing, "cluster_%u", i, 0, 0));
    drawing->clusters[i] = graph;
    set(drawing, graph, FRAME_ID, print_id(drawing, "c%u", i, 0, 0));
    set(drawing, graph, FRAME_CLASS, "call");
    set(drawing, graph, FRAME_STYLE, "rounded,filled");
    set(drawing, graph, FRAME_PLACE, "l");
    set_color(drawing, graph, FRAME_FILL, TONE_CALL);
    set_color(drawing, graph, FRAME_COLOR, TONE_FRAME);
    label_call(cluster->call, start_text(drawing));
    set_html(drawing, graph, FRAME_LABEL);
  }
}

/* ---- nodes ------------------------------------------------------------------------------- */

/* By role: start nodes are told apart by their shapes too, which have room for a name, or for much
 * (`large`). */
static const struct look {
  const char *role, *shape, *large, *style;
  enum tone fill;
} looks[] = {{"input", "box", "box", "filled", TONE_INPUT},
             {"parameter", "cylinder", "box3d", "filled", TONE_PARAMETER},
             {"constant", "note", "note", "filled", TONE_CONSTANT},
             {"op", "box", "box", "filled,rounded", TONE_OP}};

/* Whether nodes have their numbers in them. */
static bool is_large(const struct picture *picture) {
  return picture->style == STYLE_BOXES ||
         (picture->style == STYLE_COMPACT && picture->show & (SHOW_VALUE | SHOW_GRADIENT));
}

static const char *look_shape(const struct picture *picture, const struct look *look) {
  return is_large(picture) ? look->large : look->shape;
}

static const struct look *find_look(const char *role) {
  const struct look *look = looks;
  while (strcmp(look->role, role) != 0) look++;
  return look;
}

/* How many characters the widest line of a gate has: few make a circle. */
static size_t gate_width(struct drawing *drawing, const struct drawn *drawn) {
  struct text *text = start_text(drawing);
  label_op(drawing->picture, drawn, text);
  size_t sign = utf8_width(text_string(text), text->count);
  text = start_text(drawing);
  label_settings(drawing->picture, drawn, text);
  size_t settings = utf8_width(text_string(text), text->count);
  return sign > settings ? sign : settings;
}

static bool is_circle(struct drawing *drawing, const struct drawn *drawn) {
  enum { CIRCLE_MOST = 5 };
  const struct picture *picture = drawing->picture;
  const struct node *node = graph_node(&picture->result->net->graph, drawn->id);
  return node->op && picture->style == STYLE_WIRES && picture->level == LEVEL_OPS &&
         !drawn->whole && !drawn->undefined && !drawn->not_finite &&
         gate_width(drawing, drawn) <= CIRCLE_MOST;
}

static void print_class(const struct picture *picture, const struct drawn *drawn, bool output,
                        struct text *out) {
  text_puts(out, role_of(picture, drawn));
  if (output) text_puts(out, " output");
  if (drawn->call) text_puts(out, " call");
  if (drawn->flow == FLOW_DEAD) text_puts(out, " dead");
  if (drawn->undefined) text_puts(out, " undefined");
  if (drawn->not_finite) text_puts(out, " not-finite");
}

static void set_look(struct drawing *drawing, struct Agnode_s *node, const struct drawn *drawn,
                     bool output) {
  const struct look *look = find_look(role_of(drawing->picture, drawn));
  const bool circle = is_circle(drawing, drawn);
  struct text *style = start_text(drawing);
  text_puts(style, circle ? "filled" : look->style);
  if (drawn->flow == FLOW_DEAD) text_puts(style, ",dashed");
  set_text(drawing, node, NODE_STYLE);
  set(drawing, node, NODE_SHAPE, circle ? "circle" : look_shape(drawing->picture, look));
  if (circle) set(drawing, node, NODE_MARGIN, "0.03");
  if (!strcmp(look->shape, "cylinder")) set(drawing, node, NODE_MARGIN, "0.11,0.08");
  set_color(drawing, node, NODE_FILL, output ? TONE_OUTPUT : look->fill);
  if (output) set(drawing, node, NODE_PERIPHERIES, "2");
  if (drawn->flow == FLOW_DEAD) {
    set_color(drawing, node, NODE_COLOR, TONE_QUIET);
    if (!is_large(drawing->picture)) set_color(drawing, node, NODE_INK, TONE_QUIET);
  }
  if (drawn->undefined || drawn->not_finite) {
    set_color(drawing, node, NODE_COLOR, TONE_FAULT);
    set(drawing, node, NODE_WIDTH, "2");
  }
}

/* What programs read: names, shapes and numbers in full, of tensors that are not large. */
static void set_facts(struct drawing *drawing, struct Agnode_s *node, const struct drawn *drawn) {
  const struct result *result = drawing->picture->result;
  const struct node *own = graph_node(&result->net->graph, drawn->id);
  struct dims dims = shape_dims(own->shape);
  const double *at;
  print_quantity(drawing->picture, drawn, start_text(drawing));
  set_text(drawing, node, NODE_QUANTITY);
  if (own->op) set(drawing, node, NODE_OP, own->op->name);
  dims_print(&dims, start_text(drawing));
  set_text(drawing, node, NODE_DIMS);
  if (own->shape->size > ENTRIES_KEPT) return;
  json_tensor(start_text(drawing), own->shape, run_value(&result->run, drawn->id));
  set_text(drawing, node, NODE_VALUE);
  if (drawn->flow == FLOW_NONE) return;
  result_gradient(result, drawn->id, &at);
  json_tensor(start_text(drawing), own->shape, drawn->flow == FLOW_DEAD ? NULL : at);
  set_text(drawing, node, NODE_GRADIENT);
}

static void set_label(struct drawing *drawing, struct Agnode_s *node, const struct drawn *drawn) {
  const struct picture *picture = drawing->picture;
  struct text *text = start_text(drawing);
  bool start = !graph_node(&picture->result->net->graph, drawn->id)->op;
  if (picture->style == STYLE_BOXES)
    label_box(picture, drawn, text);
  else if (picture->style == STYLE_COMPACT)
    label_compact(picture, drawn, text);
  else if (start)
    label_start(picture, drawn, text);
  else
    label_gate(picture, drawn, text);
  set_html(drawing, node, NODE_LABEL);
}

static struct Agnode_s *new_node(struct drawing *drawing, const char *id, uint32_t cluster) {
  struct Agnode_s *node = gv_node(drawing->gv, id);
  set(drawing, node, NODE_ID, id);
  while (cluster != DRAWN_NONE && !drawing->clusters[cluster])
    cluster = drawing->picture->clusters.at[cluster].parent;
  if (cluster != DRAWN_NONE) gv_put(drawing->gv, drawing->clusters[cluster], node);
  return node;
}

/* In the style `wires` a value's number stands on a node of its own, astride the wire. */
static void add_wire(struct drawing *drawing, uint32_t i) {
  const struct picture *picture = drawing->picture;
  const struct drawn *drawn = &picture->nodes.at[i];
  if (picture->style != STYLE_WIRES || !has_wire_label(picture, drawn)) return;
  struct Agnode_s *wire =
      new_node(drawing, print_id(drawing, "n%uw", drawn->id, 0, 0), drawn->cluster);
  drawing->wires[i] = wire;
  set(drawing, wire, NODE_CLASS, drawn->flow == FLOW_DEAD ? "wire dead" : "wire");
  set(drawing, wire, NODE_SHAPE, "plain");
  set(drawing, wire, NODE_STYLE, "solid");
  label_wire(picture, drawn, start_text(drawing));
  set_html(drawing, wire, NODE_LABEL);
}

/* Whether the output is a node of its own, at the end of its wire. */
static bool has_terminal(const struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  return picture->style == STYLE_WIRES && picture->output != DRAWN_NONE &&
         drawn_node(picture, picture->output)->op;
}

static void add_node(struct drawing *drawing, uint32_t i) {
  const struct drawn *drawn = &drawing->picture->nodes.at[i];
  const bool output = i == drawing->picture->output;
  struct Agnode_s *node =
      new_node(drawing, print_id(drawing, "n%u", drawn->id, 0, 0), drawn->cluster);
  drawing->nodes[i] = node;
  print_class(drawing->picture, drawn, output, start_text(drawing));
  set_text(drawing, node, NODE_CLASS);
  set_look(drawing, node, drawn, output && !has_terminal(drawing));
  set_label(drawing, node, drawn);
  set_facts(drawing, node, drawn);
  add_wire(drawing, i);
}

/* Each op's inputs come before it, in the order in which it takes them: where nothing else decides,
 * `dot` keeps them so from top to bottom.  (Edges stand in the order of their heads.) */
static void add_nodes(struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  size_t edge = 0;
  for (uint32_t i = 0; i < picture->nodes.count; i++) {
    for (; edge < picture->edges.count && picture->edges.at[edge].to == i; edge++)
      if (!drawing->nodes[picture->edges.at[edge].from])
        add_node(drawing, picture->edges.at[edge].from);
    if (drawn_node(picture, i)->op && !drawing->nodes[i]) add_node(drawing, i);
  }
  for (uint32_t i = 0; i < picture->nodes.count; i++)
    if (!drawing->nodes[i]) add_node(drawing, i);
}

/* ---- edges ------------------------------------------------------------------------------- */

static void set_flow(struct drawing *drawing, struct Agedge_s *edge, enum flow flow) {
  set(drawing, edge, EDGE_CLASS, flow == FLOW_ALIVE ? "alive" : flow ? "dead" : "none");
  if (flow == FLOW_ALIVE || !drawing->picture->result->gradients) return;
  set(drawing, edge, EDGE_STYLE, flow == FLOW_DEAD ? "dashed" : "dotted");
  set_color(drawing, edge, EDGE_COLOR, TONE_QUIET);
}

/* From a node to its own label: the first piece of its wire. */
static void add_stub(struct drawing *drawing, uint32_t i) {
  const struct drawn *drawn = &drawing->picture->nodes.at[i];
  if (!drawing->wires[i]) return;
  struct Agedge_s *edge = gv_edge(drawing->gv, drawing->nodes[i], drawing->wires[i]);
  set(drawing, edge, EDGE_ID, print_id(drawing, "n%u_n%uw", drawn->id, drawn->id, 0));
  set_flow(drawing, edge, (enum flow)drawn->flow);
  set(drawing, edge, EDGE_DIR, "none");
  set(drawing, edge, EDGE_HEAD_PORT, "w:w");
  set(drawing, edge, EDGE_HEAD_CLIP, "false"); /* or it would end before the label */
  set(drawing, edge, EDGE_WEIGHT, "10");
}

static void leave_wire(struct drawing *drawing, struct Agedge_s *edge) {
  set(drawing, edge, EDGE_TAIL_PORT, "w:e");
  set(drawing, edge, EDGE_TAIL_CLIP, "false");
}

/* The node at the end of the output's wire. */
static void add_terminal(struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  if (!has_terminal(drawing)) return;
  const struct drawn *drawn = &picture->nodes.at[picture->output];
  struct Agnode_s *node = new_node(drawing, print_id(drawing, "n%uo", drawn->id, 0, 0), DRAWN_NONE);
  struct Agnode_s *wire = drawing->wires[picture->output];
  set(drawing, node, NODE_CLASS, "terminal");
  set(drawing, node, NODE_SHAPE, "box");
  set(drawing, node, NODE_STYLE, "filled,rounded");
  set(drawing, node, NODE_PERIPHERIES, "2");
  set_color(drawing, node, NODE_FILL, TONE_OUTPUT);
  struct text *text = start_text(drawing);
  text_puts(text, "<FONT>");
  label_name(picture, drawn, text);
  text_puts(text, "</FONT>");
  set_html(drawing, node, NODE_LABEL);
  struct Agedge_s *edge = gv_edge(drawing->gv, wire ? wire : drawing->nodes[picture->output], node);
  set(drawing, edge, EDGE_ID, print_id(drawing, "n%u_n%uo", drawn->id, drawn->id, 0));
  set_flow(drawing, edge, (enum flow)drawn->flow);
  if (wire) leave_wire(drawing, edge);
  set(drawing, edge, EDGE_WEIGHT, "10");
}

/* Two wires that enter a circle whose inputs cannot be swapped keep their order: the first one above.
 * (An operator that takes any number of operands, + or *, takes them in any order.  Wires to the
 * corner of a wide box are more than Graphviz can always route.) */
static void set_port(struct drawing *drawing, struct Agedge_s *edge, const struct edge *own) {
  const struct drawn *to = &drawing->picture->nodes.at[own->to];
  const struct node *node = graph_node(&drawing->picture->result->net->graph, to->id);
  if (node->count != 2 || !is_circle(drawing, to)) return;
  if (node->op->symbol && node->op->most == OP_ANY) return;
  uint32_t slot = drawing->picture->arcs.at[own->arc].slot;
  const struct node *other =
      graph_node(&drawing->picture->result->net->graph,
                 graph_inputs(&drawing->picture->result->net->graph, node)[1 - slot]);
  if (other->role == ROLE_LITERAL && !other->name) return;
  set(drawing, edge, EDGE_HEAD_PORT, slot ? "sw" : "nw");
}

/* The wider, the more of the gradient flows here: by orders of magnitude. */
static void set_width(struct drawing *drawing, struct Agedge_s *edge, const struct edge *own) {
  static const struct {
    double least; /* share of the largest */
    const char *width;
  } steps[] = {{0.5, "4"}, {0.1, "2.6"}, {0.01, "1.7"}, {0.001, "1"}, {0, "0.5"}};
  if (drawing->picture->style != STYLE_COMPACT || own->flow != FLOW_ALIVE) return;
  const double share = own->norm / drawing->picture->largest;
  size_t i = 0;
  while (share < steps[i].least) i++;
  set(drawing, edge, EDGE_WIDTH, steps[i].width);
}

static void add_edge(struct drawing *drawing, const struct edge *own) {
  const struct picture *picture = drawing->picture;
  struct Agnode_s *wire = drawing->wires[own->from];
  /* What another call hides flows from its node, not along its wire. */
  const bool own_wire = wire && own->source == picture->nodes.at[own->from].id;
  const uint32_t slot = picture->arcs.at[own->arc].slot;
  const struct shape *shape = graph_node(&picture->result->net->graph, own->source)->shape;
  struct Agedge_s *edge =
      gv_edge(drawing->gv, own_wire ? wire : drawing->nodes[own->from], drawing->nodes[own->to]);
  set(drawing, edge, EDGE_ID,
      print_id(drawing, "n%u_n%u_%u", own->source, picture->nodes.at[own->to].id, slot));
  set_flow(drawing, edge, (enum flow)own->flow);
  set_width(drawing, edge, own);
  if (own_wire) leave_wire(drawing, edge);
  set_port(drawing, edge, own);
  label_edge(picture, own, start_text(drawing));
  if (drawing->text.count) set_html(drawing, edge, EDGE_LABEL);
  if (!picture->nodes.at[own->to].whole) {
    text_integer(start_text(drawing), slot);
    set_text(drawing, edge, EDGE_SLOT);
  }
  if (own->has_local) {
    json_number(start_text(drawing), own->local);
    set_text(drawing, edge, EDGE_LOCAL);
  }
  if (own->flow == FLOW_NONE || shape->size > ENTRIES_KEPT) return;
  json_tensor(start_text(drawing), shape, own->contribution);
  set_text(drawing, edge, EDGE_CONTRIBUTION);
}

/* ---- title and legend -------------------------------------------------------------------- */

static void add_title(struct drawing *drawing) {
  const char *title = drawing->picture->result->net->title;
  if (!title || !title[strspn(title, " \t\r\n")]) return;
  enum { TITLE_MOST = 100 };
  struct text *text = start_text(drawing);
  text_puts(text, "<FONT POINT-SIZE=\"18\"><B>");
  label_text(text, title, strlen(title), TITLE_MOST);
  text_puts(text, "</B><BR/></FONT>");
  set_graph(drawing, "labelloc", "t");
  set_html(drawing, gv_graph(drawing->gv), FRAME_LABEL);
}

/* What there is in the picture: of each look, and of gradients. */
struct census {
  bool roles[sizeof looks / sizeof *looks], gradient, dead, none;
};

static struct census count_kinds(const struct picture *picture) {
  struct census census = {.gradient = false};
  for (size_t i = 0; i < picture->nodes.count; i++) {
    const struct drawn *drawn = &picture->nodes.at[i];
    census.roles[find_look(role_of(picture, drawn)) - looks] = true;
    census.gradient = census.gradient || drawn->flow != FLOW_NONE;
    census.dead = census.dead || drawn->flow == FLOW_DEAD;
  }
  for (size_t i = 0; i < picture->edges.count; i++) {
    census.dead = census.dead || picture->edges.at[i].flow == FLOW_DEAD;
    census.none = census.none || picture->edges.at[i].flow == FLOW_NONE;
  }
  return census;
}

/* A row of samples, each behind the other. */
struct legend {
  struct drawing *drawing;
  struct Agraph_s *graph;
  struct Agnode_s *last;
  uint32_t count;
};

/* A sample whose label stands in drawing->text. */
static struct Agnode_s *add_sample(struct legend *legend) {
  struct drawing *drawing = legend->drawing;
  const char *id = print_id(drawing, "l%u", legend->count++, 0, 0);
  struct Agnode_s *node = gv_node(drawing->gv, id);
  gv_put(drawing->gv, legend->graph, node);
  set(drawing, node, NODE_ID, id);
  set(drawing, node, NODE_CLASS, "legend");
  set_html(drawing, node, NODE_LABEL);
  set(drawing, node, NODE_MARGIN, "0.06,0.03");
  set(drawing, node, NODE_HEIGHT, "0.25");
  if (legend->last) {
    struct Agedge_s *edge = gv_edge(drawing->gv, legend->last, node);
    set(drawing, edge, EDGE_STYLE, "invis");
    set(drawing, edge, EDGE_CLASS, "legend");
  }
  legend->last = node;
  return node;
}

static void add_shape_sample(struct legend *legend, const char *name, const char *shape,
                             const char *style, enum tone fill) {
  text_printf(start_text(legend->drawing), "<FONT POINT-SIZE=\"11\">%s</FONT>", name);
  struct Agnode_s *node = add_sample(legend);
  set(legend->drawing, node, NODE_SHAPE, shape);
  set(legend->drawing, node, NODE_STYLE, style);
  set_color(legend->drawing, node, NODE_FILL, fill);
}

static void add_look_sample(struct legend *legend, const struct look *look) {
  const struct picture *picture = legend->drawing->picture;
  bool circle =
      look->fill == TONE_OP && picture->style == STYLE_WIRES && picture->level == LEVEL_OPS;
  add_shape_sample(legend, look->role, circle ? "circle" : look_shape(picture, look), look->style,
                   look->fill);
}

/* What stands above and below a wire, or in a box. */
static void add_number_sample(struct legend *legend, const struct census *census) {
  struct drawing *drawing = legend->drawing;
  const struct picture *picture = drawing->picture;
  struct text *text = start_text(drawing);
  text_puts(text, "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"1\">");
  if (picture->show & SHOW_VALUE)
    text_printf(text, "<TR><TD><FONT POINT-SIZE=\"11\" COLOR=\"%s\">value</FONT></TD></TR>",
                color_of(picture, TONE_VALUE));
  if (picture->style == STYLE_WIRES)
    text_printf(text, "<TR><TD HEIGHT=\"2\" CELLPADDING=\"0\" BGCOLOR=\"%s\"></TD></TR>",
                color_of(picture, TONE_WIRE));
  if (picture->show & SHOW_GRADIENT && census->gradient)
    text_printf(
        text, "<TR><TD><FONT POINT-SIZE=\"11\" COLOR=\"%s\">\xe2\x88\x82 gradient</FONT></TD></TR>",
        color_of(picture, TONE_GRADIENT));
  text_puts(text, "</TABLE>");
  struct Agnode_s *node = add_sample(legend);
  set(drawing, node, NODE_SHAPE, "plain");
  set(drawing, node, NODE_STYLE, "solid");
}

static void add_note(struct legend *legend, const char *note) {
  text_printf(start_text(legend->drawing), "<FONT POINT-SIZE=\"11\" COLOR=\"%s\">%s</FONT>",
              color_of(legend->drawing->picture, TONE_QUIET), note);
  struct Agnode_s *node = add_sample(legend);
  set(legend->drawing, node, NODE_SHAPE, "plain");
  set(legend->drawing, node, NODE_STYLE, "solid");
}

static void add_legend(struct drawing *drawing) {
  const struct picture *picture = drawing->picture;
  const struct census census = count_kinds(picture);
  struct legend legend = {.drawing = drawing};
  legend.graph = gv_frame(drawing->gv, gv_graph(drawing->gv), "cluster_legend");
  set(drawing, legend.graph, FRAME_ID, "legend");
  set(drawing, legend.graph, FRAME_CLASS, "legend");
  set(drawing, legend.graph, FRAME_LABEL, ""); /* not the title */
  set(drawing, legend.graph, FRAME_STYLE, "rounded");
  set_color(drawing, legend.graph, FRAME_COLOR, TONE_FRAME);
  for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
    if (census.roles[i]) add_look_sample(&legend, &looks[i]);
  if (picture->output != DRAWN_NONE) {
    add_shape_sample(&legend, "output", "box", "filled,rounded", TONE_OUTPUT);
    set(drawing, legend.last, NODE_PERIPHERIES, "2");
  }
  if (picture->show & (SHOW_VALUE | SHOW_GRADIENT)) add_number_sample(&legend, &census);
  if (picture->style == STYLE_COMPACT && census.gradient) add_note(&legend, "wide: much gradient");
  if (census.dead) add_note(&legend, "dashed: gradient 0");
  if (census.none && census.gradient) add_note(&legend, "dotted: no gradient");
}

/* ---- the whole --------------------------------------------------------------------------- */

static void build(struct gv *gv, void *context) {
  struct drawing *drawing = context;
  const struct picture *picture = drawing->picture;
  drawing->gv = gv;
  set_defaults(drawing);
  if (drawing->legend) add_title(drawing);
  add_clusters(drawing);
  add_nodes(drawing);
  add_terminal(drawing);
  for (uint32_t i = 0; i < picture->nodes.count; i++) add_stub(drawing, i);
  for (size_t i = 0; i < picture->edges.count; i++) add_edge(drawing, &picture->edges.at[i]);
  if (drawing->legend) add_legend(drawing);
}

bool dot_write(const struct picture *picture, bool legend, struct text *out) {
  struct arena *arena = picture->arena;
  struct report *report = picture->result->net->report;
  struct drawing drawing = {.picture = picture, .legend = legend};
  drawing.nodes = ARENA_ARRAY(arena, struct Agnode_s *, picture->nodes.count + 1);
  drawing.wires = ARENA_ARRAY(arena, struct Agnode_s *, picture->nodes.count + 1);
  text_init(&drawing.text, arena, NULL, NULL);
  if (gv_write(arena, "bpgraph", build, &drawing, out)) return true;
  report_add(report, (struct mark){0, 0}, BP(CANNOT_DRAW),
             "the library libcgraph.so.6 of Graphviz is missing");
  report_hint(report, "install graphviz");
  return false;
}
