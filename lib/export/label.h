/* The texts of a picture, in the HTML-like language of Graphviz's labels. */
#ifndef BPGRAPH_EXPORT_LABEL_H
#define BPGRAPH_EXPORT_LABEL_H

#include "export/picture.h"

/* Writes a user's text into a label: escaped, on one line, at most `most` characters of it. */
void label_text(struct text *out, const char *bytes, size_t size, size_t most);

/* Writes a node's name in the net; what an expression has as a list, as it is written there. */
void print_quantity(const struct picture *picture, const struct drawn *drawn, struct text *out);

/* Writes a node's name as people see it: its label, or its name. */
void label_name(const struct picture *picture, const struct drawn *drawn, struct text *out);

/* Writes what the circle of an op has in it: its symbol with the numbers that it is applied to,
 * or an expression, or the name of a call. */
void label_op(const struct picture *picture, const struct drawn *drawn, struct text *out);
/* The attributes of that op, for a line of their own; nothing where it has none or its sign has them. */
void label_settings(const struct picture *picture, const struct drawn *drawn, struct text *out);

/* Each writes a whole label.
 *   start   a start node or the output: its name
 *   gate    an op on its way, in the style `wires`
 *   wire    what stands above and below a node's wire, around the port "w"
 *   box     everything in one
 *   compact the name and the shape
 *   call    the heading of a function's frame */
void label_start(const struct picture *picture, const struct drawn *drawn, struct text *out);
void label_gate(const struct picture *picture, const struct drawn *drawn, struct text *out);
void label_wire(const struct picture *picture, const struct drawn *drawn, struct text *out);
void label_box(const struct picture *picture, const struct drawn *drawn, struct text *out);
void label_compact(const struct picture *picture, const struct drawn *drawn, struct text *out);
void label_call(const struct call_site *call, struct text *out);

/* Whether there is anything to stand above or below a node's wire. */
bool has_wire_label(const struct picture *picture, const struct drawn *drawn);

/* Writes what an edge bears; nothing where nothing is to be shown. */
void label_edge(const struct picture *picture, const struct edge *edge, struct text *out);

/* Writes plain text, for readers that speak and for tooltips: "q = x + y, value 3, gradient -4". */
void describe_node(const struct picture *picture, const struct drawn *drawn, struct text *out);
void describe_edge(const struct picture *picture, const struct edge *edge, struct text *out);

/* "input", "parameter", "constant", "op". */
const char *role_of(const struct picture *picture, const struct drawn *drawn);

#endif
