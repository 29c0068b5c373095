/* The door to libcgraph, Graphviz's library for building graphs and writing DOT.  It is opened when
 * a picture is first wanted, so that nothing else waits for it. */
#ifndef BPGRAPH_EXPORT_GRAPHVIZ_H
#define BPGRAPH_EXPORT_GRAPHVIZ_H

#include "base/arena.h"
#include "base/text.h"

/* What libcgraph calls a graph (or a part of one, such as a frame), a node, an edge, and an attribute
 * that all of a kind have. */
struct Agraph_s;
struct Agnode_s;
struct Agedge_s;
struct Agsym_s;

enum gv_kind { GV_GRAPH, GV_NODE, GV_EDGE };

struct gv; /* a graph that is being built */

/* Builds a directed graph, by `build`, and writes it as DOT.  All memory is that of `arena`.  False
 * where libcgraph is missing. */
typedef void gv_build_fn(struct gv *gv, void *context);
bool gv_write(struct arena *arena, const char *name, gv_build_fn *build, void *context,
              struct text *out);

/* Declares an attribute, with what it is where it is not set; before there are nodes. */
struct Agsym_s *gv_attribute(struct gv *gv, enum gv_kind kind, const char *name,
                             const char *fallback);

struct Agraph_s *gv_graph(struct gv *gv);
struct Agraph_s *gv_frame(struct gv *gv, struct Agraph_s *around, const char *name);
struct Agnode_s *gv_node(struct gv *gv, const char *name);
struct Agedge_s *gv_edge(struct gv *gv, struct Agnode_s *tail, struct Agnode_s *head);

/* Puts a node into a frame as well, and into those around it. */
void gv_put(struct gv *gv, struct Agraph_s *frame, struct Agnode_s *node);

/* Sets an attribute of a graph, node or edge; to a text, or to a label in the HTML-like language.
 * (libcgraph keeps one copy of equal texts: no text may be equal to a label of that language.) */
void gv_set(struct gv *gv, void *object, struct Agsym_s *attribute, const char *value);
void gv_set_html(struct gv *gv, void *object, struct Agsym_s *attribute, const char *label);

#endif
