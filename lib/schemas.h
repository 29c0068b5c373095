/* The JSON schemas of schemas/, made part of the program when it is built. */
#ifndef BPGRAPH_SCHEMAS_H
#define BPGRAPH_SCHEMAS_H

struct schema {
  const char *name, *text;
};
extern const struct schema schemas[]; /* ends with a NULL name */

#endif
