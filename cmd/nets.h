/* The nets that a command line names: files, and folders that are searched. */
#ifndef BPGRAPH_CMD_NETS_H
#define BPGRAPH_CMD_NETS_H

#include "command.h"

/* A list of paths, in memory of its own. */
struct nets {
  char **at;
  size_t count, capacity;
};

/* Each file as it is named; of a folder, at any depth, all *.yaml and *.yml that are nets (that
 * have the key `bpgraph` at the top), in the order of their names.  Hidden folders are left out,
 * and so are links to folders.  A folder without nets, or one that cannot be read, fails; the
 * others are listed all the same.  With `nets_only` files that are named are passed over as those
 * in folders are.  Free with nets_free. */
enum status nets_find(struct nets *nets, const struct command *command, const struct list *operands,
                      bool nets_only);
void nets_free(struct nets *nets);

#endif
