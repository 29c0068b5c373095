#include "base/map.h"

#include <stdbool.h>
#include <string.h>

/* Mixes eight bytes at a time (the multiply-and-fold step of the wyhash family). */
static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t low = (a ^ 0x9e3779b97f4a7c15U) * (b | 1);
  return low ^ (low >> 32);
}

static uint64_t hash_name(const char *name, size_t size) {
  uint64_t hash = size;
  for (; size >= 8; name += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, name, 8);
    hash = mix(hash ^ word, 0xd6e8feb86659fd93U);
  }
  uint64_t tail = 0;
  for (size_t i = 0; i < size; i++) tail = tail << 8 | (unsigned char)name[i];
  hash = mix(hash ^ tail, 0xe7037ed1a0b428dbU);
  return mix(hash, 0xa0761d6478bd642fU);
}

static bool same(const struct map_slot *slot, const char *name, size_t size) {
  return slot->size == size && !memcmp(slot->name, name, size);
}

/* The slot that holds a name, or the free one where it belongs. */
static struct map_slot *find_slot(const struct map *map, const char *name, size_t size) {
  size_t mask = map->capacity - 1, at = (size_t)hash_name(name, size) & mask;
  while (map->slots[at].name && !same(&map->slots[at], name, size)) at = (at + 1) & mask;
  return &map->slots[at];
}

void map_room(struct arena *arena, struct map *map, size_t count) {
  size_t capacity = map->capacity ? map->capacity : 16;
  while (capacity / 2 < count) capacity *= 2;
  if (capacity == map->capacity) return;
  struct map old = *map;
  size_t bytes = capacity * sizeof *map->slots;
  map->slots = memset(arena_resize(arena, NULL, bytes), 0, bytes);
  map->capacity = capacity;
  for (size_t i = 0; i < old.capacity; i++)
    if (old.slots[i].name) *find_slot(map, old.slots[i].name, old.slots[i].size) = old.slots[i];
  arena_release(arena, old.slots);
}

int64_t map_add(struct arena *arena, struct map *map, const char *name, size_t size,
                uint32_t value) {
  map_room(arena, map, map->count + 1);
  struct map_slot *slot = find_slot(map, name, size);
  if (slot->name) return slot->value;
  *slot = (struct map_slot){name, (uint32_t)size, value};
  map->count++;
  return MAP_NONE;
}

int64_t map_find(const struct map *map, const char *name, size_t size) {
  if (!map->count) return MAP_NONE;
  const struct map_slot *slot = find_slot(map, name, size);
  return slot->name ? (int64_t)slot->value : MAP_NONE;
}
