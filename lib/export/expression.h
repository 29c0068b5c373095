/* Expressions: nodes as the net language writes them, with the fewest parentheses. */
#ifndef BPGRAPH_EXPORT_EXPRESSION_H
#define BPGRAPH_EXPORT_EXPRESSION_H

#include "lang/lower.h"

/* How the nodes of an expression are written.  What has no name is spelled out, as deep as it goes:
 * whoever prints gives names where it would go too deep. */
struct expression_style {
  const struct graph *graph;
  const struct vocabulary *words;
  /* Writes the name of a node and returns true; false: it is spelled out.  Without `out` that is only
   * asked.  A number that was written in an expression is no question of names. */
  bool (*print_name)(const struct expression_style *style, node_id id, struct text *out);
  /* The node that stands for another; NULL: each for itself. */
  node_id (*resolve)(const struct expression_style *style, node_id id);
};

/* Writes what a node is made of: "W @ x + b", "sum(x, axis=0)", "x[1:3, 0]", "-0.5"; of a start
 * node its numbers. */
void print_expression(const struct expression_style *style, node_id id, struct text *out);

/* Writes a number as an expression has it: inf and NaN, which has no name, too. */
void print_constant(double number, struct text *out);

#endif
