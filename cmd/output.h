/* Output files appear whole or not at all. */
#ifndef BPGRAPH_CMD_OUTPUT_H
#define BPGRAPH_CMD_OUTPUT_H

#include "command.h"

struct output {
  const char *path; /* "-": standard output */
  char *target;     /* the file itself, links resolved */
  char *temporary;  /* what is written first; NULL: written directly */
  int file;
  int error; /* errno of the first failure */
};

/* Opens an output: a regular file (or one that is not there yet) is written to a temporary file
 * beside it, a device or pipe directly.  False with output->error set. */
bool output_open(struct output *output, const char *path);

/* A bp_write: `user` is the output. */
bool output_write(void *user, const char *bytes, size_t size);

/* Puts the file in its place (`keep`), or takes all traces away; false when it could not. */
bool output_close(struct output *output, bool keep);

/* Whether two paths are the same existing file. */
bool is_same_file(const char *a, const char *b);

/* Whether two paths are the same name in the same folder, be it there or not. */
bool is_same_place(const char *a, const char *b);

#endif
