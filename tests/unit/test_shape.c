/* tensor/shape and tensor/sweep: NumPy's broadcasting, against the rule taken literally. */
#include "unit.h"

#include <string.h>

#include "tensor/sweep.h"

static struct arena arena;
static struct shapes shapes;

static int setup(void **state) {
  (void)state;
  arena_init(&arena, NULL);
  shapes_init(&shapes, &arena);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

#define DIMS(...)                                                                                  \
  make_list_dims(sizeof((int64_t[]){0, __VA_ARGS__}) / 8 - 1, (int64_t[]){0, __VA_ARGS__})
static struct dims make_list_dims(size_t rank, const int64_t *at) {
  return make_dims((unsigned)rank, at + 1);
}

static const char *printed(const struct dims *dims) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  dims_print(dims, &text);
  return text_string(&text);
}

/* ---- shapes ------------------------------------------------------------------------------ */

static void test_equal_shapes_are_one(void **state) {
  (void)state;
  struct dims scalar = {.rank = 0};
  assert_ptr_equal(shapes_add(&shapes, &scalar), shapes.scalar);
  assert_int_equal(shapes.scalar->size, 1);
  const struct shape *all[1000];
  for (int64_t i = 0; i < 1000; i++) { /* more than the table starts with */
    struct dims dims = make_dims(2, (const int64_t[]){i, 1000 - i});
    all[i] = shapes_add(&shapes, &dims);
    assert_int_equal(all[i]->size, i * (1000 - i));
  }
  for (int64_t i = 0; i < 1000; i++) {
    struct dims dims = make_dims(2, (const int64_t[]){i, 1000 - i});
    assert_ptr_equal(shapes_add(&shapes, &dims), all[i]);
    struct dims back = shape_dims(all[i]);
    assert_true(same_dims(&dims, &back));
  }
}

static void test_sizes_that_have_no_address_are_refused(void **state) {
  (void)state;
  struct dims large = DIMS(INT64_MAX), square = DIMS(INT64_C(1) << 31, INT64_C(1) << 31),
              wraps = DIMS(INT64_C(1) << 32, INT64_C(1) << 32, 4),
              fits = DIMS(INT64_C(1) << 29, INT64_C(1) << 29),
              empty = DIMS(INT64_MAX, INT64_MAX, 0);
  assert_null(shapes_add(&shapes, &large));
  assert_null(shapes_add(&shapes, &square));
  assert_null(shapes_add(&shapes, &wraps));
  assert_non_null(shapes_add(&shapes, &fits));
  assert_int_equal(shapes_add(&shapes, &empty)->size, 0);
}

static void test_axes_count_from_both_ends(void **state) {
  (void)state;
  for (int64_t given = -5; given <= 5; given++) {
    int64_t axis = given;
    bool fine = normalise_axis(&axis, 3);
    assert_int_equal(fine, given >= -3 && given < 3);
    if (fine) assert_int_equal(axis, given < 0 ? given + 3 : given);
  }
}

static void test_flat_indices_unravel_row_by_row(void **state) {
  (void)state;
  struct dims dims = DIMS(2, 3, 4);
  const struct shape *shape = shapes_add(&shapes, &dims);
  size_t flat = 0;
  for (int64_t i = 0; i < 2; i++)
    for (int64_t j = 0; j < 3; j++)
      for (int64_t k = 0; k < 4; k++) {
        int64_t index[3];
        unravel(shape, flat++, index);
        assert_true(index[0] == i && index[1] == j && index[2] == k);
      }
}

/* ---- broadcasting ------------------------------------------------------------------------ */

static void test_broadcasting(void **state) {
  (void)state;
  const struct {
    struct dims a, b;
    const char *joined; /* NULL: they do not fit */
  } cases[] = {
      {{.rank = 0}, {.rank = 0}, "[]"},
      {{.rank = 0}, DIMS(3), "[3]"},
      {DIMS(3), DIMS(1), "[3]"},
      {DIMS(3), DIMS(2), NULL},
      {DIMS(2, 3), DIMS(3), "[2, 3]"},
      {DIMS(2, 3), DIMS(2), NULL},
      {DIMS(2, 3), DIMS(2, 1), "[2, 3]"},
      {DIMS(2, 1), DIMS(1, 3), "[2, 3]"},
      {DIMS(8, 1, 6, 1), DIMS(7, 1, 5), "[8, 7, 6, 5]"},
      {DIMS(0), DIMS(1), "[0]"},
      {DIMS(0), {.rank = 0}, "[0]"},
      {DIMS(0), DIMS(2), NULL},
      {DIMS(3, 0), DIMS(3, 1), "[3, 0]"},
      {DIMS(256, 256, 3), DIMS(3), "[256, 256, 3]"},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct dims joined, turned;
    bool fits = broadcast_dims(&cases[i].a, &cases[i].b, &joined);
    assert_int_equal(fits, cases[i].joined != NULL);
    assert_int_equal(broadcast_dims(&cases[i].b, &cases[i].a, &turned), fits);
    if (!fits) continue;
    assert_string_equal(printed(&joined), cases[i].joined);
    assert_true(same_dims(&joined, &turned));
    assert_int_equal(broadcasts_to(&cases[i].a, &joined), 1);
    assert_int_equal(broadcasts_to(&joined, &cases[i].a), same_dims(&joined, &cases[i].a));
  }
}

