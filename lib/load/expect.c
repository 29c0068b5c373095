/* The claims of `expect`. */
#include "load/net.h"

void read_expect(struct net *net, tree_id expect) { (void)net, (void)expect; }
