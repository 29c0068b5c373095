/* base/utf8: characters, names, and how far two names are apart. */
#include "unit.h"

#include <string.h>

#include "base/utf8.h"

static const struct {
  const char *text;
  uint32_t code;
  size_t length;
} characters[] = {
    {"A", 'A', 1},
    {"\x7f", 0x7f, 1},
    {"\xc2\x80", 0x80, 2},
    {"\xce\xbb", 0x3bb, 2},
    {"\xdf\xbf", 0x7ff, 2},
    {"\xe0\xa0\x80", 0x800, 3},
    {"\xe2\x88\x92", 0x2212, 3},
    {"\xed\x9f\xbf", 0xd7ff, 3},
    {"\xee\x80\x80", 0xe000, 3},
    {"\xef\xbf\xbf", 0xffff, 3},
    {"\xf0\x90\x80\x80", 0x10000, 4},
    {"\xf0\x9d\x9c\x83", 0x1d703, 4},
    {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
};

static void test_every_length_is_decoded(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(characters); i++) {
    size_t length;
    const char *text = characters[i].text;
    assert_int_equal(utf8_decode(text, strlen(text), &length), characters[i].code);
    assert_int_equal(length, characters[i].length);
    if (length == 1) continue;
    assert_int_equal(utf8_decode(text, length - 1, &length), UINT32_MAX); /* cut off */
    assert_int_equal(length, 1);
  }
}

static const char *const malformed[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x41",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xfe",
                                        "\xe2\x28\xa1"};

static void test_malformed_characters(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(malformed); i++) {
    size_t length;
    assert_int_equal(utf8_decode(malformed[i], strlen(malformed[i]), &length), UINT32_MAX);
    assert_int_equal(length, 1);
  }
}

/* At every place among plain text: the search takes eight bytes at once. */
static void test_bad_bytes_are_found_wherever_they_are(void **state) {
  (void)state;
  static const char *const controls[] = {"\x01", "\x1b", "\x7f", "\xc2\x9b", "\xef\xbf\xbf"};
  static const char *const fine[] = {
      "\t", "\n", "\r", "\xc2\x85", "\xce\xbb", "\xf0\x9d\x9c\x83", "\xc2\xa0"};
  for (size_t before = 0; before < 20; before++) {
    char text[64];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < COUNT_OF(malformed) + COUNT_OF(controls); i++) {
      const char *bad = i < COUNT_OF(malformed) ? malformed[i] : controls[i - COUNT_OF(malformed)];
      memset(text, 'x', sizeof text);
      memcpy(text + before, bad, strlen(bad));
      assert_int_equal(utf8_find_bad(text, 40), before);
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
      memset(text, 'x', sizeof text);
      memcpy(text + before, fine[i], strlen(fine[i]));
      assert_int_equal(utf8_find_bad(text, 40), 40);
    }
    memset(text, 'x', sizeof text);
    text[before] = '\0';
    assert_int_equal(utf8_find_bad(text, 40), before);
  }
  assert_int_equal(utf8_find_bad("", 0), 0);
}

static void test_characters_are_counted_and_skipped(void **state) {
  (void)state;
  const char *text = "a\xce\xbb\xe2\x88\x92\xf0\x9d\x9c\x83z";
  assert_int_equal(utf8_count(text, strlen(text)), 5);
  assert_int_equal(utf8_count(text, 0), 0);
  assert_ptr_equal(utf8_skip(text, strlen(text), 0), text);
  assert_ptr_equal(utf8_skip(text, strlen(text), 2), text + 3);
  assert_ptr_equal(utf8_skip(text, strlen(text), 4), text + 10);
  assert_ptr_equal(utf8_skip(text, strlen(text), 99), text + strlen(text));
}

static void test_names(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t length;
  } cases[] = {{"x", 1},
               {"_", 1},
               {"x1_Y", 4},
               {"x+1", 1},
               {"x y", 1},
               {"1x", 0},
               {"", 0},
               {"-x", 0},
               {".x", 0},
               {"\xce\xbb", 2},   /* λ */
               {"\xce\xb8_1", 4}, /* θ_1 */
               {"dW2", 3},
               {"\xe9\x87\x8d\xe3\x81\xbf", 6}, /* 重み */
               {"x\xe2\x82\x81", 4},            /* x₁ */
               {"\xe2\x82\x81x", 0},            /* ₁x */
               {"x\xc3\xa9", 3},                /* xé */
               {"\xf0\x9d\x9c\x83", 4},         /* an italic θ */
               {"x\xe2\x88\x92y", 1},           /* a minus sign */
               {"a\xc3\x97y", 1},               /* × */
               {"a\xc2\xb7y", 1},               /* · */
               {"x\xc2\xb2", 1},                /* x² */
               {"\xe2\x88\x82x", 0},            /* ∂ */
               {"x\xe2\x80\x99", 1},            /* ’ */
               {"x\xc2\xa0y", 1},               /* a blank that does not break */
               {"x\xe3\x80\x80", 1},            /* a wide blank */
               {"\xef\xbb\xbfx", 0},            /* a byte order mark */
               {"x\xff", 1}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    size_t length = utf8_name(cases[i].text, strlen(cases[i].text));
    if (length != cases[i].length) print_error("\"%s\"\n", cases[i].text);
    assert_int_equal(length, cases[i].length);
  }
}

static size_t distance(const char *a, const char *b, size_t limit) {
  return edit_distance(a, strlen(a), b, strlen(b), limit);
}

static void test_edit_distance(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    size_t distance;
  } cases[] = {{"", "", 0},
               {"abc", "abc", 0},
               {"", "abc", 3},
               {"abc", "ab", 1},
               {"abc", "abd", 1},
               {"abc", "acb", 1},
               {"abcd", "badc", 2},
               {"kitten", "sitting", 3},
               {"inptus", "inputs", 1},
               {"sofmtax", "softmax", 1},
               {"abc", "xyz", 3}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    assert_int_equal(distance(cases[i].a, cases[i].b, 10), cases[i].distance);
    assert_int_equal(distance(cases[i].b, cases[i].a, 10), cases[i].distance);
  }
  assert_int_equal(distance("kitten", "sitting", 2), 3); /* limit + 1 at most */
  assert_int_equal(distance("aaaaaaaa", "bbbbbbbb", 2), 3);
  char longer[100];
  memset(longer, 'x', sizeof longer);
  assert_int_equal(edit_distance(longer, 64, longer, 64, 3), 0);
  assert_int_equal(edit_distance(longer, 100, longer, 100, 3), 4); /* not worth the time */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_length_is_decoded),
      cmocka_unit_test(test_malformed_characters),
      cmocka_unit_test(test_bad_bytes_are_found_wherever_they_are),
      cmocka_unit_test(test_characters_are_counted_and_skipped),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_edit_distance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
