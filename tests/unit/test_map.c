/* base/map: names and small numbers. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"

static struct arena arena;

static int setup(void **state) {
  (void)state;
  arena_init(&arena, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

static void test_an_empty_map_has_nothing(void **state) {
  (void)state;
  struct map map = {0};
  assert_int_equal(map_find(&map, "x", 1), MAP_NONE);
  assert_int_equal(map_find(&map, "", 0), MAP_NONE);
}

static void test_the_first_value_of_a_name_stays(void **state) {
  (void)state;
  struct map map = {0};
  assert_int_equal(map_add(&arena, &map, "x", 1, 7), MAP_NONE);
  assert_int_equal(map_add(&arena, &map, "x", 1, 8), 7);
  assert_int_equal(map_find(&map, "x", 1), 7);
  assert_int_equal(map.entries.count, 1);
}

static void test_names_differ_by_every_byte_and_by_length(void **state) {
  (void)state;
  static const char *const names[] = {"",         "a",        "aa",       "aaaaaaaa", "aaaaaaaaa",
                                      "aaaaaaab", "baaaaaaa", "a1",       "a01",      "a001",
                                      "1",        "01",       "\xce\xbb", "\xce\xbc", "A"};
  struct map map = {0};
  for (uint32_t i = 0; i < COUNT_OF(names); i++)
    assert_int_equal(map_add(&arena, &map, names[i], strlen(names[i]), i), MAP_NONE);
  for (uint32_t i = 0; i < COUNT_OF(names); i++)
    assert_int_equal(map_find(&map, names[i], strlen(names[i])), i);
  assert_int_equal(map_find(&map, "a\0", 2), MAP_NONE);
}

/* Numbered names, whose hashes lie side by side, and others; found through every growth. */
static void test_a_hundred_thousand_names(void **state) {
  (void)state;
  enum { COUNT = 100000 };
  struct map map = {0};
  for (uint32_t i = 0; i < COUNT; i++) {
    char name[32];
    int size = snprintf(name, sizeof name, i % 2 ? "n%u" : "%u_weight_of_layer", i);
    const char *kept = arena_copy(&arena, name, (size_t)size);
    assert_int_equal(map_add(&arena, &map, kept, (size_t)size, i), MAP_NONE);
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    char name[32];
    int size = snprintf(name, sizeof name, i % 2 ? "n%u" : "%u_weight_of_layer", i);
    assert_int_equal(map_find(&map, name, (size_t)size), i);
    assert_int_equal(map.entries.at[i].value, i); /* in the order in which they came */
  }
  assert_int_equal(map_find(&map, "n100000", 7), MAP_NONE);
}

static void test_room_is_made_ahead(void **state) {
  (void)state;
  struct map map = {0};
  map_room(&arena, &map, 1000);
  size_t capacity = map.capacity;
  assert_true(capacity > 1000);
  for (uint32_t i = 0; i < 1000; i++) {
    char *name = arena_copy(&arena, "....", 4);
    snprintf(name, 5, "%04u", i);
    map_add(&arena, &map, name, 4, i);
  }
  assert_int_equal(map.capacity, capacity);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_an_empty_map_has_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_the_first_value_of_a_name_stays, setup, teardown),
      cmocka_unit_test_setup_teardown(test_names_differ_by_every_byte_and_by_length, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_a_hundred_thousand_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_room_is_made_ahead, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
