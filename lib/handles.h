/* What the handles of bpgraph.h hold, for the files that implement it. */
#ifndef BPGRAPH_HANDLES_H
#define BPGRAPH_HANDLES_H

#include "bpgraph.h"
#include "engine/evaluate.h"

struct bp_net {
  struct arena arena;
  struct report report;
  struct net net;
  const char *name; /* of the file, as the caller called it; NULL: there was no memory for it */
  bool exhausted;   /* memory ran out, and there was none to say so */
};

struct bp_result {
  struct bp_net *owner;
  struct arena arena;
  struct result result;
  const char *output;
};

/* Runs `body` with a guard on the arenas (`other` may be NULL); false when memory ran out in it. */
bool run_guarded(struct arena *arena, struct arena *other, void (*body)(void *), void *argument);

/* Adds the message that memory ran out; where there is none for that either, the net remembers. */
void report_exhausted(bp_net *net);

#endif
