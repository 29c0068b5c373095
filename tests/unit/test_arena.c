/* base/arena: memory that is given back at once, and the jump when there is none. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"

static bool is_zero(const void *bytes, size_t size) {
  const char *at = bytes;
  while (size && !*at) at++, size--;
  return size == 0;
}

static void test_pieces_are_zeroed_aligned_and_apart(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, NULL);
  enum { PIECES = 3000 };
  unsigned char *pieces[PIECES];
  for (size_t i = 0; i < PIECES; i++) {
    size_t size = i % 97 * (i % 11 ? 1 : 500); /* some larger than a chunk's share */
    pieces[i] = arena_alloc(&arena, size);
    assert_true((uintptr_t)pieces[i] % 16 == 0);
    assert_true(is_zero(pieces[i], size));
    memset(pieces[i], (int)(i % 251), size);
  }
  for (size_t i = 0; i < PIECES; i++)
    for (size_t k = 0; k < i % 97 * (i % 11 ? 1 : 500); k++)
      assert_int_equal(pieces[i][k], i % 251);
  arena_free(&arena);
}

static void test_copies_end_with_nul(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, NULL);
  assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
  assert_string_equal(arena_copy(&arena, NULL, 0), "");
  arena_free(&arena);
}

static void test_blocks_grow_and_keep_their_content(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, NULL);
  VEC(size_t) a = {0}, b = {0};
  for (size_t i = 0; i < 100000; i++) {
    *vec_push(&arena, &a) = i;
    *vec_push(&arena, &b) = ~i;
  }
  arena_release(&arena, NULL);
  for (size_t i = 0; i < 100000; i++) {
    assert_int_equal(a.at[i], i);
    assert_int_equal(b.at[i], ~i);
  }
  arena_release(&arena, a.at); /* from the middle of the list of blocks */
  *vec_push(&arena, &b) = 7;
  assert_int_equal(b.at[100000], 7);
  arena_free(&arena);
}

static void test_buffers_are_zeroed_and_start_a_cache_line(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 8, 1000, (2 << 20) - 64, 5 << 20};
  struct arena arena;
  arena_init(&arena, NULL);
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    char *buffer = arena_buffer(&arena, sizes[i]);
    assert_true((uintptr_t)buffer % 64 == 0);
    assert_true(is_zero(buffer, sizes[i]));
  }
  arena_free(&arena);
}

static void test_a_freed_arena_is_usable_again(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, NULL);
  arena_free(&arena);
  for (int i = 0; i < 3; i++) {
    arena_alloc(&arena, 100);
    arena_resize(&arena, NULL, 100);
    arena_buffer(&arena, 100);
    arena_free(&arena);
    assert_null(arena.chunks);
    assert_null(arena.blocks);
    assert_null(arena.pages);
  }
}

/* Each asks for more than there can be. */
static void ask_alloc(struct arena *arena) { arena_alloc(arena, SIZE_MAX); }
static void ask_much(struct arena *arena) { arena_alloc(arena, SIZE_MAX / 2 - 100); }
static void ask_array(struct arena *arena) { arena_array(arena, SIZE_MAX / 4, 8); }
static void ask_array_that_wraps(struct arena *arena) { arena_array(arena, SIZE_MAX / 8 + 2, 8); }
static void ask_resize(struct arena *arena) { arena_resize(arena, NULL, SIZE_MAX); }
static void ask_buffer(struct arena *arena) { arena_buffer(arena, SIZE_MAX); }
static void ask_growth(struct arena *arena) {
  VEC(double) vec = {0};
  *vec_push(arena, &vec) = 1;
  vec_room(arena, &vec, SIZE_MAX / 8);
}

static void check_exhaustion(void (*ask)(struct arena *)) {
  struct arena arena;
  jmp_buf guard;
  arena_init(&arena, &guard);
  if (!setjmp(guard)) {
    arena_alloc(&arena, 10);
    ask(&arena);
    fail(); /* it has returned */
  }
  arena_alloc(&arena, 10); /* what was there is still whole */
  arena_free(&arena);
}

static void test_exhaustion_jumps_to_the_guard(void **state) {
  (void)state;
  static void (*const asks[])(struct arena *) = {
      ask_alloc, ask_much, ask_array, ask_array_that_wraps, ask_resize, ask_buffer, ask_growth};
  for (size_t i = 0; i < COUNT_OF(asks); i++) check_exhaustion(asks[i]);
}

static void test_the_machine_has_memory(void **state) {
  (void)state;
  assert_true(machine_memory() > 1 << 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pieces_are_zeroed_aligned_and_apart),
      cmocka_unit_test(test_copies_end_with_nul),
      cmocka_unit_test(test_blocks_grow_and_keep_their_content),
      cmocka_unit_test(test_buffers_are_zeroed_and_start_a_cache_line),
      cmocka_unit_test(test_a_freed_arena_is_usable_again),
      cmocka_unit_test(test_exhaustion_jumps_to_the_guard),
      cmocka_unit_test(test_the_machine_has_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
