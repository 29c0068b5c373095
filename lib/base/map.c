#include "base/map.h"

#include <stdbool.h>
#include <string.h>

/* Mixes eight bytes at a time (the multiply-and-fold step of the wyhash family). */
static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t low = (a ^ 0x9e3779b97f4a7c15U) * (b | 1);
  return low ^ (low >> 32);
}

static uint32_t hash_bytes(const char *name, size_t size) {
  uint64_t hash = size;
  for (; size >= 8; name += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, name, 8);
    hash = mix(hash ^ word, 0xd6e8feb86659fd93U);
  }
  uint64_t tail = 0;
  for (size_t i = 0; i < size; i++) tail = tail << 8 | (unsigned char)name[i];
  hash = mix(hash ^ tail, 0xe7037ed1a0b428dbU);
  return (uint32_t)mix(hash, 0xa0761d6478bd642fU);
}

/* Numbered names (n1, n2, ...), of which large files consist, lie side by side: who looks up
 * neighbours finds them in the cache.  Nine digits do not wrap around, so that no two numbers of a
 * row of names meet. */
static uint32_t hash_name(const char *name, size_t size) {
  uint32_t number = 0, scale = 1;
  for (int digits = 0; digits < 9 && size; digits++) {
    if (name[size - 1] < '0' || name[size - 1] > '9') break;
    number += scale * (uint32_t)(name[--size] - '0');
    scale *= 10;
  }
  return hash_bytes(name, size) + number;
}

/* How far away to go on where a slot is taken: far, because what is near belongs to the same row
 * of numbered names, and a second row that meets it would go through all of it each time.  Odd, so
 * that every slot is reached. */
static size_t next_slot(size_t at, size_t mask) {
  size_t golden = (size_t)((mask * UINT64_C(2654435769)) >> 32); /* 0.618 of all */
  return (at + (golden | 1)) & mask;
}

/* The slot that holds a name, or the free one where it belongs. */
static struct map_slot *find_slot(const struct map *map, const char *name, size_t size,
                                  uint32_t hash) {
  size_t mask = map->capacity - 1, at = hash & mask;
  for (; map->slots[at].entry; at = next_slot(at, mask)) {
    const struct map_entry *entry = &map->entries.at[map->slots[at].entry - 1];
    if (map->slots[at].hash == hash && entry->size == size && !memcmp(entry->name, name, size))
      break;
  }
  return &map->slots[at];
}

static void move_slots(const struct map *map, const struct map_slot *old, size_t count) {
  size_t mask = map->capacity - 1;
  for (size_t i = 0; i < count; i++) {
    if (!old[i].entry) continue;
    size_t at = old[i].hash & mask;
    while (map->slots[at].entry) at = next_slot(at, mask);
    map->slots[at] = old[i];
  }
}

void map_room(struct arena *arena, struct map *map, size_t count) {
  size_t capacity = map->capacity ? map->capacity : 16, old_capacity = map->capacity;
  while (capacity / 4 * 3 < count) capacity *= 2;
  if (capacity == old_capacity) return;
  struct map_slot *old = map->slots;
  size_t bytes = capacity * sizeof *map->slots;
  map->slots = memset(arena_resize(arena, NULL, bytes), 0, bytes);
  map->capacity = capacity;
  move_slots(map, old, old_capacity);
  arena_release(arena, old);
}

int64_t map_add(struct arena *arena, struct map *map, const char *name, size_t size,
                uint32_t value) {
  map_room(arena, map, map->entries.count + 1);
  uint32_t hash = hash_name(name, size);
  struct map_slot *slot = find_slot(map, name, size, hash);
  if (slot->entry) return map->entries.at[slot->entry - 1].value;
  *vec_push(arena, &map->entries) = (struct map_entry){name, (uint32_t)size, value};
  *slot = (struct map_slot){hash, (uint32_t)map->entries.count};
  return MAP_NONE;
}

int64_t map_find(const struct map *map, const char *name, size_t size) {
  if (!map->capacity) return MAP_NONE;
  const struct map_slot *slot = find_slot(map, name, size, hash_name(name, size));
  return slot->entry ? (int64_t)map->entries.at[slot->entry - 1].value : MAP_NONE;
}
