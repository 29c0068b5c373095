/* A map from names to small numbers, such as the index of a node.  The names themselves are not
 * copied: they must outlive the map. */
#ifndef BPGRAPH_BASE_MAP_H
#define BPGRAPH_BASE_MAP_H

#include <stdint.h>

#include "base/arena.h"

enum { MAP_NONE = -1 };

struct map_entry {
  const char *name;
  uint32_t size, value;
};

struct map_slot {
  uint32_t hash, entry; /* entry counts from 1; 0: free */
};

struct map {
  VEC(struct map_entry) entries; /* in the order in which they came */
  struct map_slot *slots;
  size_t capacity; /* of slots: a power of two, or 0 */
};

/* Adds a name, or finds it: returns the value that it had before, or MAP_NONE when it is new. */
int64_t map_add(struct arena *arena, struct map *map, const char *name, size_t size,
                uint32_t value);

/* The value of a name, or MAP_NONE. */
int64_t map_find(const struct map *map, const char *name, size_t size);

/* Makes room for `count` names. */
void map_room(struct arena *arena, struct map *map, size_t count);

#endif
