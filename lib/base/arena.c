#define _DEFAULT_SOURCE /* madvise */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, ALIGN = 16, LINE = 64, HUGE = 2 << 20 };

struct arena_chunk {
  struct arena_chunk *older;
  alignas(ALIGN) char bytes[];
};

struct arena_block {
  struct arena_block *older, *newer;
  alignas(ALIGN) char bytes[];
};

struct arena_pages {
  struct arena_pages *older;
  alignas(LINE) char bytes[];
};

/* The first touch of a fresh page costs more than all that is done with it later; huge pages make
 * it four times cheaper where there are some.  (Blocks that grow are left alone: there they cost
 * more than they give.) */
static void advise_huge(void *bytes, size_t size) {
#ifdef MADV_HUGEPAGE
  uintptr_t start = ((uintptr_t)bytes + HUGE - 1) / HUGE * HUGE;
  uintptr_t end = ((uintptr_t)bytes + size) / HUGE * HUGE;
  if (end > start) madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
  (void)bytes, (void)size;
#endif
}

void arena_init(struct arena *arena, jmp_buf *guard) { *arena = (struct arena){.guard = guard}; }

_Noreturn void arena_exhausted(struct arena *arena) {
  if (arena->guard) longjmp(*arena->guard, 1);
  abort();
}

static void *alloc_chunk(struct arena *arena, size_t size) {
  struct arena_chunk *chunk = malloc(sizeof *chunk + size);
  if (!chunk) arena_exhausted(arena);
  chunk->older = arena->chunks;
  arena->chunks = chunk;
  return chunk->bytes;
}

void *arena_alloc(struct arena *arena, size_t size) {
  if (size > SIZE_MAX / 2) arena_exhausted(arena);
  size = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN; /* never NULL */
  if (size > CHUNK / 4) return memset(alloc_chunk(arena, size), 0, size);
  if (size > arena->left) {
    arena->next = alloc_chunk(arena, CHUNK);
    arena->left = CHUNK;
  }
  void *piece = arena->next;
  arena->next += size;
  arena->left -= size;
  return memset(piece, 0, size); /* piece by piece, so that no page is touched before it is used */
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
  if (size && count > SIZE_MAX / 2 / size) arena_exhausted(arena);
  return arena_alloc(arena, count * size);
}

char *arena_copy(struct arena *arena, const char *bytes, size_t size) {
  char *copy = arena_alloc(arena, size + 1);
  if (size) memcpy(copy, bytes, size);
  return copy;
}

static struct arena_block *block_of(void *bytes) {
  return (struct arena_block *)(void *)((char *)bytes - offsetof(struct arena_block, bytes));
}

static void unlink_block(struct arena *arena, struct arena_block *block) {
  if (block->newer)
    block->newer->older = block->older;
  else
    arena->blocks = block->older;
  if (block->older) block->older->newer = block->newer;
}

static void *link_block(struct arena *arena, struct arena_block *block) {
  block->newer = NULL;
  block->older = arena->blocks;
  if (block->older) block->older->newer = block;
  arena->blocks = block;
  return block->bytes;
}

void *arena_resize(struct arena *arena, void *bytes, size_t size) {
  if (size > SIZE_MAX / 2) arena_exhausted(arena);
  struct arena_block *old = bytes ? block_of(bytes) : NULL;
  if (old) unlink_block(arena, old);
  struct arena_block *block = realloc(old, sizeof *block + size);
  if (!block) {
    if (old) link_block(arena, old);
    arena_exhausted(arena);
  }
  return link_block(arena, block);
}

void *arena_buffer(struct arena *arena, size_t size) {
  if (size > SIZE_MAX / 2) arena_exhausted(arena);
  void *memory;
  size_t whole = sizeof(struct arena_pages) + size;
  if (posix_memalign(&memory, whole < HUGE ? LINE : HUGE, whole)) arena_exhausted(arena);
  advise_huge(memory, whole);
  memset(memory, 0, whole);
  struct arena_pages *pages = memory;
  pages->older = arena->pages;
  arena->pages = pages;
  return pages->bytes;
}

void arena_release(struct arena *arena, void *bytes) {
  if (!bytes) return;
  unlink_block(arena, block_of(bytes));
  free(block_of(bytes));
}

void arena_free(struct arena *arena) {
  while (arena->chunks) {
    struct arena_chunk *older = arena->chunks->older;
    free(arena->chunks);
    arena->chunks = older;
  }
  while (arena->blocks) arena_release(arena, arena->blocks->bytes);
  while (arena->pages) {
    struct arena_pages *older = arena->pages->older;
    free(arena->pages);
    arena->pages = older;
  }
  arena_init(arena, arena->guard);
}

void *vec_grow(struct arena *arena, void *at, size_t count, size_t *capacity, size_t size) {
  size_t wanted = *capacity < 8 ? 8 : *capacity + *capacity / 2;
  if (wanted < count) wanted = count;
  if (wanted > SIZE_MAX / 2 / size) arena_exhausted(arena);
  at = arena_resize(arena, at, wanted * size);
  *capacity = wanted;
  return at;
}

size_t machine_memory(void) {
#ifdef _SC_PHYS_PAGES
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) return (size_t)pages * (size_t)size;
#endif
  return SIZE_MAX;
}
