#ifndef BPGRAPH_VERSION_H
#define BPGRAPH_VERSION_H

#ifndef BPGRAPH_VERSION
#define BPGRAPH_VERSION "0.1.0"
#endif

#endif
