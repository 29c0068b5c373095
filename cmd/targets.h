/* Where a command writes, and in which formats: --format and -o. */
#ifndef BPGRAPH_CMD_TARGETS_H
#define BPGRAPH_CMD_TARGETS_H

#include "command.h"

/* A format of a command; a file whose name has this ending gets it unless another is named. */
struct format {
  const char *name, *ending;
};

/* One output: a format's name and a path ("-": standard output). */
struct target {
  const char *format, *path;
};

struct targets {
  struct target *at;
  size_t count;
};

/* Reads --format and every -o of a command that knows `formats` (which end with a NULL name; the
 * first is the default of standard output).  Standard output is a target where --format or no -o
 * is given.  No two outputs may be one file, and none an operand.  Free with targets_free, also
 * after a failure, which is reported. */
enum status targets_read(struct targets *targets, const struct command *command,
                         const struct arguments *arguments, const struct format *formats);
void targets_free(struct targets *targets);

/* Fails where an output is a file that the net is read from; to be asked when all options are read,
 * since their values may be files. */
enum status targets_spare(const struct targets *targets, const struct command *command,
                          const bp_net *net);

/* Writes one output, whole or not at all: `produce` hands it on to `write`, piece by piece, and
 * returns false when it could not. */
typedef bool produce_fn(const void *context, const char *format, bp_write *write, void *user);
enum status target_write(const struct target *target, produce_fn *produce, const void *context);

/* All outputs; the worst status. */
enum status targets_write(const struct targets *targets, produce_fn *produce, const void *context);

#endif
