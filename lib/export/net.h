/* A derived net as a net file. */
#ifndef BPGRAPH_EXPORT_NET_H
#define BPGRAPH_EXPORT_NET_H

#include "engine/derivation.h"

/* Writes a derivation as a net file: the net as its author wrote it, with functions written out, and
 * the derivative nodes, each named quantity on a line of its own with a comment that says what it
 * is.  False after a report. */
bool export_net(struct derivation *derivation, struct text *out);

#endif
