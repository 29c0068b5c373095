/* Tensors that come from outside of the net file: data files, and generators.
 *
 * One row a file format in data.c's table, one file a format.  Every fault is reported with the
 * mark of the value in the net file (and, for texts such as csv, with the place in the data file
 * as a further note or as the mark itself). */
#ifndef BPGRAPH_LOAD_DATA_H
#define BPGRAPH_LOAD_DATA_H

#include "base/report.h"
#include "tensor/shape.h"

/* A tensor as it is read; `at` lives in the arena, row-major. */
struct data {
  struct dims dims;
  double *at;
  bool rough;       /* its numbers have single precision, or half */
  const char *path; /* of the file, from where the program runs; lives with the report */
};

/* What is wanted. */
struct data_request {
  struct arena *arena; /* for the numbers */
  struct report *report;
  struct mark mark;   /* of the path in the net file */
  const char *folder; /* the folder that relative paths start from: the net's own */
  const char *root;   /* the folder that no file may lie outside of, links resolved */
  const char *path;   /* as written */
  const char *key;    /* .npz: which array; .json: which member, dots go deeper; NULL: the only
                         one, or the whole file */
};

/* Reads .npy, .npz, .csv or .json, by the ending of the path.  False after a report. */
bool data_read(const struct data_request *request, struct data *out);

/* Takes one array of a file that has several, by name; `data->at` is the reader's, and overwritten by
 * the next.  False stops the reading, after a report. */
typedef bool data_each_fn(void *user, const char *name, size_t size, struct mark mark,
                          const struct data *data);

/* Hands all arrays of a .npz, or of an object in a .json, to `each`.  Where the object has a member
 * `gradients`, as results of ours have, that is meant; members that are null are passed over.  False
 * after a report. */
bool data_read_each(const struct data_request *request, data_each_fn *each, void *user);

/* Writes `count` (count >= 0) pseudo-random numbers: uniform in [low, high), or normal.  The same
 * seed gives the same numbers on every machine: only + - * / and comparisons make them. */
void data_uniform(double *at, size_t count, uint64_t seed, double low, double high);
void data_normal(double *at, size_t count, uint64_t seed, double mean, double std);

/* The seed that a node without `seed` has, from its name. */
uint64_t data_seed(const char *name, size_t size);

#endif
