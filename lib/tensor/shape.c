#include "tensor/shape.h"

#include <string.h>

static size_t hash_dims(const struct dims *dims) {
  uint64_t hash = dims->rank + 1;
  for (unsigned i = 0; i < dims->rank; i++)
    hash = (hash ^ (uint64_t)dims->at[i]) * 0x9e3779b97f4a7c15U;
  return (size_t)(hash ^ hash >> 32);
}

static bool equals(const struct shape *shape, const struct dims *dims) {
  return shape->rank == dims->rank && !memcmp(shape->dim, dims->at, dims->rank * sizeof *dims->at);
}

static const struct shape **find_slot(const struct shapes *shapes, const struct dims *dims) {
  size_t mask = shapes->capacity - 1, at = hash_dims(dims) & mask;
  while (shapes->slots[at] && !equals(shapes->slots[at], dims)) at = (at + 1) & mask;
  return &shapes->slots[at];
}

static void make_room(struct shapes *shapes) {
  struct shapes old = *shapes;
  shapes->capacity = old.capacity ? old.capacity * 2 : 64;
  shapes->slots = ARENA_ARRAY(shapes->arena, const struct shape *, shapes->capacity);
  for (size_t i = 0; i < old.capacity; i++) {
    if (!old.slots[i]) continue;
    struct dims dims = shape_dims(old.slots[i]);
    *find_slot(shapes, &dims) = old.slots[i];
  }
}

void shapes_init(struct shapes *shapes, struct arena *arena) {
  *shapes = (struct shapes){.arena = arena};
  shapes->scalar = shapes_add(shapes, &(struct dims){.rank = 0});
}

void shapes_copy(struct shapes *copy, struct arena *arena, const struct shapes *shapes) {
  *copy = *shapes;
  copy->arena = arena;
  copy->slots = ARENA_ARRAY(arena, const struct shape *, shapes->capacity);
  memcpy(copy->slots, shapes->slots, shapes->capacity * sizeof *copy->slots);
}

/* The number of entries; false where as many doubles have no address. */
static bool count_entries(const struct dims *dims, size_t *size) {
  const size_t most = SIZE_MAX / 2 / sizeof(double);
  *size = 1;
  for (unsigned i = 0; i < dims->rank; i++)
    if (dims->at[i] == 0) {
      *size = 0;
      return true;
    }
  for (unsigned i = 0; i < dims->rank; i++) {
    if ((uint64_t)dims->at[i] > most / *size) return false;
    *size *= (size_t)dims->at[i];
  }
  return true;
}

const struct shape *shapes_add(struct shapes *shapes, const struct dims *dims) {
  if (shapes->scalar && dims->rank == 0) return shapes->scalar;
  if (shapes->count * 2 >= shapes->capacity) make_room(shapes);
  const struct shape **slot = find_slot(shapes, dims);
  if (*slot) return *slot;
  size_t size;
  if (!count_entries(dims, &size)) return NULL;
  struct shape *shape = arena_alloc(shapes->arena, sizeof *shape + dims->rank * sizeof *shape->dim);
  shape->size = size;
  shape->rank = dims->rank;
  memcpy(shape->dim, dims->at, dims->rank * sizeof *dims->at);
  shapes->count++;
  return *slot = shape;
}

struct dims make_dims(unsigned rank, const int64_t *at) {
  struct dims dims;
  dims.rank = rank;
  if (rank) memcpy(dims.at, at, rank * sizeof *at);
  return dims;
}

struct dims shape_dims(const struct shape *shape) {
  return make_dims(shape->rank, shape->dim);
}

bool broadcast_dims(const struct dims *a, const struct dims *b, struct dims *out) {
  const struct dims *longer = a->rank >= b->rank ? a : b, *shorter = longer == a ? b : a;
  unsigned lead = longer->rank - shorter->rank;
  struct dims result = *longer;
  for (unsigned i = 0; i < shorter->rank; i++) {
    int64_t one = longer->at[lead + i], other = shorter->at[i];
    if (one != other && one != 1 && other != 1) return false;
    result.at[lead + i] = one == 1 ? other : one;
  }
  *out = result;
  return true;
}

bool same_dims(const struct dims *a, const struct dims *b) {
  return a->rank == b->rank && !memcmp(a->at, b->at, a->rank * sizeof *a->at);
}

bool broadcasts_to(const struct dims *from, const struct dims *to) {
  struct dims joined;
  return broadcast_dims(from, to, &joined) && same_dims(&joined, to);
}

bool normalise_axis(int64_t *axis, unsigned rank) {
  if (*axis < 0) *axis += rank;
  return *axis >= 0 && *axis < rank;
}

void dims_print(const struct dims *dims, struct text *out) {
  text_char(out, '[');
  for (unsigned i = 0; i < dims->rank; i++) {
    if (i) text_puts(out, ", ");
    text_integer(out, dims->at[i]);
  }
  text_char(out, ']');
}

void unravel(const struct shape *shape, size_t flat, int64_t *index) {
  for (unsigned i = shape->rank; i-- > 0;) {
    size_t dim = (size_t)shape->dim[i];
    index[i] = dim ? (int64_t)(flat % dim) : 0;
    if (dim) flat /= dim;
  }
}
