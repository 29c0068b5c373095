/* Functions that generated code needs beside those of its language's library. */
#ifndef BPGRAPH_OPS_SNIPPETS_H
#define BPGRAPH_OPS_SNIPPETS_H

#include <stddef.h>

/* A function that the texts of ops (struct op_code) and other snippets call by name. */
struct snippet {
  const char *name;
  const char *note;   /* what there is to say of it, in a comment; or NULL */
  const char *c;      /* its definition on one line; NULL: the language needs none */
  const char *python; /* its definition, over several lines; NULL likewise */
};

/* The snippets; each comes behind those that it calls.  The array ends with a NULL name. */
extern const struct snippet snippets[];

#endif
