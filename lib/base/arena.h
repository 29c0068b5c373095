/* Memory: an arena owns everything that was allocated from it and gives it back in one call.
 *
 * No allocation here ever returns NULL.  When memory runs out, the arena jumps to the guard that
 * the entry point of the library has set (`arena_guard`), so that the code in between reads
 * straight on.  Code that owns something else than arena memory (a file, a parser of a foreign
 * library) keeps it in a struct that its entry point closes after the jump. */
#ifndef BPGRAPH_BASE_ARENA_H
#define BPGRAPH_BASE_ARENA_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;
struct arena_block;
struct arena_pages;

struct arena {
  struct arena_chunk *chunks; /* small pieces are cut from the newest chunk */
  struct arena_block *blocks; /* growing pieces, each on its own */
  struct arena_pages *pages;  /* large buffers */
  char *next;                 /* free part of the newest chunk */
  size_t left;
  jmp_buf *guard; /* where to go when memory runs out; NULL: abort() */
};

/* Makes an empty arena; nothing is allocated yet. */
void arena_init(struct arena *arena, jmp_buf *guard);

/* `size` zeroed bytes, aligned for any type; valid until arena_free. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count * size` zeroed bytes; an overflowing product counts as memory running out. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A copy of `size` bytes at `bytes`, followed by a NUL. */
char *arena_copy(struct arena *arena, const char *bytes, size_t size);

/* Moves or makes (block == NULL) a block of its own of at least `size` bytes.  What is new in it
 * is not zeroed.  Large blocks grow without being copied where the C library can remap pages. */
void *arena_resize(struct arena *arena, void *block, size_t size);

/* `size` zeroed bytes at the start of a cache line, in huge pages where the system has them: for
 * buffers that are walked from end to end.  Not for arena_resize. */
void *arena_buffer(struct arena *arena, size_t size);

/* Gives back one block of arena_resize early; NULL is fine. */
void arena_release(struct arena *arena, void *block);

/* Gives everything back; the arena is empty and usable again. */
void arena_free(struct arena *arena);

/* Takes the jump that a failed allocation takes. */
_Noreturn void arena_exhausted(struct arena *arena);

/* The memory of this machine in bytes; SIZE_MAX where it does not say. */
size_t machine_memory(void);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

/* A growing array inside an arena: VEC(int) numbers = {0}; *vec_push(arena, &numbers) = 7; */
#define VEC(type)                                                                                  \
  struct {                                                                                         \
    type *at;                                                                                      \
    size_t count, capacity;                                                                        \
  }

void *vec_grow(struct arena *arena, void *at, size_t count, size_t *capacity, size_t size);

static inline void *vec_reserve(struct arena *arena, void *at, size_t count, size_t *capacity,
                                size_t size) {
  return count <= *capacity ? at : vec_grow(arena, at, count, capacity, size);
}

/* Makes room for `n` items in all. */
#define vec_room(arena, vec, n)                                                                    \
  ((vec)->at = vec_reserve((arena), (vec)->at, (n), &(vec)->capacity, sizeof *(vec)->at))

/* The address of a new last item, which is not initialised. */
#define vec_push(arena, vec)                                                                       \
  (vec_room((arena), (vec), (vec)->count + 1), (vec)->at + (vec)->count++)

#endif
