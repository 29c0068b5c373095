/* One line on a terminal's standard error that says how far long work has come. */
#ifndef BPGRAPH_CMD_PROGRESS_H
#define BPGRAPH_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
  double began, shown; /* seconds; shown: when the line was last drawn */
  const char *about;   /* the net that is being worked on */
  bool wanted, drawn;
};

/* Starts the clock: nothing is shown in the first second, nor where nobody looks on (no terminal,
 * a dumb one, CI). */
void progress_start(struct progress *progress);

/* `done` of `of` steps of `what` are done: for bp_check_options.progress, `user` is the progress. */
void progress_show(void *user, const char *what, size_t done, size_t of);

/* Takes the line away; so before anything else is printed. */
void progress_clear(struct progress *progress);

#endif
