/* A map from names to small numbers, such as the index of a node.  The names themselves are not
 * copied: they must outlive the map. */
#ifndef BPGRAPH_BASE_MAP_H
#define BPGRAPH_BASE_MAP_H

#include "base/arena.h"

enum { MAP_NONE = -1 };

struct map_slot {
  const char *name; /* NULL: free */
  uint32_t size, value;
};

struct map {
  struct map_slot *slots;
  size_t count, capacity; /* capacity is a power of two, or 0 */
};

/* Adds a name, or finds it: returns the value that it had before, or MAP_NONE when it is new. */
int64_t map_add(struct arena *arena, struct map *map, const char *name, size_t size,
                uint32_t value);

/* The value of a name, or MAP_NONE. */
int64_t map_find(const struct map *map, const char *name, size_t size);

/* Makes room for `count` names. */
void map_room(struct arena *arena, struct map *map, size_t count);

#endif