/* ---- sweeps ------------------------------------------------------------------------------ */

enum { SIZES = 4, ALL = 1 + SIZES + SIZES * SIZES + SIZES * SIZES * SIZES };

/* All shapes of up to three axes with 0 to 3 entries. */
static struct dims nth_dims(unsigned n) {
  struct dims dims = {.rank = 0};
  for (unsigned of_rank = 1; n >= of_rank; of_rank *= SIZES) n -= of_rank, dims.rank++;
  for (unsigned i = 0; i < dims.rank; i++, n /= SIZES) dims.at[i] = n % SIZES;
  return dims;
}

/* Where entry `index` of y lies in an operand that is broadcast to it. */
static ptrdiff_t naive_offset(const struct shape *y, const struct shape *x, const int64_t *index) {
  ptrdiff_t at = 0;
  for (unsigned i = 0; i < x->rank; i++) {
    int64_t along = x->dim[i] == 1 ? 0 : index[y->rank - x->rank + i];
    at = at * x->dim[i] + along;
  }
  return at;
}

static void check_sweep(const struct shape *y, unsigned n, const struct shape *const *x) {
  struct sweep s;
  size_t flat = 0;
  for (sweep_start(&s, y, n, x); sweep_more(&s); sweep_next(&s)) {
    assert_true(s.n > 0);
    for (size_t i = 0; i < s.n; i++, flat++) {
      int64_t index[RANK_MOST];
      unravel(y, flat, index);
      assert_int_equal(s.at[0] + (ptrdiff_t)i * s.step[0], flat);
      for (unsigned k = 0; k < n; k++)
        assert_int_equal(s.at[k + 1] + (ptrdiff_t)i * s.step[k + 1], naive_offset(y, x[k], index));
    }
  }
  assert_int_equal(flat, y->size);
}

static void test_all_pairs_of_shapes_are_walked_as_by_hand(void **state) {
  (void)state;
  for (unsigned a = 0; a < ALL; a++)
    for (unsigned b = 0; b < ALL; b++) {
      struct dims one = nth_dims(a), other = nth_dims(b), joined;
      if (!broadcast_dims(&one, &other, &joined)) continue;
      const struct shape *x[] = {shapes_add(&shapes, &one), shapes_add(&shapes, &other)};
      check_sweep(shapes_add(&shapes, &joined), 2, x);
    }
}

static void test_three_operands_of_many_axes(void **state) {
  (void)state;
  uint64_t random = 3;
  for (int turn = 0; turn < 2000; turn++) {
    struct dims y = {.rank = (unsigned)(next_random(&random) % 7)}, x[3];
    const struct shape *operands[3];
    for (unsigned i = 0; i < y.rank; i++) y.at[i] = 1 + (int64_t)(next_random(&random) % 3);
    for (int k = 0; k < 3; k++) {
      x[k].rank = (unsigned)(next_random(&random) % (y.rank + 1));
      for (unsigned i = 0; i < x[k].rank; i++)
        x[k].at[i] = next_random(&random) % 2 ? 1 : y.at[y.rank - x[k].rank + i];
      operands[k] = shapes_add(&shapes, &x[k]);
    }
    check_sweep(shapes_add(&shapes, &y), 3, operands);
  }
}

static void test_contiguous_operands_are_one_loop(void **state) {
  (void)state;
  struct dims dims = DIMS(4, 1, 5, 6), row = DIMS(6);
  const struct shape *y = shapes_add(&shapes, &dims), *x = shapes_add(&shapes, &row);
  struct sweep s;
  sweep_start(&s, y, 2, (const struct shape *[]){y, shapes.scalar});
  assert_int_equal(s.n, 120);
  assert_int_equal(s.step[2], 0);
  sweep_start(&s, y, 1, &x);
  assert_int_equal(s.n, 6);
}

static void test_strides_may_be_negative_and_start_anywhere(void **state) {
  (void)state;
  struct dims dims = DIMS(2, 3);
  /* Operand 1 is a matrix of 3 by 2 that is read transposed and backwards. */
  const ptrdiff_t strides[2][RANK_MOST] = {{3, 1}, {-1, -2}}, offset[2] = {0, 5};
  static const ptrdiff_t expected[] = {5, 3, 1, 4, 2, 0};
  struct sweep s;
  size_t flat = 0;
  for (sweep_strided(&s, shapes_add(&shapes, &dims), 2, strides, offset); sweep_more(&s);
       sweep_next(&s))
    for (size_t i = 0; i < s.n; i++)
      assert_int_equal(s.at[1] + (ptrdiff_t)i * s.step[1], expected[flat++]);
  assert_int_equal(flat, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_equal_shapes_are_one),
      TEST(test_sizes_that_have_no_address_are_refused),
      TEST(test_axes_count_from_both_ends),
      TEST(test_flat_indices_unravel_row_by_row),
      TEST(test_broadcasting),
      TEST(test_all_pairs_of_shapes_are_walked_as_by_hand),
      TEST(test_three_operands_of_many_axes),
      TEST(test_contiguous_operands_are_one_loop),
      TEST(test_strides_may_be_negative_and_start_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
