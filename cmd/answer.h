/* What commands have in common that read one net and write one answer of it. */
#ifndef BPGRAPH_CMD_ANSWER_H
#define BPGRAPH_CMD_ANSWER_H

#include "targets.h"

/* How such a command comes to its answer. */
struct answering {
  const struct format *formats; /* as targets_read wants them */
  /* The answer to a net that was loaded; NULL after a message. */
  void *(*make)(bp_net *net, const struct arguments *arguments, const struct targets *targets);
  produce_fn *produce; /* writes it in one format */
  void (*release)(void *answer);
};

/* The whole command: reads the outputs and the net, makes the answer, prints the messages, writes the
 * answer to all outputs, and says how it went. */
enum status answer_net(const struct command *command, const struct arguments *arguments,
                       const struct answering *answering);

#endif
